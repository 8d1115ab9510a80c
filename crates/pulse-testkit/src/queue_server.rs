//! An HTTP/1.1 server whose answers leave at moments that a law decides.

use crate::law::{FaultKind, Law};
use crate::precise_clock::{PreciseClock, Scheduler};
use crate::request_reader::{MAX_REQUEST_BYTES, request_length};
use crate::schedule::Schedule;
use crate::server_thread::ServerThread;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Answers by a [`Law`], with keep-alive and without pipelining.
///
/// Arrivals are read by one thread, answers are sent by another that is woken at their moment; both are on time to
/// some ten microseconds on an idle machine. The queue itself is computed, not acted out, so lateness never adds up.
#[derive(Debug)]
pub struct QueueServer {
    // In this order: the thread with the connections ends before the clock that it schedules with.
    thread: ServerThread,
    office: Arc<Office>,
    /// Held for its thread.
    _clock: PreciseClock,
}

/// What a [`QueueServer`] has done. Requests = the sum of all kinds of answers, once all are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Connections accepted.
    pub connections: u64,
    /// Complete requests received.
    pub requests: u64,
    /// Answers with 200.
    pub ok: u64,
    /// Answers with the status of a fault.
    pub statuses: u64,
    /// Connections reset instead of an answer.
    pub resets: u64,
    /// Connections closed instead of an answer.
    pub closes: u64,
    /// Answers that are not HTTP.
    pub garbage: u64,
    /// Answers that the client did not take any more.
    pub unsent: u64,
}

struct Office {
    epoch: Instant,
    law: Law,
    desk: Mutex<Desk>,
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office").field("law", &self.law).finish_non_exhaustive()
    }
}

struct Desk {
    schedule: Schedule,
    counts: QueueCounts,
}

/// How a connection goes on after an answer.
enum After {
    Next,
    Close,
    Reset,
}

impl QueueServer {
    /// Starts the server; its law's time begins with the first request.
    pub fn start(law: Law) -> Self {
        let desk = Mutex::new(Desk { schedule: Schedule::new(&law), counts: QueueCounts::default() });
        let office = Arc::new(Office { epoch: Instant::now(), law, desk });
        let clock = PreciseClock::start();
        let (shared, scheduler) = (Arc::clone(&office), clock.scheduler());
        let thread = ServerThread::start("queue-server", move |_, stream| {
            let (office, scheduler) = (Arc::clone(&shared), scheduler.clone());
            office.desk().counts.connections += 1;
            async move {
                // An I/O error means that the client has gone.
                office.serve(&scheduler, stream).await.ok();
            }
        });
        Self { thread, office, _clock: clock }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.thread.address
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What it has done so far.
    pub fn counts(&self) -> QueueCounts {
        self.office.desk().counts
    }
}

impl Office {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self: &Arc<Self>, scheduler: &Scheduler, stream: TcpStream) -> io::Result<()> {
        let stream = Arc::new(stream);
        let mut input = Vec::new();
        while read_request(&stream, &mut input).await? {
            let (due, fault) = self.admit(Instant::now());
            let (done, answered) = oneshot::channel();
            let (office, socket) = (Arc::clone(self), Arc::clone(&stream));
            scheduler.at(due, move || {
                let after = office.answer(&socket, fault);
                drop(socket);
                done.send(after).ok(); // nobody waits where the client has gone
            });
            match answered.await {
                Ok(After::Next) => {}
                Ok(After::Reset) => return stream.set_zero_linger(),
                Ok(After::Close) | Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Counts a request and says when and how it is answered.
    fn admit(&self, arrival: Instant) -> (Instant, Option<FaultKind>) {
        let mut desk = self.desk();
        desk.counts.requests += 1;
        let due = desk.schedule.due(arrival.saturating_duration_since(self.epoch));
        let longest = Duration::from_hours(1); // a table's mistake must not overflow the clock
        (self.epoch + due.min(self.epoch.elapsed() + longest), self.law.fault(desk.counts.requests))
    }

    fn answer(&self, socket: &TcpStream, fault: Option<FaultKind>) -> After {
        let bytes = match fault {
            None => response(200, &self.law.body),
            Some(FaultKind::Status(status)) => response(status, b""),
            Some(FaultKind::Garbage) => b"\x15\x03\x03 this is not HTTP\r\n\r\n".to_vec(),
            Some(FaultKind::Reset | FaultKind::Close) => Vec::new(),
        };
        // Sent within the lock, so that a client that has the answer finds it counted. Answers are small and the
        // client has read the last one: they fit into the socket's buffer.
        let mut desk = self.desk();
        let is_sent = bytes.is_empty() || socket.try_write(&bytes).is_ok_and(|count| count == bytes.len());
        let counts = &mut desk.counts;
        let (count, after) = match fault {
            _ if !is_sent => (&mut counts.unsent, After::Close),
            None => (&mut counts.ok, After::Next),
            Some(FaultKind::Status(_)) => (&mut counts.statuses, After::Next),
            Some(FaultKind::Garbage) => (&mut counts.garbage, After::Close),
            Some(FaultKind::Reset) => (&mut counts.resets, After::Reset),
            Some(FaultKind::Close) => (&mut counts.closes, After::Close),
        };
        *count += 1;
        after
    }
}

fn response(status: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// False where the client has closed.
async fn read_request(stream: &TcpStream, input: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; 8 << 10];
    loop {
        if let Some(length) = request_length(input) {
            input.drain(..length);
            return Ok(true);
        }
        assert!(input.len() <= MAX_REQUEST_BYTES, "a request of more than {MAX_REQUEST_BYTES} bytes");
        stream.readable().await?;
        match stream.try_read(&mut piece) {
            Ok(0) => return Ok(false),
            Ok(count) => input.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
