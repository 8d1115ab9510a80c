//! The QUIC streams as the HTTP/3 library wants them.
//!
//! The library's own adapter cannot cancel a stream while a read is pending, and lets a peer decide how much memory a
//! frame takes. Here a stream that is dropped before its end is cancelled, and what the library holds is bounded.

use super::frames::{FrameTooLong, Frames};
use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::VarInt;
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

/// Bytes read from a stream at once.
const CHUNK_BYTES: usize = 16 << 10;
/// Bytes that may come on a stream from the server other than an answer (settings, notices) in a connection's life.
const CONTROL_BYTES: usize = 64 << 10;

/// More than is accepted of a stream that carries no body. Passed through the library to our classes of failure.
#[derive(Debug, thiserror::Error)]
#[error("the peer sent more than {limit} bytes of head or control data")]
pub(super) struct TooLong {
    pub(super) limit: u64,
}

type Opening<T> = Pin<Box<dyn Future<Output = Result<T, quinn::ConnectionError>>>>;

/// One connection: opens streams and accepts those of the server.
pub(super) struct Quic {
    opener: Opener,
    accepting: Option<Opening<quinn::RecvStream>>,
}

/// Opens streams on a connection.
pub(super) struct Opener {
    connection: quinn::Connection,
    opening_bidi: Option<Opening<(quinn::SendStream, quinn::RecvStream)>>,
    opening_uni: Option<Opening<quinn::SendStream>>,
    scratch: Rc<RefCell<Vec<u8>>>,
    longest_frame: u64,
}

impl Quic {
    /// `longest_frame`: bytes of a frame that is not DATA, in an answer.
    pub(super) fn new(connection: quinn::Connection, longest_frame: u64) -> Self {
        Self { opener: Opener::new(connection, Rc::default(), longest_frame), accepting: None }
    }
}

impl Opener {
    fn new(connection: quinn::Connection, scratch: Rc<RefCell<Vec<u8>>>, longest_frame: u64) -> Self {
        Self { connection, opening_bidi: None, opening_uni: None, scratch, longest_frame }
    }

