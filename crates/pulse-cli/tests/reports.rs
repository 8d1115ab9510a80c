//! Reports in every format, recordings, and their replay.

mod support;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;
use support::{OK, Running, answering, calm, demo, pulse, read_json, run, run_in, steady};

const FORMATS: [&str; 5] = ["text", "json", "csv", "md", "junit"];

#[track_caller]
fn assert_valid(report: &Value) {
    let schema = read_json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/report.schema.json"));
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let mistakes: Vec<_> = validator.iter_errors(report).map(|error| error.to_string()).collect();
    assert!(mistakes.is_empty(), "{mistakes:#?}\n{report:#}");
}

/// What shows that a text is in this format.
fn sign(format: &str) -> &'static str {
    match format {
        "text" => "Starting load test: ",
        "json" => "{",
        "csv" => "scope,",
        "md" => "### ",
        _ => "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    }
}

/// Flags for reports in all formats with file names that begin with `name`.
fn all_formats(name: &str) -> Vec<String> {
    FORMATS.iter().flat_map(|format| ["--out".to_owned(), format!("{format}={name}.{format}")]).collect()
}

#[test]
fn standard_output_belongs_to_the_report_that_was_sent_there() {
    let server = answering(OK);
    for format in FORMATS {
        let out = format!("{format}=-");
        let outcome = run(&["load", "-q", "--users", "1", "-n", "3", "--out", &out, &server.url()]);
        assert!(outcome.stdout.starts_with(sign(format)), "{format}: {}", outcome.stdout);
        assert!(format == "text" || !outcome.stdout.contains("LOAD TEST RESULTS"), "{}", outcome.stdout);
        assert!(
            outcome.stderr.contains("Starting load test") && outcome.stderr.contains("LOAD TEST RESULTS")
        );
    }
    run(&["load", "--out", "json=-", "--out", "csv=-", &server.url()]).expect(2).says(&["only one report"]);
    run(&["load", "--out", "json=a", "--out", "csv=a", &server.url()]).expect(2).says(&["two reports"]);
}

#[test]
fn json_follows_its_schema() {
    let (up, demo) = (answering(OK), demo());
    let down = answering("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    let garbage = answering("what?\r\n\r\n");
    for (url, flags) in [
        (up.url(), &["--users", "2", "--duration", "2", "--warmup", "1"][..]),
        (demo.url(), &["--rate", "50", "--duration", "2"]),
        (up.url(), &["--users", "1", "-n", "1", "-t", "p99{endpoint=nowhere} < 1s"]),
        (down.url(), &["--users", "1", "-n", "5"]),
        (garbage.url(), &["--users", "1", "-n", "5", "--missed", "skip"]),
    ] {
        let outcome = run(&[&["load", "-q", "--out", "json=-", &url], flags].concat());
        assert_valid(&outcome.json());
    }
}

#[test]
fn a_recording_replays_to_the_same_bytes_in_every_format() {
    let server = steady(30);
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let first = all_formats("first");
    let mut arguments = vec!["load", "--users", "3", "--duration", "2", "--record", "run.pulse", &url];
    arguments.extend(first.iter().map(String::as_str));
    let loaded = calm(|| run_in(folder.path(), &arguments)).expect(0);

    let mut arguments = vec!["report", "run.pulse"];
    let second = all_formats("second");
    arguments.extend(second.iter().map(String::as_str));
    let replayed = run_in(folder.path(), &arguments).expect(0);
    assert_eq!((replayed.stdout.as_str(), replayed.stderr.as_str()), ("", ""));
    let content = |name: String| fs::read_to_string(folder.path().join(name)).unwrap();
    for format in FORMATS {
        let [first, second] = ["first", "second"].map(|name| content(format!("{name}.{format}")));
        assert_eq!(first, second, "{format}");
        assert!(first.starts_with(sign(format)), "{first}");
        let out = format!("{format}=-");
        assert_eq!(run_in(folder.path(), &["report", "run.pulse", "--out", &out]).expect(0).stdout, first);
    }
    assert_eq!(run_in(folder.path(), &["report", "run.pulse"]).expect(0).stdout, loaded.stdout);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 11, "no temporary file stays behind");
}

