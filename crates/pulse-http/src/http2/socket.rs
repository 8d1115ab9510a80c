//! The stream under an HTTP/2 connection: few large reads, bytes counted, the true reason of its end kept.

use crate::connection::Stream;
use crate::failure::{Cause, FailureClass};
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that one poll of the connection may read. A peer that sends faster than its frames can be looked at would
/// otherwise keep the connection's task busy for ever, and fill queues that their readers get no chance to empty.
const BYTES_PER_POLL: usize = 256 << 10;

/// What the connection's users want to know about its socket.
#[derive(Debug)]
pub(super) struct Traffic {
    sent: Cell<u64>,
    received: Cell<u64>,
    /// What is left of [`BYTES_PER_POLL`].
    allowance: Cell<usize>,
    /// Why no more bytes will come. The frames' library passes errors on as words, without their class.
    end: RefCell<Option<Cause>>,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self {
            sent: Cell::default(),
            received: Cell::default(),
            allowance: Cell::new(BYTES_PER_POLL),
            end: RefCell::default(),
        }
    }

    /// Bytes (sent, received) that nobody has taken yet. Frames of many streams share a write, so a byte belongs to the
    /// exchange that asks first; their sum is what went over the wire.
    pub(super) fn take(&self) -> (u64, u64) {
        (self.sent.take(), self.received.take())
    }

    /// Before each poll of the connection.
    pub(super) fn renew(&self) {
        self.allowance.set(BYTES_PER_POLL);
    }

    /// Why the socket ended, where it did.
    pub(super) fn end(&self) -> Option<Cause> {
        self.end.borrow().as_ref().map(Cause::same)
    }

    fn ended(&self, cause: Cause) {
        self.end.borrow_mut().get_or_insert(cause);
    }
}

/// Reads ahead into a buffer of its own: the frames' library asks for as little as its current buffer has room for,
/// which would be a system call for every few bytes.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether the peer has sent anything yet.
    heard: bool,
    traffic: Rc<Traffic>,
}

impl Socket {
    pub(super) fn new(stream: Stream, buffer_bytes: usize, traffic: Rc<Traffic>) -> Self {
        Self {
            stream,
            buffer: vec![0; buffer_bytes].into_boxed_slice(),
            start: 0,
            end: 0,
            heard: false,
            traffic,
        }
    }

    fn wrote(&self, result: io::Result<usize>) -> io::Result<usize> {
        match &result {
            Ok(count) => self.traffic.sent.set(self.traffic.sent.get() + *count as u64),
            Err(error) => self.traffic.ended(Cause::of(error)),
        }
        result
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, buffer, start, end, heard, traffic } = self.get_mut();
        if *start == *end {
            if traffic.allowance.get() == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let count = match ready!(stream.poll_read(cx, buffer)) {
                Ok(count) => count,
                Err(error) => {
                    traffic.ended(Cause::of(&error));
                    return Poll::Ready(Err(error));
                }
            };
            if count == 0 {
                traffic.ended(Cause::of(&io::ErrorKind::UnexpectedEof.into()));
                return Poll::Ready(Ok(()));
            }
            if !std::mem::replace(heard, true) && buffer[..count].starts_with(b"HTTP/1.") {
                traffic.ended(Cause::new(
                    FailureClass::Protocol,
                    "the peer answers in HTTP/1.1: it does not speak HTTP/2 here",
                ));
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            traffic.received.set(traffic.received.get() + count as u64);
            traffic.allowance.set(traffic.allowance.get().saturating_sub(count));
            (*start, *end) = (0, count);
        }
        let count = out.remaining().min(*end - *start);
        out.put_slice(&buffer[*start..*start + count]);
        *start += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes));
        Poll::Ready(this.wrote(result))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let stream = Pin::new(&mut this.stream);
        // Sending one piece costs the kernel less than gathering it from a list of one.
        let result = match slices {
            [only] => ready!(stream.poll_write(cx, only)),
            _ => ready!(stream.poll_write_vectored(cx, slices)),
        };
        Poll::Ready(this.wrote(result))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// What a stream is told where the socket gave no reason.
pub(super) fn ended_without_reason() -> Cause {
    Cause::new(FailureClass::Closed, "the connection ended before the response was complete")
}
