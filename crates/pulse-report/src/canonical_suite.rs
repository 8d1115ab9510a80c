//! The suites that the tests of all formats share.

use std::collections::BTreeMap;

use pulse_model::{
    Aggregate, CaseInfo, Change, Effect, Estimate, Finding, Histogram, Measured, Nanos, RunInfo, Series,
    Severity, Summary, TargetResult, Unit, Validity, ValidityReason, ValidityState, Verdict, metric, tag,
};

use crate::canonical;

const FILE: &str = "perf/api.toml";

/// A suite of these cases.
pub(crate) fn of(children: Vec<Summary>) -> Summary {
    Summary {
        run: run("demo API"),
        elapsed: Nanos::from_millis(34_249),
        verdict: Some(Verdict::worst(children.iter().filter_map(|child| child.verdict))),
        children,
        ..Summary::default()
    }
}

/// A suite without cases.
pub(crate) fn empty() -> Summary {
    Summary { run: run("demo API"), verdict: Some(Verdict::NoData), ..Summary::default() }
}

/// Every outcome there is, with everything that can be said of a case, and names that try to break out.
pub(crate) fn full() -> Summary {
    let mut summary = of(vec![
        passing("api", "health endpoint responds quickly"),
        failing("api", "root answers in time"),
        undecided(),
        hostile(),
        skipped(),
        flaky(),
        memory(),
    ]);
    summary.findings = vec![finding(Severity::Note, "the service closed 4 idle connections", None)];
    summary
}

/// A case that meets its target: `p95 12.30ms < 50ms (n = 200)`.
pub(crate) fn passing(group: &str, name: &str) -> Summary {
    let mut case = case(group, name, "response_time", 8);
    requests(&mut case, 200, 0, 8_000);
    case.targets = vec![target("p95 < 50ms", Verdict::Pass, measured(12.3e6, 11.9e6, 12.8e6, 200))];
    case.changes = vec![change("p95", Effect::Improvement, [14e6, 12.3e6], 0.878_6, 0.000_4)];
    settled(case)
}

/// A case that misses two of its three targets.
pub(crate) fn failing(group: &str, name: &str) -> Summary {
    let mut case = case(group, name, "response_time", 17);
    requests(&mut case, 400, 3, 60_000);
    case.targets = vec![
        target("avg < 100ms", Verdict::Pass, measured(66.1e6, 65.2e6, 67e6, 400)),
        target("p95 < 50ms", Verdict::Fail, measured(73.1e6, 70e6, 76e6, 400)),
        target("errors = 0", Verdict::Fail, measured(3.0, 3.0, 3.0, 400)),
    ];
    let help = "look at what it waits for: service time is as high";
    case.findings =
        vec![finding(Severity::Problem, "the response time rises with every request", Some(help))];
    case.changes = vec![
        change("p95", Effect::Regression, [60e6, 73.1e6], 1.218_3, 0.000_01),
        change("p50", Effect::Unchanged, [60e6, 60.3e6], 1.005, 0.41),
        change("throughput", Effect::Unclear, [100.0, 97.0], 0.97, f64::NAN),
    ];
    settled(case)
}

fn undecided() -> Summary {
    let mut case = case("load", "100 users without degradation", "concurrency", 30);
    requests(&mut case, 40, 0, 45_000);
    let few = "99% of 40 samples leaves 0 above it; 1000 are needed";
    case.targets = vec![TargetResult {
        reason: Some(few.into()),
        ..target("p99 < 50ms", Verdict::Inconclusive, measured(49.1e6, 46e6, 55e6, 40))
    }];
    case.estimates.insert(Estimate::Degradation, exact_or(1.083, 0.99, 1.18));
    case.validity = Validity::from_reasons(vec![ValidityReason {
        code: "steal".into(),
        state: ValidityState::Suspect,
        message: "the hypervisor gave 6.1% of the processor time to others".into(),
        at: None,
    }]);
    settled(case)
}

/// Nothing was measured, because the service died; and its names come from somebody unfriendly.
fn hostile() -> Summary {
    let name = "a|b<&\"\u{1}\u{1b}[31m\n::error::x";
    let mut case = case("=cmd|' /C calc'!A1", name, "response_time", 41);
    let info = case.case.as_mut().unwrap();
    info.file = "perf/odd,name:50%\n.toml".into();
    info.id = format!("日本語::{name}");
    info.target_lines = Vec::new();
    case.targets = vec![TargetResult {
        target: "p99{endpoint=\"a|b<&\u{1}\"} < 1s".parse().unwrap(),
        verdict: Verdict::NoData,
        measured: None,
        reason: None,
    }];
    let message = "the service ended with signal 11 \u{1b}[2J|<b>after</b>\n3 requests";
    case.findings = vec![finding(Severity::Problem, message, None)];
    settled(case)
}

