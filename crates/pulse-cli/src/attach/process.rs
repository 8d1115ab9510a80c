//! A process with its children, as the system sees it.

use std::time::Instant;

use pulse_model::{Aggregate, Gauge, Nanos, Series, Snapshot, metric, tag};
use pulse_monitor::{Activity, Process, Usage, memory_limit_bytes};

use super::{ReadError, Reading};
use crate::problem::Problem;

/// Pause between two looks at what is not a cheap thing to ask.
const DESCRIPTOR_PERIOD: Nanos = Nanos::from_secs(5);
/// The same for memory by shares, for which the kernel walks the page tables.
const PROPORTIONAL_PERIOD: Nanos = Nanos::from_secs(10);

/// Watches a process and all that descends from it. What it counts only grows, whatever children come and go.
pub(crate) struct ProcessSource {
    process: Process,
    command: String,
    begin: Instant,
    last: Option<(Nanos, Usage, Activity)>,
    counts: Counts,
    descriptors: Level,
    proportional: Level,
    limit: Option<u64>,
}

/// Sums of what was gained between looks.
#[derive(Default)]
struct Counts {
    cpu: u64,
    wall: u64,
    voluntary: u64,
    involuntary: u64,
    read: u64,
    written: u64,
}

/// A level that is not read at every look.
#[derive(Default)]
struct Level {
    at: Option<Nanos>,
    level: Option<u64>,
}

impl Level {
    fn read(&mut self, now: Nanos, period: Nanos, read: impl FnOnce() -> Option<u64>) -> Option<u64> {
        if self.at.is_none_or(|at| now.since(at) >= period) {
            *self = Self { at: Some(now), level: read() };
        }
        self.level
    }
}

impl ProcessSource {
    /// The process of a number.
    pub(crate) fn open(pid: u32) -> Result<Self, Problem> {
        let process = Process::with_pid(pid).ok_or_else(|| {
            let next = "`ps` lists those there are; a service on another machine is watched by its URL";
            Problem::usage(format!("there is no process {pid} to watch; {next}"))
        })?;
        let command = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Ok(Self {
            process,
            command: command.trim().to_owned(),
            begin: Instant::now(),
            last: None,
            counts: Counts::default(),
            descriptors: Level::default(),
            proportional: Level::default(),
            limit: memory_limit_bytes(),
        })
    }

    pub(crate) fn name(&self) -> String {
        let pid = self.process.pid;
        if self.command.is_empty() {
            format!("process {pid}")
        } else {
            format!("process {pid} ({})", self.command)
        }
    }

    pub(crate) fn read(&mut self) -> Result<Reading, ReadError> {
        let now = Nanos::from(self.begin.elapsed());
        let family = self.process.family();
        let (Some(usage), Some(activity)) = (self.process.usage(&family), self.process.activity(&family))
        else {
            return Err(ReadError::Ended(format!("{} has ended", self.name())));
        };
        if let Some((at, before, did)) = self.last.replace((now, usage, activity)) {
            self.counts.add(now.since(at), (&before, &did), (&usage, &activity));
        }
        let process = self.process;
        let descriptors =
            self.descriptors.read(now, DESCRIPTOR_PERIOD, || Some(process.descriptors(&family)));
        let proportional =
            self.proportional.read(now, PROPORTIONAL_PERIOD, || process.proportional_bytes(&family));
        let mut totals = Snapshot::default();
        for (name, kind, count) in self.counts.list() {
            let series = Series::new(name);
            totals.count(if kind.is_empty() { series } else { series.with(tag::KIND, kind) }, count);
        }
        for (name, level) in [
            (metric::PROCESS_RESIDENT, Some(usage.resident_bytes)),
            (metric::PROCESS_PROPORTIONAL, proportional),
            (metric::PROCESS_THREADS, Some(usage.threads)),
            (metric::PROCESS_DESCRIPTORS, descriptors),
            (metric::MEMORY_LIMIT, self.limit),
        ] {
            if let Some(level) = level {
                let gauge = Gauge { at: now, last: level, min: level, max: level };
                totals.add(Series::new(name), Aggregate::Gauge(gauge));
            }
        }
        Ok(Reading { totals, ..Reading::default() })
    }
}

impl Counts {
    /// A family that loses a member may have used less than before; that is no gain.
    fn add(&mut self, passed: Nanos, before: (&Usage, &Activity), now: (&Usage, &Activity)) {
        self.wall += passed.0;
        self.cpu += now.0.cpu.since(before.0.cpu).0;
        let (did, does) = (before.1, now.1);
        self.voluntary += does.voluntary_switches.saturating_sub(did.voluntary_switches);
        self.involuntary += does.involuntary_switches.saturating_sub(did.involuntary_switches);
        self.read += does.read_bytes.saturating_sub(did.read_bytes);
        self.written += does.written_bytes.saturating_sub(did.written_bytes);
    }

    fn list(&self) -> [(&'static str, &'static str, u64); 6] {
        [
            (metric::PROCESS_CPU, "", self.cpu),
            (metric::PROCESS_WALL, "", self.wall),
            (metric::PROCESS_CONTEXT_SWITCHES, "voluntary", self.voluntary),
            (metric::PROCESS_CONTEXT_SWITCHES, "involuntary", self.involuntary),
            (metric::PROCESS_READ, "", self.read),
            (metric::PROCESS_WRITTEN, "", self.written),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_watched() {
        let mut source = ProcessSource::open(std::process::id()).unwrap();
        assert!(source.name().starts_with(&format!("process {} (", std::process::id())), "{}", source.name());
        let first = source.read().unwrap().totals;
        let second = source.read().unwrap().totals;
        let wall = |snapshot: &Snapshot| snapshot.counter(&Series::new(metric::PROCESS_WALL));
        assert_eq!(wall(&first), 0, "what it used before is no part of the watch");
        assert!(wall(&second) > 0);
        assert!(second.since(&first).restarted.is_empty());
        for name in [metric::PROCESS_RESIDENT, metric::PROCESS_PROPORTIONAL, metric::PROCESS_DESCRIPTORS] {
            let series = Series::new(name);
            assert!(matches!(second.series[&series], Aggregate::Gauge(gauge) if gauge.last > 0), "{name}");
        }
    }

    #[test]
    fn a_process_that_is_not_there() {
        // The largest number that Linux gives is below 2^22.
        let problem = ProcessSource::open(1 << 30).err().unwrap();
        assert!(problem.text().contains("there is no process 1073741824"), "{}", problem.text());
    }

    #[test]
    fn a_family_that_shrinks_gains_nothing() {
        let mut counts = Counts::default();
        let usage = |cpu| Usage { cpu: Nanos(cpu), ..Usage::default() };
        let activity = |read_bytes| Activity { read_bytes, ..Activity::default() };
        counts.add(Nanos(10), (&usage(50), &activity(7)), (&usage(20), &activity(3)));
        counts.add(Nanos(10), (&usage(20), &activity(3)), (&usage(25), &activity(9)));
        assert_eq!((counts.cpu, counts.wall, counts.read), (5, 20, 6));
    }
}
