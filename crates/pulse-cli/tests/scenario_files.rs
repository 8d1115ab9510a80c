//! Scenario files: the example, mistakes in them, and flags beside them.

mod support;

use std::fs;
use std::path::Path;

use support::{OK, answering, demo, pulse, requests, run, run_in};

fn examples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

#[test]
fn the_example_runs_against_the_demo() {
    let server = demo();
    let mut command = pulse(&["load", "examples/demo.toml", "--duration", "3", "--out", "json=-"]);
    command.current_dir(examples().join("..")).env("PULSE_DEMO_URL", server.url());
    let outcome = support::Running::start(&mut command).finish();
    let report = outcome.json();
    assert_eq!(report["requests"]["failed"], 0, "{}", outcome.stderr);
    let names = |list: &str| -> Vec<String> {
        let entries = report[list].as_array().unwrap().iter();
        entries.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("scenarios"), ["trade", "browse", "probes"]);
    for endpoint in ["execute", "buy", "close", "positions", "account", "GET /health"] {
        assert!(
            names("endpoints").iter().any(|name| name == endpoint),
            "{endpoint} in {:?}",
            names("endpoints")
        );
    }
    for check in report["checks"].as_array().unwrap() {
        // The limit on time is the machine's, the others are the file's.
        assert!(check["passed"] == check["total"] || check["name"] == "fast enough for a person", "{check}");
    }
    let targets = report["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 4);
    assert_eq!(targets[0]["verdict"], "pass");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let step = "[[scenario]]\n[[scenario.step]]\nrequest = \"GET /\"\n";
    for (text, said) in [
        ("[service\n", &["bad.toml:1:"][..]),
        (&format!("[service]\nurll = \"http://a\"\n{step}"), &["bad.toml:2:1", "urll", "url"]),
        (&format!("[load]\nusers = \"many\"\n{step}"), &["bad.toml:2:9", "users"]),
        (&format!("[load]\nduration = \"1 fortnight\"\n{step}"), &["bad.toml:2:12", "duration", "30s"]),
        ("[[scenario]]\n[[scenario.step]]\nrequest = \"GET /${nme}\"\n", &["bad.toml:3:", "nme"]),
        (&format!("targets = [\"p95 <\"]\n{step}"), &["bad.toml:1:", "p95 < 200ms"]),
        ("", &["bad.toml", "scenario"]),
    ] {
        fs::write(folder.path().join("bad.toml"), text).unwrap();
        let outcome = run_in(folder.path(), &["load", "bad.toml"]).expect(2).says(said);
        assert_eq!(outcome.stdout, "", "{text}");
        assert!(!outcome.stderr.contains('\u{1b}'), "no color in a log: {}", outcome.stderr);
    }
}

#[test]
fn files_that_a_file_needs_are_looked_for_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let server = answering(OK);
    let scenario = format!(
        "[service]\nurl = \"{}\"\n[data.users]\nfile = \"users.csv\"\norder = \"sequential\"\n\
         [[scenario]]\n[[scenario.step]]\nname = \"who\"\nrequest = \"GET /${{users.name}}\"\n",
        server.url()
    );
    fs::write(inner.join("s.toml"), scenario).unwrap();
    let load = || run_in(folder.path(), &["load", "-q", "inner/s.toml", "--users", "1", "--iterations", "3"]);
    load().expect(2).says(&["users.csv", "No such file"]);
    fs::write(inner.join("users.csv"), "name,age\nann,1\nbob\n").unwrap();
    load().expect(2).says(&["users.csv:3"]);
    fs::write(inner.join("users.csv"), "nick\nann\n").unwrap();
    load().expect(2).says(&["name", "nick"]);
    fs::write(inner.join("users.csv"), "name\nann\nbob\n").unwrap();
    let outcome = load();
    assert!(matches!(outcome.code, Some(0 | 98)), "{outcome:?}");
    let paths: Vec<_> =
        requests(&server).iter().map(|request| request.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(paths, ["/ann", "/bob", "/ann"]);
}

#[test]
fn flags_change_the_load_but_not_the_steps() {
    let file = examples().join("demo.toml").display().to_string();
    for flags in [["-d", "x"], ["--json", "1"], ["-X", "PUT"]] {
        run(&[&["load", &file], &flags[..]].concat()).expect(2).says(&["goes with a URL"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let server = answering(OK);
    let text = "targets = [\"avg < 30s\"]\n[load]\nusers = 50\nduration = \"1h\"\n\
                [[scenario]]\n[[scenario.step]]\nrequest = \"GET /a\"\n";
    fs::write(folder.path().join("s.toml"), text).unwrap();
    let arguments = ["load", "-q", "s.toml", "--out", "json=-", "--url"];
    let more = ["--users", "2", "-n", "4", "-H", "X-Flag: 1", "-t", "success > 1%"];
    let report = run_in(folder.path(), &[&arguments[..], &[&server.url()], &more].concat()).json();
    assert_eq!(report["requests"]["total"], 4);
    assert_eq!(report["run"]["users"], 2);
    assert_eq!(report["targets"][0]["target"], "success > 1%");
    assert_eq!(report["targets"].as_array().unwrap().len(), 1);
    assert!(requests(&server).iter().all(|request| request.contains("X-Flag: 1")), "{:?}", requests(&server));
}
