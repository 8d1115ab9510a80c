//! A service that is scraped: a loopback server that answers with a snapshot in the format that was asked for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use pulse_export::{Escaping, Rendered, open_metrics, prometheus_text, render};
use pulse_model::Snapshot;

/// A running server; it ends when it is dropped.
pub(crate) struct Service {
    pub(crate) port: u16,
    served: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Serves the snapshot: at `/metrics` as negotiated, at `/text` and `/openmetrics` in this format whatever is asked for.
    pub(crate) fn start(snapshot: Snapshot) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (served, stop) = (Arc::clone(&served), Arc::clone(&stop));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // A scraper that goes away is its own affair.
                    if let Ok(content_type) = stream.and_then(|stream| answer(stream, &snapshot)) {
                        served.lock().unwrap().push(content_type);
                    }
                }
            }
        });
        Self { port, served, stop, thread: Some(thread) }
    }

    /// Content types of the answers so far.
    pub(crate) fn served(&self) -> Vec<String> {
        self.served.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread, which waits for a connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(stream: TcpStream, snapshot: &Snapshot) -> std::io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let (mut accept, mut accept_encoding) = (String::new(), String::new());
    for line in lines {
        let line = line?;
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("accept") => value.clone_into(&mut accept),
            Some((name, value)) if name.eq_ignore_ascii_case("accept-encoding") => {
                value.clone_into(&mut accept_encoding);
            }
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let fixed = |content_type: &'static str, body| Rendered {
        content_type: content_type.into(),
        content_encoding: None,
        body,
    };
    let rendered = match request.split(' ').nth(1) {
        Some("/text") => fixed(
            "text/plain; version=0.0.4; charset=utf-8",
            prometheus_text(snapshot, Escaping::Underscores),
        ),
        Some("/openmetrics") => fixed(
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            open_metrics(snapshot, Escaping::Underscores),
        ),
        _ => render(snapshot, &accept, &accept_encoding),
    };
    let encoding =
        rendered.content_encoding.map_or(String::new(), |name| format!("Content-Encoding: {name}\r\n"));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{encoding}Content-Length: {}\r\nConnection: close\r\n\r\n",
        rendered.content_type,
        rendered.body.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(&rendered.body)?;
    Ok(rendered.content_type.into_owned())
}
