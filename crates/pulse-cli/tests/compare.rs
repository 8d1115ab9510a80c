//! `pulse compare`, `pulse history`, and baselines of `pulse test`.

mod support;

use std::fs;
use std::path::Path;

use pulse_suite::History;
use serde_json::Value;
use support::{Outcome, calm, run_in, steady};

/// Records a short load of a server that answers after so many milliseconds.
fn record(folder: &Path, file: &str, answer_ms: u64) {
    let server = steady(answer_ms);
    let url = server.url();
    let flags =
        ["load", &url, "--users", "4", "--pace", "10", "--duration", "9", "--quiet", "--record", file];
    calm(|| run_in(folder, &flags)).expect(0);
}

const SUITE: &str = r#"
[[test]]
name = "health"
group = "api"
request = "GET /health"
samples = 60
max_duration = "3s"
targets = ["errors = 0"]

[[test]]
name = "command"
command = "true"
rounds = 4
max_duration = "2s"
targets = ["errors = 0"]
"#;

/// Runs the suite against a server that answers after so many milliseconds.
fn tested(folder: &Path, answer_ms: u64, flags: &[&str]) -> Outcome {
    let server = steady(answer_ms);
    let url = server.url();
    calm(|| run_in(folder, &[&["test", "suite.toml", "--url", &url], flags].concat()))
}

#[test]
fn recordings_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| record(folder.path(), "a.pulse", 30));
        scope.spawn(|| record(folder.path(), "b.pulse", 60));
    });
    let same = run_in(folder.path(), &["compare", "a.pulse", "a.pulse"]).expect(0);
    assert!(same.stdout.contains("0 regressed, 0 improved"), "{}", same.stdout);
    let slower = run_in(folder.path(), &["compare", "a.pulse", "b.pulse"]).expect(97);
    let first = slower.stdout.lines().find(|line| line.starts_with("REGRESSION")).unwrap();
    assert!(first.contains("95") || first.contains("p50") || first.contains("avg"), "{}", slower.stdout);
    let effects: Vec<&str> = slower
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| ["REGRESSION", "IMPROVEMENT", "UNCHANGED", "UNCLEAR"].contains(word))
        .collect();
    assert_eq!(effects.first(), Some(&"REGRESSION"));
    let faster = run_in(folder.path(), &["compare", "b.pulse", "a.pulse"]).expect(0);
    assert!(faster.stdout.contains("IMPROVEMENT"), "{}", faster.stdout);
    let lenient = run_in(folder.path(), &["compare", "a.pulse", "b.pulse", "--min-effect", "500%"]).expect(0);
    assert!(lenient.stdout.contains("0 regressed"), "{}", lenient.stdout);
    let files = ["compare", "a.pulse", "b.pulse", "--out", "json=-", "--out", "md=c.md"];
    let report = run_in(folder.path(), &files).expect(97);
    let json = report.json();
    assert_eq!((&json["format"], &json["effect"]), (&"pulse-comparison".into(), &"regression".into()));
    assert!(json["changes"][0]["ratio"]["value"].as_f64().unwrap() > 1.5, "{json:#}");
    let markdown = fs::read_to_string(folder.path().join("c.md")).unwrap();
    assert!(
        markdown.starts_with("### REGRESSION: a.pulse") && markdown.contains("| REGRESSION |"),
        "{markdown}"
    );
}

