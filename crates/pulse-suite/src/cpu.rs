//! CPU time of the service: as a share of the cores that it may use, and per request.

use std::time::Duration;

use pulse_model::{Histogram, Measured};
use pulse_stats::{CONFIDENCE, mean_interval};

use crate::progress::Progress;
use crate::watch::{Reading, Watched};

/// The kernel counts CPU time in hundredths of a second; a span much longer than that has little rounding in it.
const SPAN: Duration = Duration::from_millis(500);
/// A histogram holds whole numbers: shares are put in as billionths.
const BILLIONTHS: f64 = 1e9;

/// What was used between two readings.
struct Span {
    seconds: f64,
    cpu_nanos: f64,
    requests: f64,
}

/// The share of the cores that the service may use, from 0 to 1 (and beyond only by rounding); `None` without two
/// readings.
pub(crate) fn cpu_share(watched: &Watched, progress: &Progress) -> Option<Measured> {
    let spans = spans(&watched.readings, progress);
    let capacity = |span: &Span| span.seconds * 1e9 * f64::from(watched.cores.max(1));
    let value = sum(&spans, |span| span.cpu_nanos) / sum(&spans, capacity);
    let half = half_width(spans.iter().map(|span| span.cpu_nanos / capacity(span)));
    measured(value, half, watched.readings.len() as u64)
}

/// CPU nanoseconds per completed request; `None` without two readings and a request between them.
pub(crate) fn cpu_per_request(watched: &Watched, progress: &Progress) -> Option<Measured> {
    let spans = spans(&watched.readings, progress);
    let requests = sum(&spans, |span| span.requests);
    let value = sum(&spans, |span| span.cpu_nanos) / requests;
    let each = spans.iter().filter(|span| span.requests >= 1.0).map(|span| span.cpu_nanos / span.requests);
    measured(value, half_width(each.map(|nanos| nanos / 1e9)) * 1e9, requests as u64)
}

fn sum(spans: &[Span], of: impl Fn(&Span) -> f64) -> f64 {
    spans.iter().map(of).sum()
}

fn measured(value: f64, half: f64, samples: u64) -> Option<Measured> {
    value.is_finite().then(|| Measured { value, lo: (value - half).max(0.0), hi: value + half, samples })
}

/// Half of Student's interval of the mean of what the spans say; 0 where a single one has no scatter to go by.
fn half_width(each: impl Iterator<Item = f64>) -> f64 {
    let mut histogram = Histogram::default();
    each.for_each(|value| histogram.record((value * BILLIONTHS) as u64));
    let mean = histogram.mean().unwrap_or_default();
    mean_interval(&histogram, CONFIDENCE).map_or(0.0, |(_, hi)| (hi - mean) / BILLIONTHS)
}

/// The spans between readings that lie within the case's progress.
fn spans(readings: &[Reading], progress: &Progress) -> Vec<Span> {
    let located: Vec<(&Reading, f64)> =
        readings.iter().filter_map(|reading| Some((reading, progress.at(reading.at)?))).collect();
    let mut spans: Vec<Span> = Vec::new();
    let Some(&(mut from, mut before)) = located.first() else { return spans };
    for (number, &(reading, requests)) in located.iter().enumerate() {
        let length = reading.at.saturating_duration_since(from.at);
        // A case that is shorter than a span is one span.
        let only = spans.is_empty() && number + 1 == located.len() && !length.is_zero();
        if length >= SPAN || only {
            spans.push(Span {
                seconds: length.as_secs_f64(),
                // A family that loses a member may have used less than before.
                cpu_nanos: reading.usage.cpu.since(from.usage.cpu).0 as f64,
                requests: requests - before,
            });
            (from, before) = (reading, requests);
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::Nanos;
    use pulse_monitor::Usage;
    use std::time::Instant;

    /// A reading every 100 ms; `cpu_millis` says how much was used by then. 10 requests in each 100 ms.
    fn run(readings: u64, cores: u32, cpu_millis: impl Fn(u64) -> u64) -> (Watched, Progress) {
        let start = Instant::now();
        let (mut watched, mut progress) = (Watched { cores, ..Watched::default() }, Progress::default());
        for i in 0..readings {
            let at = start + Duration::from_millis(i * 100);
            let cpu = Nanos::from_millis(cpu_millis(i));
            watched.readings.push(Reading { at, usage: Usage { cpu, ..Usage::default() } });
            progress.push(at, (i * 10) as f64);
        }
        (watched, progress)
    }

    #[test]
    fn shares_and_costs() {
        // 50 ms of CPU time in every 100 ms of wall time.
        for (cores, readings, share) in [(1, 41, 0.5), (2, 41, 0.25), (4, 2, 0.125)] {
            let (watched, progress) = run(readings, cores, |i| i * 50);
            let found = cpu_share(&watched, &progress).unwrap();
            assert!((found.value - share).abs() < 1e-9 && found.hi - found.lo < 1e-3, "{found:?}");
            let cost = cpu_per_request(&watched, &progress).unwrap();
            assert!((cost.value - 5e6).abs() < 1.0, "{cost:?}");
        }
    }

    #[test]
    fn scatter_widens_the_interval() {
        let (watched, progress) = run(61, 1, |i| i * 50 + (i / 5 % 2) * 100);
        let found = cpu_share(&watched, &progress).unwrap();
        assert!(found.lo < 0.45 && found.hi > 0.55, "{found:?}");
    }

    #[test]
    fn nothing_read_is_no_answer() {
        let (watched, progress) = run(1, 1, |_| 0);
        assert_eq!(cpu_share(&watched, &progress), None);
        assert_eq!(cpu_share(&Watched::default(), &Progress::default()), None);
        let (watched, _) = run(20, 1, |i| i);
        assert_eq!(cpu_per_request(&watched, &Progress::default()), None);
    }
}
