//! The connections of the server: so many, and none for ever.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time; further ones wait in the system's queue until one ends.
pub(super) const MOST_CLIENTS: usize = 64;
/// How long a connection may be silent in both directions.
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// Pause after the system refused a connection, for want of descriptors usually.
const REFUSED: Duration = Duration::from_millis(100);

/// Accepts as many connections as there may be.
pub(super) struct Clients {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Clients {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(MOST_CLIENTS)) }
    }
}

impl axum::serve::Listener for Clients {
    type Io = Client;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Client, SocketAddr) {
        loop {
            // Nobody closes the semaphore, so that waiting for a place does not fail.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                return std::future::pending().await;
            };
            match self.listener.accept().await {
                Ok((stream, address)) => return (Client::new(stream, place), address),
                Err(_) => sleep(REFUSED).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing was read or written for too long, and gives its place back then.
pub(super) struct Client {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Client {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        // Failing means that the peer is gone already; the next read finds that out.
        let _ = stream.set_nodelay(true);
        Self { stream, silence: Box::pin(sleep(SILENCE)), _place: place }
    }

    /// A result as it is, unless it is "not yet" for too long.
    fn unless_silent<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match result {
            Poll::Pending => match self.silence.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
            ready @ Poll::Ready(_) => {
                self.silence.as_mut().reset(Instant::now() + SILENCE);
                ready
            }
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.unless_silent(cx, result)
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_silent(cx, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
