//! The server that is asked: nginx with one worker on one CPU, which answers from memory and says how often it did.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The CPU of the server; clients run on another one.
const CPU: &str = "0";
/// Open connections that the server allows.
const CONNECTIONS: u32 = 18_000;
/// What it answers: 102 bytes, in which a scenario finds something to check and to take.
const BODY: &str = r#"{"id":471,"status":"ready","symbol":"PULSE","bid":101.25,"ask":101.75,"venue":"XPLS","currency":"EUR"}"#;
/// How often it is asked whether it is there, and how long between.
const ATTEMPTS: u32 = 200;
const BETWEEN: Duration = Duration::from_millis(25);

/// nginx in a process of its own, without a master; ends when dropped.
pub(super) struct Nginx {
    child: Child,
    pub(super) ports: Ports,
    /// How often it was asked for its counts.
    asked: Cell<u64>,
}

/// Where it listens, on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    /// HTTP/1.1.
    pub(super) plain: u16,
    /// HTTP/1.1 over TLS.
    pub(super) tls: u16,
    /// HTTP/2 with prior knowledge.
    pub(super) h2c: u16,
    /// HTTP/2 over TLS.
    pub(super) h2: u16,
}

impl Nginx {
    /// Writes a certificate and a configuration into `folder` and starts.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        certificate(folder)?;
        let ports = Ports::free()?;
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration(folder, ports))?;
        let child = Command::new("taskset")
            .args(["-c", CPU, "nginx", "-e", "stderr", "-p"])
            .arg(folder)
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("nginx.err"))?)
            .spawn()
            .context("nginx cannot be started")?;
        let server = Self { child, ports, asked: Cell::new(0) };
        for _ in 0..ATTEMPTS {
            if server.requests().is_ok() {
                return Ok(server);
            }
            sleep(BETWEEN);
        }
        bail!("nginx does not answer: {}", fs::read_to_string(folder.join("nginx.err"))?)
    }

    /// The requests that it has answered so far, this question not counted.
    pub(super) fn requests(&self) -> anyhow::Result<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.plain))?;
        stream.write_all(b"GET /counts HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let all = handled(&text).with_context(|| format!("nginx says `{text}`"))?;
        // Counted is each question, too, and the one that is being answered.
        let asked = self.asked.get() + 1;
        self.asked.set(asked);
        Ok(all - asked)
    }

    /// Stops the process where it is; connections wait in the kernel.
    pub(super) fn halt(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub(super) fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).context("a process id")?;
        kill(Pid::from_raw(pid), signal).context("nginx is gone")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It is a child of ours and holds nothing worth saving; when it has ended already there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ports {
    /// Ports that nobody listens on now.
    fn free() -> anyhow::Result<Self> {
        let listeners: Vec<TcpListener> =
            (0..4).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
        let port = |n: usize| listeners[n].local_addr().map(|address| address.port());
        Ok(Self { plain: port(0)?, tls: port(1)?, h2c: port(2)?, h2: port(3)? })
    }
}

/// A throw-away certificate for 127.0.0.1: `cert.pem` and `key.pem`.
fn certificate(folder: &Path) -> anyhow::Result<()> {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .context("openssl cannot be run")?;
    if !output.status.success() {
        bail!("no certificate: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn configuration(folder: &Path, ports: Ports) -> String {
    let Ports { plain, tls, h2c, h2 } = ports;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {};\n", folder.join(name).display()))
        .concat();
    let server = |listen: String| {
        format!(
            "  server {{\n    listen 127.0.0.1:{listen} backlog=4096;\n    \
             location / {{ default_type application/json; return 200 '{BODY}'; }}\n    \
             location = /counts {{ stub_status; }}\n  }}\n"
        )
    };
    let servers: String = [
        server(plain.to_string()),
        server(format!("{tls} ssl")),
        server(format!("{h2c} http2")),
        server(format!("{h2} ssl http2")),
    ]
    .concat();
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nworker_rlimit_nofile {};\n\
         events {{ worker_connections {CONNECTIONS}; }}\n\
         http {{\n  access_log off;\n{temporary}  keepalive_requests 1000000000;\n  keepalive_timeout 1h;\n  \
         ssl_certificate {};\n  ssl_certificate_key {};\n{servers}}}\n",
        CONNECTIONS + 100,
        folder.join("cert.pem").display(),
        folder.join("key.pem").display(),
    )
}

/// The third number below the heading of `stub_status`.
fn handled(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("server accepts handled requests")?;
    rest.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        let text = "HTTP/1.1 200 OK\r\n\r\nActive connections: 1 \nserver accepts handled requests\n 7 6 5 \nReading: 0";
        assert_eq!(handled(text), Some(5));
        assert_eq!(handled("404"), None);
    }

    #[test]
    fn the_answer_has_the_size_that_the_document_names() {
        assert_eq!(BODY.len(), 102);
    }
}