fn skipped() -> Summary {
    let mut case = case("db", "query", "database", 55);
    case.case.as_mut().unwrap().skipped = Some("no SQLite file at demo.db".into());
    case.elapsed = Nanos::ZERO;
    case
}

fn flaky() -> Summary {
    let mut case = passing("", "tools run in parallel");
    case.case.as_mut().unwrap().attempts = 2;
    case.changes.clear();
    case
}

fn memory() -> Summary {
    let mut case = case("resources", "memory stays where it is", "memory", 70);
    requests(&mut case, 1_000, 0, 900);
    let growth = Measured { value: 42_000.0, lo: 40_100.0, hi: 44_900.0, samples: 1_000 };
    case.targets = vec![target("memory_growth < 50MB per 1000 requests", Verdict::Pass, Some(growth))];
    case.estimates = BTreeMap::from([
        (Estimate::MemoryGrowth, growth),
        (Estimate::Cpu, exact_or(0.431, 0.431, 0.431)),
        (Estimate::CpuPerRequest, exact_or(310_000.0, 300_000.0, 320_000.0)),
    ]);
    case.case.as_mut().unwrap().requests_saved = 9_000;
    case.findings = vec![finding(Severity::Warning, "the log grows by 2.00MB per 1000 requests", None)];
    case.changes = vec![Change {
        unit: Unit::Bytes,
        ..change("memory_growth", Effect::Regression, [30_000.0, 42_000.0], 1.4, 0.012)
    }];
    settled(case)
}

fn run(name: &str) -> RunInfo {
    RunInfo { kind: "test".into(), name: name.into(), ..canonical::full().run }
}

fn case(group: &str, name: &str, kind: &str, line: u32) -> Summary {
    let dashed = |text: &str| text.to_lowercase().replace(' ', "-");
    let prefix = if group.is_empty() { String::new() } else { format!("{}::", dashed(group)) };
    Summary {
        run: RunInfo { kind: "case".into(), warmup: Nanos::ZERO, ..run(name) },
        elapsed: Nanos::from_millis(2_500),
        case: Some(CaseInfo {
            id: format!("{prefix}{}", dashed(name)),
            name: name.into(),
            group: group.into(),
            marks: vec!["performance".into()],
            kind: kind.into(),
            file: FILE.into(),
            line,
            target_lines: vec![line + 3, line + 4, line + 5],
            attempts: 1,
            ..CaseInfo::default()
        }),
        ..Summary::default()
    }
}

/// The case with the verdict that follows from its targets.
fn settled(case: Summary) -> Summary {
    let verdict = Verdict::worst(case.targets.iter().map(|result| result.verdict));
    Summary { verdict: Some(verdict), ..case }
}

/// Response times that rise evenly from `from_us` by 10 µs for each request, over 2 seconds.
fn requests(case: &mut Summary, count: u64, failed: u64, from_us: u64) {
    case.totals = canonical::over(Nanos::ZERO, Nanos::from_secs(2));
    for (outcome, range) in [("failed", 0..failed), ("ok", failed..count)] {
        let mut trend = Histogram::default();
        range.for_each(|n| trend.record(Nanos::from_micros(from_us + n * 10).0));
        if !trend.is_empty() {
            let series =
                Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "GET /").with(tag::OUTCOME, outcome);
            case.totals.add(series, Aggregate::Trend(trend));
        }
    }
    if failed > 0 {
        let series = Series::new(metric::FAILURES).with(tag::CLASS, "status").with(tag::ENDPOINT, "GET /");
        case.totals.count(series, failed);
    }
}

fn target(text: &str, verdict: Verdict, measured: Option<Measured>) -> TargetResult {
    TargetResult { target: text.parse().unwrap(), verdict, measured, reason: None }
}

#[expect(clippy::unnecessary_wraps, reason = "what targets hold")]
fn measured(value: f64, lo: f64, hi: f64, samples: u64) -> Option<Measured> {
    Some(Measured { value, lo, hi, samples })
}

fn exact_or(value: f64, lo: f64, hi: f64) -> Measured {
    Measured { value, lo, hi, samples: 40 }
}

fn finding(severity: Severity, message: &str, help: Option<&str>) -> Finding {
    Finding {
        code: "noticed".into(),
        severity,
        subject: String::new(),
        message: message.into(),
        help: help.map(str::to_owned),
        ..Finding::default()
    }
}

fn change(subject: &str, effect: Effect, [before, after]: [f64; 2], ratio: f64, p_value: f64) -> Change {
    let around = |value: f64| Measured { value, lo: value * 0.97, hi: value * 1.03, samples: 400 };
    Change {
        subject: subject.into(),
        unit: if subject == "throughput" { Unit::PerSecond } else { Unit::Nanoseconds },
        before: around(before),
        after: around(after),
        ratio: around(ratio),
        p_value,
        effect,
        negligible: false,
    }
}
