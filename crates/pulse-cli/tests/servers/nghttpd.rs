//! nghttpd, the reference server of HTTP/2: over plain TCP and over TLS.

use crate::asks::{CHUNKED, GET, HEAD, HTTP_2, LARGE, MISSING, POST, assert_answers};
use crate::process::{Folder, Server, free_port, installed};
use std::process::Command;

#[test]
fn nghttpd() {
    let Some(program) = installed(&["/usr/sbin/nghttpd".into(), "nghttpd".into()], "--version") else {
        return;
    };
    let folder = Folder::new();
    let authority = folder.authority();
    for is_tls in [false, true] {
        let port = free_port().to_string();
        let mut command = Command::new(&program);
        command.args([
            "--verbose",
            "--echo-upload",
            "--trailer",
            "x-done: yes",
            "--address",
            "127.0.0.1",
            "--htdocs",
        ]);
        command.arg(folder.path("files"));
        if is_tls {
            command.arg(&port).args([folder.path("key.pem"), folder.path("certificate.pem")]);
        } else {
            command.args(["--no-tls", &port]);
        }
        // It says so after it has begun to listen.
        let _server = Server::start(&mut command, "IPv4: listen");
        let base = format!("{}://localhost:{port}", if is_tls { "https" } else { "http" });
        let authority = is_tls.then_some(authority.as_path());
        assert_answers(&base, authority, HTTP_2, &[GET, HEAD, POST, LARGE, CHUNKED, MISSING]);
    }
}
