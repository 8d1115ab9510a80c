//! How exactly load generators keep a schedule, seen from the server: every request is stamped when it arrives.
//!
//! The server stays awake on a core of its own and reads its connections in turns, so that a stamp is late by a few
//! microseconds at most; the generator has another core. The schedule's origin is fitted for every run alike: it is that of
//! the arrival that was the earliest compared with its turn, once the connections are warm. What all arrivals of a run share,
//! the way from the clock through the loopback to the stamp, is therefore in no figure.

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::Context as _;

/// Requests per second.
const RATES: [u32; 2] = [1000, 20_000];
/// How long each run lasts.
const SECONDS: u32 = 5;
/// Seconds at the beginning that are left out: connections are made, and idle strategies learn.
const WARMUP: u32 = 1;
/// The core of the generator.
const CORE: &str = "0";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const END: &[u8] = b"\r\n\r\n";

/// What is measured: its name, and how it is started with a rate, a length and a URL.
struct Generator {
    name: &'static str,
    program: PathBuf,
    arguments: fn(rate: u32, url: &str) -> Vec<String>,
}

/// Measures all generators in turns, each so many rounds, and returns the table.
pub(crate) fn run(root: &Path, pulse: &Path, rounds: u32) -> anyhow::Result<String> {
    let mut table = String::from(
        "| requests/s | generator | p50 | p90 | p99 | max | rate off by | CPU of a core |\n|---|---|---|---|---|---|---|---|\n",
    );
    let generators = generators(root, pulse);
    for rate in RATES {
        let mut all: Vec<Vec<Pace>> = generators.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (generator, paces) in generators.iter().zip(&mut all) {
                paces.extend(measure(generator, rate)?);
            }
        }
        for (generator, mut paces) in generators.iter().zip(all) {
            // The round in the middle, as a whole: its figures belong together.
            paces.sort_by(|a, b| a.late[0].total_cmp(&b.late[0]));
            let Some(pace) = paces.get(paces.len() / 2) else {
                let _ = writeln!(table, "| {rate} | {} | sent less than half | | | | | |", generator.name);
                continue;
            };
            let [p50, p90, p99, max] = pace.late.map(|nanos| nanos / 1e3);
            let (name, off, cpu) = (generator.name, pace.off * 100.0, pace.cpu * 100.0);
            let _ = writeln!(
                table,
                "| {rate} | {name} | {p50:.0} µs | {p90:.0} µs | {p99:.0} µs | {max:.0} µs | {off:.3} % | {cpu:.0} % |"
            );
        }
    }
    Ok(table)
}

fn generators(root: &Path, pulse: &Path) -> Vec<Generator> {
    fn pulse_with(idle: &str, rate: u32, url: &str) -> Vec<String> {
        let line = format!("load {url} --quiet --workers 1 --rate {rate} --duration {SECONDS} --idle {idle}");
        line.split(' ').map(str::to_owned).collect()
    }
    let pulse = |name, arguments| Generator { name, program: pulse.to_owned(), arguments };
    let mut generators = vec![
        pulse("pulse, sleep", |rate, url| pulse_with("sleep", rate, url)),
        pulse("pulse, spin", |rate, url| pulse_with("spin", rate, url)),
    ];
    let peers: [(&str, fn(u32, &str) -> Vec<String>); 2] = [
        ("oha", |rate, url| {
            let line = format!("--no-tui -c 10 -q {rate} -z {SECONDS}s --latency-correction {url}");
            line.split(' ').map(str::to_owned).collect()
        }),
        ("hey", |rate, url| {
            // Its rate is one per connection.
            let line = format!("-c 10 -q {} -z {SECONDS}s {url}", rate / 10);
            line.split(' ').map(str::to_owned).collect()
        }),
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain([root.join("target/tools/bin")]).collect();
    for (name, arguments) in peers {
        let installed = folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file());
        generators.extend(installed.map(|program| Generator { name, program, arguments }));
    }
    generators
}

/// How well a schedule was kept.
struct Pace {
    /// |arrival − schedule| in nanoseconds: median, 90th and 99th percentile, maximum.
    late: [f64; 4],
    /// The rate's distance from what was asked for, as a share of it.
    off: f64,
    /// CPU time, as a share of a core.
    cpu: f64,
}

/// One run; `None` when so much was not sent that no schedule can be seen.
fn measure(generator: &Generator, rate: u32) -> anyhow::Result<Option<Pace>> {
    let server = Server::start()?;
    let before = cpu_of_children()?;
    // A report may say that a target was missed or that the machine was busy, which is not what this is about.
    Command::new("taskset")
        .args(["-c", CORE])
        .arg(&generator.program)
        .args((generator.arguments)(rate, &server.url))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()
        .with_context(|| format!("{} cannot be started through taskset", generator.name))?;
    let cpu = (cpu_of_children()? - before) / f64::from(SECONDS);
    let arrivals = server.stop()?;
    if arrivals.len() < (rate * SECONDS / 2) as usize {
        return Ok(None);
    }
    let (late, off) = judged(&arrivals, rate);
    Ok(Some(Pace { late, off, cpu }))
}

