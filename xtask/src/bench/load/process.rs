//! What a program costs: its CPU time as the kernel has counted it, and the memory that it holds while it runs.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// How often the memory of a program is looked at: growth after the last look is not seen.
const LOOK: Duration = Duration::from_millis(20);

/// A finished program.
#[derive(Clone, Debug, Default)]
pub(super) struct Spent {
    /// CPU time outside of the kernel, all threads.
    pub(super) user: Duration,
    /// CPU time in the kernel.
    pub(super) system: Duration,
    pub(super) wall: Duration,
    /// Resident memory by time since the start, in KiB.
    pub(super) resident: Vec<(Duration, u64)>,
    /// Highest resident memory, in KiB.
    pub(super) peak: u64,
    /// What it wrote to standard output.
    pub(super) output: String,
}

impl Spent {
    pub(super) fn cpu(&self) -> Duration {
        self.user + self.system
    }

    /// Resident memory in KiB at a time since the start.
    pub(super) fn resident_at(&self, time: Duration) -> Option<u64> {
        self.resident.iter().rfind(|(at, _)| *at <= time).map(|(_, kib)| *kib)
    }
}

/// Runs `program` on the given CPUs (as `taskset` writes them) to its end. Exit codes other than those in `fine` are errors.
/// One that still runs after `limit` hangs: it is killed, and nothing is said of it.
///
/// No other child of this process may end meanwhile: the kernel adds up the times of all that have ended.
pub(super) fn run(
    cpus: &str,
    program: &Command,
    fine: &[i32],
    folder: &Path,
    limit: Duration,
) -> anyhow::Result<Option<Spent>> {
    let said = folder.join("stdout");
    let complained = folder.join("stderr");
    let mut command = Command::new("taskset");
    command.args(["-c", cpus]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&said)?)
        .stderr(File::create(&complained)?)
        .spawn()
        .context("taskset cannot be run")?;
    let mut spent = Spent::default();
    let status = loop {
        // Read before the question whether it has ended: a process that has ended holds no memory.
        let memory = memory(child.id());
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if let Some((resident, peak)) = memory {
            spent.resident.push((started.elapsed(), resident));
            spent.peak = spent.peak.max(peak);
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(LOOK);
    };
    spent.wall = started.elapsed();
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let between = |after: TimeVal, before: TimeVal| {
        // CPU time does not run backwards.
        Duration::from_micros((after - before).num_microseconds().unsigned_abs())
    };
    spent.user = between(after.user_time(), before.user_time());
    spent.system = between(after.system_time(), before.system_time());
    spent.output = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
    if !status.code().is_some_and(|code| fine.contains(&code)) {
        let complaint = String::from_utf8_lossy(&fs::read(&complained)?).trim().to_owned();
        bail!("{} ended with {status}: {complaint}", program.get_program().display());
    }
    Ok(Some(spent))
}

/// Resident memory of a process now and at its peak, in KiB.
fn memory(process: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some((kib(&status, "VmRSS:")?, kib(&status, "VmHWM:")?))
}

/// A line such as `VmRSS:      1234 kB`.
fn kib(status: &str, name: &str) -> Option<u64> {
    let (_, rest) = status.split_once(name)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended() {
        let folder = std::env::temp_dir().join(format!("pulse-bench-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let sleeps = |seconds: &str, limit| {
            let mut program = Command::new("sleep");
            program.arg(seconds);
            run("0", &program, &[0], &folder, limit).unwrap()
        };
        assert!(sleeps("0", Duration::from_mins(10)).is_some());
        assert!(sleeps("600", Duration::ZERO).is_none());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn memory_is_read_by_name() {
        let status = "VmPeak:\t  9 kB\nVmHWM:\t  5312 kB\nVmRSS:\t  4100 kB\n";
        assert_eq!((kib(status, "VmRSS:"), kib(status, "VmHWM:")), (Some(4100), Some(5312)));
        assert_eq!(kib("", "VmRSS:"), None);
    }

    #[test]
    fn memory_is_found_by_time() {
        let at = |ms| Duration::from_millis(ms);
        let spent = Spent { resident: vec![(at(20), 1), (at(40), 2), (at(60), 3)], ..Spent::default() };
        assert_eq!([10, 40, 55, 900].map(|ms| spent.resident_at(at(ms))), [None, Some(2), Some(2), Some(3)]);
    }
}
