//! How quickly reports open in a browser, how large they are, and what ten viewers of its dashboard cost a running load.
//!
//! Reports are those of the example `sized_report` of `pulse-report`; `web/e2e/opening.mjs` opens them. The load is at its
//! limit, one worker against the demo API, in turns with and without viewers: what viewers cost is told as the ratio of CPU
//! times per request of the whole process, which another process's work on the machine disturbs least.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::Duration;

use anyhow::{Context, bail};

use super::gate::Demo;

/// Seconds and endpoints of the reports that are opened, and what they are called.
const REPORTS: [(&str, &str, &str); 2] =
    [("3600", "100", "one hour, 100 endpoints"), ("3600", "10000", "one hour, 10 000 endpoints")];
/// Viewers of the dashboard.
const VIEWERS: usize = 10;
/// How long each load lasts.
const LOAD_SECONDS: &str = "8";
/// How often the CPU time of a process is looked at: what it uses after the last look is not counted.
const LOOK: Duration = Duration::from_millis(20);
/// Opens reports and watches loads, each so many rounds, and returns the tables.
pub(crate) fn run(root: &Path, pulse: &Path, rounds: u32) -> anyhow::Result<String> {
    let folder = root.join(format!("target/page-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let tables =
        opened(root, &folder, rounds).and_then(|opened| Ok(opened + "\n" + &watched(pulse, rounds)?));
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    tables
}

/// The table of reports: size, first paint, and when they answer.
fn opened(root: &Path, folder: &Path, rounds: u32) -> anyhow::Result<String> {
    let reports: Vec<PathBuf> = (0..REPORTS.len()).map(|n| folder.join(format!("{n}.html"))).collect();
    for ((seconds, endpoints, _), path) in REPORTS.iter().zip(&reports) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["run", "--release", "--quiet", "--package", "pulse-report", "--example", "sized_report"])
            .args(["--", seconds, endpoints])
            .current_dir(root)
            .stdout(File::create(path)?)
            .status()
            .context("cargo cannot be run")?;
        if !status.success() {
            bail!("the report of {endpoints} endpoints was not written");
        }
    }
    let output = Command::new("node")
        .args(["e2e/opening.mjs", &rounds.to_string()])
        .args(&reports)
        .current_dir(root.join("web"))
        .stderr(Stdio::inherit())
        .output()
        .context("node cannot be run")?;
    if !output.status.success() {
        bail!("the reports were not opened; `npm ci --prefix web` and a Chromium are needed");
    }
    let times = times(&String::from_utf8_lossy(&output.stdout))?;
    let mut table = String::from("| report | size | first paint | answers a search |\n|---|---|---|---|\n");
    for (number, ((_, _, name), path)) in REPORTS.iter().zip(&reports).enumerate() {
        let megabytes = fs::metadata(path)?.len() as f64 / 1e6;
        let of = |which: usize| {
            spread(times.iter().filter(|(n, _)| *n == number).map(|(_, all)| all[which]).collect())
        };
        let _ = writeln!(table, "| {name} | {megabytes:.2} MB | {} | {} |", of(0), of(1));
    }
    Ok(table)
}

/// The lines of `opening.mjs`: a report's number, and its two times in milliseconds.
fn times(lines: &str) -> anyhow::Result<Vec<(usize, [f64; 2])>> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let number = words.next()?.parse().ok()?;
        Some((number, [words.next()?.parse().ok()?, words.next()?.parse().ok()?]))
    };
    let read = |text| line(text).with_context(|| format!("`{text}` is no line of times"));
    lines.lines().map(read).collect()
}

