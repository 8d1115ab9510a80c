//! Self-tests of `pulse validate`: each part of Pulse does on this machine what it must.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pulse_db::workload::Entry;
use pulse_db::{Sqlite, Unwatched, Wishes, WorkloadBuilder};
use pulse_demo::{DemoConfig, DemoServer, TOOLS, execute_tool};
use pulse_engine::StopHandle;
use pulse_export::Exposed;
use pulse_model::{
    Aggregate, Effect, Histogram, Interval, Nanos, Series, Snapshot, Summary, Verdict, metric, tag,
};
use pulse_monitor::{Config, Monitor};
use pulse_plan::{LoadOptions, ServiceOptions};
use pulse_stats::judge_over;
use pulse_suite::{Check, CompareOptions, RunData, compare, measure_url};

/// A self-test. One that loads this machine ends when `stop` says that there is no more time.
pub(crate) type SelfTest = fn(stop: &StopHandle) -> Check;

/// All of them, in the order in which they are shown. A new one belongs here, into docs/validate.md and into the list in
/// tests/validate.rs; all of them together should take no more than two or three seconds.
pub(crate) const SELF_TESTS: [SelfTest; 6] =
    [tool_executor, load, statistics, monitor, database_optimizer, ci_workflow];

/// What to do about a part that does not do what it must.
const BUG: &str = "this is a bug of Pulse; please report it";
/// Where GitHub looks for workflows.
const WORKFLOWS: &str = ".github/workflows";
/// Arrivals per second of the load's self-test, which lasts a second.
const RATE: f64 = 100.0;
/// Rows of the table of the optimizer's self-test.
const ROWS: u64 = 5_000;
/// Requests that the monitor's self-test records, the n-th of n milliseconds.
const RECORDS: u64 = 1_000;

/// The mock tools give the same answer twice.
fn tool_executor(_stop: &StopHandle) -> Check {
    let data = serde_json::json!({"price": 501.25, "volume": 1_000});
    let differing =
        (1..=TOOLS).filter(|&id| execute_tool(id, &data, "SPY") != execute_tool(id, &data, "SPY")).count();
    match differing {
        0 => Check::ok("tool_executor", format!("{TOOLS} tools answer the same question alike")),
        _ => Check::failed("tool_executor", format!("{differing} tools do not repeat their answers"), BUG),
    }
}

/// A second of load against the demo in this process.
fn load(stop: &StopHandle) -> Check {
    let name = "load";
    let config = DemoConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), trades: 100, ..DemoConfig::default() };
    let server = match DemoServer::start(config) {
        Ok(server) => server,
        Err(error) => return Check::failed(name, format!("the demo does not start: {error}"), BUG),
    };
    let service = ServiceOptions { url: Some(server.url()), ..ServiceOptions::default() };
    let load =
        LoadOptions { rate: Some(RATE), duration: Some(Nanos::from_secs(1)), ..LoadOptions::default() };
    let measured = measure_url(service, load, stop);
    // What it did is known; how it ends is of no interest.
    let _ = server.stop();
    match measured {
        Ok(summary) if summary.failed() == 0 && summary.requests() as f64 >= RATE => {
            Check::ok(name, format!("{} requests to the demo, none failed", summary.requests()))
        }
        Ok(summary) => {
            let (requests, failed) = (summary.requests(), summary.failed());
            let measured =
                format!("{requests} of {RATE:.0} requests to the demo in a second, {failed} failed");
            Check::failed(name, measured, "look at the other checks first; if they pass, report it as a bug")
        }
        Err(error) => Check::failed(name, error.to_string(), "allow programs to listen on 127.0.0.1"),
    }
}

