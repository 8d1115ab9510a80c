//! Whether what is watched grows.

use pulse_model::{Finding, Nanos, Severity, Snapshot};
use pulse_monitor::{LeakSettings, LeakTrend, LeakWatch};
use pulse_report::{ServiceFigures, number};

/// What is watched was usually started long before.
const WARMUP: Nanos = Nanos::from_secs(60);

/// Collects the memory of all processes that are watched.
pub(crate) struct Memory {
    watch: LeakWatch,
    requests: u64,
    told: bool,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let settings = LeakSettings { warmup: WARMUP, ..LeakSettings::default() };
        Self { watch: LeakWatch::new(settings), requests: 0, told: false }
    }

    /// Adds what was read at `at`; returns what people should know as soon as it looks like a leak.
    pub(crate) fn take(&mut self, at: Nanos, added: &Snapshot) -> Option<Finding> {
        let figures = ServiceFigures::of(added);
        self.requests = self.requests.saturating_add(figures.requests.times.count);
        let resident = figures.process().and_then(|process| process.resident)?;
        self.watch.observe(at, figures.processes.len(), self.requests, resident);
        if self.told {
            return None;
        }
        let trend = self.watch.trend().filter(|trend| trend.is_leak)?;
        self.told = true;
        Some(finding(&trend))
    }

    /// What the report says; nothing before there are minutes to judge by.
    pub(crate) fn finding(&self) -> Option<Finding> {
        self.watch.trend().as_ref().map(finding)
    }
}

fn finding(trend: &LeakTrend) -> Finding {
    let size =
        |bytes: f64| if bytes < 0.0 { format!("-{}", number::bytes(-bytes)) } else { number::bytes(bytes) };
    let hourly = &trend.bytes_per_hour;
    let by_request = trend.bytes_per_1000_requests.map_or_else(String::new, |growth| {
        format!(", {} per 1000 requests ({} – {})", size(growth.value), size(growth.lo), size(growth.hi))
    });
    let message = format!(
        "resident memory changed by {} per hour (95% interval {} – {}){by_request}, by {:.0} minutes' minima; it is {} now",
        size(hourly.value),
        size(hourly.lo),
        size(hourly.hi),
        trend.observed.as_secs_f64() / 60.0,
        size(trend.level_bytes as f64)
    );
    let (severity, help) = if trend.is_leak {
        let help = format!(
            "This looks like a leak: it grows for sure, by {} in a day at this pace, and with the number of requests.",
            size(trend.projected_bytes)
        );
        (Severity::Warning, Some(help))
    } else {
        (Severity::Note, None)
    };
    Finding {
        code: "memory_trend".to_owned(),
        severity,
        subject: String::new(),
        message,
        help,
        ..Finding::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Aggregate, Gauge, Histogram, Interval, Series, metric};

    fn read(second: u64, resident: u64, requests: u64) -> Snapshot {
        let interval = Interval { from: Nanos::from_secs(second), to: Nanos::from_secs(second + 1) };
        let mut added = Snapshot { interval: Some(interval), ..Snapshot::default() };
        let gauge = Gauge { at: interval.to, last: resident, min: resident, max: resident };
        added.add(Series::new(metric::PROCESS_RESIDENT), Aggregate::Gauge(gauge));
        let mut times = Histogram::default();
        times.record_n(1_000_000, requests);
        added.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(times));
        added
    }

    /// What is told on the way, and at the end, of memory that grows by so many bytes a second.
    fn watched(seconds: u64, growth: u64, requests: u64) -> (usize, Option<Finding>) {
        let mut memory = Memory::new();
        let readings =
            (0..seconds).map(|second| (second, read(second, 100_000_000 + growth * second, requests)));
        let told =
            readings.filter_map(|(second, added)| memory.take(Nanos::from_secs(second + 1), &added)).count();
        (told, memory.finding())
    }

    #[test]
    fn a_leak_is_told_once_and_everything_else_is_only_reported() {
        let (told, leak) = watched(4_000, 1_000, 50);
        let leak = leak.unwrap();
        assert_eq!((told, leak.severity), (1, Severity::Warning), "{leak:?}");
        assert!(leak.message.starts_with("resident memory changed by 3.60MB per hour"), "{}", leak.message);
        assert!(leak.message.contains("per 1000 requests"), "{}", leak.message);
        let (told, silent) = watched(4_000, 1_000, 0);
        assert_eq!(
            (told, silent.unwrap().severity),
            (0, Severity::Note),
            "a process says nothing about requests"
        );
        assert_eq!(watched(120, 1_000, 50), (0, None), "too short to say anything");
    }
}