/// |arrival − schedule| and the rate's distance, of arrivals in nanoseconds since whenever.
fn judged(arrivals: &[f64], rate: u32) -> ([f64; 4], f64) {
    let gap = 1e9 / f64::from(rate);
    let warm: Vec<f64> = arrivals.iter().skip((rate * WARMUP) as usize).copied().collect();
    let lateness: Vec<f64> = warm.iter().zip(0_u32..).map(|(at, n)| at - f64::from(n) * gap).collect();
    let origin = lateness.iter().copied().fold(f64::INFINITY, f64::min);
    let mut late: Vec<f64> = lateness.iter().map(|at| at - origin).collect();
    late.sort_by(f64::total_cmp);
    let at = |share: f64| late[((late.len() - 1) as f64 * share).round() as usize];
    let length = warm.last().zip(warm.first()).map_or(0.0, |(last, first)| last - first);
    let expected = (warm.len() - 1) as f64 * gap;
    ([at(0.5), at(0.9), at(0.99), at(1.0)], (length / expected - 1.0).abs())
}

/// CPU time of the processes that have been waited for, in seconds.
fn cpu_of_children() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    children_of(&stat).context("/proc/self/stat has another form")
}

/// Fields 16 and 17 of `stat`, in hundredths of a second; the second field may contain blanks and ends with a parenthesis.
fn children_of(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(13).map(str::parse::<f64>);
    Some((fields.next()?.ok()? + fields.next()?.ok()?) / 100.0)
}

/// A server that does nothing but stamp.
struct Server {
    url: String,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<std::io::Result<Vec<f64>>>,
}

struct Connection {
    stream: TcpStream,
    /// How much of the end of a head has come.
    matched: usize,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port of 127.0.0.1 is free")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}/", listener.local_addr()?);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || stamp(&listener, &stopped));
        Ok(Self { url, stop, thread })
    }

    /// The arrivals in nanoseconds since the server's start.
    fn stop(self) -> anyhow::Result<Vec<f64>> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(arrivals) => arrivals.context("the server failed"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn stamp(listener: &TcpListener, stop: &AtomicBool) -> std::io::Result<Vec<f64>> {
    let start = Instant::now();
    let mut arrivals = Vec::with_capacity(1 << 18);
    let mut connections: Vec<Connection> = Vec::new();
    let mut turns = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        // Connections come at the beginning; looking for more every turn would double its length.
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(16) {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    connections.push(Connection { stream, matched: 0 });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        connections.retain_mut(|connection| connection.serve(start, &mut arrivals));
    }
    Ok(arrivals)
}

impl Connection {
    /// Stamps and answers what has come; false when the connection has ended.
    fn serve(&mut self, start: Instant, arrivals: &mut Vec<f64>) -> bool {
        let mut bytes = [0; 4096];
        let read = match self.stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(read) => read,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        let at = start.elapsed().as_nanos() as f64;
        for byte in bytes.iter().take(read) {
            self.matched =
                if *byte == END[self.matched] { self.matched + 1 } else { usize::from(*byte == b'\r') };
            if self.matched == END.len() {
                self.matched = 0;
                arrivals.push(at);
                if self.stream.write_all(ANSWER).is_err() {
                    return false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_counts_from_the_earliest_and_rates_from_the_ends() {
        let rate = 1000;
        let kept: Vec<f64> =
            (0..3000).map(|n| 5e6 + f64::from(n) * 1e6 + if n % 10 == 9 { 40e3 } else { 0.0 }).collect();
        let ([p50, p90, p99, max], off) = judged(&kept, rate);
        assert_eq!([p50, p90, p99, max], [0.0, 0.0, 40e3, 40e3]);
        assert!(off < 1e-4, "{off}");
        let slow: Vec<f64> = (0..3000).map(|n| f64::from(n) * 1.01e6).collect();
        let (late, off) = judged(&slow, rate);
        assert!((off - 0.01).abs() < 1e-9 && (late[0] - 1e7).abs() < 1e5, "{late:?} {off}");
    }

    #[test]
    fn children_are_found_behind_any_name() {
        let stat = "77 (x) y (z) S 1 2 3 4 5 6 7 8 9 10 11 12 150 25 20 0";
        assert_eq!(children_of(stat), Some(1.75));
        assert_eq!(children_of("77"), None);
    }
}
