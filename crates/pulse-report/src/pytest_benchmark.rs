//! The JSON of pytest-benchmark.

use std::io;

use pulse_model::{RunInfo, Summary};
use serde::Serialize;

use crate::Reporter;
use crate::benchmark_stats::BenchmarkStats;
use crate::suite::{Case, Suite};

/// The commit that was measured; what is not known stays `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitInfo {
    /// Full hash.
    pub id: Option<String>,
    /// When it was committed, RFC 3339.
    pub time: Option<String>,
    /// When it was written, RFC 3339.
    pub author_time: Option<String>,
    /// Whether the working tree had changes that are not in it.
    pub dirty: bool,
    /// Name of the project.
    pub project: Option<String>,
    /// Name of the branch.
    pub branch: Option<String>,
}

/// The JSON that `pytest --benchmark-json` writes: the response times of every case that made requests, in seconds.
/// `pytest-benchmark compare`, github-action-benchmark (`tool: pytest`) and Bencher (`python_pytest`) read it.
#[derive(Clone, Debug, Default)]
pub struct PytestBenchmark {
    /// The commit that was measured.
    pub commit: CommitInfo,
    /// Name of the machine; empty when not known.
    pub machine: String,
}

#[derive(Serialize)]
struct Document<'a> {
    machine_info: MachineInfo<'a>,
    commit_info: Commit<'a>,
    benchmarks: Vec<Benchmark>,
    datetime: &'a str,
    version: String,
}

#[derive(Serialize)]
struct MachineInfo<'a> {
    node: &'a str,
    processor: &'a str,
    machine: &'a str,
    python_compiler: &'a str,
    python_implementation: &'a str,
    python_implementation_version: &'a str,
    python_version: &'a str,
    python_build: [&'a str; 2],
    release: &'a str,
    system: &'a str,
    cpu: Cpu<'a>,
}

#[derive(Serialize)]
struct Cpu<'a> {
    arch: &'a str,
    count: u32,
}

#[derive(Serialize)]
struct Commit<'a> {
    id: &'a str,
    time: Option<&'a str>,
    author_time: Option<&'a str>,
    dirty: bool,
    project: &'a str,
    branch: &'a str,
}

#[derive(Serialize)]
struct Benchmark {
    group: Option<String>,
    name: String,
    fullname: String,
    params: Option<()>,
    param: Option<()>,
    extra_info: Extra,
    options: Options,
    stats: Stats,
}

/// What pytest-benchmark has no field for.
#[derive(Serialize)]
struct Extra {
    verdict: &'static str,
    failed: u64,
    p95: Option<f64>,
    p99: Option<f64>,
    requests_per_second: f64,
}

#[derive(Serialize)]
struct Options {
    disable_gc: bool,
    timer: &'static str,
    min_rounds: u64,
    max_time: f64,
    min_time: f64,
    warmup: bool,
}

#[derive(Serialize)]
struct Stats {
    min: f64,
    max: f64,
    mean: f64,
    stddev: f64,
    rounds: u64,
    median: f64,
    iqr: f64,
    q1: f64,
    q3: f64,
    iqr_outliers: u64,
    stddev_outliers: u64,
    outliers: String,
    ld15iqr: f64,
    hd15iqr: f64,
    ops: f64,
    total: f64,
    iterations: u32,
}

impl Reporter for PytestBenchmark {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let run = &summary.run;
        let cases = Suite::of(summary).cases;
        let document = Document {
            machine_info: self.machine(run),
            commit_info: self.commit(),
            benchmarks: cases.iter().filter_map(benchmark).collect(),
            datetime: &run.started,
            version: format!("pulse {}", run.version),
        };
        serde_json::to_writer_pretty(&mut *out, &document)?;
        out.write_all(b"\n")
    }
}

