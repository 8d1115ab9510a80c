//! An address at which attempts to connect get no answer, as behind a firewall that drops packets.

use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// More than any system lets wait in a queue of length 0.
const MAX_QUEUED: usize = 64;

/// A listener that never accepts and whose queue is full: the kernel drops further attempts in silence (Linux).
#[derive(Debug)]
pub struct SilentAddress {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl SilentAddress {
    /// Opens the listener and fills its queue.
    ///
    /// # Panics
    /// Where the system answers all the same.
    pub fn open() -> Self {
        let (listener, address) = listener(0);
        // The first attempt without an answer shows that the queue is full.
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok();
        let queued: Vec<_> = (0..MAX_QUEUED).map_while(connect).collect();
        assert!(queued.len() < MAX_QUEUED, "the queue of a listener does not fill up on this system");
        Self { address, _listener: listener, _queued: queued }
    }

    /// Opens the listener without filling its queue: it has room for one connection more than `backlog`. Those are
    /// established and never answered; what comes after them is dropped.
    pub fn with_backlog(backlog: i32) -> Self {
        let (listener, address) = listener(backlog);
        Self { address, _listener: listener, _queued: Vec::new() }
    }

    /// Where nobody answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listener(backlog: i32) -> (TcpListener, SocketAddr) {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port of 127.0.0.1");
    listen(&socket, backlog).expect("a bound socket can listen");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
}
