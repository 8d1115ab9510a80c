//! Running the demo: [`serve`] inside a runtime, [`DemoServer`] with one of its own.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::serve::ListenerExt;
use pulse_monitor::{Config, Group, Monitor};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::config::DemoConfig;
use crate::error::DemoError;
use crate::injector::Injector;
use crate::routes::{App, router};
use crate::socket::MOST_STREAMS;
use crate::store::{DataSet, Store};

/// How long requests under way may take after the order to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Threads that serve requests; the load generator beside it needs the other cores.
const SERVING_THREADS: usize = 2;

/// Serves the demo on `listener` until `shutdown` completes, on the caller's runtime (with time and I/O enabled).
///
/// Requests under way then get up to five seconds to finish. Opening and filling the database happens before the
/// first request is accepted.
pub async fn serve(
    listener: TcpListener,
    config: DemoConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DemoError> {
    config.character.check()?;
    let (opened, monitor) = (config.clone(), monitor(&config));
    let recording = monitor.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&opened, &recording))
        .await
        .map_err(|lost| DemoError::Serve(io::Error::other(lost)))??;
    let injector = Arc::new(Injector::new(config.character, config.seed));
    run(listener, Parts { store: Arc::new(store), injector, monitor }, &config, shutdown).await
}

/// What a server is made of.
struct Parts {
    store: Arc<Store>,
    injector: Arc<Injector>,
    monitor: Monitor,
}

/// Its monitor, which shares memory with others only where a group is named.
fn monitor(config: &DemoConfig) -> Monitor {
    let group = config.group.clone().map_or(Group::Private, Group::Named);
    Monitor::new(Config { group, ..Config::default() })
}

async fn run(
    listener: TcpListener,
    Parts { store, injector, monitor }: Parts,
    config: &DemoConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DemoError> {
    let (close, closing) = watch::channel(false);
    let mut stopped = closing.clone();
    let order = close.clone();
    let app = App { store, streams: Arc::new(Semaphore::new(MOST_STREAMS)), closing, monitor };
    let router = router(app, (!config.character.is_plain()).then_some(injector));
    // Without it the kernel may hold a small answer back for tens of milliseconds.
    let listener = listener.tap_io(|stream| {
        // Failing means that the peer is gone already; the next read finds that out.
        let _ = stream.set_nodelay(true);
    });
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        order.send_replace(true);
    });
    let out_of_patience = async {
        // Fails only when the sender is gone, and `close` lives as long as this function.
        let _ = stopped.wait_for(|stopped| *stopped).await;
        tokio::time::sleep(GRACE).await;
    };
    let ended = tokio::select! {
        ended = serving => ended.map_err(DemoError::Serve),
        () = out_of_patience => Ok(()),
    };
    drop(close);
    ended
}

/// A demo server on a thread and runtime of its own. Dropping it stops it, as [`stop`](Self::stop) does.
pub struct DemoServer {
    address: SocketAddr,
    data_set: DataSet,
    injector: Arc<Injector>,
    monitor: Monitor,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), DemoError>>,
}

impl DemoServer {
    /// Listens on `config.listen`, fills the database and starts to serve. When this returns, requests are answered.
    pub fn start(config: DemoConfig) -> Result<Self, DemoError> {
        config.character.check()?;
        // The port first: it is the mistake that is made most, and found without waiting for a large data set.
        let listener = bind(config.listen)?;
        let address = listener.local_addr().map_err(DemoError::Threads)?;
        let monitor = monitor(&config);
        let store = Store::open(&config, &monitor)?;
        let data_set = store.data_set();
        let injector = Arc::new(Injector::new(config.character, config.seed));
        let runtime = runtime().map_err(DemoError::Threads)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(DemoError::Threads)?
        };
        let (stop, stopped) = oneshot::channel();
        let parts =
            Parts { store: Arc::new(store), injector: Arc::clone(&injector), monitor: monitor.clone() };
        let work = move || {
            let shutdown = async {
                // A lost sender is an order to stop, too.
                let _ = stopped.await;
            };
            let ended = runtime.block_on(run(listener, parts, &config, shutdown));
            runtime.shutdown_timeout(Duration::from_secs(1));
            ended
        };
        let thread = std::thread::Builder::new()
            .name("pulse-demo".to_owned())
            .spawn(work)
            .map_err(DemoError::Threads)?;
        Ok(Self { address, data_set, injector, monitor, running: Some(Running { stop, thread }) })
    }

    /// Where the server listens, with the port that was really taken.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL without a slash at the end, for example `http://127.0.0.1:8000`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the database held when the server started.
    pub fn data_set(&self) -> DataSet {
        self.data_set
    }

    /// What the service records about itself.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Memory leaked so far by the character, in bytes: the truth against which a soak test is judged.
    pub fn leaked_bytes(&self) -> u64 {
        self.injector.leak.held_bytes()
    }

    /// Stops accepting, lets requests under way finish for up to five seconds, and removes a temporary database.
    pub fn stop(mut self) -> Result<(), DemoError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), DemoError> {
        let Some(Running { stop, thread }) = self.running.take() else {
            return Ok(());
        };
        // The receiver is gone only when the server ended by itself; the join tells why.
        let _ = stop.send(());
        thread.join().unwrap_or_else(|_| Err(DemoError::Serve(io::Error::other("its thread panicked"))))
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        // A destructor cannot report; whoever wants the reason calls `stop`.
        let _ = self.end();
    }
}

fn bind(address: SocketAddr) -> Result<StdTcpListener, DemoError> {
    let listener = StdTcpListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => DemoError::PortInUse { address },
        _ => DemoError::Listen { address, source },
    })?;
    listener.set_nonblocking(true).map_err(|source| DemoError::Listen { address, source })?;
    Ok(listener)
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(SERVING_THREADS)
        .max_blocking_threads(16)
        .thread_name("pulse-demo")
        .enable_all()
        .build()
}
