//! A UDP socket that is connected to its peer, one for each connection.
//!
//! The library's own socket serves many peers at once and therefore never hears that nobody listens at a port: only a
//! connected socket is told (by ICMP). It also sets aside megabytes for batches of datagrams, where this one, which
//! belongs to one user with one small request at a time, reads a datagram per call.

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use tokio::net::UdpSocket;

/// The socket, and the error that ended its use.
#[derive(Debug)]
pub(super) struct Socket {
    io: UdpSocket,
    peer: SocketAddr,
    end: Mutex<End>,
}

#[derive(Debug, Default)]
struct End {
    error: Option<rustix::io::Errno>,
    /// Who reads. A send may be told what the next read should have been told.
    reader: Option<Waker>,
}

impl Socket {
    pub(super) async fn connect(peer: SocketAddr) -> io::Result<Self> {
        let local: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let io = UdpSocket::bind(local).await?;
        io.connect(peer).await?;
        Ok(Self { io, peer, end: Mutex::default() })
    }

    /// What the system said about the peer, where it said something.
    pub(super) fn error(&self) -> Option<io::Error> {
        self.end().error.map(io::Error::from)
    }

    fn end(&self) -> std::sync::MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: &io::Error) {
        let mut end = self.end();
        end.error = end.error.or(rustix::io::Errno::from_io_error(error));
        if let Some(reader) = end.reader.take() {
            reader.wake();
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.io.try_send(transmit.contents) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => {
                // An error here would end the connection's task without a word to those who wait for it; the reader
                // passes it on.
                self.fail(&error);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut end = self.end();
        if let Some(error) = end.error {
            return Poll::Ready(Err(error.into()));
        }
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        let mut buffer = tokio::io::ReadBuf::new(buffer);
        let result = match self.io.poll_recv(cx, &mut buffer) {
            Poll::Ready(result) => result,
            Poll::Pending => {
                end.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        drop(end);
        if let Err(error) = result {
            self.fail(&error);
            return Poll::Ready(Err(error));
        }
        let len = buffer.filled().len();
        *meta = RecvMeta { addr: self.peer, len, stride: len, ecn: None, dst_ip: None };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }
}

/// Waits until the socket takes another datagram.
#[derive(Debug)]
struct Writable(Arc<Socket>);

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ready = ready!(self.0.io.poll_send_ready(cx));
        if let Err(error) = ready {
            self.0.fail(&error);
        }
        Poll::Ready(Ok(()))
    }
}
