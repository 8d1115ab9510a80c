//! What users, files and peers get wrong: a clear message, a documented exit code, no panic, no lost report.

mod support;

use std::fs;
use std::process::{Command, Stdio};

use pulse_testkit::{Script, ScriptedServer, Step};
use support::{OK, Running, answering, load, pulse, run, run_in};

#[test]
fn a_wrong_value_is_answered_with_the_flag_and_a_right_one() {
    for (flag, wrong, said) in [
        ("--users", "many", "--users 100"),
        ("--users", "-3", "--users 100"),
        ("--users", "0", "between 1 and a million"),
        ("--users", "9999999999", "between 1 and a million"),
        ("--duration", "soon", "1h30m"),
        ("--duration", "0", "longer than 0s"),
        ("--pace", "fast", "--pace 10"),
        ("--pace", "-1", "between 0 and"),
        ("--pace", "NaN", "between 0 and"),
        ("--missed", "maybe", "--missed skip"),
        ("--rate", "fast", "--rate 200"),
        ("--rate", "0", "above 0"),
        ("--arrivals", "odd", "--arrivals poisson"),
        ("--max-users", "many", "--max-users 500"),
        ("--stages", "30s", "30s:50"),
        ("--warmup", "x", "--warmup 10s"),
        ("--warmup", "1h", "shorter"),
        ("--iterations", "x", "--iterations 1000"),
        ("--requests", "-1", "--requests 1000"),
        ("--graceful-stop", "x", "--graceful-stop 5s"),
        ("--seed", "x", "--seed 7"),
        ("--idle", "poll", "--idle spin"),
        ("--workers", "0", "--workers 2"),
        ("--url", "127.0.0.1", "http://127.0.0.1:8000"),
        ("--url", "ftp://a", "http://127.0.0.1:8000"),
        ("--method", "GET IT", "GET or POST"),
        ("--header", "nothing", "Name: value"),
        ("--json", "{", "-d BODY"),
        ("--data", "@missing.bin", "missing.bin"),
        ("--timeout", "x", "--timeout 10s"),
        ("--timeout", "0", "longer than 0s"),
        ("--connect-timeout", "x", "--connect-timeout 2s"),
        ("--cacert", "missing.pem", "missing.pem"),
        ("--user", "s3cr3t", "NAME:PASSWORD"),
        ("--expect-status", "fine", "200,204"),
        ("--target", "fast", "p99 < 150ms"),
        ("--out", "json", "json=report.json"),
        ("--out", "yaml=x", "json=report.json"),
        ("--record", "missing/run.pulse", "missing/run.pulse"),
        ("--inconclusive", "maybe", "--inconclusive fail"),
    ] {
        let outcome = run(&["load", flag, wrong]).expect(2).says(&["error: ", said]);
        let key = format!("`{}`", flag.trim_start_matches('-').replace('-', "_"));
        let named = [flag, &key, wrong];
        assert!(named.iter().any(|name| outcome.stderr.contains(name)), "{flag}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{flag} {wrong}");
        assert!(!outcome.stderr.contains("s3cr3t"), "{}", outcome.stderr);
    }
    run(&["load", "--usres", "5"]).expect(2).says(&["--users"]);
    run(&["load", "--user", "a:b", "--bearer", "c"]).expect(2).says(&["--user", "--bearer"]);
    run(&["load", "--rate", "5", "--users", "5"]).expect(2).says(&["users", "rate"]);
    run(&["load", "http://127.0.0.1:1", "--url", "http://127.0.0.1:2"]).expect(2).says(&["twice"]);
}

#[test]
fn a_service_that_is_none_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("inner")).unwrap();
    for (service, said) in [
        ("inner", "is a folder"),
        ("missing.toml", "no scenario file"),
        ("inner/missing", "no scenario file"),
        ("localhost:8000", "http://localhost:8000"),
        ("/dev/null", "not a regular file"),
    ] {
        run_in(folder.path(), &["load", service]).expect(2).says(&["error: ", service, said]);
    }
    fs::write(folder.path().join("binary.toml"), b"\xff\xfe").unwrap();
    run_in(folder.path(), &["load", "binary.toml"]).expect(2).says(&["binary.toml", "not text"]);
    fs::write(folder.path().join("no.pem"), "nothing").unwrap();
    run_in(folder.path(), &["load", "https://127.0.0.1:1", "--cacert", "no.pem"])
        .expect(2)
        .says(&["certificate"]);
}

#[cfg(unix)]
#[test]
fn files_without_permission_are_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.toml");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&file).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    run_in(folder.path(), &["load", "s.toml"]).expect(2).says(&["s.toml", "Permission denied"]);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    run_in(folder.path(), &["load", "--out", "json=r.json"]).expect(2).says(&["r.json", "Permission denied"]);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