/// Median of milliseconds, and their middle half.
fn spread(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        times.get(((times.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(f64::NAN)
    };
    format!("{:.0} ms ({:.0} – {:.0})", at(0.5), at(0.25), at(0.75))
}

/// CPU time of a load, per request in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    all: f64,
    /// The part of it that is not the worker's: what merges, tells and serves.
    beside: f64,
}

/// The table of loads with and without viewers.
fn watched(pulse: &Path, rounds: u32) -> anyhow::Result<String> {
    let demo = Demo::start(pulse, "fixed:0ms")?;
    let mut pairs: Vec<[Cost; 2]> = Vec::new();
    for round in 0..rounds {
        // Who comes first changes, so that what drifts disturbs both alike.
        let order = if round % 2 == 0 { [0, VIEWERS] } else { [VIEWERS, 0] };
        let [first, second] = order.map(|viewers| cost(pulse, &demo.url, viewers));
        pairs.push(if round % 2 == 0 { [first?, second?] } else { [second?, first?] });
    }
    let median = |of: &dyn Fn(&[Cost; 2]) -> f64| median_interval(pairs.iter().map(of).collect());
    let needed = "an interval needs at least 6 rounds";
    let (ratio, lo, hi) = median(&|[without, with]| with.all / without.all).context(needed)?;
    let (share, least, most) =
        median(&|[without, with]| (with.beside - without.beside) / without.all).context(needed)?;
    let all = |which: usize| median(&|pair| pair[which].all).map_or(f64::NAN, |(value, ..)| value);
    let beside = |which: usize| median(&|pair| pair[which].beside).map_or(f64::NAN, |(value, ..)| value);
    Ok(format!(
        "| CPU time of the load generator per request | nobody looks | {VIEWERS} viewers | ratio, or part of all (95 % interval) |\n\
         |---|---|---|---|\n\
         | all | {:.2} µs | {:.2} µs | {ratio:.4} ({lo:.4} – {hi:.4}) |\n\
         | outside of the worker's thread | {:.3} µs | {:.3} µs | {:+.2} % ({:+.2} % – {:+.2} %) |\n",
        all(0),
        all(1),
        beside(0),
        beside(1),
        share * 100.0,
        least * 100.0,
        most * 100.0,
    ))
}

/// What a load at its limit costs with so many viewers.
fn cost(pulse: &Path, url: &str, viewers: usize) -> anyhow::Result<Cost> {
    let mut load = Command::new(pulse)
        .args(["load", url, "--users", "20", "--pace", "0", "--duration", LOAD_SECONDS, "--workers", "1"])
        .args(["--dashboard", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("the load cannot be started")?;
    let measured = looked_at(&mut load, viewers);
    if measured.is_err() {
        // It may have ended already.
        let _ = load.kill();
        let _ = load.wait();
    }
    measured
}

fn looked_at(load: &mut Child, viewers: usize) -> anyhow::Result<Cost> {
    let said = load.stdout.take().context("the load has no output")?;
    let mut said = BufReader::new(said);
    let address = address(&mut said)?;
    let rest = spawn(move || read_all(said));
    let viewers: Vec<_> =
        (0..viewers).map(|_| address.clone()).map(|address| spawn(move || view(&address))).collect();
    let mut threads = BTreeMap::new();
    while load.try_wait()?.is_none() {
        look(load.id(), &mut threads);
        sleep(LOOK);
    }
    for viewer in viewers {
        let events = viewer.join().unwrap_or_else(|_| bail!("a viewer panicked"))?;
        if events < 5 {
            bail!("a viewer saw only {events} events");
        }
    }
    let text = rest.join().unwrap_or_default();
    let requests = requests(&text).with_context(|| format!("the load told no number of requests: {text}"))?;
    let micros = |wanted: &dyn Fn(bool) -> bool| {
        let chosen = threads.values().filter(|(is_worker, _)| wanted(*is_worker));
        chosen.map(|(_, nanos)| *nanos as f64 / 1e3).sum::<f64>() / requests
    };
    Ok(Cost { all: micros(&|_| true), beside: micros(&|is_worker| !is_worker) })
}

/// Where the dashboard is, from what the load says before it begins.
fn address(said: &mut impl std::io::BufRead) -> anyhow::Result<String> {
    for line in said.lines() {
        let line = line?;
        if let Some((_, address)) = line.split_once("Dashboard: http://") {
            return Ok(address.trim_end_matches('/').to_owned());
        }
    }
    bail!("the load ended without saying where its dashboard is")
}

fn read_all(mut from: impl Read) -> String {
    let mut text = String::new();
    // What cannot be read is missed where it is looked for.
    let _ = from.read_to_string(&mut text);
    text
}

/// Reads the dashboard's events until they end; how many there were.
fn view(address: &str) -> anyhow::Result<u32> {
    let mut stream = TcpStream::connect(address).context("a viewer cannot connect")?;
    write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n")?;
    let mut events = 0;
    for line in BufReader::new(stream).split(b'\n') {
        // The server may go before it has said the last word.
        let Ok(line) = line else { break };
        events += u32::from(line.starts_with(b"event: page"));
    }
    Ok(events)
}

/// Notes of each thread of a process whether it is a worker's, and its CPU time so far in nanoseconds; threads that have
/// ended keep what they had.
fn look(process: u32, threads: &mut BTreeMap<OsString, (bool, u64)>) {
    let Ok(folder) = fs::read_dir(format!("/proc/{process}/task")) else { return };
    for thread in folder.flatten() {
        // A thread may end between two looks.
        let read = |file| fs::read_to_string(thread.path().join(file)).ok();
        if let (Some(name), Some(nanos)) = (read("comm"), read("schedstat").as_deref().and_then(nanos_of)) {
            threads.insert(thread.file_name(), (name.starts_with("pulse-worker"), nanos));
        }
    }
}

/// Time on the CPU, the first number of a thread's `schedstat`.
fn nanos_of(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// The number of requests that a report tells in its first block.
fn requests(report: &str) -> Option<f64> {
    let (_, rest) = report.split_once("Total Requests: ")?;
    rest.lines().next()?.trim().parse().ok().filter(|requests| *requests > 0.0)
}

/// The median and its 95 % interval by order statistics: the values with as many below and above as the sign test allows
/// (W. J. Conover, "Practical Nonparametric Statistics", §3.2). `None` of fewer than six, whose extremes enclose the median
/// less often than that.
fn median_interval(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    // The chance that of n fair coins at most k show heads, by the term of each k.
    let (mut term, mut at_most, mut below) = (0.5_f64.powf(n as f64), 0.0, None);
    for k in 0..n {
        at_most += term;
        if 2.0 * at_most > 0.05 {
            break;
        }
        below = Some(k);
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    let below = below?;
    let median = f64::midpoint(*values.get((n - 1) / 2)?, *values.get(n / 2)?);
    Some((median, *values.get(below)?, *values.get(n - 1 - below)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_lie_within_their_order_statistics() {
        let numbers = |n: u32| (1..=n).rev().map(f64::from).collect::<Vec<_>>();
        assert_eq!(median_interval(numbers(5)), None);
        assert_eq!(median_interval(numbers(6)), Some((3.5, 1.0, 6.0)));
        assert_eq!(median_interval(numbers(11)), Some((6.0, 2.0, 10.0)));
        assert_eq!(median_interval(numbers(15)), Some((8.0, 4.0, 12.0)));
        assert_eq!(median_interval(Vec::new()), None);
    }

    #[test]
    fn what_others_write_is_read() {
        assert_eq!(nanos_of("1874000123 55 9\n"), Some(1_874_000_123));
        assert_eq!(nanos_of(""), None);
        assert_eq!(requests("x\nTotal Requests: 60000\nSuccessful"), Some(60000.0));
        assert_eq!(requests("Total Requests: 0\n"), None);
        assert_eq!(times("0 12.5 30\n1 3 4\n").unwrap(), [(0, [12.5, 30.0]), (1, [3.0, 4.0])]);
        assert!(times("0 soon 30").is_err());
        assert_eq!(spread(vec![5.0, 1.0, 2.0, 3.0, 4.0]), "3 ms (2 – 4)");
        let mut said = "hello\nDashboard: http://127.0.0.1:99/\n".as_bytes();
        assert_eq!(address(&mut said).unwrap(), "127.0.0.1:99");
    }
}