#[test]
fn pictures_are_drawn_from_a_run_and_linked_from_its_page() {
    let server = steady(20);
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let flags = ["load", "-q", "--users", "2", "--duration", "2", "--record", "run.pulse", &url];
    let pictures = ["--out", "md=run.md", "--out", "svg=run.svg", "--out", "png=run.png"];
    calm(|| run_in(folder.path(), &[&flags[..], &pictures].concat())).expect(0);
    let file = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let text = |name: &str| String::from_utf8(file(name)).unwrap();
    assert!(text("run.md").contains("![Charts of this report](run.svg)"), "{}", text("run.md"));
    let (svg, png) = (text("run.svg"), file("run.png"));
    for words in
        ["Load test: ", "measurement ", "iterations asked for", "p99", "milliseconds", "percentile (%)"]
    {
        assert!(svg.contains(words), "{words} in {svg}");
    }
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    run_in(folder.path(), &["report", "run.pulse", "--out", "png=again.png"]).expect(0);
    assert!(file("again.png") == png, "a replay is the same picture");
    let replayed = run_in(folder.path(), &["report", "run.pulse", "--out", "svg=-"]).expect(0);
    assert_eq!((replayed.stdout, replayed.stderr.as_str()), (svg, ""));
    let compared = ["compare", "run.pulse", "run.pulse", "--out", "svg=compared.svg"];
    run_in(folder.path(), &compared).expect(0);
    assert!(text("compared.svg").contains("Change against the baseline"), "{}", text("compared.svg"));
    run_in(folder.path(), &["db", "missing.db", "--out", "svg=db.svg"])
        .expect(2)
        .says(&["a database has no figures over time", "md=report.md"]);
}

#[test]
fn a_replay_has_the_exit_code_of_the_run() {
    let server = steady(40);
    let folder = tempfile::tempdir().unwrap();
    for (target, code) in [("avg < 30s", 0), ("avg < 1ms", 99), ("p95{endpoint=nowhere} < 1s", 99)] {
        let flags = ["load", "--users", "3", "-n", "30", "-t", target, "--record", "run.pulse"];
        calm(|| run_in(folder.path(), &[&flags[..], &[&server.url()]].concat())).expect(code);
        run_in(folder.path(), &["report", "run.pulse"]).expect(code);
    }
}

#[test]
fn a_recording_cut_short_shows_what_it_holds() {
    let server = answering(OK);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pulse");
    let path = file.display().to_string();
    run(&["load", "-q", "--users", "2", "--duration", "3", "--record", &path, &server.url()]);
    let whole = fs::read(&file).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    assert!(lines.len() >= 5, "head, start, three intervals, end: {}", lines.len());
    let end_of = |count: usize| lines[..count].iter().map(|line| line.len()).sum::<usize>();

    // Without the last line, and in the middle of it.
    for length in [end_of(lines.len() - 1), end_of(lines.len() - 1) + 100] {
        fs::write(&file, &whole[..length]).unwrap();
        let outcome =
            run(&["report", &path, "--out", "json=-"]).says(&["warning", "ends before the run did"]);
        let report = outcome.json();
        assert_valid(&report);
        assert_eq!(report["ending"], "truncated");
        assert!(report["requests"]["total"].as_u64().unwrap() > 0, "{report:#}");
    }
    // Only its head.
    fs::write(&file, &whole[..end_of(1)]).unwrap();
    run(&["report", &path]).expect(2).says(&["run.pulse", "holds no run"]);
    // Damage in the middle is not a cut.
    let mut damaged = whole.clone();
    damaged[end_of(2) + 5] = b'\x01';
    fs::write(&file, damaged).unwrap();
    run(&["report", &path]).expect(2).says(&["line 3", "damaged"]);
}

#[test]
fn a_killed_run_leaves_a_recording_that_can_be_read() {
    let server = answering(OK);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.pulse").display().to_string();
    let flags = ["load", "--users", "1", "--pace", "20", "--duration", "1h", "--record", &path];
    let running = Running::start(&mut pulse(&[&flags[..], &[&server.url()]].concat()));
    // Three steps per request: a second interval has begun, so that the first is recorded.
    server.wait_for(1, 3 * 45);
    running.signal("KILL");
    assert_eq!(running.finish().code, None);
    let outcome = run(&["report", &path, "--out", "json=-"]).says(&["ends before the run did"]);
    assert!(outcome.json()["requests"]["total"].as_u64().unwrap() >= 10, "{outcome:?}");
}

#[test]
fn what_is_no_recording_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.pulse");
    let path = file.display().to_string();
    for (content, reason) in [
        (&b"{\"format\":\"pulse-run\",\"version\":999}\n"[..], "version 999"),
        (b"", "not a recording"),
        (b"hello\n", "not a recording"),
        (b"{\"format\":\"pulse-report\",\"version\":1}\n", "not a recording"),
        (b"\xff\xfe\x00\x01", "not a recording"),
    ] {
        fs::write(&file, content).unwrap();
        run(&["report", &path]).expect(2).says(&["error: ", "x.pulse", reason]);
    }
    run(&["report", &folder.path().display().to_string()]).expect(2).says(&["error: "]);
    run(&["report", "missing.pulse"]).expect(2).says(&["missing.pulse", "No such file"]);
}

#[test]
fn a_reader_that_goes_away_is_no_problem() {
    let server = answering(OK);
    let url = server.url();
    for more in [&[][..], &["--out", "json=-"]] {
        let arguments = [&["load", "--users", "2", "--duration", "1", &url], more].concat();
        let mut child = pulse(&arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Both ends are closed after the first byte, as `| head -1` does.
        let mut first = [0; 1];
        if more.is_empty() {
            child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        } else {
            drop(child.stdout.take());
        }
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 98)), "{code:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
