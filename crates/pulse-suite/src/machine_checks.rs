//! Checks of the machine: limits, clocks and other load. Reading the system is one function; judging what was read is
//! pure.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use pulse_engine::raise_descriptor_limit;

use crate::calibration::Calibration;
use crate::check::Check;

/// Time over which other load is watched.
const WATCH: Duration = Duration::from_secs(1);
/// Descriptors below which a few hundred users do not fit, and below which hardly anything does.
const DESCRIPTORS: [u64; 2] = [4096, 256];
/// Free local ports that a run with new connections should find, and must find.
const PORTS: [u64; 2] = [10_000, 1000];
/// Share of all cores that other programs use.
const BUSY: [f64; 2] = [0.25, 0.80];
/// Share of all cores that the hypervisor gave to others.
const STEAL: [f64; 2] = [0.02, 0.20];
/// Clock steps in nanoseconds.
const RESOLUTION_NS: [f64; 2] = [1_000.0, 100_000.0];
/// Clock sources that are read without a system call.
const FAST_CLOCKS: [&str; 4] = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"];
/// Errors of a percentile, as a share of it …
const ERROR: [f64; 2] = [0.03, 0.15];
/// … of which this much is always allowed.
const ERROR_FLOOR_NS: f64 = 300_000.0;
/// Lateness of sends, 99th percentile in nanoseconds.
const JITTER_NS: [f64; 2] = [1_000_000.0, 10_000_000.0];
/// Rates that the machine should and must be able to offer, per second.
const RATE: [f64; 2] = [5_000.0, 1_000.0];
/// Share of a core at which a worker can do no more.
const BUSY_WORKER: f64 = 0.9;

/// What was read from the system; `None` where it does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MachineReadings {
    /// Limit of open file descriptors; `None` without one.
    pub descriptors: Option<u64>,
    /// `/proc/sys/net/ipv4/ip_local_port_range`.
    pub port_range: Option<String>,
    /// `/proc/net/sockstat`.
    pub sockets: Option<String>,
    /// `scaling_governor` of each core.
    pub governors: Vec<String>,
    /// `/proc/stat` twice, a moment apart.
    pub stat: Option<[String; 2]>,
    /// `/proc/loadavg`.
    pub load_average: Option<String>,
    /// Cores that this process may use.
    pub cores: u32,
    /// `current_clocksource`.
    pub clock_source: Option<String>,
    /// Smallest step of the monotonic clock that was seen, in nanoseconds.
    pub clock_step_ns: u64,
}

