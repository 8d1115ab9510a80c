//! A server that stands still twice for a second: what each tool says of a load of 2 000 requests per second for 10 seconds.
//!
//! Callers who come at their time whatever the server does wait as long as it still stands: of the requests, the fraction
//! slower than x seconds is 2·(1 − x)/10, so that the 90th percentile is 500 ms and the 99th 950 ms.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::capacity::number;
use super::process;
use super::tool::{Protocol, Tool};
use super::{Bench, CLIENT_CPU};

const RATE: u32 = 2_000;
const SECONDS: u32 = 10;
/// Connections of the tools that divide the rate among connections; those then ask 31.25 times per second each.
const CONNECTIONS: u32 = 64;
/// From the start of the tool to the first halt, and from the end of that to the second.
const BEFORE_HALT: [Duration; 2] = [Duration::from_millis(2_500), Duration::from_millis(2_500)];
const HALT: Duration = Duration::from_secs(1);

/// The percentiles 50, 90, 99 in ms as a tool tells them.
type Percentiles = [f64; 3];

/// A tool, with what is said to it.
struct Row {
    tool: Tool,
    name: &'static str,
    arguments: String,
    read: fn(&Bench, &str) -> anyhow::Result<Percentiles>,
}

/// The table of all tools.
pub(super) fn run(bench: &Bench) -> anyhow::Result<String> {
    let mut text = format!(
        "**A server that stands still twice for 1 s**, {RATE} requests/s for {SECONDS} s\n\n\
         | tool | p50 | p90 | p99 | answered of {} |\n|---|---:|---:|---:|---:|\n\
         | callers who come at their time | < 0.3 ms | 500 ms | 950 ms | {0} |\n",
        RATE * SECONDS
    );
    for row in rows(bench).iter().filter(|row| bench.tools.has(row.tool)) {
        let (said, answered) = halted(bench, row)?;
        let [p50, p90, p99] =
            (row.read)(bench, &said).with_context(|| format!("what {} says", row.tool.name()))?;
        let _ = writeln!(text, "| {} | {p50:.2} ms | {p90:.1} ms | {p99:.1} ms | {answered} |", row.name);
    }
    Ok(text)
}

fn rows(bench: &Bench) -> Vec<Row> {
    let each = f64::from(RATE) / f64::from(CONNECTIONS);
    let row = |tool, name, arguments, read| Row { tool, name, arguments, read };
    let log = bench.folder.join("h2load.log").display().to_string();
    vec![
        row(
            Tool::Pulse,
            "pulse `--rate`",
            format!(
                "load --quiet --workers 1 --out json=- --rate {RATE} --max-users {} --duration {SECONDS}",
                2 * RATE
            ),
            of_pulse,
        ),
        row(
            Tool::Pulse,
            "pulse `--users`, `--pace`",
            format!(
                "load --quiet --workers 1 --out json=- --users {CONNECTIONS} --pace {each} --duration {SECONDS}"
            ),
            of_pulse,
        ),
        row(
            Tool::Oha,
            "oha `-q`",
            format!("-c {CONNECTIONS} -q {RATE} -z {SECONDS}s --no-tui --output-format json"),
            of_oha,
        ),
        row(
            Tool::Oha,
            "oha `-q --latency-correction`",
            format!(
                "-c {CONNECTIONS} -q {RATE} -z {SECONDS}s --no-tui --output-format json --latency-correction"
            ),
            of_oha,
        ),
        row(Tool::Hey, "hey `-q`", format!("-c {CONNECTIONS} -q {each} -z {SECONDS}s -o csv"), of_hey),
        row(
            Tool::H2load,
            "h2load `--rps`",
            format!("--h1 -t 1 -c {CONNECTIONS} --rps {each} -D {SECONDS} --log-file {log}"),
            of_h2load,
        ),
        row(
            Tool::Autocannon,
            "autocannon `-R`",
            format!("-c {CONNECTIONS} -R {RATE} -d {SECONDS} --no-progress -j"),
            of_autocannon,
        ),
        row(
            Tool::Wrk,
            "wrk (knows no rate)",
            format!("--latency -t 1 -c {CONNECTIONS} -d {SECONDS}s"),
            of_wrk,
        ),
    ]
}

