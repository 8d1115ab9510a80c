//! One user's exchanges over HTTP/2.

use super::connection::{Http2Connection, Http2Place};
use super::error::Http2Error;
use super::group::{Opened, Seat};
use super::stream::Http2Stream;
use crate::answer::Answer;
use crate::client::Run;
use crate::connect::{Connector, Scheme};
use crate::connection::Connection;
use crate::exchange::Exchange;
use crate::failure::{Cause, FailureClass};
use crate::limits::Limits;
use crate::parts::RequestParts;
use crate::payload::{Rest, SendFault};
use crate::request::Request;
use crate::response::Keep;
use crate::session::{Loan, Outcome};
use crate::timeout::Deadline;
use crate::version::HttpVersion;
use crate::view::ResponseView;
use bytes::Bytes;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// So many times a request is sent at most: a peer that ends every connection, or refuses every stream, must not keep
/// a user busy until its timeout.
const ATTEMPTS: u32 = 4;

/// What an HTTP/2 client's connections are to one user.
#[derive(Debug)]
pub(crate) struct Http2Session {
    seat: Seat,
    answer: Answer,
    scheme: Scheme,
}

/// Where a request may be sent.
pub(crate) enum Way {
    Open(Http2Connection, Http2Place),
    Http11(Connection),
}

/// The state of one request on one stream.
struct Turn<'a> {
    stream: Http2Stream,
    /// What waits for the peer's windows.
    piece: Bytes,
    /// What of the body comes after it.
    rest: Rest<'a>,
    write_done: bool,
    /// The peer may refuse the request's body and still answer: a failed write counts only if no answer comes.
    write_error: Option<Http2Error>,
    first_byte: Option<Instant>,
}

impl Http2Session {
    pub(crate) fn new(connector: &Connector, limits: Limits) -> Self {
        let seat = connector.groups().join(connector.config().streams);
        Self { seat, answer: Answer::new(limits, "HTTP/2"), scheme: connector.origin().scheme }
    }

