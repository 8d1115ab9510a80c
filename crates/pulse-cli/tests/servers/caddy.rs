//! Caddy: HTTP/1.1, HTTP/2 and HTTP/3 at one port.

use crate::asks::{CLOSE, GET, HEAD, HTTP_1, HTTP_2, HTTP_3, LARGE, MISSING, NONE, POST, assert_answers};
use crate::process::{Folder, Server, free_port, installed, tools};
use serde_json::json;
use std::process::Command;

#[test]
fn caddy() {
    let Some(program) = installed(&[tools().join("caddy/usr/bin/caddy"), "caddy".into()], "version") else {
        return;
    };
    let folder = Folder::new();
    let port = free_port();
    let answer = |path: &str, response: serde_json::Value| json!({ "match": [{ "path": [path] }], "handle": [response] });
    let configuration = json!({
        "admin": { "disabled": true },
        "apps": {
            "tls": { "certificates": { "load_files": [
                { "certificate": folder.path("certificate.pem"), "key": folder.path("key.pem") }
            ] } },
            "http": { "servers": { "test": {
                "listen": [format!("127.0.0.1:{port}")],
                "protocols": ["h1", "h2", "h3"],
                "automatic_https": { "disable": true },
                "tls_connection_policies": [{}],
                "routes": [
                    answer("/hello", json!({ "handler": "static_response", "body": "hello" })),
                    answer("/echo", json!({ "handler": "static_response", "body": "{http.request.body}" })),
                    answer("/none", json!({ "handler": "static_response", "status_code": 204 })),
                    answer("/close", json!({ "handler": "static_response", "body": "hello", "close": true })),
                    { "handle": [{ "handler": "file_server", "root": folder.path("files") }] },
                ],
            } } },
        },
    });
    let file = folder.write("caddy.json", &configuration.to_string());
    // It says so after it has begun to listen.
    let _server = Server::start(
        Command::new(program)
            .args(["run", "--config"])
            .arg(file)
            .env("HOME", folder.path("home"))
            .env("XDG_DATA_HOME", folder.path("data"))
            .env("XDG_CONFIG_HOME", folder.path("config")),
        "serving initial configuration",
    );
    let base = format!("https://localhost:{port}");
    let authority = folder.authority();
    assert_answers(&base, Some(&authority), HTTP_1, &[GET, HEAD, POST, NONE, LARGE, CLOSE, MISSING]);
    for version in [HTTP_2, HTTP_3] {
        assert_answers(&base, Some(&authority), version, &[GET, HEAD, POST, NONE, LARGE, MISSING]);
    }
}