/// Verdicts and comparisons of made-up runs come out as they must: the same twice is no change, a tenth more is one.
fn statistics(_stop: &StopHandle) -> Check {
    let name = "statistics";
    let (run, same, slower) = (made_up(100, 0), made_up(100, 7), made_up(110, 0));
    let verdict = |target: &str| {
        let judged =
            target.parse().map(|target| judge_over(&target, &run.summary.totals, &run.intervals).verdict);
        judged.unwrap_or(Verdict::NoData)
    };
    let effect = |after: &RunData| compare(&run, after, &CompareOptions::default()).effect;
    let wrong: Vec<&str> = [
        (verdict("p95 < 25ms") == Verdict::Pass, "p95 < 25ms does not pass at 20ms"),
        (verdict("p95 < 15ms") == Verdict::Fail, "p95 < 15ms does not fail at 20ms"),
        (verdict("checks = 100%") == Verdict::NoData, "what was not measured has a verdict"),
        (effect(&same) != Effect::Regression, "the same twice is a regression"),
        (effect(&slower) == Effect::Regression, "a tenth more is no regression"),
    ]
    .into_iter()
    .filter_map(|(is_right, complaint)| (!is_right).then_some(complaint))
    .collect();
    match wrong[..] {
        [] => Check::ok(name, "verdicts and comparisons of made-up runs come out as they must"),
        _ => Check::failed(name, wrong.join(", "), BUG),
    }
}

/// Thirty seconds of response times evenly between 1 and 21 ms, times `percent`, in an order that depends on `turn`.
fn made_up(percent: u64, turn: u64) -> RunData {
    let per_interval = 200;
    let mut totals = Snapshot::default();
    let intervals: Vec<Snapshot> = (0..30)
        .map(|second| {
            let mut trend = Histogram::default();
            // 83 has no divisor in common with 200, so that every time occurs once.
            for number in 0..per_interval - (second + turn) % 3 {
                let micros = 1_000 + (number * 83 + turn) % per_interval * 100;
                trend.record(micros * percent * 10);
            }
            let from = Nanos::from_secs(second);
            let interval = Interval { from, to: Nanos::from_secs(second + 1) };
            let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
            let series = Series::new(metric::RESPONSE_TIME).with(tag::OUTCOME, "ok");
            snapshot.add(series, Aggregate::Trend(trend));
            totals.merge(&snapshot);
            snapshot
        })
        .collect();
    RunData::new(Summary { totals, ..Summary::default() }, &intervals)
}

/// What is recorded comes back from the window, and from every format that Pulse reads.
fn monitor(_stop: &StopHandle) -> Check {
    let name = "monitor";
    let monitor = Monitor::new(Config::default());
    let route = Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "/self-test");
    let endpoint = monitor.endpoint("/self-test");
    for millis in 1..=RECORDS {
        endpoint.record(Duration::from_millis(millis), if millis > RECORDS - 10 { 500 } else { 200 });
    }
    let recorded = monitor.totals().trend(&route);
    let window = monitor.window(Duration::from_mins(1)).trend(&route);
    let read = |accept: &str| {
        let answer = monitor.render(accept, "");
        Exposed::read(&answer.content_type, &answer.body)
            .map(|read| read.totals.trend(&route))
            .unwrap_or_default()
    };
    let (json, text) = (read("application/json"), read("text/plain"));
    let p95 = recorded.quantile(0.95).map_or(0, |quantile| quantile.estimate);
    let is_close = |value: u64| value.abs_diff(950_000_000) < 12_000_000;
    let wrong: Vec<&str> = [
        (recorded.count() == RECORDS && is_close(p95), "what was recorded is not what was counted"),
        (window.count() == RECORDS, "the window does not hold what was just recorded"),
        (monitor.summary().requests.error_count == 10, "the summary does not count the failed ones"),
        (json == recorded, "JSON does not come back as it was"),
        (text.count() == RECORDS && text.sum() == recorded.sum(), "Prometheus text loses something"),
    ]
    .into_iter()
    .filter_map(|(is_right, complaint)| (!is_right).then_some(complaint))
    .collect();
    match wrong[..] {
        [] => Check::ok(
            name,
            format!("{RECORDS} records come back from the window, from JSON and from Prometheus text"),
        ),
        _ => Check::failed(name, wrong.join(", "), BUG),
    }
}