impl MachineReadings {
    /// Reads the system; takes about a second.
    pub fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let before = text("/proc/stat");
        thread::sleep(WATCH);
        let after = text("/proc/stat");
        Self {
            descriptors: raise_descriptor_limit(),
            port_range: text("/proc/sys/net/ipv4/ip_local_port_range"),
            sockets: text("/proc/net/sockstat"),
            governors: governors(),
            stat: before.zip(after).map(|(before, after)| [before, after]),
            load_average: text("/proc/loadavg"),
            cores: pulse_engine::cores(),
            clock_source: text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            clock_step_ns: clock_step_ns(),
        }
    }

    /// Judges what was read.
    pub fn judge(&self) -> Vec<Check> {
        vec![
            self.file_descriptors(),
            self.local_ports(),
            self.cpu_governor(),
            self.steal(),
            self.other_load(),
            self.clock_source(),
            self.clock_resolution(),
        ]
    }

    fn file_descriptors(&self) -> Check {
        let name = "file_descriptors";
        let Some(limit) = self.descriptors else { return Check::ok(name, "no limit") };
        let measured = format!("{limit} may be open at once, one for each user");
        let next = "raise the hard limit: `ulimit -Hn 65536`, or a line `* hard nofile 65536` in \
                    /etc/security/limits.conf";
        match limit {
            0..256 => Check::failed(name, measured, next),
            _ if limit < DESCRIPTORS[0] => Check::warning(name, measured, next),
            _ => Check::ok(name, measured),
        }
    }

    fn local_ports(&self) -> Check {
        let name = "local_ports";
        let range = self.port_range.as_deref().and_then(port_range);
        let Some((first, last)) = range else {
            return Check::skipped(name, "the system does not say which local ports there are");
        };
        let waiting = self.sockets.as_deref().and_then(time_wait).unwrap_or(0);
        let free = (u64::from(last - first) + 1).saturating_sub(waiting);
        let measured = format!("{free} free ({first}–{last}, {waiting} in TIME_WAIT)");
        let next =
            "widen it: `sysctl net.ipv4.ip_local_port_range=\"1024 65000\"`, and keep connections open";
        if free < PORTS[1] {
            Check::failed(name, measured, next)
        } else if free < PORTS[0] {
            Check::warning(name, measured, next)
        } else {
            Check::ok(name, measured)
        }
    }

    fn cpu_governor(&self) -> Check {
        let name = "cpu_governor";
        let mut kinds: Vec<&str> = self.governors.iter().map(|governor| governor.trim()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        match kinds.as_slice() {
            [] => Check::skipped(
                name,
                "the system does not show one (usual in virtual machines and containers)",
            ),
            ["performance"] => Check::ok(name, "performance"),
            kinds => Check::warning(
                name,
                kinds.join(", "),
                "the clock rate follows the load: `cpupower frequency-set -g performance` while you measure",
            ),
        }
    }

    fn shares(&self) -> Option<Shares> {
        let [before, after] = self.stat.as_ref()?;
        Some(CoreTicks::parse(after)?.since(&CoreTicks::parse(before)?))
    }

    fn steal(&self) -> Check {
        let name = "cpu_steal";
        let Some(shares) = self.shares() else { return Check::skipped(name, "the system does not show it") };
        Check::graded(
            name,
            shares.steal,
            STEAL,
            format!("{:.1}% of the CPU time went to other guests of the host", shares.steal * 100.0),
            "use a machine with dedicated cores, or measure at another time",
        )
    }

    fn other_load(&self) -> Check {
        let name = "other_load";
        let Some(shares) = self.shares() else { return Check::skipped(name, "the system does not show it") };
        let load = self.load_average.as_deref().and_then(|text| text.split_whitespace().next());
        let load =
            load.map_or_else(String::new, |load| format!(", load average {load} on {} cores", self.cores));
        Check::graded(
            name,
            shares.busy,
            BUSY,
            format!("{:.0}% of the cores are busy with other programs{load}", shares.busy * 100.0),
            "end other programs (`top` shows them), or measure on a machine of its own",
        )
    }

    fn clock_source(&self) -> Check {
        let name = "clock_source";
        match self.clock_source.as_deref().map(str::trim) {
            None | Some("") => Check::skipped(name, "the system does not show it"),
            Some(source) if FAST_CLOCKS.contains(&source) => Check::ok(name, source),
            Some(source) => Check::warning(
                name,
                format!("{source}, which is slow to read"),
                "prefer tsc: /sys/devices/system/clocksource/clocksource0/available_clocksource lists what there is",
            ),
        }
    }

    fn clock_resolution(&self) -> Check {
        Check::graded(
            "clock_resolution",
            self.clock_step_ns as f64,
            RESOLUTION_NS,
            format!("{} ns", self.clock_step_ns),
            "the clock is too coarse to time fast answers; look at the clock source",
        )
    }
}

