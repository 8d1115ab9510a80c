//! The body of an answer, watched to its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::exchange::Exchange;

pin_project! {
    /// A body whose last byte, or whose end before that, is when its request is recorded.
    #[derive(Debug)]
    pub struct MonitoredBody<B> {
        #[pin]
        inner: B,
        watch: Option<Watch>,
    }
}

/// What is still to be recorded. Dropped, it records that the answer was given up.
#[derive(Debug)]
struct Watch {
    exchange: Exchange,
    status: StatusCode,
    /// Bytes still to come, where the length is known. Servers do not ask for more once they have them.
    left: Option<u64>,
}

impl Watch {
    fn complete(self) {
        self.exchange.complete(self.status);
    }
}

/// Hands on an answer. Its request is recorded at once where nothing is to be sent, or where the end says nothing.
pub(super) fn watch<B: Body>(answer: Response<B>, exchange: Option<Exchange>) -> Response<MonitoredBody<B>> {
    let (head, inner) = answer.into_parts();
    let status = head.status;
    let announced = || head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    let left = inner.size_hint().exact().or_else(announced);
    let is_head = exchange.as_ref().is_some_and(Exchange::is_head);
    let is_stream_of_events = head.headers.get(CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .get(..EVENTS.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(EVENTS.as_bytes()))
    });
    let mut watch = exchange.map(|mut exchange| {
        exchange.waiting();
        Watch { exchange, status, left }
    });
    if inner.is_end_stream() || is_stream_of_events || is_head || has_no_body(status) {
        watch.take().into_iter().for_each(Watch::complete);
    }
    Response::from_parts(head, MonitoredBody { inner, watch })
}

const EVENTS: &str = "text/event-stream";

/// Answers whose body is never sent, even where there is one.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

impl<B: Body> Body for MonitoredBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        this.watch.iter_mut().for_each(|watch| watch.exchange.working());
        let polled = this.inner.as_mut().poll_frame(context);
        this.watch.iter_mut().for_each(|watch| watch.exchange.waiting());
        let frame = ready!(polled);
        match &frame {
            None => this.watch.take().into_iter().for_each(Watch::complete),
            Some(Err(_)) => this.watch.take().into_iter().for_each(|watch| watch.exchange.fail()),
            Some(Ok(frame)) => {
                let sent = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                let is_last = this.watch.as_mut().is_some_and(|watch| {
                    watch.left = watch.left.map(|left| left.saturating_sub(sent));
                    watch.left == Some(0)
                });
                if is_last || this.inner.is_end_stream() {
                    this.watch.take().into_iter().for_each(Watch::complete);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
