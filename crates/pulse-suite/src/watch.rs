//! Watching the service's process while a case runs: a thread that reads its memory and CPU time, and that notices when
//! it ends. The same thread passes on the user's wish to stop, which the engine hears of only through the case's own handle.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pulse_engine::StopHandle;
use pulse_model::TimePoint;
use pulse_monitor::{Process, Usage};

/// Time between two readings at first.
const PERIOD: Duration = Duration::from_millis(50);
/// The most readings that are kept; beyond it every other one goes, and the period doubles.
const MAX_READINGS: usize = 4096;
/// Readings between two looks for new children, which cost more than a reading.
const FAMILY_EVERY: u32 = 10;
/// Time over which the share of a core at a moment is taken.
const SHARE_PERIOD: Duration = Duration::from_secs(1);
/// How soon a wish to stop is passed on.
const STOP_PERIOD: Duration = Duration::from_millis(50);

/// What the process used at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// When it was read.
    pub(crate) at: Instant,
    /// What was read.
    pub(crate) usage: Usage,
}

/// Everything seen of the process during a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    /// Readings in order of time; empty when no process is known.
    pub(crate) readings: Vec<Reading>,
    /// When it was found to have ended.
    pub(crate) ended: Option<Instant>,
    /// Cores that it may use; 0 when no process is known.
    pub(crate) cores: u32,
}

/// A running watch.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Mutex<Watched>>,
    /// Dropped to end the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches a process, if there is one. When it ends, or `wish` is expressed, `stop` is.
    pub(crate) fn start(process: Option<Process>, wish: StopHandle, stop: StopHandle) -> io::Result<Self> {
        let cores = process.map_or(0, |process| process.cores());
        let shared = Arc::new(Mutex::new(Watched { cores, ..Watched::default() }));
        let watcher = Watcher {
            process,
            shared: Arc::clone(&shared),
            family: Vec::new(),
            readings: 0,
            period: PERIOD,
            skipped: Duration::ZERO,
            stop: stop.clone(),
        };
        let (end, ended) = channel::<()>();
        let thread = std::thread::Builder::new().name("pulse-watch".to_owned()).spawn(move || {
            let mut watcher = watcher;
            watcher.read();
            loop {
                let wait =
                    if watcher.process.is_some() { watcher.period.min(STOP_PERIOD) } else { STOP_PERIOD };
                if ended.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return watcher.read();
                }
                if wish.is_stopped() {
                    stop.stop();
                }
                watcher.turn(wait);
            }
        })?;
        Ok(Self { shared, end: Some(end), thread: Some(thread) })
    }

    /// What was seen so far.
    pub(crate) fn so_far(&self) -> Watched {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes in a point of time what the process uses as of now.
    pub(crate) fn note(&self, point: &mut TimePoint) {
        note(&self.shared.lock().unwrap_or_else(PoisonError::into_inner).readings, point);
    }

    /// Takes a last reading and ends the watch.
    pub(crate) fn finish(&mut self) -> Watched {
        self.end();
        self.so_far()
    }

    fn end(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread is our bug: it goes on in this one, with its message.
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

/// The share of a core is that of about a second: the system counts CPU time in hundredths of one, which within a tenth would be
/// steps and no course.
fn note(readings: &[Reading], point: &mut TimePoint) {
    let Some(now) = readings.last() else { return };
    point.process_resident = now.usage.resident_bytes;
    let is_older = |reading: &Reading| now.at.saturating_duration_since(reading.at) > SHARE_PERIOD;
    let before = readings[readings.partition_point(is_older).saturating_sub(1)];
    let length = now.at.saturating_duration_since(before.at).as_secs_f64();
    if length > 0.0 {
        point.process_cpu = now.usage.cpu.since(before.usage.cpu).as_secs_f64() / length;
    }
}

struct Watcher {
    /// `None` without one, and once it has ended.
    process: Option<Process>,
    shared: Arc<Mutex<Watched>>,
    family: Vec<u32>,
    readings: u32,
    period: Duration,
    /// Time since the last reading.
    skipped: Duration,
    stop: StopHandle,
}

impl Watcher {
    fn turn(&mut self, waited: Duration) {
        self.skipped += waited;
        if self.skipped >= self.period {
            self.skipped = Duration::ZERO;
            self.read();
        }
    }

    fn read(&mut self) {
        let Some(process) = self.process else { return };
        if self.readings.is_multiple_of(FAMILY_EVERY) {
            self.family = process.family();
        }
        self.readings = self.readings.wrapping_add(1);
        let usage = process.usage(&self.family);
        let at = Instant::now();
        let mut watched = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = usage {
            watched.readings.push(Reading { at, usage });
        } else {
            watched.ended = Some(at);
            self.process = None;
            self.stop.stop();
        }
        if watched.readings.len() > MAX_READINGS {
            let mut keep = false;
            watched.readings.retain(|_| {
                keep = !keep;
                keep
            });
            self.period *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::Nanos;

    #[test]
    fn an_ended_process_stops_the_case() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::with_pid(child.id()).unwrap();
        let stop = StopHandle::default();
        let mut watch = Watch::start(Some(process), StopHandle::default(), stop.clone()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        while !stop.is_stopped() {
            std::thread::yield_now();
        }
        let watched = watch.finish();
        assert!(watched.ended.is_some() && watched.cores >= 1);
    }

    #[test]
    fn without_a_process_only_the_wish_to_stop_is_passed_on() {
        let (wish, stop) = (StopHandle::default(), StopHandle::default());
        let mut watch = Watch::start(None, wish.clone(), stop.clone()).unwrap();
        assert!(!stop.is_stopped());
        wish.stop();
        while !stop.is_stopped() {
            std::thread::yield_now();
        }
        let watched = watch.finish();
        assert!(watched.readings.is_empty() && watched.ended.is_none());
    }

    #[test]
    fn a_point_has_what_was_used_within_a_second() {
        let at = Instant::now();
        let reading = |millis, cpu, resident_bytes| Reading {
            at: at + Duration::from_millis(millis),
            usage: Usage { cpu: Nanos::from_millis(cpu), resident_bytes, ..Usage::default() },
        };
        let readings =
            [reading(0, 90, 1), reading(500, 100, 5), reading(1700, 400, 6), reading(2000, 850, 7)];
        let noted = |readings: &[Reading]| {
            let mut point = TimePoint::default();
            note(readings, &mut point);
            (point.process_cpu, point.process_resident)
        };
        assert_eq!(noted(&[]), (0.0, 0), "not known");
        assert_eq!(noted(&readings[..1]), (0.0, 1), "no time, no share");
        assert_eq!(noted(&readings[..2]), (0.02, 5));
        assert_eq!(noted(&readings), (0.5, 7), "since the reading a second before, which was 1.5 s ago");
    }

    #[test]
    fn the_end_is_read_too() {
        let process = Process::with_pid(std::process::id()).unwrap();
        let mut watch = Watch::start(Some(process), StopHandle::default(), StopHandle::default()).unwrap();
        assert!(watch.finish().readings.len() >= 2);
    }
}
