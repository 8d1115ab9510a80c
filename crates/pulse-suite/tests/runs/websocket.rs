//! A WebSocket server that loses messages.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::accept_async;

/// Echoes messages, but not every n-th one of a connection.
pub(crate) struct ForgetfulServer {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ForgetfulServer {
    pub(crate) fn start(forgets_every: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that can be polled");
        let address = listener.local_addr().expect("a bound socket has an address");
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    tokio::task::spawn_local(echo(stream, forgets_every));
                }
            });
        });
        Self { address, ends, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn echo(stream: tokio::net::TcpStream, forgets_every: u64) {
    // A probe connects and says nothing.
    let Ok(mut socket) = accept_async(stream).await else { return };
    let mut number = 0_u64;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() || message.is_binary() {
            number += 1;
            if !number.is_multiple_of(forgets_every) && socket.send(message).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for ForgetfulServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes it, so that it sees that.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}
