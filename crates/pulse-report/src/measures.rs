//! The figures of a case that benchmark trackers follow over time.

use pulse_model::{Comparison, Estimate, Measured, Statistic, Subject, Target, TargetResult, Unit};

use crate::claim::Claim;
use crate::estimates;
use crate::suite::Case;

/// A figure with its interval.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measure {
    /// What it is, as targets name it: `p95`, `throughput`, `memory_growth`.
    pub(crate) name: String,
    /// Unit of the value and its interval.
    pub(crate) unit: Unit,
    /// Requests that the value is for; 1 unless it is a growth.
    pub(crate) per: u64,
    pub(crate) value: f64,
    /// 95 % confidence interval; `None` for what is exact and for what was not judged.
    pub(crate) interval: Option<[f64; 2]>,
    pub(crate) samples: u64,
    /// Whether more is better.
    pub(crate) bigger_is_better: bool,
}

/// What is followed of every case that made requests, whatever its targets are.
const ALWAYS: [Statistic; 4] =
    [Statistic::Mean, Statistic::Quantile(0.5), Statistic::Quantile(0.95), Statistic::Quantile(0.99)];

impl Measure {
    /// All figures of a case: first those of its targets, with their intervals, then its estimates, then mean, median,
    /// 95th and 99th percentile of response time, throughput and errors where the targets do not name them. Each name
    /// is there once; what was not measured, is not there.
    pub(crate) fn all(case: &Case<'_>) -> Vec<Self> {
        let summary = case.summary;
        let targets = summary.targets.iter().filter_map(of_target);
        let estimates = summary.estimates.iter().map(|(&estimate, measured)| of_estimate(estimate, measured));
        let mut measures = Vec::<Self>::new();
        for measure in targets.chain(estimates).chain(usual(case)) {
            let known = measures.iter().any(|other| other.name == measure.name);
            if !known && measure.value.is_finite() {
                measures.push(measure);
            }
        }
        measures
    }
}

fn of_target(result: &TargetResult) -> Option<Measure> {
    let measured = result.measured?;
    let target = &result.target;
    // A share and a count of the same subject are two figures.
    let count =
        matches!(target.subject, Subject::Errors | Subject::Success | Subject::Dropped | Subject::Checks)
            && target.unit == Unit::Count;
    let subject = Claim::of(target).subject;
    Some(Measure {
        name: if count { format!("{subject} count") } else { subject },
        unit: target.unit,
        per: per(&target.subject),
        value: measured.value * per(&target.subject) as f64,
        interval: interval(&measured, per(&target.subject)),
        samples: measured.samples,
        bigger_is_better: bigger_is_better(target),
    })
}

fn of_estimate(estimate: Estimate, measured: &Measured) -> Measure {
    let per = per(&Subject::Estimate(estimate));
    Measure {
        name: estimate.name().to_owned(),
        unit: estimates::unit(estimate),
        per,
        value: measured.value * per as f64,
        interval: interval(measured, per),
        samples: measured.samples,
        bigger_is_better: false,
    }
}

/// Always the same number for a figure, however its target was written, so that its history stays comparable.
fn per(subject: &Subject) -> u64 {
    if matches!(subject, Subject::Estimate(Estimate::MemoryGrowth)) {
        u64::from(estimates::GROWTH_REQUESTS)
    } else {
        1
    }
}

fn interval(measured: &Measured, per: u64) -> Option<[f64; 2]> {
    let ends = [measured.lo, measured.hi].map(|end| end * per as f64);
    (ends.iter().all(|end| end.is_finite()) && measured.lo.total_cmp(&measured.hi).is_ne()).then_some(ends)
}

fn bigger_is_better(target: &Target) -> bool {
    match target.comparison {
        Comparison::Less | Comparison::AtMost => false,
        Comparison::Greater | Comparison::AtLeast => true,
        Comparison::Equal => {
            matches!(target.subject, Subject::Success | Subject::Throughput | Subject::Checks)
        }
    }
}

fn usual<'a>(case: &Case<'a>) -> impl Iterator<Item = Measure> + use<'a> {
    let summary = case.summary;
    let trend = summary.response_time();
    let requests = trend.count();
    let measure = move |name: String, unit: Unit, value: f64, bigger_is_better: bool| Measure {
        name,
        unit,
        per: 1,
        value,
        interval: None,
        samples: requests,
        bigger_is_better,
    };
    let times = ALWAYS.into_iter().filter_map(move |statistic| {
        let value = statistic.of(&trend)?;
        Some(measure(statistic.to_string(), Unit::Nanoseconds, value, false))
    });
    let throughput = summary.throughput();
    let throughput =
        (throughput > 0.0).then(|| measure("throughput".to_owned(), Unit::PerSecond, throughput, true));
    let errors = (requests > 0).then(|| {
        let share = summary.failed() as f64 / requests as f64;
        measure("errors".to_owned(), Unit::Share, share, false)
    });
    times.chain(throughput).chain(errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical_suite;

    #[test]
    fn targets_bring_their_intervals_and_nothing_is_there_twice() {
        let summary = canonical_suite::full();
        for child in &summary.children {
            let measures = Measure::all(&Case::of(child));
            let mut names: Vec<_> = measures.iter().map(|measure| measure.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), measures.len());
        }
        let passing = canonical_suite::passing("api", "health");
        let measures = Measure::all(&Case::of(&passing));
        let p95 = measures.iter().find(|measure| measure.name == "p95").unwrap();
        assert_eq!(p95.interval, Some([11.9e6, 12.8e6]));
        let throughput = measures.iter().find(|measure| measure.name == "throughput").unwrap();
        assert!(throughput.bigger_is_better);
    }
}