#[test]
fn baselines_are_saved_and_compared_with() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("suite.toml"), SUITE).unwrap();
    tested(at, 20, &["--save-baseline", "main"]).expect(0);
    tested(at, 20, &["--save-baseline", "main.json"]).expect(0);
    for baseline in ["main", "main.json"] {
        let slower = tested(at, 60, &["--baseline", baseline, "-k", "health"]).expect(97);
        let (_, changes) = slower.stdout.split_once("CHANGES AGAINST THE BASELINE").unwrap();
        assert!(changes.contains("REGRESSION  api::health  p50 "), "{}", slower.stdout);
    }
    let improved = tested(at, 5, &["--baseline", "main", "-k", "health", "--out", "json=r.json"]).expect(0);
    assert!(improved.stdout.contains("IMPROVEMENT  api::health"), "{}", improved.stdout);
    let report: Value = serde_json::from_str(&fs::read_to_string(at.join("r.json")).unwrap()).unwrap();
    assert!(!report["cases"][0]["changes"].as_array().unwrap().is_empty());
    run_in(at, &["compare", "main", "3"]).expect(97);
    run_in(at, &["compare", "main.json", "main"]);
    run_in(at, &["compare", "main.json", "main.json"]).expect(0);
    let text = fs::read_to_string(at.join("main.json")).unwrap();
    fs::write(at.join("newer.json"), text.replacen("\"version\":1", "\"version\":9", 1)).unwrap();
    fs::write(at.join("cut.json"), &text[..text.len() / 2]).unwrap();
    fs::write(at.join("other.json"), "{}").unwrap();
    for (file, message) in [
        ("newer.json", "has version 9, this release reads versions up to 1"),
        ("cut.json", "is damaged"),
        ("other.json", "is not a baseline"),
        ("missing.json", "cannot be read"),
    ] {
        run_in(at, &["test", "suite.toml", "--baseline", file]).expect(2).says(&[message]);
        run_in(at, &["compare", file, "main"]).expect(2).says(&[message]);
    }
    run_in(at, &["test", "suite.toml", "-k", "command", "--save-baseline", "no/folder.json"])
        .expect(2)
        .says(&["no/folder.json cannot be written"]);
}

#[test]
fn what_cannot_be_compared_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("text.pulse"), "hello\n").unwrap();
    fs::write(at.join("newer.pulse"), "{\"format\":\"pulse-recording\",\"version\":99}\n").unwrap();
    for (name, message) in [
        ("text.pulse", "cannot be compared"),
        ("newer.pulse", "cannot be compared"),
        ("missing.pulse", "there is no recording missing.pulse"),
        ("main", "there is no baseline `main`"),
        ("7", "there is no baseline `7`"),
    ] {
        run_in(at, &["compare", name, name]).expect(2).says(&[message]);
    }
    fs::write(at.join("suite.toml"), SUITE).unwrap();
    for (save, only) in [("a.json", "health"), ("b.json", "command"), ("all.json", "")] {
        tested(
            at,
            1,
            &["--save-baseline", save, "-k", if only.is_empty() { "health or command" } else { only }],
        );
    }
    fs::write(at.join("other.toml"), SUITE.replace("health", "trades").replace("\"command\"", "\"job\""))
        .unwrap();
    run_in(at, &["test", "other.toml", "-k", "job", "--save-baseline", "job.json"]).expect(0);
    run_in(at, &["compare", "all.json", "job.json"]).expect(2).says(&["have no case in common"]);
    // Each holds a single case, which is no reason to take one for the other.
    run_in(at, &["compare", "a.json", "b.json"]).expect(2).says(&["api::health against command"]);
    let other = run_in(at, &["test", "suite.toml", "-k", "command", "--baseline", "a.json"]).expect(2);
    other.says(&[
        "none of the selected cases is in the baseline a.json",
        "it has api::health, selected are command",
    ]);
    let outcome = run_in(at, &["compare", "all.json", "b.json"]);
    assert!(outcome.stdout.contains("only in all.json: api::health"), "{outcome:?}");
}

/// Repetitions have ids of their own, and are compared with the case that was not repeated.
#[test]
fn repetitions_are_compared_with_the_case_itself() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("suite.toml"), SUITE).unwrap();
    tested(at, 20, &["--save-baseline", "both.json"]).expect(0);
    let repeated = tested(at, 60, &["--repeat", "2", "-k", "health", "--baseline", "both.json"]).expect(97);
    for id in ["api::health#1", "api::health#2"] {
        assert!(repeated.stdout.contains(&format!("REGRESSION  {id}  p50 ")), "{}", repeated.stdout);
    }
    assert!(!repeated.stdout.contains("not in the baseline"), "{}", repeated.stdout);
}

/// Four runs of `true` take milliseconds, and the next four may take twice as long.
#[test]
fn a_short_case_raises_no_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let suite = |command: &str| {
        format!(
            "[[test]]\nname = \"job\"\ncommand = \"{command}\"\nrounds = 4\nmax_samples = 4\ntargets = [\"errors = 0\"]\n"
        )
    };
    fs::write(at.join("suite.toml"), suite("true")).unwrap();
    calm(|| run_in(at, &["test", "suite.toml", "--save-baseline", "quick.json"])).expect(0);
    fs::write(at.join("suite.toml"), suite("sleep 0.05")).unwrap();
    let slower = calm(|| run_in(at, &["test", "suite.toml", "--baseline", "quick.json"])).expect(0);
    assert!(!slower.stdout.contains("REGRESSION"), "{}", slower.stdout);
    assert!(slower.stdout.contains("too few to know how its figures scatter"), "{}", slower.stdout);
}

