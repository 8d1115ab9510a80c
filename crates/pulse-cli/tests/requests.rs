//! `pulse load`: connections, redirects, compression, forms and limits, by flags.

mod support;

use std::fs;

use pulse_testkit::{Script, ScriptedServer, Step};
use support::{OK, answering, load, requests, run};

/// One user with so many requests and nothing more.
fn flags<'f>(requests: &'f str, more: &[&'f str]) -> Vec<&'f str> {
    [&["--users", "1", "--pace", "0", "--requests", requests], more].concat()
}

#[test]
fn connections_are_kept_as_long_as_the_flag_says() {
    for (policy, opened) in [("per-user", 1), ("per-iteration", 4), ("per-request", 4)] {
        let server = answering(OK);
        let report = load(&server.url(), &flags("4", &["--connections", policy]));
        assert_eq!(report["connections"]["opened"], opened, "{policy}");
        // One more than the load has: before it, somebody asks whether there is a service at all.
        assert_eq!(server.connections(), opened + 1, "{policy}");
    }
    run(&["load", "http://127.0.0.1:1/", "--connections", "once"]).expect(2).says(&["per-iteration"]);
}

#[test]
fn redirects_are_followed_and_phases_reported() {
    let away = "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
    let steps = vec![Step::ReadRequest, Step::send(away), Step::ReadRequest, Step::send(OK), Step::Loop];
    let server = ScriptedServer::start(Script::each(steps));
    let report = load(&server.url(), &flags("3", &["--redirects", "1"]));
    assert_eq!((&report["requests"]["total"], &report["requests"]["failed"]), (&3.into(), &0.into()));
    assert_eq!(server.request_count(), 6);
    assert_eq!(report["phases"]["wait"]["count"], 3);
    assert_eq!(report["phases"]["tcp"]["count"], 1);
    assert!(report["endpoints"][0]["phase_means"]["wait"].as_f64().unwrap() > 0.0);
}

#[test]
fn forms_are_sent_as_curl_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.txt");
    fs::write(&file, "content").unwrap();
    let server = answering(OK);
    let field = format!("file=@{};type=text/plain", file.display());
    load(&server.url(), &flags("1", &["--compressed", "-F", "x=1", "-F", &field]));
    let request = requests(&server).remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /health HTTP/1.1\r\n")
            && head.contains("Accept-Encoding: gzip, deflate, br, zstd"),
        "{head}"
    );
    assert!(head.contains("Content-Type: multipart/form-data; boundary="), "{head}");
    assert!(body.contains("name=\"x\"\r\n\r\n1\r\n"), "{body}");
    let with_file = "name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\ncontent\r\n";
    assert!(body.contains(with_file), "{body}");
    run(&["load", &server.url(), "-F", "nothing"]).expect(2).says(&["name=@file"]);
}

#[test]
fn limits_are_those_of_the_flags() {
    let server = answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let report = load(&server.url(), &flags("2", &["--max-body", "4B"]));
    assert_eq!(report["errors"][0]["class"], "too_large");
    let report = load(&server.url(), &flags("2", &["--max-body", "5B"]));
    assert_eq!(report["requests"]["failed"], 0);
}
