//! A server in this process whose answers leave at moments that are known: what a measurement is calibrated against.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The kernel wakes a sleeper about this much late, so the rest is spent awake.
const AWAKE: Duration = Duration::from_micros(120);
/// The most connections at the same time; each has a thread.
const MAX_CONNECTIONS: usize = 512;
/// The longest head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Enough for what a connection does.
const STACK_BYTES: usize = 128 << 10;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The n-th request, over all connections, is answered after the n-th delay of a table, from the start again at its end.
/// Requests do not wait for each other. Stopped when dropped; connections end when the client closes them.
#[derive(Debug)]
pub(crate) struct LawServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Law {
    delays: Vec<Duration>,
    next: AtomicUsize,
    connections: AtomicUsize,
}

impl LawServer {
    /// Listens at a free port of the loopback interface. An empty table answers at once.
    pub(crate) fn start(delays: Vec<Duration>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let law = Arc::new(Law { delays, next: AtomicUsize::new(0), connections: AtomicUsize::new(0) });
        let accept = move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A connection that the client has given up meanwhile, or that is one too many, is closed.
                if let Ok(stream) = stream {
                    Law::attend(&law, stream);
                }
            }
        };
        thread::Builder::new().name("pulse-law-server".to_owned()).spawn(accept)?;
        Ok(Self { address, stop })
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for LawServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts; where that fails it has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

impl Law {
    fn attend(law: &Arc<Self>, stream: TcpStream) {
        if law.connections.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
            law.connections.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let own = Arc::clone(law);
        let serve = move || {
            // An error means that the client has gone.
            let _ = own.serve(stream);
            own.connections.fetch_sub(1, Ordering::Relaxed);
        };
        let spawned =
            thread::Builder::new().name("pulse-law".to_owned()).stack_size(STACK_BYTES).spawn(serve);
        if spawned.is_err() {
            law.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut input, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let count = stream.read(&mut piece)?;
            let arrived = Instant::now();
            if count == 0 {
                return Ok(());
            }
            input.extend_from_slice(&piece[..count]);
            if input.len() > MAX_HEAD_BYTES {
                return Ok(());
            }
            // One request at a time: the calibration's client does not pipeline, and its requests have no bodies.
            if input.ends_with(b"\r\n\r\n") {
                input.clear();
                self.wait(arrived);
                stream.write_all(ANSWER)?;
            }
        }
    }

    fn wait(&self, arrived: Instant) {
        if self.delays.is_empty() {
            return;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = arrived + self.delays[number % self.delays.len()];
        let left = due.saturating_duration_since(Instant::now());
        if left > AWAKE {
            thread::sleep(left.saturating_sub(AWAKE));
        }
        while Instant::now() < due {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_follow_the_table_and_are_never_early() {
        let delays = [3, 0, 6].map(Duration::from_millis);
        let server = LawServer::start(delays.to_vec()).unwrap();
        let mut stream = TcpStream::connect(server.address).unwrap();
        for delay in delays.iter().chain(&delays) {
            let begin = Instant::now();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let mut answer = vec![0; ANSWER.len()];
            stream.read_exact(&mut answer).unwrap();
            assert!(answer == ANSWER && begin.elapsed() >= *delay);
        }
    }
}
