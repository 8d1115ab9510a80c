//! The report as CSV: one row per endpoint and a total row.

use std::io;

use pulse_model::Summary;

use crate::figures::{Figures, Phases};
use crate::number::printable;
use crate::spread::Spread;
use crate::suite::{Suite, is_suite};
use crate::{Reporter, suite_rows};

/// The report as CSV (RFC 4180, with a header row): first the `total` row, then one row per endpoint.
///
/// | column | meaning |
/// |---|---|
/// | `scope` | `total` or `endpoint` |
/// | `name` | the endpoint's name; in the total row the run's |
/// | `requests`, `failed` | numbers of requests |
/// | `requests_per_s` | completed requests per second of the judged part |
/// | `time_share` | share of the response time of all requests, 0 to 1 |
/// | `response_*_ms` | response time, from the intended start |
/// | `service_*_ms` | service time, from the actual send |
/// | `blocked_*_ms`, `dns_*_ms`, `tcp_*_ms`, `tls_*_ms`, `send_*_ms`, `wait_*_ms`, `receive_*_ms` | its phases |
///
/// A suite has one row per target of each case instead, with the case's verdict first; `value`, `interval_from`,
/// `interval_to` and `limit` are in `unit` and for as many requests as the target says.
///
/// What was not measured is an empty cell. A name that a spreadsheet would take for a formula is preceded by `'`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Csv;

const COLUMNS: [&str; 35] = [
    "scope",
    "name",
    "requests",
    "failed",
    "requests_per_s",
    "time_share",
    "response_min_ms",
    "response_mean_ms",
    "response_median_ms",
    "response_p90_ms",
    "response_p95_ms",
    "response_p99_ms",
    "response_p99_9_ms",
    "response_max_ms",
    "response_stddev_ms",
    "service_min_ms",
    "service_mean_ms",
    "service_median_ms",
    "service_p95_ms",
    "service_p99_ms",
    "service_max_ms",
    "blocked_mean_ms",
    "blocked_p95_ms",
    "dns_mean_ms",
    "dns_p95_ms",
    "tcp_mean_ms",
    "tcp_p95_ms",
    "tls_mean_ms",
    "tls_p95_ms",
    "send_mean_ms",
    "send_p95_ms",
    "wait_mean_ms",
    "wait_p95_ms",
    "receive_mean_ms",
    "receive_p95_ms",
];

impl Reporter for Csv {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        if is_suite(summary) {
            return suite_rows::write(&Suite::of(summary), out);
        }
        let figures = Figures::of(summary);
        let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        rows.write_record(COLUMNS)?;
        rows.write_record(row(&Scope {
            kind: "total",
            name: &summary.run.name,
            failed: figures.failed,
            rate: figures.throughput,
            time_share: (figures.requests() > 0).then_some(1.0),
            response: &figures.response,
            service: &figures.service,
            phases: &figures.phases,
        }))?;
        for endpoint in &figures.endpoints {
            rows.write_record(row(&Scope {
                kind: "endpoint",
                name: &endpoint.name,
                failed: endpoint.failed,
                rate: endpoint.rate,
                time_share: Some(endpoint.time_share),
                response: &endpoint.response,
                service: &endpoint.service,
                phases: &endpoint.phases,
            }))?;
        }
        rows.flush()
    }
}

struct Scope<'a> {
    kind: &'static str,
    name: &'a str,
    failed: u64,
    rate: Option<f64>,
    time_share: Option<f64>,
    response: &'a Spread,
    service: &'a Spread,
    phases: &'a Phases,
}

fn row(scope: &Scope<'_>) -> Vec<String> {
    let number = |value: Option<f64>| {
        value.map_or_else(String::new, |value| ((value * 1e6).round() / 1e6).to_string())
    };
    let millis = |nanos: Option<f64>| number(nanos.map(|nanos| nanos / 1e6));
    let (response, service) = (scope.response, scope.service);
    let mut row = vec![
        scope.kind.to_owned(),
        harmless(scope.name),
        response.count.to_string(),
        scope.failed.to_string(),
        number(scope.rate),
        number(scope.time_share),
        millis(response.min),
        millis(response.mean),
        millis(response.median),
        millis(response.p90),
        millis(response.p95),
        millis(response.p99),
        millis(response.p99_9),
        millis(response.max),
        millis(response.stddev),
        millis(service.min),
        millis(service.mean),
        millis(service.median),
        millis(service.p95),
        millis(service.p99),
        millis(service.max),
    ];
    row.extend(scope.phases.iter().flat_map(|phase| [millis(phase.mean), millis(phase.p95)]));
    row
}

/// The name without control characters and not readable as a formula.
pub(crate) fn harmless(name: &str) -> String {
    let name = printable(name);
    if name.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{name}") } else { name.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_monitor, canonical_suite};

    #[test]
    fn formulas_become_text() {
        for (name, cell) in [
            ("health", "health"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\t=1", "' =1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(harmless(name), cell, "{name}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = canonical::rendered(&Csv, &canonical::full());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<_> = reader.records().map(|record| record.unwrap()[1].to_owned()).collect();
        assert_eq!(
            names,
            ["checkout", "'=cmd|' /C calc'!A1", "a|b<&\"\u{fffd}", "health", "日本語, \"quoted\""]
        );
    }

    #[test]
    fn full() {
        insta::assert_snapshot!(canonical::rendered(&Csv, &canonical::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(canonical::rendered(&Csv, &canonical::empty()));
    }
    #[test]
    fn suite() {
        let text = canonical::rendered(&Csv, &canonical_suite::full());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert!(reader.records().all(|record| record.is_ok()), "every row has a cell for every column");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn empty_suite() {
        insta::assert_snapshot!(canonical::rendered(&Csv, &canonical_suite::empty()));
    }

    #[test]
    fn monitor() {
        insta::assert_snapshot!(canonical::rendered(&Csv, &canonical_monitor::full()));
    }
}