/// Judges a calibration: the error of each percentile, the send jitter and the highest rate.
pub fn judge_calibration(found: &Calibration) -> Vec<Check> {
    let busy_advice =
        "the machine is too busy or too slow to time answers: end other programs, or use another machine";
    let quantile = |it: &crate::calibration::CalibratedQuantile| {
        let beyond = (it.error_ns().abs() - ERROR_FLOOR_NS).max(0.0) / it.law.0.max(1) as f64;
        let measured = format!(
            "{:.2}ms measured, {:.2}ms by the law: {:+.2}ms ({:+.1}%)",
            it.measured.as_millis_f64(),
            it.law.as_millis_f64(),
            it.error_ns() / 1e6,
            it.relative_error() * 100.0
        );
        Check::graded(
            &format!("calibration_p{:.0}", it.quantile * 100.0),
            beyond,
            ERROR,
            measured,
            busy_advice,
        )
    };
    let mut checks: Vec<Check> = found.quantiles.iter().map(quantile).collect();
    checks.push(Check::graded(
        "send_jitter",
        found.jitter_p99.0 as f64,
        JITTER_NS,
        format!(
            "requests left {:.3}ms (p50) and {:.3}ms (p99) late at 1000/s",
            found.jitter_p50.as_millis_f64(),
            found.jitter_p99.as_millis_f64()
        ),
        busy_advice,
    ));
    // The server takes its part of the same cores: unless a worker was at its end, more could be offered to another machine.
    let is_limit = found.busiest_worker >= BUSY_WORKER;
    let measured = format!(
        "{}{:.0} requests/s against a server on the same machine, busiest worker at {:.0}% of a core{}",
        if is_limit { "" } else { "at least " },
        found.highest_rate,
        found.busiest_worker * 100.0,
        if is_limit { "" } else { "; two machines would give more" }
    );
    let next = "use a machine with more or faster cores for higher rates";
    checks.push(match found.highest_rate {
        rate if rate < RATE[1] => Check::failed("highest_rate", measured, next),
        rate if rate < RATE[0] => Check::warning("highest_rate", measured, next),
        _ => Check::ok("highest_rate", measured),
    });
    checks
}

/// First and last port, as in `32768 60999`.
fn port_range(text: &str) -> Option<(u16, u16)> {
    let mut fields = text.split_whitespace().map(str::parse);
    let (first, last) = (fields.next()?.ok()?, fields.next()?.ok()?);
    (first <= last).then_some((first, last))
}

/// The number behind `tw` in `TCP: inuse 5 orphan 0 tw 12 alloc 7 mem 1`.
fn time_wait(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    line.split_whitespace().skip_while(|word| *word != "tw").nth(1)?.parse().ok()
}

/// The first line of `/proc/stat`, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CoreTicks {
    total: u64,
    idle: u64,
    steal: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Shares {
    busy: f64,
    steal: f64,
}

impl CoreTicks {
    /// `cpu user nice system idle iowait irq softirq steal guest guest_nice`.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<u64> =
            line.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
        let [_, _, _, idle, waiting, _, _, steal] = fields[..] else { return None };
        let total = fields.iter().fold(0_u64, |sum, &field| sum.saturating_add(field));
        Some(Self { total, idle: idle.saturating_add(waiting), steal })
    }

    fn since(&self, earlier: &Self) -> Shares {
        let total = self.total.saturating_sub(earlier.total).max(1) as f64;
        let (idle, steal) =
            (self.idle.saturating_sub(earlier.idle), self.steal.saturating_sub(earlier.steal));
        let busy = (1.0 - (idle as f64 + steal as f64) / total).clamp(0.0, 1.0);
        Shares { busy, steal: (steal as f64 / total).min(1.0) }
    }
}

fn governors() -> Vec<String> {
    let Ok(cores) = fs::read_dir("/sys/devices/system/cpu") else { return Vec::new() };
    let governor = |core: fs::DirEntry| fs::read_to_string(core.path().join("cpufreq/scaling_governor")).ok();
    cores.filter_map(Result::ok).filter_map(governor).collect()
}

