//! What a worker's own process uses, looked at once a second.
//!
//! What a process has used so far is no figure of the service: a worker that is replaced would make it fall. So what is
//! recorded is the gain between two looks, which the next worker in the same place adds to.

use pulse_model::{Nanos, metric};

use crate::process::{Activity, Process, Usage, memory_limit_bytes};

/// How long after a look the next one is due: a little less than the time between two ticks.
const PERIOD: Nanos = Nanos::from_millis(900);
/// The same for counting descriptors, which may take a while.
const DESCRIPTOR_PERIOD: Nanos = Nanos::from_secs(10);
/// The same for proportional memory, for which the kernel walks the page tables.
const PROPORTIONAL_PERIOD: Nanos = Nanos::from_secs(30);
const VOLUNTARY_SWITCHES: &str = r#"process_context_switches{kind="voluntary"}"#;
const INVOLUNTARY_SWITCHES: &str = r#"process_context_switches{kind="involuntary"}"#;

/// One look at a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Series of counts, without the worker, and what was gained since the last look.
    pub(crate) gains: [(&'static str, u64); 6],
    /// Series of levels, without the worker, and how much there is now; `None` where that is not known.
    pub(crate) levels: [(&'static str, Option<u64>); 5],
}

/// Looks at the process that it is in.
#[derive(Debug, Default)]
pub(crate) struct ResourceProbe {
    /// Of whom the rest is: after a fork it is of another.
    process: Option<Process>,
    last: Option<Reading>,
    descriptors: Slow,
    proportional: Slow,
    memory_limit: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Nanos,
    usage: Usage,
    activity: Activity,
}

/// A level that is not read at every look.
#[derive(Clone, Copy, Debug, Default)]
struct Slow {
    at: Option<Nanos>,
    level: Option<u64>,
}

impl Slow {
    fn read(&mut self, now: Nanos, period: Nanos, read: impl FnOnce() -> Option<u64>) -> Option<u64> {
        if self.at.is_none_or(|at| now.since(at) >= period) {
            *self = Self { at: Some(now), level: read() };
        }
        self.level
    }
}

impl ResourceProbe {
    /// A look at the process if one is due; `None` otherwise, and where the system does not let one look. The first look at a
    /// process has no gains.
    pub(crate) fn look(&mut self, now: Nanos) -> Option<Look> {
        if self.process.is_none_or(|process| process.pid != std::process::id()) {
            *self =
                Self { process: Process::current(), memory_limit: memory_limit_bytes(), ..Self::default() };
        }
        let process = self.process?;
        if self.last.is_some_and(|last| now.since(last.at) < PERIOD) {
            return None;
        }
        let family = [process.pid];
        let reading =
            Reading { at: now, usage: process.usage(&family)?, activity: process.activity(&family)? };
        let levels = [
            (metric::PROCESS_RESIDENT, Some(reading.usage.resident_bytes)),
            (
                metric::PROCESS_PROPORTIONAL,
                self.proportional.read(now, PROPORTIONAL_PERIOD, || process.proportional_bytes(&family)),
            ),
            (metric::PROCESS_THREADS, Some(reading.usage.threads)),
            (
                metric::PROCESS_DESCRIPTORS,
                self.descriptors.read(now, DESCRIPTOR_PERIOD, || Some(process.descriptors(&family))),
            ),
            (metric::MEMORY_LIMIT, self.memory_limit),
        ];
        let last = self.last.replace(reading).unwrap_or(reading);
        Some(Look { gains: gained(&last, &reading), levels })
    }
}

fn gained(last: &Reading, now: &Reading) -> [(&'static str, u64); 6] {
    let (before, after) = (&last.activity, &now.activity);
    [
        (metric::PROCESS_CPU, now.usage.cpu.since(last.usage.cpu).0),
        (metric::PROCESS_WALL, now.at.since(last.at).0),
        (VOLUNTARY_SWITCHES, after.voluntary_switches.saturating_sub(before.voluntary_switches)),
        (INVOLUNTARY_SWITCHES, after.involuntary_switches.saturating_sub(before.involuntary_switches)),
        (metric::PROCESS_READ, after.read_bytes.saturating_sub(before.read_bytes)),
        (metric::PROCESS_WRITTEN, after.written_bytes.saturating_sub(before.written_bytes)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Series, tag};

    #[test]
    fn switches_are_of_their_metric() {
        for (name, kind) in [(VOLUNTARY_SWITCHES, "voluntary"), (INVOLUNTARY_SWITCHES, "involuntary")] {
            let series: Series = name.parse().unwrap();
            assert_eq!(series, Series::new(metric::PROCESS_CONTEXT_SWITCHES).with(tag::KIND, kind));
            assert_eq!(series.to_string(), name);
        }
    }

    #[test]
    fn gains_are_between_looks_and_looks_a_second_apart() {
        let mut probe = ResourceProbe::default();
        let second = |n: u64| Nanos::from_secs(n);
        let first = probe.look(second(1)).unwrap();
        assert!(first.gains.iter().all(|(_, gain)| *gain == 0), "{first:?}");
        assert!(first.levels.iter().all(|(_, level)| level.is_some_and(|level| level > 0)), "{first:?}");
        assert_eq!(probe.look(second(1) + Nanos::from_millis(500)), None);
        // CPU time is counted in ticks of a hundredth of a second.
        let mut number = 0_u64;
        let second_look = loop {
            for i in 0..10_000_000_u64 {
                number = std::hint::black_box(number.wrapping_mul(31).wrapping_add(i));
            }
            let look = probe.look(second(3) + probe.last.map_or(Nanos::ZERO, |last| last.at)).unwrap();
            if look.gains[0].1 > 0 {
                break look;
            }
        };
        assert_eq!(second_look.gains[1], (metric::PROCESS_WALL, second(3).0));
    }

    #[test]
    fn what_costs_much_is_read_rarely() {
        let mut slow = Slow::default();
        let mut reads = 0;
        for at in 0..100 {
            slow.read(Nanos::from_secs(at), Nanos::from_secs(30), || {
                reads += 1;
                Some(reads)
            });
        }
        assert_eq!((reads, slow.level), (4, Some(4)));
    }
}
