//! `pulse load`: connections, redirects, compression, forms and limits, by flags.

mod support;

use std::fs;

use pulse_testkit::{Script, ScriptedServer, Step};
use support::{OK, answering, load, requests, run, run_in};

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

/// Bytes whose neighbouring pieces of any size differ.
fn content(length: u64) -> Vec<u8> {
    (0..length).map(|place| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[test]
fn large_files_are_streamed_by_flag_scenario_and_suite() {
    let folder = tempfile::tempdir().unwrap();
    let content = content((3 << 20) + 17);
    fs::write(folder.path().join("big.bin"), &content).unwrap();
    let server = answering(OK);
    let url = server.url();
    let service = format!("[service]\nurl = \"{url}\"\n");
    let step = "request = \"PUT /${user_id}\"\nbody_file = \"big.bin\"\n";
    let scenario = format!(
        "{service}[load]\nusers = 1\niterations = 2\npace = 0\n[[scenario]]\n[[scenario.step]]\n{step}"
    );
    fs::write(folder.path().join("load.toml"), scenario).unwrap();
    let suite = format!(
        "{service}[[test]]\nname = \"put\"\n{}samples = 2\ntargets = [\"errors = 0\"]",
        step.replace("${user_id}", "2")
    );
    fs::write(folder.path().join("suite.toml"), suite).unwrap();
    let by_flag = flags("2", &["-X", "PUT", "-d", "@big.bin", "-q"]);
    run_in(folder.path(), &[&["load", &format!("{url}/3")], &by_flag[..]].concat());
    run_in(folder.path(), &["load", "load.toml", "-q"]);
    run_in(folder.path(), &["test", "suite.toml", "-q"]);
    let mut lines = Vec::new();
    for request in server.requests() {
        let head = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        if request.starts_with(b"PUT") {
            assert!(request[head..] == content, "{}", String::from_utf8_lossy(&request[..head]));
            lines.push(String::from_utf8_lossy(&request[..6]).into_owned());
        }
    }
    for path in ["PUT /1", "PUT /2", "PUT /3"] {
        assert!(lines.iter().filter(|line| *line == path).count() >= 2, "{path}: {lines:?}");
    }
}

#[test]
fn files_that_are_no_bodies_are_refused_before_the_load() {
    let folder = tempfile::tempdir().unwrap();
    let invalid = [b"{}".as_slice(), &vec![b' '; 2 << 20], b"}"].concat();
    fs::write(folder.path().join("big.json"), invalid).unwrap();
    for (flag, body, words) in [
        ("-d", "@missing.bin", "missing.bin of --data cannot be read: No such file"),
        ("-d", "@.", "of --data cannot be read: Is a directory"),
        ("--json", "@big.json", "the body of --json is not JSON"),
    ] {
        run_in(folder.path(), &["load", "http://127.0.0.1:1/", flag, body]).expect(2).says(&[words]);
    }
    let text = "[[scenario]]\n[[scenario.step]]\nrequest = \"PUT /\"\nbody_file = \"missing.bin\"";
    fs::write(folder.path().join("load.toml"), text).unwrap();
    run_in(folder.path(), &["load", "load.toml"])
        .expect(2)
        .says(&["missing.bin cannot be read: No such file"]);
}

#[test]
fn a_file_beyond_what_memory_may_hold_is_sent_as_far_as_the_service_reads() {
    let folder = tempfile::tempdir().unwrap();
    // Sparse: it takes no room on the disk.
    fs::File::create(folder.path().join("huge.bin")).unwrap().set_len(1 << 40).unwrap();
    let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
    let server = ScriptedServer::start(Script::each(vec![Step::ReadSome, Step::send(refusal), Step::Gate]));
    let body = format!("@{}", folder.path().join("huge.bin").display());
    let report = load(&server.url(), &flags("3", &["-d", &body, "--expect-status", "413"]));
    assert_eq!((&report["requests"]["total"], &report["requests"]["failed"]), (&3.into(), &0.into()));
    assert_eq!(report["connections"]["opened"], 3);
}