impl PytestBenchmark {
    /// Fields about Python are empty: none was involved, but readers look for them.
    fn machine<'a>(&'a self, run: &'a RunInfo) -> MachineInfo<'a> {
        MachineInfo {
            node: &self.machine,
            processor: &run.host.arch,
            machine: &run.host.arch,
            python_compiler: "",
            python_implementation: "",
            python_implementation_version: "",
            python_version: "",
            python_build: ["", ""],
            release: "",
            system: &run.host.os,
            cpu: Cpu { arch: &run.host.arch, count: run.host.cores },
        }
    }

    /// The words for what is not known are those of pytest-benchmark.
    fn commit(&self) -> Commit<'_> {
        let CommitInfo { id, time, author_time, dirty, project, branch } = &self.commit;
        Commit {
            id: id.as_deref().unwrap_or("unversioned"),
            time: time.as_deref(),
            author_time: author_time.as_deref(),
            dirty: *dirty,
            project: project.as_deref().unwrap_or("unknown"),
            branch: branch.as_deref().unwrap_or("(unknown)"),
        }
    }
}

fn benchmark(case: &Case<'_>) -> Option<Benchmark> {
    let stats = BenchmarkStats::of(case.summary)?;
    let trend = case.summary.response_time();
    let quantile = |q| trend.quantile(q).map(|quantile| quantile.estimate as f64 / 1e9);
    let warmup = &case.summary.run.warmup;
    Some(Benchmark {
        group: case.group(),
        name: case.name(),
        fullname: case.place().map_or_else(|| case.id(), |(file, _)| format!("{file}::{}", case.id())),
        params: None,
        param: None,
        extra_info: Extra {
            verdict: case.outcome.word(),
            failed: case.summary.failed(),
            p95: quantile(0.95),
            p99: quantile(0.99),
            requests_per_second: case.summary.throughput(),
        },
        options: Options {
            disable_gc: false,
            timer: "monotonic",
            min_rounds: 1,
            max_time: case.summary.judged().as_secs_f64(),
            min_time: 0.0,
            warmup: warmup.0 > 0,
        },
        stats: Stats {
            min: stats.min,
            max: stats.max,
            mean: stats.mean,
            stddev: stats.stddev,
            rounds: stats.rounds,
            median: stats.median,
            iqr: stats.iqr(),
            q1: stats.q1,
            q3: stats.q3,
            iqr_outliers: stats.iqr_outliers,
            stddev_outliers: stats.stddev_outliers,
            outliers: stats.outliers(),
            ld15iqr: stats.ld15iqr,
            hd15iqr: stats.hd15iqr,
            ops: stats.ops(),
            total: stats.total,
            iterations: 1,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_suite, readers};

    fn known() -> PytestBenchmark {
        PytestBenchmark {
            commit: CommitInfo {
                id: Some("0123456789abcdef0123456789abcdef01234567".into()),
                time: Some("2026-01-01T00:00:00+00:00".into()),
                branch: Some("main".into()),
                ..CommitInfo::default()
            },
            machine: "ci-7".into(),
        }
    }

    #[test]
    fn pytest_benchmark_compares_two_of_them() {
        let before = canonical::rendered(&PytestBenchmark::default(), &canonical_suite::full());
        let after = canonical::rendered(&known(), &canonical_suite::full());
        let Some(table) =
            readers::pytest_benchmark_compare(&[("before.json", &before), ("after.json", &after)])
        else {
            return;
        };
        assert!(table.contains("Name (time in ms)"), "{table}");
        for file in ["before)", "after)"] {
            let row =
                |line: &&str| line.starts_with("health endpoint responds quickly") && line.contains(file);
            assert!(table.lines().any(|line| row(&line)), "{table}");
        }
    }

    #[test]
    fn pytest_benchmark_reads_a_load_test() {
        let document = canonical::rendered(&PytestBenchmark::default(), &canonical::full());
        if let Some(table) = readers::pytest_benchmark_compare(&[("load.json", &document)]) {
            assert!(table.contains("checkout"), "{table}");
        }
    }

    #[test]
    fn suite() {
        insta::assert_snapshot!(canonical::rendered(&known(), &canonical_suite::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(canonical::rendered(&PytestBenchmark::default(), &canonical_suite::empty()));
    }
}
