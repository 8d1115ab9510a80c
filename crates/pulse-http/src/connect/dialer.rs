//! TCP connections with the options of their sockets.

use crate::failure::{Cause, FailureClass};
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustix::io::Errno;
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream};

/// What is set on every TCP socket.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    /// `TCP_NODELAY`: small writes are sent at once instead of being held back for the peer's acknowledgement
    /// (Nagle's algorithm). On by default.
    pub nodelay: bool,
    /// Addresses of this machine from which connections are made, in turn. Each has local ports of its own. Empty: the
    /// system chooses.
    pub source_addresses: Vec<IpAddr>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { nodelay: true, source_addresses: Vec::new() }
    }
}

/// Makes TCP connections.
#[derive(Debug)]
pub(crate) struct Dialer {
    options: SocketOptions,
    next_source: Cell<usize>,
}

impl Dialer {
    pub(crate) fn new(options: SocketOptions) -> Self {
        Self { options, next_source: Cell::new(0) }
    }

    pub(crate) async fn dial(&self, address: SocketAddr) -> Result<TcpStream, Cause> {
        let stream = if self.options.source_addresses.is_empty() {
            TcpStream::connect(address).await
        } else {
            self.bound(address)?.connect(address).await
        };
        let stream = stream.map_err(|error| Cause::of(&error))?;
        if self.options.nodelay {
            stream.set_nodelay(true).map_err(|error| Cause::of(&error))?;
        }
        Ok(stream)
    }

    /// A socket at the next source address of the right family.
    fn bound(&self, address: SocketAddr) -> Result<TcpSocket, Cause> {
        let sources = &self.options.source_addresses;
        let start = self.next_source.get();
        let source = (0..sources.len())
            .map(|offset| start.wrapping_add(offset) % sources.len())
            .find(|index| sources[*index].is_ipv4() == address.is_ipv4());
        let Some(index) = source else {
            let detail = format!("no source address is of the same family as {}", address.ip());
            return Err(Cause::new(FailureClass::Unreachable, detail));
        };
        self.next_source.set(index + 1);
        let source = sources[index];
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(|error| Cause::of(&error))?;
        // Without this, bind takes a port of its own for each connection, although a port can be used for as many
        // connections as there are peers; the kernel chooses it when it knows the peer.
        setsockopt(&socket, IpBindAddressNoPort, &true).map_err(|errno| Cause::of(&errno.into()))?;
        match socket.bind(SocketAddr::new(source, 0)) {
            Ok(()) => Ok(socket),
            Err(error) => Err(of_bind(&error, source)),
        }
    }
}

fn of_bind(error: &io::Error, source: IpAddr) -> Cause {
    if Errno::from_io_error(error) == Some(Errno::ADDRNOTAVAIL) {
        let detail = format!("the source address {source} is not one of this machine");
        return Cause::new(FailureClass::Other, detail);
    }
    Cause::of(error)
}
