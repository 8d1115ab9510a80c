//! The thread that a test server runs on.

use std::any::Any;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::thread::JoinHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};

/// A thread with a current-thread runtime that accepts connections; stopped and joined when dropped.
#[derive(Debug)]
pub(crate) struct ServerThread {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ServerThread {
    /// Listens at a free port and gives the n-th connection (from 0) to the task that `serve` makes of it.
    pub(crate) fn start<S, F>(name: &str, serve: S) -> Self
    where
        S: Fn(usize, TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of 127.0.0.1");
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("the runtime takes the listener");
                accept(listener, stopped, serve).await;
            });
        };
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(run).expect("a thread can be started");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

async fn accept<S, F>(listener: TcpListener, mut stopped: oneshot::Receiver<()>, serve: S)
where
    S: Fn(usize, TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut count = 0;
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(ended) = connections.join_next() => raise(ended),
            accepted = listener.accept() => {
                // A connection that the client has given up meanwhile is none.
                if let Ok((stream, _)) = accepted {
                    stream.set_nodelay(true).ok();
                    connections.spawn(serve(count, stream));
                    count += 1;
                }
            }
        }
    }
}

fn raise(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        resume_unwind(error.into_panic());
    }
}

/// A panic of a server's thread becomes the test's, unless the test is failing already.
pub(crate) fn join(thread: Option<JoinHandle<()>>) {
    let outcome: Result<(), Box<dyn Any + Send>> = thread.map_or(Ok(()), JoinHandle::join);
    if let Err(panic) = outcome
        && !std::thread::panicking()
    {
        resume_unwind(panic);
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok(); // fails where the thread has ended with a panic, which `join` raises
        }
        join(self.thread.take());
    }
}
