//! The output that the documents show has the shape of what the program prints: each shape is found in a real run, and every
//! line of the documents that looks like one of them is one.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pulse_testkit::{Discipline, Law, QueueServer, ServiceLaw};
use regex::Regex;
use support::{calm, demo, run, run_in};

/// A kind of line: what it is recognised by, and what the whole of it looks like.
struct Shape {
    begins: &'static str,
    whole: &'static str,
}

/// Lines of `pulse test`.
const SUITE: [Shape; 5] = [
    Shape {
        begins: r"^(PASS|FAIL|INCONCLUSIVE|NO DATA)\b",
        whole: r"^(PASS|FAIL|INCONCLUSIVE|NO DATA)  [a-z0-9:#-]+  (.+ \S+(, not(?: surely)?)? (<|<=|>|>=|=) \S.*? \(n = \d+\)|.+: nothing was measured.*)(, \d+ more targets?)?(  \[attempt \d+\])?$",
    },
    Shape {
        begins: r"^  (PASS|FAIL|INCONCLUSIVE|NO DATA)\b",
        whole: r"^  (PASS|FAIL|INCONCLUSIVE|NO DATA)  [a-z0-9:#-]+  \S+\.toml:\d+$",
    },
    Shape {
        begins: r"^    (PASS|FAIL|INCONCLUSIVE|NO DATA)\b",
        whole: r"^    (PASS|FAIL|INCONCLUSIVE|NO DATA)  .+ (<|<=|>|>=|=) \S.*  measured \S.*?( \((95% interval .+ – .+, )?n = \d+\))?(  \S+\.toml:\d+)?$",
    },
    Shape { begins: r"^Measurement:", whole: r"^Measurement: (VALID|SUSPECT|INVALID)$" },
    Shape {
        begins: r"^\d+ passed",
        whole: r"^\d+ passed(, \d+ (failed|inconclusive|no data|skipped))* in \d+\.\ds$",
    },
];

/// Lines of `pulse capacity`.
const CAPACITY: [Shape; 5] = [
    Shape {
        begins: r"^Capacity of",
        whole: r"^Capacity of http\S+: the highest (rate|number of users) that meets .+$",
    },
    Shape {
        begins: r"^ +[\d.]+(/s| users?) +[\d.]+/s",
        whole: r"^ +[\d.]+(/s| users?) +[\d.]+/s( +[\d.]+ms){3} +[\d.]+% +[\d.]+  (met|missed|open|invalid|no data)( \(confirmation\))?$",
    },
    Shape {
        begins: r"^Knee:",
        whole: r"^Knee: [\d.]+(/s| users?), where throughput per response time is highest; beyond it waiting grows faster than throughput$",
    },
    Shape {
        begins: r"^Scalability law",
        whole: r"^Scalability law(: none; over requests in flight, .+| over requests in flight \(R² -?\d\.\d{3}\): contention α .+, coherency β .+)$",
    },
    Shape {
        begins: r"^Capacity: ",
        whole: r"^Capacity: the targets are met at [\d.]+(/s| users?) \((confirmed by a longer step|not confirmed: the intervals leave it open)\); (higher loads were not tried|at [\d.]+(/s| users?) they are missed)$",
    },
];

/// Lines of `pulse validate`.
const VALIDATE: [Shape; 1] =
    [Shape { begins: r"^[✔✘!–] ", whole: r"^[✔✘!–] [a-z][a-z0-9 ]{2,16}[a-z0-9] +\S.+$" }];

fn documents() -> Vec<(PathBuf, String)> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let pages = ["test.md", "capacity.md", "validate.md", "baselines.md"].map(|name| docs.join(name));
    let guide = fs::read_dir(docs.join("test")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = pages.into_iter().chain(guide).collect();
    pages.sort();
    pages.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// The lines of output that the documents show for this command.
fn documented(command: &str) -> Vec<(PathBuf, String)> {
    let mut lines = Vec::new();
    for (path, text) in documents() {
        for block in text.split("```text\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let mut is_ours = false;
            for line in block.lines() {
                if line.starts_with("$ ") {
                    is_ours = line.starts_with(&format!("$ pulse {command}"));
                } else if is_ours {
                    lines.push((path.clone(), line.to_owned()));
                }
            }
        }
    }
    lines
}

#[track_caller]
fn assert_shapes(command: &str, shapes: &[Shape], printed: &str) {
    let documented = documented(command);
    for shape in shapes {
        let [begins, whole] = [shape.begins, shape.whole].map(|pattern| Regex::new(pattern).unwrap());
        assert!(
            printed.lines().any(|line| whole.is_match(line)),
            "{} is not printed:\n{printed}",
            shape.whole
        );
        for line in printed.lines().filter(|line| begins.is_match(line)) {
            assert!(whole.is_match(line), "{line:?} has another shape than {}", shape.whole);
        }
        let alike: Vec<_> = documented.iter().filter(|(_, line)| begins.is_match(line)).collect();
        assert!(!alike.is_empty(), "no document shows {}", shape.begins);
        for (path, line) in alike {
            assert!(
                whole.is_match(line),
                "{}: {line:?} has another shape than {}",
                path.display(),
                shape.whole
            );
        }
    }
}

#[test]
fn suites() {
    let server = demo();
    let folder = tempfile::tempdir().unwrap();
    let suite = "[[test]]\nname = \"there\"\ngroup = \"api\"\nrequest = \"GET /health\"\nsamples = 20\n\
                 max_samples = 20\ntargets = [\"max < 1m\", \"errors = 0\"]\n[[test]]\nname = \"missing\"\n\
                 request = \"GET /missing\"\nsamples = 20\nmax_samples = 20\ntargets = [\"errors = 0\"]\n";
    fs::write(folder.path().join("a.toml"), suite).unwrap();
    let url = server.url();
    let line = ["test", "a.toml", "--url", &url, "--no-history"];
    let outcome = calm(|| run_in(folder.path(), &line)).expect(99);
    assert_shapes("test", &SUITE, &outcome.stdout);
}

#[test]
fn capacities() {
    // One server with a queue: one user is where throughput per response time is highest.
    let law = Law::new(Discipline::Fifo, ServiceLaw::Fixed(Duration::from_millis(5)));
    let server = QueueServer::start(law);
    let flags = ["--users", "--max", "3", "--step-duration", "500ms", "--target", "p50 < 2s", "--quiet"];
    let url = server.url();
    let outcome = calm(|| run(&[&["capacity", &url][..], &flags].concat())).expect(0);
    assert_shapes("capacity", &CAPACITY, &outcome.stdout);
}

#[test]
fn validations() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run_in(folder.path(), &["validate"]);
    assert_shapes("validate", &VALIDATE, &outcome.stdout);
    let names = |lines: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        let name = Regex::new(r"^[✔✘!–] (.+?)  ").unwrap();
        lines.filter_map(|line| Some(name.captures(line)?[1].to_owned())).collect()
    };
    let documented = documented("validate");
    assert_eq!(
        names(&mut documented.iter().map(|(_, line)| line.as_str())),
        names(&mut outcome.stdout.lines()),
        "docs/validate.md shows every check"
    );
}
