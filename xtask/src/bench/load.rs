//! What a request costs the load generator, beside other tools: nginx on CPU 0 answers 102 bytes from memory, one tool after
//! the other asks from CPU 1, in turns. CPU time is the kernel's count for the whole process, start and report included;
//! requests are the server's count. Ratios are those within a round, which what else runs on the machine disturbs least.

mod capacity;
mod comparison;
mod document;
mod nginx;
mod process;
mod stall;
mod tool;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::arguments::BenchOptions;
use comparison::Comparison;
use nginx::Nginx;
use tool::{Protocol, Tool, Tools};

/// The CPU of the clients; the server has another one.
const CLIENT_CPU: &str = "1";
/// Length of a run when nothing is said.
const SECONDS: u32 = 4;
/// A client that takes longer than it was asked to by that much will not end.
const HANGS_AFTER: Duration = Duration::from_mins(1);

/// What a section needs.
struct Bench {
    tools: Tools,
    server: Nginx,
    folder: PathBuf,
    rounds: u32,
    seconds: u32,
}

impl Bench {
    /// When a client hangs: no section asks for more than three lengths of a run, or half a minute.
    fn limit(&self) -> Duration {
        Duration::from_secs(30.max(u64::from(self.seconds) * 3)) + HANGS_AFTER
    }
}

/// A part of the document.
struct Section {
    name: &'static str,
    run: fn(&Bench) -> anyhow::Result<String>,
}

const SECTIONS: &[Section] = &[
    Section { name: "http", run: http },
    Section { name: "tls", run: tls },
    Section { name: "http2", run: http2 },
    Section { name: "scenario", run: capacity::scenario },
    Section { name: "users", run: capacity::users },
    Section { name: "idle", run: capacity::idle },
    Section { name: "workers", run: capacity::workers },
    Section { name: "memory", run: capacity::memory },
    Section { name: "stall", run: stall::run },
];

/// Runs the sections that were asked for (all, unless some are named) and returns their text; with `write` it goes into
/// the document, too.
pub(crate) fn run(root: &Path, pulse: &Path, options: &BenchOptions) -> anyhow::Result<String> {
    let known = |name: &String| SECTIONS.iter().any(|section| section.name == name);
    if let Some(unknown) = options.sections.iter().find(|name| !known(name)) {
        let names: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        bail!("no section `{unknown}`; there are: {}", names.join(", "));
    }
    // Server and clients inherit it: thousands of users need as many descriptors.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let folder = root.join(format!("target/load-{}", std::process::id()));
    let server = Nginx::start(&folder);
    let text = server.and_then(|server| {
        tool::write_files(&folder)?;
        let bench = Bench {
            tools: Tools::prepare(pulse, &root.join("target/tools"))?,
            server,
            folder: folder.clone(),
            rounds: options.count,
            seconds: options.seconds.unwrap_or(SECONDS),
        };
        bench.sections(&options.sections)
    });
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let text = text?;
    if options.write {
        document::replace(&root.join("docs/benchmarks.md"), &text)?;
    }
    Ok(text)
}

impl Bench {
    fn sections(&self, names: &[String]) -> anyhow::Result<String> {
        let wanted = |section: &&Section| names.is_empty() || names.iter().any(|name| name == section.name);
        let mut text = format!(
            "{} rounds of {} seconds on {}. {}.",
            self.rounds,
            self.seconds,
            processor(),
            self.tools.versions()
        );
        for section in SECTIONS.iter().filter(wanted) {
            let part = (section.run)(self).with_context(|| format!("section `{}`", section.name))?;
            crate::output::progress(&part);
            text.push_str("\n\n");
            text.push_str(part.trim_end());
        }
        Ok(text)
    }
}

fn http(bench: &Bench) -> anyhow::Result<String> {
    let everyone = Comparison {
        title: "HTTP/1.1, 64 connections",
        protocol: Protocol::Http1,
        connections: 64,
        streams: 1,
        peers: &[
            Tool::Wrk,
            Tool::Oha,
            Tool::H2load,
            Tool::Ab,
            Tool::Hey,
            Tool::Siege,
            Tool::Autocannon,
            Tool::Locust,
        ],
    };
    let quick = Comparison {
        title: "HTTP/1.1, 256 connections",
        connections: 256,
        peers: &[Tool::Wrk, Tool::Oha, Tool::H2load],
        ..everyone
    };
    Ok(everyone.run(bench)? + "\n" + &quick.run(bench)?)
}

fn tls(bench: &Bench) -> anyhow::Result<String> {
    let comparison = Comparison {
        title: "HTTP/1.1 over TLS, 64 connections",
        protocol: Protocol::Http1Tls,
        connections: 64,
        streams: 1,
        peers: &[Tool::Wrk, Tool::Oha, Tool::H2load, Tool::Hey],
    };
    comparison.run(bench)
}

fn http2(bench: &Bench) -> anyhow::Result<String> {
    let many = |protocol, title| Comparison {
        title,
        protocol,
        connections: 1,
        streams: 64,
        peers: &[Tool::Oha, Tool::H2load],
    };
    let single = |protocol, title| Comparison {
        title,
        protocol,
        connections: 64,
        streams: 1,
        peers: &[Tool::H2load, Tool::Oha],
    };
    let comparisons = [
        many(Protocol::Http2, "HTTP/2 without TLS, 1 connection of 64 streams"),
        single(Protocol::Http2, "HTTP/2 without TLS, 64 connections of 1 stream"),
        many(Protocol::Http2Tls, "HTTP/2 over TLS, 1 connection of 64 streams"),
        single(Protocol::Http2Tls, "HTTP/2 over TLS, 64 connections of 1 stream"),
    ];
    let tables = comparisons.iter().map(|comparison| comparison.run(bench));
    Ok(tables.collect::<anyhow::Result<Vec<_>>>()?.join("\n"))
}

/// The model name of the machine's CPU.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": ")).map_or("an unknown CPU", |(_, name)| name);
    name.to_owned()
}
