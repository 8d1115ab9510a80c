//! A response whose body is looked at while it comes, as one that sends events has to be.

use crate::connect::Connector;
use crate::connection::Stream;
use crate::counts::ConnectionCounts;
use crate::exchange::Exchange;
use crate::failure::{Cause, Failure, FailureClass};
use crate::limits::Limits;
use crate::opening::{Opened, open};
use crate::response::{Keep, Progress, ResponseParser};
use crate::timeout::{Deadline, Timeouts};
use crate::view::ResponseView;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Reads one response at a time, piece by piece, each on a connection of its own.
///
/// Only the piece that came last is kept, so that an endless body takes no more memory than a read.
#[derive(Debug)]
pub struct StreamingClient {
    connector: Rc<Connector>,
    deadline: Deadline,
    parser: ResponseParser,
    counts: ConnectionCounts,
    stream: Option<Box<Stream>>,
    /// Whether bytes that came with the head have not been handed out yet.
    has_first: bool,
}

/// What a body did next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Bytes came, at this moment; [`StreamingClient::piece`] has them.
    Bytes(Instant),
    /// The body is complete; the last bytes of it may have come with its end.
    End(Instant),
}

impl StreamingClient {
    /// A client without a connection.
    pub fn new(connector: Rc<Connector>, timeouts: &Rc<Timeouts>, limits: Limits) -> Self {
        // How long a stream goes on is for its reader to decide.
        let limits = Limits { body_bytes: u64::MAX, ..limits };
        Self {
            connector,
            deadline: timeouts.register(),
            parser: ResponseParser::new(limits),
            counts: ConnectionCounts::default(),
            stream: None,
            has_first: false,
        }
    }

    /// Sends a request (complete, without HEAD as its method) and reads the head of its answer. `timeout` covers both and
    /// the connection.
    pub async fn open(&mut self, request: &[u8], timeout: Duration) -> Result<Exchange, Failure> {
        self.stream = None;
        self.parser.begin(false, Keep::Body);
        let Self { connector, deadline, parser, counts, .. } = self;
        let opened = Box::pin(open(connector, deadline, parser, counts, request, timeout)).await;
        let Opened { stream, exchange } = opened?;
        self.stream = Some(Box::new(stream));
        self.has_first = true;
        Ok(exchange)
    }

    /// Waits for the next piece of the body, until `timeout` after `since`. The end of a body that was cut short is a
    /// failure of the class [`FailureClass::Closed`].
    pub async fn next(&mut self, since: Instant, timeout: Duration) -> Result<Piece, Failure> {
        let before = self.parser.received();
        self.deadline.arm(since, timeout);
        let outcome = poll_fn(|cx| self.poll_piece(cx)).await;
        self.deadline.disarm();
        outcome.map_err(|cause| {
            if cause.class != FailureClass::Timeout {
                self.stream = None;
            }
            cause.into_failure(since, 0, self.parser.received() - before)
        })
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Cause>> {
        if !std::mem::take(&mut self.has_first) {
            self.parser.discard_body();
        }
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(Cause::new(FailureClass::Closed, "the stream is not open")));
        };
        loop {
            if self.parser.is_complete() {
                return Poll::Ready(Ok(Piece::End(Instant::now())));
            }
            if !self.parser.body_so_far().is_empty() {
                return Poll::Ready(Ok(Piece::Bytes(Instant::now())));
            }
            if self.deadline.has_fired(cx.waker()) {
                return Poll::Ready(Err(Cause::new(FailureClass::Timeout, "nothing more came in time")));
            }
            let progress = match stream.poll_read(cx, self.parser.room()) {
                Poll::Ready(Ok(0)) => self.parser.end().map(|()| Progress::Complete),
                Poll::Ready(Ok(count)) => self.parser.advance(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Cause::of(&error))),
                Poll::Pending => return Poll::Pending,
            };
            if let Err(error) = progress {
                return Poll::Ready(Err(Cause::new(error.class(), error.to_string())));
            }
        }
    }

    /// The bytes of the body that came last.
    pub fn piece(&self) -> &[u8] {
        self.parser.body_so_far()
    }

    /// The head of the answer.
    pub fn head(&self) -> ResponseView<'_> {
        self.parser.head_view()
    }

    /// All bytes read since [`open`](Self::open), the head included.
    pub fn received(&self) -> u64 {
        self.parser.received()
    }

    /// What the connections have seen so far: how many were opened, and how.
    pub fn counts(&self) -> ConnectionCounts {
        self.counts
    }

    /// Drops the connection, whatever may still come.
    pub fn close(&mut self) {
        self.stream = None;
    }
}