/// Runs a tool while the server stands still twice; what it wrote and how many answers it got.
fn halted(bench: &Bench, row: &Row) -> anyhow::Result<(String, u64)> {
    let mut command: Command = bench.tools.command(row.tool);
    command.args(row.arguments.split_whitespace()).arg(Protocol::Http1.url(bench.server.ports));
    let before = bench.server.requests()?;
    let (folder, limit) = (&bench.folder, bench.limit());
    let spent = thread::scope(|scope| {
        // Of Pulse, 98: a measurement that is not valid; 99: a target is missed, as it must be.
        let client = scope.spawn(|| process::run(CLIENT_CPU, &command, &[0, 98, 99], folder, limit));
        for wait in BEFORE_HALT {
            thread::sleep(wait);
            bench.server.halt()?;
            thread::sleep(HALT);
            bench.server.resume()?;
        }
        client.join().unwrap_or_else(|_| bail!("the thread that watches the client panicked"))
    })?;
    let spent = spent.with_context(|| format!("{} did not end", row.name))?;
    Ok((spent.output, bench.server.requests()? - before))
}

fn of_pulse(_: &Bench, said: &str) -> anyhow::Result<Percentiles> {
    let report: Value = serde_json::from_str(said)?;
    let of = |name| number(&report, &["response_time", name]);
    Ok([of("median")?, of("p90")?, of("p99")?])
}

fn of_oha(_: &Bench, said: &str) -> anyhow::Result<Percentiles> {
    let report: Value = serde_json::from_str(said)?;
    let of = |name| number(&report, &["latencyPercentiles", name]).map(|seconds| seconds * 1e3);
    Ok([of("p50")?, of("p90")?, of("p99")?])
}

fn of_autocannon(_: &Bench, said: &str) -> anyhow::Result<Percentiles> {
    let report: Value = serde_json::from_str(said)?;
    let of = |name| number(&report, &["latency", name]);
    Ok([of("p50")?, of("p90")?, of("p99")?])
}

/// A line for each request, its time in seconds first.
fn of_hey(_: &Bench, said: &str) -> anyhow::Result<Percentiles> {
    let times = said.lines().skip(1).filter_map(|line| line.split(',').next()?.parse::<f64>().ok());
    percentiles(times.map(|seconds| seconds * 1e3).collect())
}

/// A line for each request in a file: start, status, time in µs.
fn of_h2load(bench: &Bench, _: &str) -> anyhow::Result<Percentiles> {
    let log = fs::read_to_string(bench.folder.join("h2load.log"))?;
    let times = log.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<f64>().ok());
    percentiles(times.map(|micros| micros / 1e3).collect())
}

/// Lines such as `     50%  613.00us`.
fn of_wrk(_: &Bench, said: &str) -> anyhow::Result<Percentiles> {
    let of = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        line.and_then(|time| millis(time.trim())).with_context(|| format!("no {name}"))
    };
    Ok([of("50%")?, of("90%")?, of("99%")?])
}

/// A time as wrk writes it.
fn millis(text: &str) -> Option<f64> {
    let (number, scale) = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)]
        .into_iter()
        .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    number.parse::<f64>().ok().map(|number| number * scale)
}

fn percentiles(mut times: Vec<f64>) -> anyhow::Result<Percentiles> {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied();
    let all = [at(0.5), at(0.9), at(0.99)].map(|time| time.context("no times"));
    let [p50, p90, p99] = all;
    Ok([p50?, p90?, p99?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_wrk_are_read() {
        assert_eq!(
            ["613.00us", "2.50ms", "1.01s", "x"].map(millis),
            [Some(0.613), Some(2.5), Some(1010.0), None]
        );
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let times = (1..=1000).rev().map(f64::from).collect();
        assert_eq!(percentiles(times).unwrap().map(|ms| ms as u32), [501, 901, 991]);
        assert!(percentiles(Vec::new()).is_err());
    }
}
