//! What the engine asks of the machine: descriptors, cores, and time stolen by the hypervisor.

use pulse_model::{HostInfo, Nanos};

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

/// What the cores of this machine did, summed over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CoreTimes {
    /// Busy with anything, of whatever process.
    pub(crate) busy: Nanos,
    /// Given to others by the hypervisor.
    pub(crate) steal: Nanos,
    /// All of it.
    pub(crate) total: Nanos,
}

impl CoreTimes {
    fn since(self, earlier: Self) -> Self {
        Self {
            busy: self.busy.since(earlier.busy),
            steal: self.steal.since(earlier.steal),
            total: self.total.since(earlier.total),
        }
    }
}

/// Watches what the cores of this machine do (`/proc/stat`).
#[derive(Debug, Default)]
pub(crate) struct CoreProbe {
    last: Option<CoreTimes>,
}

impl CoreProbe {
    /// The times since the last reading; `None` the first time and where the system does not say.
    pub(crate) fn read(&mut self) -> Option<CoreTimes> {
        let now = read_stat(&std::fs::read_to_string("/proc/stat").ok()?)?;
        self.last.replace(now).map(|last| now.since(last))
    }
}

/// The first line: `cpu user nice system idle iowait irq softirq steal guest guest_nice`.
fn read_stat(text: &str) -> Option<CoreTimes> {
    let fields: Vec<u64> = text
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // The kernel counts in USER_HZ, which is 100 per second on every Linux that Rust runs on.
    let ticks = |n: u64| Nanos::from_millis(10).times(n);
    let steal = *fields.get(7)?;
    // Guest time is contained in user time already.
    let total: u64 = fields.iter().take(8).sum();
    let idle = fields[3] + fields[4];
    Some(CoreTimes { busy: ticks(total - idle), steal: ticks(steal), total: ticks(total) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_first_line() {
        let ticks = |n: u64| Nanos::from_millis(10).times(n);
        let times = CoreTimes { busy: ticks(81), steal: ticks(8), total: ticks(126) };
        for (text, expected) in [
            ("cpu  10 20 30 40 5 6 7 8 100 100\ncpu0 1 2", Some(times)),
            ("cpu  10 20 30", None),
            ("intr 1", None),
            ("", None),
        ] {
            assert_eq!(read_stat(text), expected, "{text}");
        }
    }

    #[test]
    fn the_descriptor_limit_does_not_fall() {
        let first = raise_descriptor_limit();
        assert_eq!(raise_descriptor_limit(), first);
    }
}
