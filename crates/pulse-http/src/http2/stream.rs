//! One stream: head and body out, head, body and trailers in.

use super::connection::Http2Place;
use super::error::Http2Error;
use crate::response::{MAX_INTERIM, ParseError};
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A request in progress. Dropped before its end, it is reset (CANCEL); the connection lives on.
#[derive(Debug)]
pub struct Http2Stream {
    response: ResponseFuture,
    send: SendStream<Bytes>,
    receive: Option<RecvStream>,
    /// Interim responses so far.
    interim: u32,
    /// Given back after the stream has been reset where that is necessary: fields are dropped in this order.
    place: Http2Place,
}

impl Http2Stream {
    pub(super) fn new(response: ResponseFuture, send: SendStream<Bytes>, place: Http2Place) -> Self {
        Self { response, send, receive: None, interim: 0, place }
    }

    /// The status and header fields of the final response; interim ones are skipped, as many as HTTP/1.1 allows. Not to
    /// be called again after it was ready.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<http::response::Parts, Http2Error>> {
        while let Poll::Ready(Some(interim)) = self.response.poll_informational(cx) {
            if let Err(error) = interim {
                return Poll::Ready(Err(self.place.state().error(&error)));
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Poll::Ready(Err(ParseError::Interim.into()));
            }
        }
        match ready!(Pin::new(&mut self.response).poll(cx)) {
            Ok(response) => {
                let (parts, receive) = response.into_parts();
                self.receive = Some(receive);
                Poll::Ready(Ok(parts))
            }
            Err(error) => Poll::Ready(Err(self.place.state().error(&error))),
        }
    }

    /// The next bytes of the body, `None` at its end; pending before the head is there. The peer's window grows
    /// again by what is returned.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Http2Error>>> {
        let Some(receive) = &mut self.receive else { return Poll::Pending };
        let result = match ready!(receive.poll_data(cx)) {
            // Fails only where the stream has ended meanwhile; then no window is needed.
            Some(Ok(data)) => {
                let _ = receive.flow_control().release_capacity(data.len());
                Some(Ok(data))
            }
            Some(Err(error)) => Some(Err(self.place.state().error(&error))),
            None => None,
        };
        Poll::Ready(result)
    }

    /// The trailers after the end of the body; `None` where there are none, pending before the head is there.
    pub fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Http2Error>> {
        let Some(receive) = &mut self.receive else { return Poll::Pending };
        let result = ready!(receive.poll_trailers(cx));
        Poll::Ready(result.map_err(|error| self.place.state().error(&error)))
    }

    /// Whether the response's body has ended: nothing more will be received but trailers that are here already.
    pub fn is_received(&self) -> bool {
        self.receive.as_ref().is_some_and(RecvStream::is_end_stream)
    }

    /// Hands over as much of `data` as the peer's windows allow; ready when all of it was taken, and with `end`, the
    /// end of the stream. Empty data need no window.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
        end: bool,
    ) -> Poll<Result<(), Http2Error>> {
        loop {
            if data.is_empty() {
                let sent = if end { self.send.send_data(Bytes::new(), true) } else { Ok(()) };
                return Poll::Ready(sent.map_err(|error| self.place.state().error(&error)));
            }
            self.send.reserve_capacity(data.len());
            let mut capacity = self.send.capacity();
            if capacity == 0 {
                capacity = match ready!(self.send.poll_capacity(cx)) {
                    Some(Ok(capacity)) => capacity,
                    Some(Err(error)) => return Poll::Ready(Err(self.place.state().error(&error))),
                    // The stream takes no more; its answer, or the lack of one, says why.
                    None => return Poll::Ready(Ok(())),
                };
                if capacity == 0 {
                    continue;
                }
            }
            let piece = data.split_to(capacity.min(data.len()));
            let last = end && data.is_empty();
            if let Err(error) = self.send.send_data(piece, last) {
                return Poll::Ready(Err(self.place.state().error(&error)));
            }
            if last {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Ends the sending side with trailers.
    pub fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Http2Error> {
        self.send.send_trailers(trailers).map_err(|error| self.place.state().error(&error))
    }

    /// Gives the stream up with that error code.
    pub fn reset(&mut self, reason: Reason) {
        self.send.send_reset(reason);
    }
}
