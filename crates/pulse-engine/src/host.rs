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

/// Watches how much time the hypervisor gives to others (`steal` in `/proc/stat`).
#[derive(Debug, Default)]
pub(crate) struct StealProbe {
    last: Option<(u64, u64)>,
}

impl StealProbe {
    /// Stolen and total time of all cores since the last reading; `None` the first time and where the system does not
    /// say.
    pub(crate) fn read(&mut self) -> Option<(Nanos, Nanos)> {
        let now = read_stat(&std::fs::read_to_string("/proc/stat").ok()?)?;
        let (steal, total) = self.last.replace(now)?;
        // The kernel counts in USER_HZ, which is 100 per second on every Linux that Rust runs on.
        let ticks = |later: u64, earlier: u64| Nanos::from_millis(10).times(later.saturating_sub(earlier));
        Some((ticks(now.0, steal), ticks(now.1, total)))
    }
}

/// Steal and total ticks of the first line: `cpu user nice system idle iowait irq softirq steal guest guest_nice`.
fn read_stat(text: &str) -> Option<(u64, u64)> {
    let fields: Vec<u64> = text
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // Guest time is contained in user time already.
    Some((*fields.get(7)?, fields.iter().take(8).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_the_eighth_field() {
        for (text, expected) in [
            ("cpu  10 20 30 40 5 6 7 8 100 100\ncpu0 1 2", Some((8, 126))),
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
