//! Values that a job works out itself, in words.

use pulse_model::{Estimate, Measured, Unit};

use crate::number;

/// Requests that memory growth is stated for; per single request it would be a fraction of a page.
pub(crate) const GROWTH_REQUESTS: u32 = 1_000;

/// What people call it.
pub(crate) const fn label(estimate: Estimate) -> &'static str {
    match estimate {
        Estimate::MemoryGrowth => "memory growth per 1000 requests",
        Estimate::Cpu => "CPU share of its cores",
        Estimate::CpuPerRequest => "CPU time per request",
        Estimate::Degradation => "degradation (ratio of p95)",
        Estimate::Duration => "duration",
        Estimate::LostMessages => "lost messages",
    }
}

/// The unit of its value.
pub(crate) const fn unit(estimate: Estimate) -> Unit {
    match estimate {
        Estimate::MemoryGrowth => Unit::Bytes,
        Estimate::Cpu => Unit::Share,
        Estimate::CpuPerRequest | Estimate::Duration => Unit::Nanoseconds,
        Estimate::Degradation | Estimate::LostMessages => Unit::Count,
    }
}

/// A value as the label announces it.
pub(crate) fn show(estimate: Estimate, value: f64) -> String {
    match estimate {
        Estimate::MemoryGrowth => number::bytes(value * f64::from(GROWTH_REQUESTS)),
        // Short ones would be 0.00s.
        Estimate::Duration if value.abs() >= 1e9 => number::seconds(value / 1e9),
        _ => number::in_unit(unit(estimate), value),
    }
}

/// `40.10MB – 44.90MB`; `-` for what is exact. All in the unit of the value, so that they can be compared at a glance.
pub(crate) fn interval(estimate: Estimate, measured: &Measured) -> String {
    if measured.lo.total_cmp(&measured.hi).is_eq() {
        return number::NONE.to_owned();
    }
    let [lo, hi] = [measured.lo, measured.hi].map(|end| match estimate {
        Estimate::Duration if measured.value.abs() >= 1e9 => number::seconds(end / 1e9),
        Estimate::Duration => number::millis(Some(end)),
        _ => show(estimate, end),
    });
    format!("{lo} – {hi}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_estimate_reads_as_its_label_says() {
        for (estimate, value, text) in [
            (Estimate::MemoryGrowth, 42_000.0, "42.00MB"),
            (Estimate::MemoryGrowth, -1_500.0, "-1.50MB"),
            (Estimate::Cpu, 0.431, "43.10%"),
            (Estimate::CpuPerRequest, 310_000.0, "0.31ms"),
            (Estimate::Degradation, 1.083_4, "1.083"),
            (Estimate::Duration, 2.5e9, "2.50s"),
            (Estimate::Duration, 5e5, "0.50ms"),
            (Estimate::Duration, 0.999e9, "999.00ms"),
            (Estimate::LostMessages, 3.0, "3"),
        ] {
            assert_eq!(show(estimate, value), text, "{}", label(estimate));
        }
    }

    #[test]
    fn intervals_are_in_the_unit_of_their_value() {
        for (value, text) in [
            ([0.4e6, 0.5e6, 0.6e6], "0.40ms – 0.60ms"),
            ([0.9e9, 1.1e9, 1.3e9], "0.90s – 1.30s"),
            ([0.8e9, 0.9e9, 1.1e9], "800.00ms – 1100.00ms"),
            ([1e9, 1e9, 1e9], "-"),
        ] {
            let [lo, value, hi] = value;
            assert_eq!(interval(Estimate::Duration, &Measured { value, lo, hi, samples: 9 }), text);
        }
    }
}
