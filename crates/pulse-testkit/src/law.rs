//! The law by which a [`QueueServer`](crate::QueueServer) answers.

use std::time::Duration;

/// Everything that decides when and how requests are answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    /// Whether requests wait for each other.
    pub discipline: Discipline,
    /// How long each takes.
    pub service: ServiceLaw,
    /// When answers are held back.
    pub stall: Option<Stall>,
    /// Which requests are not answered with 200; the first fault that applies counts.
    pub faults: Vec<Fault>,
    /// The body of every answer with 200; a few kilobytes at most.
    pub body: Vec<u8>,
}

impl Law {
    /// A law without stalls and faults, whose answers have the body `ok`.
    pub fn new(discipline: Discipline, service: ServiceLaw) -> Self {
        Self { discipline, service, stall: None, faults: Vec::new(), body: b"ok".to_vec() }
    }

    /// The fault of the n-th request, counted from 1 over all connections.
    pub fn fault(&self, request: u64) -> Option<FaultKind> {
        let applies = |fault: &&Fault| fault.every > 0 && request.is_multiple_of(fault.every);
        self.faults.iter().find(applies).map(|fault| fault.kind)
    }
}

/// Whether requests wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discipline {
    /// One server, first come, first served: completionₙ = max(arrivalₙ, completionₙ₋₁) + serviceₙ.
    Fifo,
    /// So many servers (at least one) with one queue: each request goes to the server that is free first.
    Servers(u32),
    /// As many servers as requests: completionₙ = arrivalₙ + serviceₙ.
    Parallel,
}

/// The service time of the n-th request, in order of arrival over all connections.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceLaw {
    /// Always the same.
    Fixed(Duration),
    /// Exponentially distributed; the same sequence for the same seed, see [`service_times`](crate::service_times).
    Exponential {
        /// The mean, 1/μ.
        mean: Duration,
        /// Chooses the sequence.
        seed: u64,
    },
    /// One after the other, from the start again at the end; zero where the table is empty.
    Table(Vec<Duration>),
}

/// Windows in which nothing is sent: an answer due within one is sent at its end. Work goes on meanwhile, so that
/// at the end all that piled up leaves at once. The k-th window (from 0) begins at `first_at + k·every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// Length of a window; less than `every`.
    pub length: Duration,
    /// From the start of a window to the start of the next.
    pub every: Duration,
    /// Start of the first window, counted from the arrival of the first request.
    pub first_at: Duration,
}

impl Stall {
    /// When an answer that is due at `due` leaves, both counted from the first request's arrival.
    pub fn release(&self, due: Duration) -> Duration {
        let Some(since_first) = due.checked_sub(self.first_at) else { return due };
        if self.every.is_zero() {
            return due;
        }
        let window = since_first.as_nanos() / self.every.as_nanos();
        let window_start = self.first_at + nanos(window * self.every.as_nanos());
        due.max(window_start + self.length.min(self.every))
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Every n-th request fails in a known way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Applies to the requests whose number, counted from 1, is a multiple; 0 applies to none.
    pub every: u64,
    /// What happens instead of an answer with 200, at the time the answer is due.
    pub kind: FaultKind,
}

/// How a request fails. After a close or reset on a kept connection a client may send an idempotent request again,
/// and that counts as a new request: known errors are best compared with requests that are not idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A complete answer with this status and an empty body.
    Status(u16),
    /// The connection is reset.
    Reset,
    /// The connection is closed without an answer.
    Close,
    /// Bytes that are not HTTP are sent and the connection is closed.
    Garbage,
}
