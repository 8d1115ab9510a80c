//! Servers that others wrote.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pulse_testkit::{Script, ScriptedServer, Step};
use support::load;

/// A server in a process of its own, ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a program is there; where it must be and is not, the test fails.
fn is_installed(program: &str, version: &str) -> bool {
    let found = Command::new(program).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} is missing, and CI must have it");
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn assert_served(url: &str, requests: u64) {
    let count = requests.to_string();
    let report = load(url, &["--users", "3", "--pace", "0", "-n", &count, "--expect-status", "200"]);
    assert_eq!(report["requests"]["successful"], requests, "{report:#}");
}

#[test]
fn the_http_server_of_python() {
    if !is_installed("python3", "--version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.txt"), "x".repeat(100_000)).unwrap();
    for protocol in ["HTTP/1.0", "HTTP/1.1"] {
        let program = "
import sys, http.server as h
h.SimpleHTTPRequestHandler.protocol_version = sys.argv[1]
s = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)
print(s.server_port, flush=True)
s.serve_forever()";
        let mut child = Command::new("python3")
            .args(["-c", program, protocol])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let _server = Server(child);
        let base = format!("http://127.0.0.1:{}", port.trim());
        assert_served(&format!("{base}/file.txt"), 60);
        let report = load(&format!("{base}/missing"), &["--users", "1", "-n", "3"]);
        assert_eq!(report["statuses"][0]["status"], "404", "{protocol}");
        let report =
            load(&format!("{base}/file.txt"), &["-X", "HEAD", "--users", "1", "-n", "5", "--pace", "0"]);
        assert_eq!(report["requests"]["successful"], 5, "{protocol}");
        let opened = if protocol == "HTTP/1.1" { 1 } else { 5 };
        assert_eq!(report["connections"]["opened"], opened, "{protocol}");
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Where Debian puts it, which is not on every user's path.
const NGINX: [&str; 2] = ["/usr/sbin/nginx", "nginx"];

fn nginx_program() -> &'static str {
    let [debian, any] = NGINX;
    if Path::new(debian).exists() { debian } else { any }
}

#[test]
fn nginx() {
    if !is_installed(nginx_program(), "-v") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display();
    fs::write(folder.path().join("file.txt"), "x".repeat(200_000)).unwrap();
    let port = free_port();
    let configuration = format!(
        "daemon off; master_process off; pid {root}/pid; error_log stderr notice;
events {{}}
http {{
    access_log off; keepalive_requests 7;
    client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
    uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
    server {{
        listen 127.0.0.1:{port}; root {root};
        location /health {{ return 200 'fine'; }}
        location /zipped {{ gzip on; gzip_types *; gzip_min_length 1; alias {root}/file.txt; }}
    }}
}}
"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration).unwrap();
    let server = start_nginx(&file);
    let base = format!("http://127.0.0.1:{port}");
    for path in ["", "/file.txt"] {
        assert_served(&format!("{base}{path}"), 60);
    }
    // Compressed on the fly, hence chunked.
    let report =
        load(&format!("{base}/zipped"), &["-H", "Accept-Encoding: gzip", "--users", "2", "-n", "20"]);
    assert_eq!(report["requests"]["successful"], 20, "{report:#}");
    drop(server);
}

/// Starts nginx and waits until it has said that it runs, which it does after it listens.
fn start_nginx(configuration: &Path) -> Server {
    let mut child =
        Command::new(nginx_program()).arg("-c").arg(configuration).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let server = Server(child);
    let mut said = String::new();
    while !said.contains("start worker") && !said.contains("getrlimit") {
        assert!(log.read_line(&mut said).unwrap() > 0, "nginx ended: {said}");
    }
    // Read on, so that its log never fills the pipe.
    std::thread::spawn(move || log.read_to_string(&mut said));
    server
}

#[test]
fn keep_alive_in_the_words_of_http_1_0() {
    let answer = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
    let server = support::answering(answer);
    let report = load(&server.url(), &["--users", "1", "-n", "20", "--pace", "0"]);
    assert_eq!(report["requests"]["successful"], 20);
    assert_eq!(report["connections"]["opened"], 1);
    // Without it every answer ends with its connection.
    let steps = vec![Step::ReadRequest, Step::send("HTTP/1.0 200 OK\r\n\r\nuntil the end"), Step::Close];
    let server = ScriptedServer::start(Script::each(steps));
    let report = load(&server.url(), &["--users", "1", "-n", "5", "--pace", "0"]);
    assert_eq!(report["requests"]["successful"], 5, "{report:#}");
    assert_eq!(report["connections"]["opened"], 5);
}

#[test]
fn chunked_answers_in_any_pieces() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                  4\r\nwiki\r\n6;name=value\r\npedia \r\n0\r\nTrailer: yes\r\n\r\n";
    for length in [1, 3, 7, 1000] {
        let steps = vec![Step::ReadRequest, Step::SendSplit(answer.as_bytes().to_vec(), length), Step::Loop];
        let server = ScriptedServer::start(Script::each(steps));
        let report = load(&server.url(), &["--users", "1", "-n", "10", "--pace", "0"]);
        assert_eq!(report["requests"]["successful"], 10, "{length}");
        assert_eq!(report["connections"]["opened"], 1, "{length}");
    }
}