/// What each kind of misbehavior is counted as.
#[test]
fn peers_that_misbehave_are_counted_by_class() {
    let huge_head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many_fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(5000));
    let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let cases: Vec<(Vec<Step>, &str)> = vec![
        (vec![Step::ReadRequest, Step::send([0xff; 64]), Step::Close], "bad_response"),
        (vec![Step::ReadRequest, Step::send("HTTP/9.9 what\r\n\r\n"), Step::Close], "bad_response"),
        (vec![Step::ReadRequest, Step::send(&huge_head), Step::Close], "too_large"),
        (vec![Step::ReadRequest, Step::send(&many_fields), Step::Close], "too_large"),
        (
            vec![Step::ReadRequest, Step::send("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), Step::Close],
            "bad_response",
        ),
        (vec![Step::ReadRequest, Step::send(endless), Step::SendForever(chunk.into_bytes())], "timeout"),
        (
            vec![
                Step::ReadRequest,
                Step::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
                Step::Hold,
            ],
            "timeout",
        ),
        (
            vec![
                Step::ReadRequest,
                Step::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
                Step::HalfClose,
                Step::Hold,
            ],
            "closed",
        ),
        (vec![Step::ReadRequest, Step::HalfClose, Step::Hold], "closed"),
        (vec![Step::ReadRequest, Step::Close], "closed"),
        (vec![Step::ReadRequest, Step::Reset], "reset"),
    ];
    let mut classes = Vec::new();
    for (steps, expected) in &cases {
        let server = ScriptedServer::start(Script::each(steps.clone()));
        let outcome = run(&[
            "load",
            "-q",
            "--users",
            "2",
            "-n",
            "4",
            "--timeout",
            "300ms",
            "--out",
            "json=-",
            "-t",
            "success > 99%",
            &server.url(),
        ]);
        assert!(matches!(outcome.code, Some(98 | 99)), "{outcome:?}");
        let report = outcome.json();
        assert_eq!(report["requests"]["failed"], 4, "{report:#}");
        let errors = report["errors"].as_array().unwrap();
        let names: Vec<_> = errors.iter().map(|error| error["class"].as_str().unwrap().to_owned()).collect();
        assert!(errors.iter().map(|error| error["count"].as_u64().unwrap()).sum::<u64>() == 4, "{report:#}");
        assert!(outcome.stderr.contains("\nERRORS\n"), "{}", outcome.stderr);
        classes.push((names, vec![(*expected).to_owned()]));
    }
    for (index, (found, expected)) in classes.iter().enumerate() {
        assert_eq!(found, expected, "{:?} (all: {classes:?})", &cases[index].0.last());
    }
}

#[test]
fn a_full_disk_costs_the_file_and_not_the_report() {
    let server = answering(OK);
    let url = server.url();
    let flags = ["load", "-q", "--users", "1", "-n", "2", &url];
    let folder = tempfile::tempdir().unwrap();
    let more = ["--out", "json=/dev/full", "--out", "md=good.md"];
    let outcome = run_in(folder.path(), &[&flags[..], &more].concat()).expect(2);
    let outcome = outcome.says(&["error: ", "/dev/full", "No space left"]);
    assert!(outcome.stdout.contains("LOAD TEST RESULTS"), "{}", outcome.stdout);
    assert!(folder.path().join("good.md").is_file(), "the other report is written");
    // Known before the load.
    run(&[&flags[..], &["--record", "/dev/full"]].concat()).expect(2).says(&["/dev/full", "No space left"]);
    // The report for people cannot be printed, the file is written all the same.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = pulse(&flags);
    let outcome = command.stdout(Stdio::from(full)).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    assert!(String::from_utf8(outcome.stderr).unwrap().contains("No space left"));
}

#[test]
fn a_disk_that_fills_up_during_the_run_costs_the_recording_and_not_the_report() {
    let server = answering(OK);
    let folder = tempfile::tempdir().unwrap();
    // A limit on the size of files stands for the disk: 8 blocks of 512 or 1024 bytes.
    let script =
        "trap '' XFSZ; ulimit -f 8; exec \"$0\" load -q --users 2 --duration 4 --record run.pulse \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_pulse"), &server.url()]).current_dir(folder.path());
    let outcome = Running::start(&mut command).finish().expect(2).says(&["run.pulse", "incomplete"]);
    assert!(outcome.stdout.contains("SUCCESS CRITERIA"), "{}", outcome.stdout);
    let replayed = run_in(folder.path(), &["report", "run.pulse"]);
    assert!(replayed.stderr.contains("ends before the run did"), "{replayed:?}");
}

#[test]
fn too_few_descriptors_are_said_before_the_run() {
    let server = answering(OK);
    let script = "ulimit -n 64; exec \"$0\" load --users 500 --duration 1 \"$1\"";
    let limited = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_pulse"), &server.url()]);
        Running::start(&mut command).finish()
    };
    let outcome =
        limited(script).expect(2).says(&["error: ", "500 users", "64", "ulimit -Hn", "fewer users"]);
    assert_eq!(outcome.stdout, "");
    assert_eq!(server.connections(), 0, "said before the first connection");
    // The soft limit alone is raised.
    limited("ulimit -Sn 64; exec \"$0\" load -q --users 100 -n 100 --pace 0 \"$1\"");
    assert_eq!(server.request_count(), 100);
    // Users of an open load may never be needed.
    let outcome =
        limited("ulimit -n 128; exec \"$0\" load -q --rate 20 --max-users 5000 --duration 1 \"$1\"");
    assert!(outcome.stderr.contains("warning: "), "{outcome:?}");
    assert!(outcome.stdout.contains("Total Requests: 20"), "{outcome:?}");
}

#[test]
fn hostile_names_and_answers_do_not_steer_the_terminal() {
    let server = answering("HTTP/1.1 500 \x1b[2J\x1b]0;owned\x07\r\nContent-Length: 4\r\n\r\n\x1b[2J");
    let outcome = run(&["load", "--users", "1", "-n", "2", &server.url()]);
    assert!(!outcome.stdout.contains('\x1b') && !outcome.stderr.contains('\x1b'), "{outcome:?}");
    let report = load(&server.url(), &["--users", "1", "-n", "2"]);
    assert_eq!(report["requests"]["failed"], 2);
}