fn clock_step_ns() -> u64 {
    let step = || {
        let begin = Instant::now();
        loop {
            let passed = begin.elapsed();
            if !passed.is_zero() {
                return passed.as_nanos() as u64;
            }
        }
    };
    (0..1000).map(|_| step()).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::CalibratedQuantile;
    use crate::check::CheckState;
    use pulse_model::Nanos;

    fn good() -> MachineReadings {
        MachineReadings {
            descriptors: Some(65_536),
            port_range: Some("32768\t60999\n".into()),
            sockets: Some(
                "sockets: used 9\nTCP: inuse 5 orphan 0 tw 12 alloc 7 mem 1\nUDP: inuse 1\n".into(),
            ),
            governors: vec!["performance\n".into(); 2],
            stat: Some([
                "cpu  100 0 100 800 0 0 0 0 0 0\n".into(),
                "cpu  105 0 105 990 0 0 0 0 0 0\n".into(),
            ]),
            load_average: Some("0.10 0.20 0.30 1/99 1\n".into()),
            cores: 2,
            clock_source: Some("tsc\n".into()),
            clock_step_ns: 25,
        }
    }

    fn state(readings: &MachineReadings, name: &str) -> CheckState {
        readings.judge().iter().find(|check| check.name == name).unwrap().state
    }

    #[test]
    fn a_good_machine_is_good() {
        for check in good().judge() {
            assert_eq!((check.state, &check.next_step), (CheckState::Ok, &None), "{check:?}");
        }
        for check in MachineReadings::default().judge() {
            assert!(matches!(check.state, CheckState::Ok | CheckState::Skipped), "{check:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        use CheckState::{Failed, Ok, Skipped, Warning};
        let stat = |after: &str| Some(["cpu  0 0 0 0 0 0 0 0".to_owned(), after.to_owned()]);
        let table: Vec<(&str, MachineReadings, CheckState)> = vec![
            ("file_descriptors", MachineReadings { descriptors: Some(100), ..good() }, Failed),
            ("file_descriptors", MachineReadings { descriptors: Some(1024), ..good() }, Warning),
            ("file_descriptors", MachineReadings { descriptors: None, ..good() }, Ok),
            ("local_ports", MachineReadings { port_range: Some("50000 50500".into()), ..good() }, Failed),
            ("local_ports", MachineReadings { port_range: Some("50000 55000".into()), ..good() }, Warning),
            ("local_ports", MachineReadings { port_range: Some("9 1".into()), ..good() }, Skipped),
            (
                "local_ports",
                MachineReadings { sockets: Some("TCP: inuse 1 tw 28000".into()), ..good() },
                Failed,
            ),
            ("cpu_governor", MachineReadings { governors: vec!["powersave".into()], ..good() }, Warning),
            ("cpu_governor", MachineReadings { governors: Vec::new(), ..good() }, Skipped),
            ("cpu_steal", MachineReadings { stat: stat("cpu  0 0 0 90 0 0 0 10"), ..good() }, Warning),
            ("cpu_steal", MachineReadings { stat: stat("cpu  0 0 0 70 0 0 0 30"), ..good() }, Failed),
            ("cpu_steal", MachineReadings { stat: stat("cpu  0 0"), ..good() }, Skipped),
            ("other_load", MachineReadings { stat: stat("cpu  40 0 0 60 0 0 0 0"), ..good() }, Warning),
            ("other_load", MachineReadings { stat: stat("cpu  40 5 50 5 0 0 0 0"), ..good() }, Failed),
            ("clock_source", MachineReadings { clock_source: Some("hpet".into()), ..good() }, Warning),
            ("clock_resolution", MachineReadings { clock_step_ns: 4000, ..good() }, Warning),
            ("clock_resolution", MachineReadings { clock_step_ns: 4_000_000, ..good() }, Failed),
        ];
        for (name, readings, expected) in table {
            assert_eq!(state(&readings, name), expected, "{name} {readings:?}");
            let check = readings.judge().into_iter().find(|check| check.name == name).unwrap();
            assert_eq!(check.next_step.is_some(), matches!(expected, Failed | Warning), "{check:?}");
        }
    }

    #[test]
    fn calibrations_are_judged() {
        use CheckState::{Failed, Ok, Warning};
        for (measured_us, jitter_us, rate, expected) in [
            (10_100, 50, 20_000.0, [Ok, Ok, Ok]),
            (10_700, 2_000, 4_000.0, [Warning, Warning, Warning]),
            (13_000, 20_000, 100.0, [Failed, Failed, Failed]),
            (8_000, 50, 20_000.0, [Failed, Ok, Ok]),
        ] {
            let checks = judge_calibration(&Calibration {
                quantiles: vec![CalibratedQuantile {
                    quantile: 0.95,
                    law: Nanos::from_millis(10),
                    measured: Nanos::from_micros(measured_us),
                }],
                jitter_p50: Nanos::ZERO,
                jitter_p99: Nanos::from_micros(jitter_us),
                highest_rate: rate,
                busiest_worker: 0.9,
            });
            assert_eq!(checks.iter().map(|check| check.state).collect::<Vec<_>>(), expected, "{checks:?}");
            assert_eq!(checks[0].name, "calibration_p95");
        }
    }
}