    /// Sends the request and reads the whole response. The failure's bytes are found in `loan.run`.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<'_>,
        keep: Keep,
        loan: &mut Loan<'_>,
    ) -> Result<Outcome, Cause> {
        let parsed;
        let parts = if let Some(parts) = request.parts {
            parts
        } else {
            parsed = RequestParts::parse(request.bytes, self.scheme)
                .map_err(|error| Cause::new(FailureClass::Other, error.to_string()))?;
            &parsed
        };
        let mut attempt = 1;
        loop {
            self.answer.begin(keep);
            let (connection, place) = match self.way(loan).await? {
                Way::Open(connection, place) => (connection, place),
                Way::Http11(connection) => return Ok(Outcome::Http11(connection)),
            };
            let reused = connection.opened() > 0;
            let mut sent = false;
            let rest = Rest::of(&request, parts);
            let write_done = rest.is_empty();
            let error = match connection.open(place, parts.head().clone(), write_done) {
                Ok(stream) => {
                    sent = true;
                    loan.counts.reused += u64::from(reused);
                    let piece = Bytes::new();
                    let mut turn =
                        Turn { stream, piece, rest, write_done, write_error: None, first_byte: None };
                    let answer = &mut self.answer;
                    let result = poll_fn(|cx| poll_turn(&mut turn, answer, loan.deadline, cx)).await;
                    loan.run.count(connection.take_traffic());
                    match result {
                        Ok(()) => return Ok(Outcome::Answered(self.finish(loan.run, &turn))),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if !connection.is_open() {
                loan.counts.closed_by_peer += u64::from(self.seat.discard(&connection));
            }
            // Where nothing is known about the request, the rule is that of HTTP/1.1: once, if it had been waiting for
            // use and brought nothing of an answer.
            let ended = matches!(error.class, FailureClass::Closed | FailureClass::Reset);
            let stale = ended && reused && request.idempotent && attempt == 1 && self.answer.status() == 0;
            if attempt == ATTEMPTS || !(error.unprocessed || stale) {
                return Err(error.into());
            }
            attempt += 1;
            loan.counts.resent += u64::from(sent);
        }
    }

    /// Head and kept body of the last response; empty where it failed.
    pub(crate) fn view(&self) -> ResponseView<'_> {
        self.answer.view()
    }

    pub(crate) fn close(&mut self) {
        self.seat.leave_connection();
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.seat.is_connected()
    }

    /// Gives up a connection that takes no more requests. True for the first who does so: its end is counted once.
    pub(crate) fn discard(&self, connection: &Http2Connection) -> bool {
        self.seat.discard(connection)
    }

    /// A connection with a free place. In the usual case both are there and no time is read.
    pub(crate) async fn way(&mut self, loan: &mut Loan<'_>) -> Result<Way, Cause> {
        if let Some(connection) = self.seat.connection()
            && let Some(place) = connection.try_place()
        {
            return Ok(Way::Open(connection, place));
        }
        // Rare and large: boxed, it does not swell every user's task.
        Box::pin(self.wait_for_way(loan)).await
    }

    async fn wait_for_way(&mut self, loan: &mut Loan<'_>) -> Result<Way, Cause> {
        let began = Instant::now();
        let mut connecting = Duration::ZERO;
        for _ in 0..ATTEMPTS {
            loan.counts.closed_by_peer += u64::from(self.seat.discard_ended());
            let connection = match self.seat.connection() {
                Some(connection) => connection,
                None => match self.seat.open(loan.connector, loan.run.budget(), loan.deadline).await {
                    None => return Err(late("no connection in time")),
                    Some(result) => match result? {
                        Opened::Http2 { connection, first } => {
                            if let Some((times, handshake)) = first {
                                loan.counts.open(HttpVersion::Http2, handshake);
                                loan.run.connect = Some(times);
                                connecting += times.total();
                            }
                            connection
                        }
                        Opened::Http11(connection, times) => {
                            loan.counts.open(HttpVersion::Http11, connection.stream.handshake());
                            loan.run.connected(times);
                            return Ok(Way::Http11(connection));
                        }
                    },
                },
            };
            match loan.deadline.limit(connection.place()).await {
                Some(Some(place)) => {
                    loan.run.sent = Instant::now();
                    loan.run.blocked +=
                        loan.run.sent.saturating_duration_since(began).saturating_sub(connecting);
                    return Ok(Way::Open(connection, place));
                }
                // It has ended while we waited for a place.
                Some(None) => {}
                None => return Err(late("the peer allowed no stream in time")),
            }
        }
        Err(Cause::new(FailureClass::GoAway, "the peer ended every connection before it took a request"))
    }

    fn finish(&mut self, run: &Run, turn: &Turn<'_>) -> Exchange {
        let finished = Instant::now();
        self.answer.complete();
        Exchange {
            status: self.answer.status(),
            started: run.started,
            sent: run.sent,
            first_byte: turn.first_byte.unwrap_or(finished),
            finished,
            connect: run.connect,
            blocked: run.blocked,
            // Flow control makes no difference between what is sent and what waits to be.
            send: Duration::ZERO,
            bytes_sent: run.bytes_sent,
            bytes_received: run.bytes_received,
            body_bytes: self.answer.body_bytes(),
        }
    }
}

impl Turn<'_> {
    /// Hands over as much of the body as the peer's windows allow; ready when all of it was taken, or no more will be.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendFault<Http2Error>>> {
        loop {
            if self.piece.is_empty() {
                self.piece = self.rest.next_piece().map_err(SendFault::Source)?;
            }
            let last = self.rest.is_empty();
            ready!(self.stream.poll_send(cx, &mut self.piece, last)).map_err(SendFault::Peer)?;
            // What was not taken never will be: the stream's answer, or the lack of one, says why.
            if last || !self.piece.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Sends and receives as far as the windows allow; ready with a complete response or the cause of its absence.
fn poll_turn(
    turn: &mut Turn<'_>,
    answer: &mut Answer,
    deadline: &Deadline,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Http2Error>> {
    if !turn.write_done
        && let Poll::Ready(result) = turn.poll_send(cx)
    {
        turn.write_done = true;
        turn.write_error = match result {
            Ok(()) => None,
            Err(SendFault::Peer(error)) => Some(error),
            Err(SendFault::Source(cause)) => return Poll::Ready(Err(cause.into())),
        };
    }
    match poll_answer(&mut turn.stream, answer, deadline, cx) {
        Poll::Ready(Err(error)) => Poll::Ready(Err(turn.write_error.take().unwrap_or(error))),
        Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        Poll::Pending => {
            if answer.status() != 0 {
                turn.first_byte.get_or_insert_with(Instant::now);
            }
            if deadline.has_fired(cx.waker()) {
                return Poll::Ready(Err(overdue(turn, answer).into()));
            }
            Poll::Pending
        }
    }
}

fn poll_answer(
    stream: &mut Http2Stream,
    answer: &mut Answer,
    deadline: &Deadline,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Http2Error>> {
    if answer.status() == 0 {
        match stream.poll_head(cx) {
            Poll::Ready(head) => answer.take_head(head?)?,
            Poll::Pending => return Poll::Pending,
        }
    }
    loop {
        match stream.poll_data(cx) {
            Poll::Ready(Some(data)) => answer.take_data(&data?)?,
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending => return Poll::Pending,
        }
        // A peer that always has more to send must not outrun the deadline.
        if deadline.has_fired(cx.waker()) {
            return Poll::Pending;
        }
    }
}

fn overdue(turn: &Turn<'_>, answer: &Answer) -> Cause {
    late(match (turn.write_done, answer.status()) {
        (false, _) => "the peer did not take the whole request in time",
        (true, 0) => "no answer in time",
        (true, _) => "the answer was not complete in time",
    })
}

fn late(detail: &'static str) -> Cause {
    Cause::new(FailureClass::Timeout, detail)
}
