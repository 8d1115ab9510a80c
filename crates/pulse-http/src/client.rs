//! The client of one virtual user: sends a request, reads the answer, keeps the connection.

use crate::connect::Connector;
use crate::connection::{Connection, Idle, Stream};
use crate::counts::ConnectionCounts;
use crate::exchange::{ConnectTimes, Exchange};
use crate::failure::{Cause, Failure, FailureClass};
use crate::limits::Limits;
use crate::payload::{PieceRoom, SendFault};
use crate::request::Request;
use crate::response::{Keep, ParseError, Progress, ResponseParser};
use crate::sending::poll_send;
use crate::session::{Loan, Outcome, Session};
use crate::timeout::{Deadline, Timeouts};
use crate::version::HttpVersion;
use crate::view::ResponseView;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// One user's connection, opened when needed and kept while the peer allows.
///
/// An exchange whose future is dropped leaves the client usable: its connection is closed with it.
#[derive(Debug)]
pub struct Client {
    connector: Rc<Connector>,
    deadline: Deadline,
    parser: ResponseParser,
    /// Only a connection whose last exchange ended well is put back here.
    idle: Option<Connection>,
    counts: ConnectionCounts,
    /// Where another version of HTTP is spoken, or may be.
    session: Option<Box<Session>>,
    /// Whether the last response came over it.
    answered_by_session: bool,
}

/// Moments and sizes that accumulate over the attempts of one exchange.
pub(crate) struct Run {
    pub(crate) started: Instant,
    pub(crate) sent: Instant,
    timeout: Duration,
    pub(crate) connect: Option<ConnectTimes>,
    pub(crate) blocked: Duration,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

/// The state of one request on one connection.
#[derive(Default)]
struct Turn {
    written: u64,
    /// All written, or given up.
    write_done: bool,
    /// In this very poll the reactor has said that the socket has nothing to read, and it wakes the task when it has.
    known_empty: bool,
    /// When the rest was written of a request that the first write did not take whole.
    sent_late: Option<Instant>,
    /// The peer may refuse the request's body and still answer: a failed write counts only if no answer comes.
    write_error: Option<io::Error>,
    first_byte: Option<Instant>,
}

impl Run {
    pub(crate) fn new(started: Instant, timeout: Duration) -> Self {
        Self {
            started,
            sent: started,
            timeout,
            connect: None,
            blocked: Duration::ZERO,
            bytes_sent: 0,
            bytes_received: 0,
        }
    }

    /// What is left of the timeout.
    pub(crate) fn budget(&self) -> Duration {
        self.timeout.saturating_sub(self.started.elapsed())
    }

    pub(crate) fn connected(&mut self, times: ConnectTimes) {
        self.connect = Some(times);
        self.sent = Instant::now();
    }

    pub(crate) fn count(&mut self, (sent, received): (u64, u64)) {
        self.bytes_sent += sent;
        self.bytes_received += received;
    }
}

impl Client {
    /// A client without a connection.
    pub fn new(connector: Rc<Connector>, timeouts: &Rc<Timeouts>, limits: Limits) -> Self {
        let parser = ResponseParser::sharing(limits, Rc::clone(connector.recent_heads()));
        let session = Session::new(&connector, limits).map(Box::new);
        Self {
            connector,
            deadline: timeouts.register(),
            parser,
            idle: None,
            counts: ConnectionCounts::default(),
            session,
            answered_by_session: false,
        }
    }

    /// Sends the request and reads the whole response, connecting first where needed. `timeout` covers all of it.
    ///
    /// Where a kept connection ends without any byte of an answer, an idempotent request is sent once more on a new
    /// one; time goes on from the first start.
    pub async fn exchange(
        &mut self,
        request: Request<'_>,
        timeout: Duration,
        keep: Keep,
    ) -> Result<Exchange, Failure> {
        let started = Instant::now();
        let mut run = Run::new(started, timeout);
        self.deadline.arm(started, timeout);
        let mut outcome = self.converse(request, keep, &mut run, true).await;
        if let Ok(None) = outcome {
            self.counts.resent += 1;
            let connecting = run.connect.map_or(Duration::ZERO, |times| times.total());
            run.blocked = run.started.elapsed().saturating_sub(connecting);
            outcome = self.converse(request, keep, &mut run, false).await;
        }
        self.deadline.disarm();
        let cause = match outcome {
            Ok(Some(exchange)) => return Ok(exchange),
            Ok(None) => Cause::new(FailureClass::Closed, "the peer closed the connection without an answer"),
            Err(cause) => cause,
        };
        Err(cause.into_failure(run.started, run.bytes_sent, run.bytes_received))
    }

