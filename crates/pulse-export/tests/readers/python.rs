//! Python's `prometheus_client` parses the texts; what it understood is compared line by line.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pulse_export::{Escaping, open_metrics, prometheus_text};
use serde_json::Value;

use crate::data::{HOSTILE_VALUES, distributions, snapshot};
use crate::tools::python_with;

/// The families that the parser understood; a failure shows its complaint. `None` when it is missing.
fn parsed(parser: &str, text: &[u8]) -> Option<Vec<Value>> {
    let python = python_with("prometheus_client")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/parse.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(parser)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The value of the sample with this name and these labels, among others.
fn value(families: &[Value], name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = families.iter().flat_map(|family| family["samples"].as_array().unwrap());
    let found: Vec<f64> = samples
        .filter(|sample| {
            sample["name"] == name && labels.iter().all(|(label, value)| sample["labels"][label] == *value)
        })
        .map(|sample| sample["value"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0]
}

fn check(families: &[Value]) {
    let name = "http_server_request_duration_seconds";
    for (route, histogram) in distributions() {
        let route = ("http_route", &*route);
        assert_eq!(value(families, &format!("{name}_count"), &[route]), histogram.count() as f64);
        assert_eq!(value(families, &format!("{name}_sum"), &[route]), histogram.sum() as f64 / 1e9);
        let bucket = |le| value(families, &format!("{name}_bucket"), &[route, ("le", le)]);
        assert_eq!(bucket("+Inf"), histogram.count() as f64);
        assert_eq!(bucket("0.001048576"), histogram.count_at_most(1 << 20) as f64);
    }
    for (n, text) in (1..).zip(HOSTILE_VALUES) {
        let cleaned = text.replace('\0', "\u{FFFD}");
        assert_eq!(value(families, "hostile_total", &[("le", &cleaned)]), f64::from(n));
    }
    assert_eq!(value(families, "queue_jobs_total", &[]), 3.0);
}

#[test]
fn the_text_parser_understands_prometheus_text() {
    let Some(families) = parsed("text", &prometheus_text(&snapshot(), Escaping::Underscores)) else { return };
    check(&families);
}

#[test]
fn the_strict_parser_understands_openmetrics() {
    let Some(families) = parsed("openmetrics", &open_metrics(&snapshot(), Escaping::Underscores)) else {
        return;
    };
    check(&families);
    let request =
        families.iter().find(|family| family["name"] == "http_server_request_duration_seconds").unwrap();
    assert_eq!((&request["type"], &request["unit"]), (&"histogram".into(), &"seconds".into()));
    assert_eq!(request["help"], "Duration of HTTP server requests.");
}

#[test]
fn both_parsers_understand_names_in_every_spelling() {
    for escaping in [Escaping::Dots, Escaping::Values, Escaping::AllowUtf8] {
        let Some(text) = parsed("text", &prometheus_text(&snapshot(), escaping)) else { return };
        let Some(families) = parsed("openmetrics", &open_metrics(&snapshot(), escaping)) else { return };
        let name = match escaping {
            Escaping::Dots => "queue_dot_jobs_total",
            Escaping::Values => "U__queue_2e_jobs_total",
            _ => "queue.jobs_total",
        };
        assert_eq!(value(&families, name, &[]), 1.0, "{escaping:?}");
        assert_eq!(value(&text, name, &[]), 1.0, "{escaping:?}");
    }
}