#[test]
fn the_history_lists_runs_and_draws_trends() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let nothing: [&[&str]; 3] = [&["history"], &["history", "api"], &["history", "--changes"]];
    for arguments in nothing {
        run_in(at, arguments)
            .expect(2)
            .says(&["there is no history .pulse/history.db", "`pulse test` adds runs"]);
    }
    History::open(&at.join("empty.db")).unwrap();
    for arguments in nothing {
        let arguments = [arguments, &["--history", "empty.db"]].concat();
        run_in(at, &arguments).expect(2).says(&["the history empty.db is empty", "`pulse test` adds runs"]);
    }
    fs::write(at.join("suite.toml"), SUITE).unwrap();
    tested(at, 2, &["--no-history"]);
    assert!(!at.join(".pulse").exists());
    for number in 0..3 {
        tested(at, 2 + 4 * number, &["--save-baseline", "newest"]);
    }
    let list = run_in(at, &["history"]).expect(0).stdout;
    let rows: Vec<&str> = list.lines().collect();
    assert!(rows.len() >= 4 && rows[0].starts_with("run  started"), "{list}");
    assert!(rows[1].contains("newest") && !rows[2].contains("newest"), "the newest is first: {list}");
    assert_eq!(run_in(at, &["history", "--limit", "1"]).expect(0).stdout.lines().count(), 2);
    let trend = run_in(at, &["history", "api"]).expect(0).stdout;
    assert!(trend.starts_with("api::health\n") && trend.contains("  p95 "), "{trend}");
    assert!(trend.contains('▁') || trend.contains('_'), "{trend}");
    let changes = run_in(at, &["history", "--changes"]).expect(0).stdout;
    assert!(!changes.is_empty() && !changes.contains("commit -"), "{changes}");
    // Another load is no change of the service, but is named.
    let faster = SUITE.replace("samples = 60\nmax_duration = \"3s\"", "rate = 50\nduration = \"2s\"");
    fs::write(at.join("suite.toml"), faster).unwrap();
    tested(at, 2, &["-k", "health"]);
    let changes = run_in(at, &["history", "--changes"]).expect(0).stdout;
    let plan = changes.lines().find(|line| line.trim_start().starts_with("plan ")).unwrap();
    assert!(plan.contains("closed, 1 user") && plan.contains("→") && plan.contains("50 "), "{plan}");
    assert!(plan.contains("with run 4 (") && plan.contains("are not compared"), "{plan}");
    run_in(at, &["history", "nope"]).expect(2).says(&["no case whose id begins with `nope`", "api::health"]);
    fs::write(at.join("text.db"), "this is not a database, and long enough to be read as one").unwrap();
    run_in(at, &["history", "--history", "text.db"]).expect(2);
    let kept = tested(at, 1, &["--history", "text.db", "-k", "command"]);
    kept.expect(0).says(&["warning: ", "--no-history"]);
}

#[test]
fn a_repository_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
        let mut command = std::process::Command::new("git");
        command.current_dir(at).args(identity).args(arguments).stdout(std::process::Stdio::null());
        assert!(command.status().unwrap().success(), "git {arguments:?}");
    };
    git(&["init", "--quiet", "--initial-branch", "trunk"]);
    fs::write(at.join("suite.toml"), SUITE).unwrap();
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    let command = ["test", "suite.toml", "-k", "command", "--out", "pytest-benchmark=p.json"];
    run_in(at, &command[..4]).expect(0);
    run_in(at, &command).expect(0);
    let list = run_in(at, &["history"]).expect(0).stdout;
    assert_eq!(list.matches("trunk").count(), 2, "{list}");
    assert!(!list.contains('+'), "the history keeps itself out of the repository: {list}");
    fs::write(at.join("suite.toml"), format!("{SUITE}\n")).unwrap();
    run_in(at, &command).expect(0);
    let report: Value = serde_json::from_str(&fs::read_to_string(at.join("p.json")).unwrap()).unwrap();
    let commit = &report["commit_info"];
    assert_eq!((&commit["dirty"], &commit["branch"]), (&true.into(), &"trunk".into()));
    assert_eq!(commit["id"].as_str().unwrap().len(), 40);
    assert!(commit["time"].as_str().is_some_and(|time| time.contains('T')), "{commit}");
}
