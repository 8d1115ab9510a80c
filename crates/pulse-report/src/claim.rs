//! A target taken apart, to be set beside what was measured: `p95 12.30ms < 50ms`.

use pulse_model::{Tags, Target, TargetResult, Unit, Verdict};

use crate::number::printable;
use crate::wording;

/// What a target says, in three parts without control characters.
pub(crate) struct Claim {
    /// `p95`, `memory_growth`, `p99{endpoint="GET /health"}`.
    pub(crate) subject: String,
    /// `<`.
    pub(crate) comparison: String,
    /// `50ms`, `50MB per 1000 requests`.
    pub(crate) limit: String,
}

impl Claim {
    pub(crate) fn of(target: &Target) -> Self {
        // Tag values may hold anything; without them the first sign of a comparison is the comparison.
        let bare = Target { tags: Tags::new(), ..target.clone() }.to_string();
        let claim = bare.find(['<', '>', '=']).map_or("", |at| &bare[at..]);
        let whole = target.to_string();
        let subject = whole.strip_suffix(claim).unwrap_or(&whole).trim_end();
        let (comparison, limit) = claim.split_once(' ').unwrap_or((claim, ""));
        Self {
            subject: printable(subject).into_owned(),
            comparison: comparison.to_owned(),
            limit: size(target).unwrap_or_else(|| limit.to_owned()),
        }
    }

    /// The target in one line: `memory_growth < 50MB per 1000 requests`.
    pub(crate) fn text(&self) -> String {
        format!("{} {} {}", self.subject, self.comparison, self.limit)
    }

    /// What was measured beside what was wanted, with the number of samples:
    /// `p95 12.30ms < 50ms (n = 200)`, `p95 73.10ms, not < 50ms (n = 200)`.
    pub(crate) fn judged(result: &TargetResult) -> String {
        let claim = Self::of(&result.target);
        let Self { subject, comparison, limit } = &claim;
        let (value, Some(measured)) = (wording::value(result), result.measured) else {
            // What there is instead, without what to do about it: that stands with the target.
            let reason = wording::reason(result).unwrap_or_default();
            let reason = reason.split("; ").next().unwrap_or_default();
            return format!("{}: {reason}", claim.text());
        };
        let joint = match result.verdict {
            Verdict::Pass => " ",
            Verdict::Inconclusive => ", not surely ",
            Verdict::NoData | Verdict::Fail => ", not ",
        };
        format!("{subject} {value}{joint}{comparison} {limit} (n = {})", measured.samples)
    }
}

/// A limit in bytes in the unit that it was probably written in: `50MB per 1000 requests`, not `50000000B`.
fn size(target: &Target) -> Option<String> {
    if target.unit != Unit::Bytes {
        return None;
    }
    let limit = target.limit * target.per as f64;
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "B")];
    let shortest = |size: f64| (limit / size * 1e3).round() / 1e3;
    let (size, unit) =
        units.into_iter().find(|(size, _)| limit >= *size && (shortest(*size) * size - limit).abs() < 0.5)?;
    let per = if target.per == 1 { String::new() } else { format!(" per {} requests", target.per) };
    Some(format!("{}{unit}{per}", shortest(size)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::Measured;

    #[test]
    fn targets_come_apart() {
        for (text, parts) in [
            ("p95 < 50ms", ["p95", "<", "50ms"]),
            ("p99 / p50 <= 5", ["p99 / p50", "<=", "5"]),
            ("p95{endpoint=\"a < 3ms\"} < 50ms", ["p95{endpoint=\"a < 3ms\"}", "<", "50ms"]),
            ("memory_growth < 50MB per 1000 requests", ["memory_growth", "<", "50MB per 1000 requests"]),
            ("memory_growth < 1.5KB", ["memory_growth", "<", "1.5KB"]),
            ("memory_growth < 1234B", ["memory_growth", "<", "1.234KB"]),
            ("memory_growth <= 0B", ["memory_growth", "<=", "0B"]),
            ("errors = 0", ["errors", "=", "0"]),
            ("throughput >= 100/s", ["throughput", ">=", "100/s"]),
        ] {
            let claim = Claim::of(&text.parse().unwrap());
            assert_eq!([&*claim.subject, &*claim.comparison, &*claim.limit], parts, "{text}");
        }
    }

    #[test]
    fn what_was_measured_stands_beside_what_was_wanted() {
        let measured = Some(Measured { value: 12.3e6, lo: 12e6, hi: 13e6, samples: 200 });
        let judged = |verdict, measured| {
            let target = "p95 < 50ms".parse().unwrap();
            Claim::judged(&TargetResult { target, verdict, measured, reason: None })
        };
        assert_eq!(judged(Verdict::Pass, measured), "p95 12.30ms < 50ms (n = 200)");
        assert_eq!(judged(Verdict::Fail, measured), "p95 12.30ms, not < 50ms (n = 200)");
        assert_eq!(judged(Verdict::Inconclusive, measured), "p95 12.30ms, not surely < 50ms (n = 200)");
        assert_eq!(judged(Verdict::NoData, None), "p95 < 50ms: nothing was measured");
        let reason =
            Some("3 readings of the process's memory are no trend; let the case take longer".to_owned());
        let target = "memory_growth < 5MB".parse().unwrap();
        let unknown = TargetResult { target, verdict: Verdict::NoData, measured: None, reason };
        assert_eq!(
            Claim::judged(&unknown),
            "memory_growth < 5MB: 3 readings of the process's memory are no trend"
        );
    }
}
