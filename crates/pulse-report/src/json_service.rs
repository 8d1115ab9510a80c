//! The part of the JSON document about a service that was watched.

use pulse_model::{Quantile, Summary};
use serde::Serialize;

use crate::json_document::{millis, rounded};
use crate::monitor_text::is_monitor;
use crate::service::{ProcessFigures, ServiceFigures, SlowStatement, Times};

#[derive(Serialize)]
pub(crate) struct Service {
    covered_ms: f64,
    slow_queries: u64,
    slow_statements: Vec<Slow>,
    database: Vec<Timed>,
    timers: Vec<Timed>,
    caches: Vec<Cache>,
    pools: Vec<Pool>,
    processes: Vec<Process>,
    memory_limit_bytes: Option<u64>,
    counters: Vec<Counter>,
    dropped: Vec<Counter>,
}

#[derive(Serialize)]
struct Timed {
    name: String,
    count: u64,
    per_second: Option<f64>,
    mean_ms: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
}

#[derive(Serialize)]
struct Slow {
    query: String,
    count: u64,
    total_ms: f64,
    max_ms: f64,
}

#[derive(Serialize)]
struct Cache {
    name: String,
    hits: u64,
    lookups: u64,
}

#[derive(Serialize)]
struct Pool {
    name: String,
    size: u64,
    in_use: u64,
    waiting: u64,
}

#[derive(Serialize)]
struct Process {
    worker: String,
    cpu: Option<f64>,
    resident_bytes: Option<u64>,
    proportional_bytes: Option<u64>,
    threads: Option<u64>,
    descriptors: Option<u64>,
    context_switches_per_second: Option<f64>,
    read_bytes_per_second: Option<f64>,
    written_bytes_per_second: Option<f64>,
}

#[derive(Serialize)]
struct Counter {
    name: String,
    count: u64,
}

/// `None` for anything but a watch.
pub(crate) fn service(summary: &Summary) -> Option<Service> {
    if !is_monitor(&summary.run.kind) {
        return None;
    }
    let figures = ServiceFigures::of(&summary.totals);
    let counters = |counts: Vec<(String, u64)>| {
        counts.into_iter().map(|(name, count)| Counter { name, count }).collect()
    };
    Some(Service {
        covered_ms: figures.length.as_millis_f64(),
        slow_queries: figures.slow_queries,
        slow_statements: figures.slow_statements.into_iter().map(slow).collect(),
        database: figures.statements.into_iter().map(timed).collect(),
        timers: figures.timers.into_iter().map(timed).collect(),
        caches: figures
            .caches
            .into_iter()
            .map(|(name, rate)| Cache { name, hits: rate.hits, lookups: rate.total })
            .collect(),
        pools: figures
            .pools
            .into_iter()
            .map(|(name, pool)| Pool { name, size: pool.size, in_use: pool.in_use, waiting: pool.waiting })
            .collect(),
        processes: figures.processes.into_iter().map(process).collect(),
        memory_limit_bytes: figures.memory_limit,
        counters: counters(figures.counters),
        dropped: counters(figures.dropped),
    })
}

fn slow(statement: SlowStatement) -> Slow {
    Slow {
        query: statement.query,
        count: statement.count,
        total_ms: millis(statement.total as f64),
        max_ms: millis(statement.max as f64),
    }
}

fn timed((name, times): (String, Times)) -> Timed {
    let quantile = |quantile: Option<Quantile>| quantile.map(|quantile| millis(quantile.estimate as f64));
    Timed {
        name,
        count: times.count,
        per_second: times.per_second.map(rounded),
        mean_ms: times.mean.map(millis),
        p50_ms: quantile(times.p50),
        p95_ms: quantile(times.p95),
        p99_ms: quantile(times.p99),
        max_ms: times.max.map(|max| millis(max as f64)),
    }
}

fn process((worker, process): (String, ProcessFigures)) -> Process {
    Process {
        worker,
        cpu: process.cpu.map(rounded),
        resident_bytes: process.resident,
        proportional_bytes: process.proportional,
        threads: process.threads,
        descriptors: process.descriptors,
        context_switches_per_second: process.switches.map(rounded),
        read_bytes_per_second: process.read.map(rounded),
        written_bytes_per_second: process.written.map(rounded),
    }
}
