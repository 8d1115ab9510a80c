//! What buckets of a service's own can and cannot say.
//!
//! A classic histogram says how many values lie between two bounds, and nothing about where between them. Quantiles are
//! interpolated as if they were spread evenly, which is a guess. So a verdict that hangs on the guess is none: what is
//! judged is widened to the bucket that surely holds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulse_export::{Exposed, LeftOut};
use pulse_model::{
    Finding, Measured, Quantile, Series, Severity, Statistic, Subject, Target, TargetResult, Verdict, metric,
};

use super::Reading;

/// The code of the finding that says so; views and reports know it.
pub(crate) const COARSE_BUCKETS: &str = "coarse_buckets";
/// Families that are named among what was left out.
const NAMED: usize = 3;

/// The bounds of the trends that came in buckets of the service's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds(Exposed);

impl Bounds {
    pub(crate) fn new(bounds: &BTreeMap<Series, Arc<[u64]>>) -> Self {
        Self(Exposed { bounds: bounds.clone(), ..Exposed::default() })
    }

    /// The judgement, as far as the buckets allow one. Means are exact, since the service gives its sum.
    pub(crate) fn judged(&self, result: TargetResult) -> TargetResult {
        let (Some(selector), Some(measured)) = (guessed(&result.target), result.measured) else {
            return result;
        };
        let end = |value: f64| {
            let value = value as u64;
            self.0.widened(&selector, Quantile { lo: value, estimate: value, hi: value })
        };
        let (lo, hi) = (end(measured.lo).lo as f64, end(measured.hi).hi as f64);
        if !self.0.bounds.keys().any(|series| series.matches(&selector)) {
            return result;
        }
        let measured = Measured { lo: lo.min(measured.lo), hi: hi.max(measured.hi), ..measured };
        let target = &result.target;
        match (result.verdict, target.holds(measured.lo), target.holds(measured.hi)) {
            (Verdict::Pass, true, true) | (Verdict::Fail, false, false) => {
                TargetResult { measured: Some(measured), ..result }
            }
            (Verdict::Pass | Verdict::Fail, ..) => {
                let reason = format!(
                    "the service's buckets only say that it lies between {} and {}",
                    target.show(measured.lo),
                    if measured.hi >= u64::MAX as f64 {
                        "infinity".to_owned()
                    } else {
                        target.show(measured.hi)
                    }
                );
                let (verdict, reason) = (Verdict::Inconclusive, Some(reason));
                TargetResult { verdict, measured: Some(measured), reason, ..result }
            }
            _ => TargetResult { measured: Some(measured), ..result },
        }
    }
}

/// The trend of which a target judges something that buckets can only bound.
fn guessed(target: &Target) -> Option<Series> {
    match &target.subject {
        Subject::Trend { statistic: Statistic::Mean, .. } => None,
        Subject::Trend { .. } => target.judged_series(),
        _ => None,
    }
}

/// What people should know of a first reading before they believe its figures.
pub(crate) fn notices(first: &Reading) -> Vec<Finding> {
    let note = |code: &str, severity, message: String, help: &str| Finding {
        code: code.to_owned(),
        severity,
        subject: String::new(),
        message,
        help: (!help.is_empty()).then(|| help.to_owned()),
        ..Finding::default()
    };
    let mut notices = Vec::new();
    let requests = Series::new(metric::RESPONSE_TIME);
    let shown =
        first.bounds.iter().find(|(series, _)| series.matches(&requests)).or(first.bounds.iter().next());
    if let Some((_, bounds)) = shown {
        let bounds: Vec<String> = bounds.iter().map(|bound| pulse_model::Nanos(*bound).to_string()).collect();
        let ends = match bounds.as_slice() {
            [first, .., last] => format!("from {first} to {last}"),
            [only] => format!("at {only}"),
            [] => "none".to_owned(),
        };
        let message = format!(
            "times come in {} buckets of the service's own (bounds {ends}): quantiles are interpolated within them",
            bounds.len() + 1
        );
        let help = "A target whose limit lies within the bucket that holds the quantile is inconclusive. A service with \
                    Pulse's monitor gives its times without that loss.";
        notices.push(note(COARSE_BUCKETS, Severity::Note, message, help));
    }
    if !first.left_out.is_empty() {
        notices.push(note("left_out", Severity::Note, left_out(&first.left_out), ""));
    }
    notices
}

fn left_out(families: &[LeftOut]) -> String {
    let named = families.iter().take(NAMED).map(|one| format!("{} ({})", one.family, one.reason));
    let named = named.collect::<Vec<_>>().join("; ");
    match families.len().saturating_sub(NAMED) {
        0 => format!("not taken: {named}"),
        more => format!("not taken: {named}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        let series = Series::new(metric::RESPONSE_TIME).with("endpoint", "/a");
        let limits: Arc<[u64]> = [100_000_000, 500_000_000].into();
        Bounds::new(&BTreeMap::from([(series, limits)]))
    }

    fn judged(target: &str, value_ms: f64, verdict: Verdict) -> TargetResult {
        let measured =
            Measured { value: value_ms * 1e6, lo: value_ms * 1e6, hi: value_ms * 1e6, samples: 1_000 };
        let target = target.parse().unwrap();
        bounds().judged(TargetResult { target, verdict, measured: Some(measured), reason: None })
    }

    #[test]
    fn a_verdict_that_hangs_on_a_guess_is_none() {
        use Verdict::{Fail, Inconclusive, Pass};
        for (target, value, verdict, expected) in [
            ("p95 < 600ms", 300.0, Pass, Pass),
            ("p95 < 400ms", 300.0, Pass, Inconclusive),
            ("p95 < 200ms", 300.0, Fail, Inconclusive),
            ("p95 < 100ms", 300.0, Fail, Fail),
            ("p95 < 100ms", 50.0, Pass, Inconclusive),
            ("p95 <= 100ms", 50.0, Pass, Pass),
            ("p95 < 10s", 700.0, Pass, Inconclusive),
            ("avg < 400ms", 300.0, Pass, Pass),
            ("max < 400ms", 300.0, Pass, Inconclusive),
            ("p95{endpoint=/b} < 400ms", 300.0, Pass, Pass),
            ("db_query_time.p95 < 400ms", 300.0, Pass, Pass),
            ("p95 < 400ms", 300.0, Inconclusive, Inconclusive),
        ] {
            let result = judged(target, value, verdict);
            assert_eq!(result.verdict, expected, "{target}: {result:?}");
        }
        let open = judged("p95 < 10s", 700.0, Pass);
        assert_eq!(
            open.reason.as_deref(),
            Some("the service's buckets only say that it lies between 500.00ms and infinity")
        );
    }

    #[test]
    fn people_are_told() {
        let mut first = Reading::default();
        assert!(notices(&first).is_empty());
        first.bounds.clone_from(&bounds().0.bounds);
        first.left_out = (0..5).map(|n| LeftOut { family: format!("f{n}"), reason: "odd" }).collect();
        let told: Vec<String> = notices(&first).into_iter().map(|notice| notice.message).collect();
        assert_eq!(
            told,
            [
                "times come in 3 buckets of the service's own (bounds from 100ms to 500ms): quantiles are interpolated \
                 within them",
                "not taken: f0 (odd); f1 (odd); f2 (odd); and 2 more"
            ]
        );
    }
}
