//! What the engine asks of the machine: descriptors, cores, and what else happens on it during a run.

use std::fs::{self, File};

use pulse_model::{Aggregate, Gauge, HostInfo, Nanos, Series, Snapshot, metric};
use rustix::time::{ClockId, clock_gettime};

use crate::proc_text::{self, CoreTimes, TcpCounts};

/// No machine sleeps for less.
const LEAST_SUSPENSION: Nanos = Nanos::from_secs(1);

/// The limit of open file descriptors after raising it as far as the system allows; `None` where there is none.
///
/// Every user needs one for its connection.
pub fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Raising may be refused, for example by a container; then the limit stays as it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current
}

/// The machine, for the report.
pub fn host_info() -> HostInfo {
    HostInfo { os: std::env::consts::OS.to_owned(), arch: std::env::consts::ARCH.to_owned(), cores: cores() }
}

/// Cores that this process may use.
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}

/// CPU time of this thread, user and system.
pub(crate) fn thread_cpu() -> Nanos {
    clock(ClockId::ThreadCPUTime)
}

fn clock(id: ClockId) -> Nanos {
    let time = clock_gettime(id);
    Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// How long the machine has been suspended: one clock counts that time, the other does not.
#[cfg(target_os = "linux")]
fn suspended() -> Nanos {
    let awake = clock(ClockId::Monotonic);
    clock(ClockId::Boottime).since(awake)
}

#[cfg(not(target_os = "linux"))]
fn suspended() -> Nanos {
    Nanos::ZERO
}

/// Watches how long the thread that made it waits for a core (`schedstat`; `None` where the system does not say).
#[derive(Debug)]
pub(crate) struct ThreadProbe {
    schedstat: File,
    last: Nanos,
}

impl ThreadProbe {
    pub(crate) fn of_this_thread() -> Option<Self> {
        let mut probe =
            Self { schedstat: File::open("/proc/thread-self/schedstat").ok()?, last: Nanos::ZERO };
        probe.waited()?;
        Some(probe)
    }

    /// The time since the last reading.
    pub(crate) fn waited(&mut self) -> Option<Nanos> {
        let mut text = [0; 96];
        let length = rustix::io::pread(&self.schedstat, &mut text, 0).ok()?;
        let now = proc_text::time_waiting(std::str::from_utf8(text.get(..length)?).ok()?)?;
        Some(now.since(std::mem::replace(&mut self.last, now)))
    }
}

/// Watches what happens on this machine.
#[derive(Debug, Default)]
pub(crate) struct HostProbe {
    last: Option<HostReading>,
}

/// What has been counted so far, since whenever.
#[derive(Clone, Copy, Debug)]
struct HostReading {
    cores: Option<CoreTimes>,
    tcp: Option<TcpCounts>,
    own: Nanos,
    suspended: Nanos,
}

impl HostProbe {
    /// Adds what happened since the last reading to what was recorded until `at`. The first reading adds nothing; what
    /// the system does not say is left out.
    pub(crate) fn read_into(&mut self, at: Nanos, snapshot: &mut Snapshot) {
        let now = HostReading::take();
        let Some(last) = self.last.replace(now) else { return };
        let mut count = |name, n| snapshot.count(Series::new(name), n);
        if let (Some(now), Some(last)) = (now.cores, last.cores) {
            count(metric::HOST_STEAL, now.steal.since(last.steal).0);
            count(metric::HOST_BUSY, now.busy.since(last.busy).0);
            count(metric::HOST_WALL, now.total.since(last.total).0);
        }
        if let (Some(now), Some(last)) = (now.tcp, last.tcp) {
            count(metric::HOST_SEGMENTS, now.sent.saturating_sub(last.sent));
            count(metric::HOST_RETRANSMITS, now.retransmitted.saturating_sub(last.retransmitted));
            count(metric::HOST_LISTEN_DROPS, now.listen_drops.saturating_sub(last.listen_drops));
        }
        count(metric::HOST_OWN, now.own.since(last.own).0);
        // The two clocks are read one after the other, and a thread may lose its core in between.
        let suspended = now.suspended.since(last.suspended);
        if suspended >= LEAST_SUSPENSION {
            count(metric::HOST_SUSPENDED, suspended.0);
        }
        for (name, level) in [
            (metric::HOST_DESCRIPTORS, open_descriptors()),
            (metric::HOST_DESCRIPTOR_LIMIT, descriptor_limit()),
            (metric::HOST_SOCKETS, read("/proc/net/sockstat", proc_text::tcp_sockets)),
            (metric::HOST_PORTS, read("/proc/sys/net/ipv4/ip_local_port_range", proc_text::local_ports)),
        ] {
            if let Some(level) = level {
                let gauge = Gauge { at, last: level, min: level, max: level };
                snapshot.add(Series::new(name), Aggregate::Gauge(gauge));
            }
        }
    }
}

impl HostReading {
    fn take() -> Self {
        let netstat = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
        Self {
            cores: read("/proc/stat", proc_text::core_times),
            tcp: read("/proc/net/snmp", |snmp| proc_text::tcp_counts(snmp, &netstat)),
            own: clock(ClockId::ProcessCPUTime),
            suspended: suspended(),
        }
    }
}

fn read<T>(path: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    parse(&fs::read_to_string(path).ok()?)
}

fn descriptor_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Open descriptors of this process. The folder's size is their number since Linux 6.2, and 0 before; a list of thousands
/// every second would cost more than it says.
fn open_descriptors() -> Option<u64> {
    fs::metadata("/proc/self/fd").ok().map(|folder| folder.len()).filter(|&open| open > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_limit_does_not_fall() {
        let first = raise_descriptor_limit();
        assert_eq!(raise_descriptor_limit(), first);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_reading_but_the_first_adds_what_happened() {
        let mut probe = HostProbe::default();
        let mut snapshot = Snapshot::default();
        probe.read_into(Nanos::ZERO, &mut snapshot);
        assert_eq!(snapshot, Snapshot::default());
        probe.read_into(Nanos::from_secs(1), &mut snapshot);
        for name in [metric::HOST_BUSY, metric::HOST_OWN, metric::HOST_SEGMENTS, metric::HOST_PORTS] {
            let series = Series::new(name);
            assert_eq!(snapshot.matching(&series).count(), 1, "{name}");
        }
        assert!(snapshot.counter(&Series::new(metric::HOST_OWN)) > 0);
    }
}
