//! A run as it is kept: what history and baseline files hold.

use std::collections::BTreeMap;

use pulse_model::{Nanos, Statistic, Summary, TimePoint, Unit};
use serde::{Deserialize, Serialize};

use crate::run_data::RunData;

/// Most points of a timeline that are kept.
const MAX_POINTS: usize = 240;

/// Where the measured code comes from, and where it was measured. Found by the caller; nothing here asks git.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Commit in hexadecimal digits; `None` outside a repository.
    pub commit: Option<String>,
    /// Branch; `None` outside a repository and on a detached head.
    pub branch: Option<String>,
    /// Whether the tree had changes that were not committed.
    pub dirty: bool,
    /// Name of the machine; empty when it is not known.
    pub machine: String,
}

/// What a run found out about one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// The case's id; what is compared and followed over time has the same one.
    pub id: String,
    /// What was measured.
    pub data: RunData,
}

/// A run of `pulse load` (with a single case) or of a suite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the suite, or of the plan.
    pub suite: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The whole run. Its children are not kept here but in the cases.
    pub summary: Summary,
    /// The cases in order.
    pub cases: Vec<CaseRecord>,
}

impl RunRecord {
    /// A record of a run's parts; the machine's name is noted in each case.
    pub fn new(suite: &str, origin: Origin, summary: Summary, cases: Vec<CaseRecord>) -> Self {
        let mut record = Self {
            suite: suite.to_owned(),
            summary: Summary { children: Vec::new(), ..summary },
            origin,
            cases,
        };
        shorten(&mut record.summary);
        for case in &mut record.cases {
            case.data.machine.clone_from(&record.origin.machine);
            case.data.summary.children.clear();
            shorten(&mut case.data.summary);
        }
        record
    }

    /// The case with this id.
    pub fn case(&self, id: &str) -> Option<&CaseRecord> {
        self.cases.iter().find(|case| case.id == id)
    }

    /// The whole run as a tree again.
    pub fn tree(&self) -> Summary {
        let children = self.cases.iter().map(|case| case.data.summary.clone()).collect();
        Summary { children, ..self.summary.clone() }
    }
}

/// Merges neighbours of a long timeline and leaves out what is only looked at: a history is for trends over runs.
fn shorten(summary: &mut Summary) {
    summary.courses.clear();
    let per_point = summary.timeline.len().div_ceil(MAX_POINTS).max(1);
    if per_point > 1 {
        let merged = |points: &[TimePoint]| {
            points.iter().skip(1).fold(points[0].clone(), |mut merged, next| {
                merged.absorb(next);
                merged
            })
        };
        summary.timeline = summary.timeline.chunks(per_point).map(merged).collect();
    }
}

/// The figures of a case that are followed over time, in base units: `p50`, `p95`, `p99` and `avg` of response time,
/// `throughput`, `errors` (a share), `requests`, `elapsed`, and the estimates by name. What was not measured is left out.
pub fn metrics(summary: &Summary) -> BTreeMap<&'static str, f64> {
    let times = summary.response_time();
    let requests = times.count() as f64;
    let mut metrics = BTreeMap::new();
    if requests > 0.0 {
        for (name, statistic) in [
            ("p50", Statistic::Quantile(0.5)),
            ("p95", Statistic::Quantile(0.95)),
            ("p99", Statistic::Quantile(0.99)),
            ("avg", Statistic::Mean),
        ] {
            metrics.extend(statistic.of(&times).map(|value| (name, value)));
        }
        metrics.insert("throughput", summary.throughput());
        metrics.insert("errors", summary.failed() as f64 / requests);
    }
    metrics.insert("requests", requests);
    if summary.elapsed > Nanos::ZERO {
        metrics.insert("elapsed", summary.elapsed.0 as f64);
    }
    metrics.extend(summary.estimates.iter().map(|(estimate, measured)| (estimate.name(), measured.value)));
    metrics.retain(|_, value| value.is_finite());
    metrics
}

/// The figures of [`metrics`] of which it makes sense to ask by what factor runs differ: those that are never about zero.
pub(crate) const fn metrics_with_spread() -> [&'static str; 8] {
    ["p50", "p95", "p99", "avg", "throughput", "cpu", "cpu_per_request", "degradation"]
}

/// The base unit of a figure that is followed over time.
pub fn metric_unit(metric: &str) -> Unit {
    match metric {
        "throughput" => Unit::PerSecond,
        "errors" | "cpu" => Unit::Share,
        "memory_growth" => Unit::Bytes,
        "requests" | "degradation" | "lost_messages" => Unit::Count,
        _ => Unit::Nanoseconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Estimate, Measured};

    #[test]
    fn what_was_not_measured_has_no_figure() {
        let mut summary = Summary::default();
        assert_eq!(metrics(&summary).into_iter().collect::<Vec<_>>(), [("requests", 0.0)]);
        for (estimate, value) in [(Estimate::Cpu, 0.5), (Estimate::MemoryGrowth, f64::NAN)] {
            summary.estimates.insert(estimate, Measured { value, lo: value, hi: value, samples: 1 });
        }
        assert_eq!(metrics(&summary).into_iter().collect::<Vec<_>>(), [("cpu", 0.5), ("requests", 0.0)]);
    }

    #[test]
    fn a_long_timeline_is_shortened_and_the_tree_comes_back() {
        let point = |i| TimePoint {
            from: Nanos::from_secs(i),
            to: Nanos::from_secs(i + 1),
            requests: 1,
            ..TimePoint::default()
        };
        let case = Summary { timeline: (0..3600).map(point).collect(), ..Summary::default() };
        let whole = Summary { children: vec![case.clone()], ..Summary::default() };
        let cases =
            vec![CaseRecord { id: "a".into(), data: RunData { summary: case, ..RunData::default() } }];
        let origin = Origin { machine: "m".into(), ..Origin::default() };
        let record = RunRecord::new("suite", origin, whole, cases);
        let kept = &record.case("a").unwrap().data;
        assert_eq!((kept.summary.timeline.len(), kept.machine.as_str()), (240, "m"));
        assert_eq!(kept.summary.timeline.iter().map(|point| point.requests).sum::<u64>(), 3600);
        assert_eq!((record.summary.children.len(), record.tree().children.len()), (0, 1));
    }
}
