//! One open connection and what can be known about it while it idles.

use rustix::net::RecvFlags;
use rustls::HandshakeKind;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// What bytes go through before anything is encrypted.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Plain or encrypted bytes. An enum, not a boxed trait object: the kinds are known and the branch is predictable.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
    UnixTls(Box<TlsStream<UnixStream>>),
}

impl Stream {
    pub(crate) fn plain(socket: Socket) -> Self {
        match socket {
            Socket::Tcp(stream) => Self::Plain(stream),
            Socket::Unix(stream) => Self::Unix(stream),
        }
    }

    /// Whether the TLS handshake continued an earlier session; `None` without TLS.
    pub(crate) fn handshake(&self) -> Option<HandshakeKind> {
        match self {
            Self::Plain(_) | Self::Unix(_) => None,
            Self::Tls(stream) => stream.get_ref().1.handshake_kind(),
            Self::UnixTls(stream) => stream.get_ref().1.handshake_kind(),
        }
    }

    /// Reads into `room`. Tokio remembers whether the socket may have bytes and clears that after a read that did
    /// not fill its buffer, so in the steady state (room larger than the response) a request costs one write and
    /// one read: no read is tried before epoll has reported bytes, none after the last of them.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        ready!(match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::UnixTls(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes `bytes[*written..]`; ready when all of it has been handed to the kernel.
    pub(crate) fn poll_write_all(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        while *written < bytes.len() {
            *written += ready!(self.poll_write_some(cx, &bytes[*written..], &[]))?;
        }
        self.poll_flushed(cx)
    }

    /// Writes what the socket takes at once of `first` and `second`, in one write; at least one byte.
    pub(crate) fn poll_write_some(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(self);
        let count = ready!(match (first, second) {
            (first, []) => stream.poll_write(cx, first),
            ([], second) => stream.poll_write(cx, second),
            (first, second) => stream.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)]),
        })?;
        Poll::Ready(if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) })
    }

    /// Hands over what the encryption still holds.
    pub(crate) fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::UnixTls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// The protocol that the peer chose in the TLS handshake (ALPN), as registered: `h2`, `http/1.1`.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) | Self::Unix(_) => None,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol(),
            Self::UnixTls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }

    fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.get_ref().0.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::UnixTls(stream) => stream.get_ref().0.as_fd(),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::UnixTls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::UnixTls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::UnixTls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::UnixTls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::UnixTls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What a kept connection turns out to be when it is wanted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    Usable,
    ClosedByPeer,
    /// Bytes have come that answer nothing. They must not be taken for the next answer.
    Unsolicited,
}

/// An open connection between two exchanges.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) last_used: Instant,
}

impl Connection {
    /// Whether a request may be sent now.
    pub(crate) fn poll_idle(&mut self, cx: &mut Context<'_>, now: Instant, ask_after: Duration) -> Idle {
        // Costs no system call as long as the reactor has seen nothing, and then says nothing about what it has
        // not seen yet: the reactor may not have had its turn since the peer closed.
        let mut byte = [0];
        match self.stream.poll_read(cx, &mut byte) {
            Poll::Ready(Ok(0) | Err(_)) => return Idle::ClosedByPeer,
            Poll::Ready(Ok(_)) => return Idle::Unsolicited,
            Poll::Pending => {}
        }
        if now.saturating_duration_since(self.last_used) < ask_after {
            return Idle::Usable;
        }
        // Peer and kernel are asked directly. Under TLS the bytes in waiting may be harmless, but telling that
        // would need a turn of the reactor; a new connection is the safe choice.
        match rustix::net::recv(self.stream.socket(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Idle::Usable,
            Ok((_, 0)) | Err(_) => Idle::ClosedByPeer,
            Ok(_) => Idle::Unsolicited,
        }
    }
}