    fn receive(&self, stream: quinn::RecvStream, bound: Bound) -> RecvStream {
        RecvStream { stream, bound, held: Arc::default(), scratch: Rc::clone(&self.scratch), ended: false }
    }
}

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream, StreamErrorIncoming>> {
        let connection = &self.connection;
        let opening = self.opening_bidi.get_or_insert_with(|| {
            let connection = connection.clone();
            Box::pin(async move { connection.open_bi().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening_bidi = None;
        let (send, receive) = opened.map_err(of_connection_on_stream)?;
        let frames = Bound::Frames { frames: Frames::new(self.longest_frame), limit: self.longest_frame };
        Poll::Ready(Ok(BidiStream { send: SendStream::new(send), receive: self.receive(receive, frames) }))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        let connection = &self.connection;
        let opening = self.opening_uni.get_or_insert_with(|| {
            let connection = connection.clone();
            Box::pin(async move { connection.open_uni().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening_uni = None;
        Poll::Ready(opened.map(SendStream::new).map_err(of_connection_on_stream))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(var_int(code.value()), reason);
    }
}

impl quic::OpenStreams<Bytes> for Quic {
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<BidiStream, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(cx)
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        self.opener.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.opener.close(code, reason);
    }
}

impl quic::Connection<Bytes> for Quic {
    type RecvStream = RecvStream;
    type OpenStreams = Opener;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let connection = &self.opener.connection;
        let accepting = self.accepting.get_or_insert_with(|| {
            let connection = connection.clone();
            Box::pin(async move { connection.accept_uni().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.accepting = None;
        let stream = accepted.map_err(of_connection)?;
        Poll::Ready(Ok(self.opener.receive(stream, Bound::Total(CONTROL_BYTES))))
    }

    fn poll_accept_bidi(
        &mut self,
        _cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream, ConnectionErrorIncoming>> {
        // The transport's settings allow the server none.
        Poll::Pending
    }

    fn opener(&self) -> Opener {
        let Opener { connection, scratch, longest_frame, .. } = &self.opener;
        Opener::new(connection.clone(), Rc::clone(scratch), *longest_frame)
    }
}

/// A request's stream, in both directions.
pub(super) struct BidiStream {
    send: SendStream,
    receive: RecvStream,
}

impl quic::BidiStream<Bytes> for BidiStream {
    type SendStream = SendStream;
    type RecvStream = RecvStream;

    fn split(self) -> (SendStream, RecvStream) {
        (self.send, self.receive)
    }
}

impl quic::RecvStream for BidiStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receive.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receive.recv_id()
    }
}

impl quic::SendStream<Bytes> for BidiStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

/// The sending side; reset when dropped before its end, so that half a request is not taken for a whole one.
pub(super) struct SendStream {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<Bytes>>,
    ended: bool,
}

impl SendStream {
    fn new(stream: quinn::SendStream) -> Self {
        Self { stream, writing: None, ended: false }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        if !self.ended {
            quic::SendStream::reset(self, Code::H3_REQUEST_CANCELLED.value());
        }
    }
}

impl quic::SendStream<Bytes> for SendStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        if let Some(data) = &mut self.writing {
            while data.has_remaining() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, data.chunk()));
                data.advance(written.map_err(of_write)?);
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.ended = true;
        Poll::Ready(self.stream.finish().map_err(|error| StreamErrorIncoming::Unknown(Box::new(error))))
    }

    fn reset(&mut self, code: u64) {
        self.ended = true;
        // An error means that the stream has ended already.
        let _ = self.stream.reset(var_int(code));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

/// How much a stream may bring that is no body.
enum Bound {
    /// An answer: by frames.
    Frames { frames: Frames, limit: u64 },
    /// A stream of the server's own: so many more bytes.
    Total(usize),
}

/// The receiving side; the peer is told to stop when it is dropped before its end.
pub(super) struct RecvStream {
    stream: quinn::RecvStream,
    bound: Bound,
    /// Bytes that the library has got from here and not let go.
    held: Arc<AtomicUsize>,
    scratch: Rc<RefCell<Vec<u8>>>,
    ended: bool,
}

impl RecvStream {
    /// Whether the library is to use what it has first. It can: more than the longest frame is there.
    fn is_full(&self) -> bool {
        match &self.bound {
            Bound::Frames { limit, .. } => {
                self.held.load(Ordering::Relaxed) as u64 > limit + 4 * CHUNK_BYTES as u64
            }
            Bound::Total(_) => false,
        }
    }
}

impl Bound {
    /// Adds to `out` what the library is to see of `bytes`; none at the stream's end.
    fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
        match self {
            Self::Frames { frames, .. } if bytes.is_empty() => out.extend_from_slice(frames.end()),
            Self::Frames { frames, limit } => {
                frames.pass(bytes, out).map_err(|FrameTooLong| TooLong { limit: *limit })?;
            }
            Self::Total(left) => {
                *left = left.checked_sub(bytes.len()).ok_or(TooLong { limit: CONTROL_BYTES as u64 })?;
                out.extend_from_slice(bytes);
            }
        }
        Ok(())
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        if !self.ended {
            quic::RecvStream::stop_sending(self, Code::H3_REQUEST_CANCELLED.value());
        }
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if self.is_full() {
            // Nobody needs to be woken: the caller goes on with what it holds.
            return Poll::Pending;
        }
        let mut scratch = self.scratch.borrow_mut();
        scratch.resize(CHUNK_BYTES, 0);
        let mut bytes = Vec::new();
        // Of a frame's header that is not complete, nothing is to be seen.
        while bytes.is_empty() && !self.ended {
            let count = ready!(self.stream.poll_read(cx, &mut scratch)).map_err(of_read)?;
            self.ended = count == 0;
            let passed = self.bound.pass(&scratch[..count], &mut bytes);
            passed.map_err(|error| StreamErrorIncoming::Unknown(Box::new(error)))?;
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(None));
        }
        self.held.fetch_add(bytes.len(), Ordering::Relaxed);
        Poll::Ready(Ok(Some(Bytes::from_owner(Held { bytes, held: Arc::clone(&self.held) }))))
    }

    fn stop_sending(&mut self, code: u64) {
        self.ended = true;
        // An error means that the stream has ended already.
        let _ = self.stream.stop(var_int(code));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

/// Bytes that are counted for as long as they live.
struct Held {
    bytes: Vec<u8>,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Quic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quic").finish_non_exhaustive()
    }
}

fn var_int(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

fn stream_id(id: quinn::StreamId) -> StreamId {
    StreamId::try_from(u64::from(id)).expect("both sides mean the 62 bits of RFC 9000")
}

fn of_connection(error: quinn::ConnectionError) -> ConnectionErrorIncoming {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into_inner() }
        }
        quinn::ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

fn of_connection_on_stream(error: quinn::ConnectionError) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error: of_connection(error) }
}

fn of_read(error: quinn::ReadError) -> StreamErrorIncoming {
    match error {
        quinn::ReadError::Reset(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        quinn::ReadError::ConnectionLost(error) => of_connection_on_stream(error),
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}

fn of_write(error: quinn::WriteError) -> StreamErrorIncoming {
    match error {
        quinn::WriteError::Stopped(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        quinn::WriteError::ConnectionLost(error) => of_connection_on_stream(error),
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}
