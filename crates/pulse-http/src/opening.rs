//! How a stream begins: a connection of its own, a request, and the head of the answer. What follows is no business of
//! request and response any more.

use crate::connect::Connector;
use crate::connection::Stream;
use crate::counts::ConnectionCounts;
use crate::exchange::{ConnectTimes, Exchange};
use crate::failure::{Cause, Failure, FailureClass};
use crate::response::{ParseError, ResponseParser};
use crate::timeout::Deadline;
use crate::version::HttpVersion;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A connection on which the head of an answer has come.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    /// `finished` is when the head was complete.
    pub(crate) exchange: Exchange,
}

/// Moments and sizes of an attempt, for its failure as well.
struct Attempt {
    sent: Instant,
    connect: Option<ConnectTimes>,
    written: usize,
    first_byte: Option<Instant>,
}

/// Connects, sends the request and reads until the answer's head is complete; `timeout` covers all of it. The parser has
/// begun.
pub(crate) async fn open(
    connector: &Connector,
    deadline: &Deadline,
    parser: &mut ResponseParser,
    counts: &mut ConnectionCounts,
    request: &[u8],
    timeout: Duration,
) -> Result<Opened, Failure> {
    let started = Instant::now();
    deadline.arm(started, timeout);
    let mut attempt = Attempt { sent: started, connect: None, written: 0, first_byte: None };
    let outcome = match attempt.connect(connector, counts, timeout).await {
        Ok(stream) => attempt.head(stream, deadline, parser, request).await,
        Err(cause) => Err(cause),
    };
    deadline.disarm();
    let failed = |cause: Cause| cause.into_failure(started, attempt.written as u64, parser.received());
    let stream = outcome.map_err(failed)?;
    let finished = Instant::now();
    let exchange = Exchange {
        status: parser.status(),
        started,
        sent: attempt.sent,
        blocked: Duration::ZERO,
        // The request is a head, which the first write takes.
        send: Duration::ZERO,
        first_byte: attempt.first_byte.unwrap_or(finished),
        finished,
        connect: attempt.connect,
        bytes_sent: attempt.written as u64,
        bytes_received: parser.received(),
        body_bytes: parser.body_bytes(),
    };
    Ok(Opened { stream, exchange })
}

impl Attempt {
    async fn connect(
        &mut self,
        connector: &Connector,
        counts: &mut ConnectionCounts,
        timeout: Duration,
    ) -> Result<Stream, Cause> {
        let (stream, times) = connector.connect(timeout).await?;
        counts.open(HttpVersion::Http11, stream.handshake());
        self.connect = Some(times);
        self.sent = Instant::now();
        Ok(stream)
    }

    async fn head(
        &mut self,
        mut stream: Stream,
        deadline: &Deadline,
        parser: &mut ResponseParser,
        request: &[u8],
    ) -> Result<Stream, Cause> {
        poll_fn(|cx| self.poll_head(&mut stream, parser, deadline, cx, request)).await?;
        Ok(stream)
    }

    fn poll_head(
        &mut self,
        stream: &mut Stream,
        parser: &mut ResponseParser,
        deadline: &Deadline,
        cx: &mut Context<'_>,
        request: &[u8],
    ) -> Poll<Result<(), Cause>> {
        if self.written < request.len()
            && let Poll::Ready(Err(error)) = stream.poll_write_all(cx, request, &mut self.written)
        {
            return Poll::Ready(Err(Cause::of(&error)));
        }
        loop {
            match stream.poll_read(cx, parser.room()) {
                Poll::Ready(Ok(0)) => {
                    let error = parser.end().err().unwrap_or(ParseError::HeadCut);
                    return Poll::Ready(Err(Cause::new(error.class(), error.to_string())));
                }
                Poll::Ready(Ok(count)) => {
                    if let Err(error) = parser.advance(count) {
                        return Poll::Ready(Err(Cause::new(error.class(), error.to_string())));
                    }
                    self.first_byte.get_or_insert_with(Instant::now);
                    if parser.status() > 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Cause::of(&error))),
                Poll::Pending if !deadline.has_fired(cx.waker()) => return Poll::Pending,
                Poll::Pending => {}
            }
            // A peer that always has more to send must not outrun the deadline.
            if deadline.has_fired(cx.waker()) {
                return Poll::Ready(Err(Cause::new(FailureClass::Timeout, "no answer in time")));
            }
        }
    }
}