    /// Head and kept body of the last exchange; empty where it failed.
    pub fn response(&self) -> ResponseView<'_> {
        match &self.session {
            Some(session) if self.answered_by_session => session.view(),
            _ => self.parser.view(),
        }
    }

    /// Drops the connection; the next exchange opens a new one.
    pub fn close(&mut self) {
        self.idle = None;
        if let Some(session) = &mut self.session {
            session.close();
        }
    }

    /// Whether a connection is kept. The peer may have closed it meanwhile.
    pub fn is_connected(&self) -> bool {
        self.idle.is_some() || self.session.as_ref().is_some_and(|session| session.is_connected())
    }

    /// What the connections have seen so far.
    pub fn counts(&self) -> ConnectionCounts {
        self.counts
    }

    /// Over HTTP/2 or HTTP/3 where the peer speaks it, else one try over HTTP/1.1.
    async fn converse(
        &mut self,
        request: Request<'_>,
        keep: Keep,
        run: &mut Run,
        may_resend: bool,
    ) -> Result<Option<Exchange>, Cause> {
        self.parser.begin(request.is_head, keep);
        let kept = self.take_idle(run).await;
        let reused = kept.is_some();
        self.counts.reused += u64::from(reused);
        self.answered_by_session = false;
        let connection = match (kept, &mut self.session) {
            // What is kept speaks HTTP/1.1: the peer has chosen it, if it had a choice.
            (Some(connection), _) => connection,
            (None, None) => self.open(run).await?,
            (None, Some(session)) => {
                let Self { connector, deadline, counts, .. } = self;
                match session.exchange(request, keep, &mut Loan { connector, deadline, counts, run }).await? {
                    Outcome::Http11(connection) => connection,
                    Outcome::Answered(exchange) => {
                        self.answered_by_session = true;
                        return Ok(Some(exchange));
                    }
                }
            }
        };
        self.attempt(request, run, connection, reused && may_resend).await
    }

    /// One try over HTTP/1.1. `may_resend`: the connection was kept; `Ok(None)`: it was dead and the request may be sent
    /// again.
    async fn attempt(
        &mut self,
        request: Request<'_>,
        run: &mut Run,
        // While the exchange runs the connection belongs to this future: dropped with it, or on any error.
        mut connection: Connection,
        may_resend: bool,
    ) -> Result<Option<Exchange>, Cause> {
        // Whether a kept connection is usable was asked just now.
        let mut turn = Turn { known_empty: may_resend, ..Turn::default() };
        let Self { parser, deadline, connector, .. } = self;
        let room = connector.piece_room();
        let result = poll_fn(|cx| {
            poll_turn(&mut connection.stream, parser, deadline, cx, (&request, room), &mut turn)
        })
        .await;
        run.bytes_sent += turn.written;
        run.bytes_received += self.parser.received();
        match result {
            Ok(()) => Ok(Some(self.finish(connection, run, &turn, request.length()))),
            Err(cause) => {
                let ended = matches!(cause.class, FailureClass::Closed | FailureClass::Reset);
                self.counts.closed_by_peer += u64::from(ended);
                if ended && may_resend && request.idempotent && self.parser.received() == 0 {
                    return Ok(None);
                }
                Err(cause)
            }
        }
    }

    /// The kept connection, if it is fit for another request.
    async fn take_idle(&mut self, run: &mut Run) -> Option<Connection> {
        let mut connection = self.idle.take()?;
        let ask_after = self.connector.config().idle_check_after;
        let idle = poll_fn(|cx| Poll::Ready(connection.poll_idle(cx, run.started, ask_after))).await;
        match idle {
            Idle::Usable => return Some(connection),
            Idle::ClosedByPeer => self.counts.closed_by_peer += 1,
            Idle::Unsolicited => self.counts.surplus += 1,
        }
        None
    }

    async fn open(&mut self, run: &mut Run) -> Result<Connection, Cause> {
        let budget = run.budget();
        // Connecting is rare and its future large: boxed, it does not swell every user's task.
        let (stream, times) = Box::pin(self.connector.connect(budget)).await?;
        self.counts.open(HttpVersion::Http11, stream.handshake());
        run.connected(times);
        Ok(Connection { stream, last_used: run.sent })
    }

