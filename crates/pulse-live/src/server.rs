//! The web server of a running job: the dashboard's page with its events, the job's metrics for Prometheus, its summary as
//! JSON, and whether it is alive.
//!
//! It runs on a thread of its own and only ever reads: a slow or greedy client holds up nobody but itself. Clients, the
//! size of a request and the time without a word are limited.

mod answers;
mod clients;
mod guard;
mod stream;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use pulse_model::{Nanos, Snapshot, Summary};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use answers::router;
use clients::Clients;
use guard::Guard;
use stream::viewers;

/// How long answers under way may take once the server is to stop.
const GRACE: Duration = Duration::from_millis(500);

/// Where and for whom to serve.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// What a client must know, as `Authorization: Bearer TOKEN` or `?token=TOKEN`. Needed for every address that is not
    /// loopback: figures of a service are nobody else's business.
    pub token: Option<String>,
}

/// Where the server gets what it serves: functions, so that nothing is computed that nobody asks for.
#[derive(Clone)]
pub struct Feed {
    /// Everything that was counted since the job began.
    pub totals: Arc<dyn Fn() -> Snapshot + Send + Sync>,
    /// The summary as of now; of a suite without so many of its first cases, which the asker has already.
    pub summary: Arc<dyn Fn(usize) -> Summary + Send + Sync>,
    /// The summary of a window that ends now, of jobs that keep some; `None` where it is none of
    /// [`Windows::SPANS`](crate::Windows::SPANS).
    pub window: Option<WindowFeed>,
}

/// The summary of the last part of a job.
pub type WindowFeed = Arc<dyn Fn(Nanos) -> Option<Summary> + Send + Sync>;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Somebody else listens there.
    #[error("port {} of {} is in use already; serve at another, or at port 0 for a free one", address.port(), address.ip())]
    PortInUse {
        /// Where.
        address: SocketAddr,
    },
    /// The address cannot be used.
    #[error("{address} cannot be listened at: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Others can reach the address, and nothing keeps them out.
    #[error("{address} can be reached from other machines: that needs a token")]
    NoToken {
        /// Where.
        address: SocketAddr,
    },
    /// A token that no header can hold.
    #[error("a token has 8 to 512 letters, figures or signs, and no blanks")]
    BadToken,
    /// The system refused a thread or an event queue.
    #[error("the system refused a thread or an event queue: {0}")]
    Thread(#[source] io::Error),
}

/// A server under way. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Server {
    /// Begins to serve. When this returns, requests are answered.
    pub fn start(config: &ServerConfig, feed: Feed) -> Result<Self, ServerError> {
        let address = config.address;
        if config.token.is_none() && !address.ip().is_loopback() {
            return Err(ServerError::NoToken { address });
        }
        let guard = Guard::new(config.token.as_deref()).ok_or(ServerError::BadToken)?;
        let listener = bind(address)?;
        let address = listener.local_addr().map_err(ServerError::Thread)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ServerError::Thread)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(ServerError::Thread)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("pulse-server".to_owned())
            .spawn(move || serve(&runtime, listener, guard, feed, stopped))
            .map_err(ServerError::Thread)?;
        Ok(Self { address, running: Some((stop, thread)) })
    }

    /// Where it listens, with the port that was really taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for a browser on this machine, without a slash at the end.
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            // Neither a server that has ended already nor one that panicked is of interest any more.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

fn serve(runtime: &Runtime, listener: TcpListener, guard: Guard, feed: Feed, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async move {
        let (close, closing) = oneshot::channel::<()>();
        let (viewers, teller) = viewers(feed.clone());
        let serving = axum::serve(Clients::new(listener), router(guard, feed, viewers))
            .with_graceful_shutdown(async {
                // A lost sender is an order to stop, too.
                let _ = closing.await;
            });
        let serving = tokio::spawn(async { serving.await });
        teller.tell(stopped).await;
        let _ = close.send(());
        // Whoever has not read its answer by then has lost interest, or is a stream without end.
        let _ = tokio::time::timeout(GRACE, serving).await;
    });
}

fn bind(address: SocketAddr) -> Result<StdTcpListener, ServerError> {
    let listener = StdTcpListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServerError::PortInUse { address },
        _ => ServerError::Listen { address, source },
    })?;
    listener.set_nonblocking(true).map_err(|source| ServerError::Listen { address, source })?;
    Ok(listener)
}

#[cfg(test)]
mod tests;