/// The optimizer finds the scan of a made-up table, and an index against it.
fn database_optimizer(_stop: &StopHandle) -> Check {
    let name = "database_optimizer";
    match recommended_index() {
        Ok(Some(sql)) if sql.contains("symbol") => {
            Check::ok(name, format!("a scan of {ROWS} rows is found, and {sql}"))
        }
        Ok(_) => Check::failed(name, format!("no index is found against a scan of {ROWS} rows"), BUG),
        Err(reason) => Check::failed(
            name,
            reason,
            "look at the room and the permissions of the folder of temporary files",
        ),
    }
}

/// The index that is recommended for a table without one.
fn recommended_index() -> Result<Option<String>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let folder = tempfile::tempdir().map_err(|error| text(&error))?;
    let path = folder.path().join("check.db");
    let fill = format!(
        "CREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT, price INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO trades SELECT i, 'S' || (i % 100), i FROM n;"
    );
    rusqlite::Connection::open(&path)
        .and_then(|connection| connection.execute_batch(&fill))
        .map_err(|error| text(&error))?;
    let mut builder = WorkloadBuilder::new(1);
    let sql = "SELECT id, price FROM trades WHERE symbol = 'S7'".to_owned();
    builder.add(Entry { sql, calls: 100, ..Entry::default() }, "pulse validate");
    let wishes = Wishes { trial_time: Nanos::from_millis(200), ..Wishes::default() };
    let database = Sqlite::open(&path).map_err(|error| text(&error))?;
    let summary =
        pulse_db::run(&database, builder.finish(), &wishes, &mut Unwatched).map_err(|error| text(&error))?;
    let report = summary.database.unwrap_or_default();
    let has_found = summary.findings.iter().any(|finding| finding.code == "full_scan");
    let index = report.indexes.into_iter().find(|index| index.recommended && has_found);
    Ok(index.and_then(|index| index.fix.sql.into_iter().next()))
}

/// A workflow that runs Pulse; a hint, since not everybody uses GitHub.
fn ci_workflow(_stop: &StopHandle) -> Check {
    workflow_in(Path::new(WORKFLOWS))
}

fn workflow_in(folder: &Path) -> Check {
    let name = "ci_workflow";
    let next = "let a workflow run `pulse test` on every change; docs/ci.md has one to copy";
    let Ok(entries) = fs::read_dir(folder) else {
        return Check {
            next_step: Some(next.to_owned()),
            ..Check::skipped(name, format!("there is no {WORKFLOWS} here"))
        };
    };
    let is_workflow = |path: &PathBuf| path.extension().is_some_and(|end| end == "yml" || end == "yaml");
    let mut files: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_workflow).collect();
    files.sort();
    let runs_pulse = |path: &&PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains("pulse"));
    match files.iter().find(runs_pulse) {
        Some(path) => Check::ok(name, format!("{} mentions pulse", path.display())),
        None => Check {
            next_step: Some(next.to_owned()),
            ..Check::skipped(name, format!("no workflow in {WORKFLOWS} mentions pulse"))
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_suite::CheckState;

    #[test]
    fn the_parts_do_what_they_must() {
        let stop = StopHandle::default();
        for test in [tool_executor, load, statistics, monitor] {
            let check = test(&stop);
            assert_eq!(check.state, CheckState::Ok, "{check:?}");
        }
    }

    #[test]
    fn a_load_that_is_cut_short_does_not_pass() {
        let stop = StopHandle::default();
        stop.stop();
        assert_eq!(load(&stop).state, CheckState::Failed);
    }

    #[test]
    fn workflows_are_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(workflow_in(&folder.path().join("missing")).state, CheckState::Skipped);
        fs::write(folder.path().join("a.yml"), "run: make").unwrap();
        fs::write(folder.path().join("note.txt"), "pulse").unwrap();
        assert_eq!(workflow_in(folder.path()).state, CheckState::Skipped);
        fs::write(folder.path().join("b.yml"), "run: pulse test").unwrap();
        assert_eq!(workflow_in(folder.path()).state, CheckState::Ok);
    }
}