    /// Takes the time, and keeps the connection if both sides left it clean.
    fn finish(&mut self, mut connection: Connection, run: &Run, turn: &Turn, length: u64) -> Exchange {
        let finished = Instant::now();
        self.counts.surplus += u64::from(self.parser.has_surplus());
        self.counts.closed_by_peer += u64::from(self.parser.peer_closes());
        // After an early answer the rest of the request would be taken for the next one.
        if self.parser.is_reusable() && turn.written == length && turn.write_error.is_none() {
            connection.last_used = finished;
            self.idle = Some(connection);
        }
        let first_byte = turn.first_byte.unwrap_or(finished);
        let sent_late = turn.sent_late.map_or(run.sent, |late| late.min(first_byte));
        Exchange {
            status: self.parser.status(),
            started: run.started,
            sent: run.sent,
            blocked: run.blocked,
            send: sent_late.saturating_duration_since(run.sent),
            first_byte,
            finished,
            connect: run.connect,
            bytes_sent: run.bytes_sent,
            bytes_received: run.bytes_received,
            body_bytes: self.parser.body_bytes(),
        }
    }
}

/// Writes and reads as far as the socket allows; ready with a complete response or the cause of its absence.
fn poll_turn(
    stream: &mut Stream,
    parser: &mut ResponseParser,
    deadline: &Deadline,
    cx: &mut Context<'_>,
    (request, room): (&Request<'_>, &PieceRoom),
    turn: &mut Turn,
) -> Poll<Result<(), Cause>> {
    // Reading goes on while a long request is still being written: the answer may come early, and a peer that
    // waits for its answer to be read would never read the rest.
    if !turn.write_done {
        let first = turn.written == 0;
        if let Poll::Ready(result) = poll_send(stream, cx, request, room, &mut turn.written) {
            turn.write_done = true;
            turn.write_error = match result {
                Ok(()) => None,
                Err(SendFault::Peer(error)) => Some(error),
                Err(SendFault::Source(cause)) => return Poll::Ready(Err(cause)),
            };
            if !first {
                turn.sent_late = Some(Instant::now());
            }
        }
    }
    // Between asking the connection and writing all of a short request nothing can have come: asking again is in vain.
    let mut known_empty = std::mem::take(&mut turn.known_empty) && turn.write_done;
    loop {
        let read = if std::mem::take(&mut known_empty) {
            Poll::Pending
        } else {
            stream.poll_read(cx, parser.room())
        };
        match read {
            Poll::Ready(Ok(0)) => return Poll::Ready(ended(parser, turn)),
            Poll::Ready(Ok(count)) => match parser.advance(count) {
                Ok(Progress::Complete) => return Poll::Ready(Ok(())),
                Ok(_) => {
                    turn.first_byte.get_or_insert_with(Instant::now);
                }
                Err(error) => return Poll::Ready(Err(of_parser(error))),
            },
            Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(&error, turn))),
            Poll::Pending => {
                return if deadline.has_fired(cx.waker()) {
                    Poll::Ready(Err(late(turn)))
                } else {
                    Poll::Pending
                };
            }
        }
        // A peer that always has more to send must not outrun the deadline.
        if deadline.has_fired(cx.waker()) {
            return Poll::Ready(Err(late(turn)));
        }
    }
}

fn ended(parser: &mut ResponseParser, turn: &Turn) -> Result<(), Cause> {
    match (parser.end(), &turn.write_error) {
        (Ok(()), _) => Ok(()),
        (Err(ParseError::NoAnswer), Some(error)) => Err(Cause::of(error)),
        (Err(error), _) => Err(of_parser(error)),
    }
}

/// The write's error, where there is one, came first and says more.
fn broken(error: &io::Error, turn: &Turn) -> Cause {
    Cause::of(turn.write_error.as_ref().unwrap_or(error))
}

fn of_parser(error: ParseError) -> Cause {
    match error {
        ParseError::NoAnswer => Cause::new(error.class(), "the peer closed the connection without an answer"),
        _ => Cause::new(error.class(), error.to_string()),
    }
}

fn late(turn: &Turn) -> Cause {
    let detail = match (turn.write_done, turn.first_byte) {
        (false, _) => "the peer did not take the whole request in time",
        (true, None) => "no answer in time",
        (true, Some(_)) => "the answer was not complete in time",
    };
    Cause::new(FailureClass::Timeout, detail)
}
