//! One request and its answer on a connection.

use super::answer::MeasuredAnswer;
use super::connection::Connection;
use super::failure;
use crate::failure::{Cause, FailureClass};
use crate::parts::RequestParts;
use crate::payload::{Rest, SendFault};
use crate::response::{MAX_INTERIM, ParseError};
use crate::timeout::Deadline;
use bytes::{Buf, Bytes};
use h3::client::RequestStream;
use h3::error::StreamError;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

/// Bytes of a body that are handed over at once.
const PIECE_BYTES: usize = 64 << 10;

type Sending = RequestStream<super::streams::SendStream, Bytes>;
type Receiving = RequestStream<super::streams::RecvStream, Bytes>;

/// How far a request is.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// Bytes of the request that the connection took: the head as text, and the body.
    pub(super) written: u64,
    /// The request is sent as a whole.
    pub(super) write_done: bool,
    /// When the whole request had been taken, where that was not at once.
    pub(super) sent_late: Option<Instant>,
    /// When the answer's head was there.
    pub(super) first_byte: Option<Instant>,
}

/// Why there is no answer.
enum Fault {
    Stream(StreamError),
    Answer(ParseError),
    /// The request's body cannot be read to its end.
    Source(Cause),
}

impl From<StreamError> for Fault {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl From<ParseError> for Fault {
    fn from(error: ParseError) -> Self {
        Self::Answer(error)
    }
}

impl Conversation {
    /// Sends the request and reads the answer. Where the deadline passes, or this future is dropped, the peer is told
    /// that nobody waits for the rest.
    pub(super) async fn run(
        &mut self,
        connection: &mut Connection,
        (parts, body): (&RequestParts, Rest<'_>),
        answer: &mut MeasuredAnswer,
        deadline: &Deadline,
    ) -> Result<(), Cause> {
        let (life, sender) = connection.parts();
        let result = {
            let mut talk = pin!(self.talk(sender, (parts, body), answer));
            poll_fn(|cx| {
                life.poll(cx);
                match talk.as_mut().poll(cx) {
                    Poll::Ready(result) => Poll::Ready(Some(result)),
                    Poll::Pending if deadline.has_fired(cx.waker()) => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        };
        match result {
            Some(Ok(())) => Ok(()),
            Some(Err(Fault::Answer(error))) => Err(Cause::new(error.class(), error.to_string())),
            Some(Err(Fault::Source(cause))) => Err(cause),
            Some(Err(Fault::Stream(error))) => Err(failure::of_stream(error, life)),
            None => Err(Cause::new(FailureClass::Timeout, self.late())),
        }
    }

    async fn talk(
        &mut self,
        sender: &mut super::connection::Sender,
        (parts, body): (&RequestParts, Rest<'_>),
        answer: &mut MeasuredAnswer,
    ) -> Result<(), Fault> {
        let stream = sender.send_request(parts.head().clone()).await?;
        self.written = head_length(parts.head());
        let (mut sending, mut receiving) = stream.split();
        let Self { written, write_done, sent_late, first_byte } = self;
        let mut write = pin!(send(&mut sending, body, written));
        let mut read = pin!(receive(&mut receiving, answer, first_byte));
        let mut write_error = None;
        let mut is_first = true;
        // The answer may come before the request has been taken, and counts.
        poll_fn(|cx| {
            if !*write_done && let Poll::Ready(result) = write.as_mut().poll(cx) {
                *write_done = true;
                write_error = match result {
                    Ok(()) => None,
                    Err(SendFault::Peer(error)) => Some(error),
                    Err(SendFault::Source(cause)) => return Poll::Ready(Err(Fault::Source(cause))),
                };
                if !is_first {
                    *sent_late = Some(Instant::now());
                }
            }
            is_first = false;
            match (read.as_mut().poll(cx), write_error.take()) {
                (Poll::Ready(Err(Fault::Stream(_))), Some(error)) => Poll::Ready(Err(Fault::Stream(error))),
                (result, error) => {
                    write_error = error;
                    result
                }
            }
        })
        .await
    }

    fn late(&self) -> &'static str {
        match (self.write_done, self.first_byte) {
            (false, _) => "the peer did not take the whole request in time",
            (true, None) => "no answer in time",
            (true, Some(_)) => "the answer was not complete in time",
        }
    }
}

/// Method, path and fields as text, since what their compression saved is not known here.
fn head_length(head: &http::Request<()>) -> u64 {
    let target = head.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let authority = head.uri().authority().map_or(0, |authority| authority.as_str().len());
    let fields = head.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    (head.method().as_str().len() + target + authority + fields.sum::<usize>()) as u64
}

async fn send(
    stream: &mut Sending,
    mut body: Rest<'_>,
    written: &mut u64,
) -> Result<(), SendFault<StreamError>> {
    while !body.is_empty() {
        let mut piece = body.next_piece().map_err(SendFault::Source)?;
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(PIECE_BYTES));
            let length = part.len() as u64;
            stream.send_data(part).await.map_err(SendFault::Peer)?;
            *written += length;
        }
    }
    stream.finish().await.map_err(SendFault::Peer)
}

async fn receive(
    stream: &mut Receiving,
    answer: &mut MeasuredAnswer,
    first_byte: &mut Option<Instant>,
) -> Result<(), Fault> {
    let mut interim = 0;
    let response = loop {
        let response = stream.recv_response().await?;
        first_byte.get_or_insert_with(Instant::now);
        if !response.status().is_informational() {
            break response;
        }
        interim += 1;
        if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
            return Err(ParseError::Upgraded.into());
        }
        if interim > MAX_INTERIM {
            return Err(ParseError::Interim.into());
        }
    };
    answer.take_head(response.into_parts().0)?;
    while let Some(mut data) = stream.recv_data().await? {
        while data.has_remaining() {
            let count = data.chunk().len();
            answer.take_data(data.chunk())?;
            data.advance(count);
        }
    }
    stream.recv_trailers().await?;
    answer.end()?;
    Ok(())
}
