//! A process and its children as the system sees them: CPU time, memory, threads, descriptors, switches, storage.
//!
//! Everything comes from `/proc`, so that it works on Linux only and needs no privileges for processes of the same user.
//! What costs much is read apart: [`Process::usage`] and [`Process::activity`] are two small files per process each,
//! [`Process::descriptors`] is a folder, and [`Process::proportional_bytes`] walks the page tables.

mod limit;
mod listener;
mod stat;

use std::collections::BTreeMap;
use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use pulse_model::Nanos;

pub use limit::memory_limit_bytes;
pub use listener::ListenerError;
use stat::{Stat, field_after, page_bytes};

/// The most threads of a process whose switches are read.
const MAX_THREADS: usize = 1024;
/// The most processes of a family that are read; what is beyond is left out.
const MAX_PROCESSES: usize = 1024;

/// A process, told apart from a later one of the same number by when it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The number.
    pub pid: u32,
    /// Clock ticks from the machine's start to the process's.
    start_ticks: u64,
}

/// What a process and its children use at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory; pages that several of them share count for each.
    pub resident_bytes: u64,
    /// CPU time since each was started, user and system, that of ended children included.
    pub cpu: Nanos,
    /// How many processes.
    pub processes: u32,
    /// Their threads.
    pub threads: u64,
}

/// What a process and its children have done; of those that the system lets one see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Switches to another thread because this one waited.
    pub voluntary_switches: u64,
    /// Switches to another thread because this one's time was up.
    pub involuntary_switches: u64,
    /// Bytes read from storage.
    pub read_bytes: u64,
    /// Bytes written to storage.
    pub written_bytes: u64,
}

impl Process {
    /// The process of a number, if there is one.
    pub fn with_pid(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid).filter(Stat::is_running)?;
        Some(Self { pid, start_ticks: stat.start_ticks })
    }

    /// The process that calls this; `None` where there is no `/proc`.
    pub fn current() -> Option<Self> {
        Self::with_pid(std::process::id())
    }

    /// The process that listens on a port of this machine; of several, the one that was first.
    pub fn listening_on(port: u16) -> Result<Self, ListenerError> {
        let holders = listener::holders(port)?;
        holders
            .into_iter()
            .filter_map(|pid| Some((Stat::read(pid)?, pid)))
            .min_by_key(|(stat, pid)| (stat.start_ticks, *pid))
            .map(|(stat, pid)| Self { pid, start_ticks: stat.start_ticks })
            .ok_or(ListenerError::Hidden { port })
    }

    /// Clock ticks from the machine's start to the process's: with the number, what tells it from all others.
    pub fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.is_running() && stat.start_ticks == self.start_ticks)
    }

    /// The process with all its descendants as of now, itself first.
    pub fn family(&self) -> Vec<u32> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for pid in pids() {
            if let Some(stat) = Stat::read(pid) {
                children.entry(stat.parent).or_default().push(pid);
            }
        }
        let mut family = vec![self.pid];
        let mut next = 0;
        while next < family.len() && family.len() < MAX_PROCESSES {
            family.extend(children.remove(&family[next]).unwrap_or_default());
            next += 1;
        }
        family
    }

    /// What the processes of a family use together; `None` once the first of them has ended.
    pub fn usage(&self, family: &[u32]) -> Option<Usage> {
        if !self.is_running() {
            return None;
        }
        let mut usage = Usage::default();
        for &pid in family {
            let Some((stat, pages)) = Stat::read(pid).zip(stat::resident_pages(pid)) else { continue };
            usage.resident_bytes += pages.saturating_mul(page_bytes());
            usage.cpu += stat.cpu;
            usage.threads += stat.threads;
            usage.processes += 1;
        }
        Some(usage)
    }

    /// What the processes of a family have done together; `None` once the first of them has ended.
    pub fn activity(&self, family: &[u32]) -> Option<Activity> {
        if !self.is_running() {
            return None;
        }
        let mut sum = Activity::default();
        for &pid in family {
            let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
            let number = |text: &str, field: &str| field_after(text, field).unwrap_or_default();
            let (voluntary, involuntary) = switches(pid);
            sum.voluntary_switches += voluntary;
            sum.involuntary_switches += involuntary;
            sum.read_bytes += number(&io, "read_bytes:");
            sum.written_bytes += number(&io, "write_bytes:");
        }
        Some(sum)
    }

    /// Open descriptors of a family, of those that the system lets one see. Before Linux 6.2 they have to be counted, which takes a
    /// while where there are thousands.
    pub fn descriptors(&self, family: &[u32]) -> u64 {
        family.iter().map(|pid| descriptors(*pid)).sum()
    }

    /// Memory of a family in which a page that n processes share counts 1/n for each (PSS), so that sums are true. `None` where
    /// the system does not say it of any. This takes milliseconds for a large process: once every ten seconds is often enough.
    pub fn proportional_bytes(&self, family: &[u32]) -> Option<u64> {
        let of = |pid: &u32| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            Some(field_after(&rollup, "Pss:")?.saturating_mul(1024))
        };
        let known: Vec<u64> = family.iter().filter_map(of).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    }

    /// Cores that the process may use: its affinity, as far as the kernel says.
    pub fn cores(&self) -> u32 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let known = list.and_then(stat::count_cores);
        known.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32))
    }
}

/// CPU time as percent of one core between two readings of a process; `None` where no time passed between them.
pub fn cpu_percent(from: (Nanos, Usage), to: (Nanos, Usage)) -> Option<f64> {
    let passed = to.0.since(from.0);
    // A family that loses a member may have used less than before.
    let used = to.1.cpu.since(from.1.cpu);
    (passed > Nanos::ZERO).then(|| 100.0 * used.0 as f64 / passed.0 as f64)
}

/// Voluntary and involuntary switches of all threads. The file `status` of a process is about its first thread alone; the system
/// adds up only for the process itself, ended threads included. Of others, at most 1 024 threads are asked.
fn switches(pid: u32) -> (u64, u64) {
    if pid == std::process::id()
        && let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF)
    {
        let count = |count: i64| count.unsigned_abs();
        return (count(usage.voluntary_context_switches()), count(usage.involuntary_context_switches()));
    }
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten().take(MAX_THREADS);
    threads.fold((0, 0), |(voluntary, involuntary), thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let number = |field| field_after(&status, field).unwrap_or_default();
        (voluntary + number("voluntary_ctxt_switches:"), involuntary + number("nonvoluntary_ctxt_switches:"))
    })
}

/// Open descriptors. Since Linux 6.2 the folder's size is their number, before it has to be counted.
fn descriptors(pid: u32) -> u64 {
    let folder = format!("/proc/{pid}/fd");
    match fs::metadata(&folder).map_or(0, |folder| folder.len()) {
        0 => fs::read_dir(&folder).map_or(0, |entries| entries.count() as u64),
        count => count,
    }
}

fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn what_this_process_uses() {
        let process = Process::current().unwrap();
        let usage = process.usage(&[process.pid]).unwrap();
        assert!(usage.resident_bytes > 100_000 && usage.processes == 1 && usage.threads >= 1, "{usage:?}");
        let activity = process.activity(&[process.pid]).unwrap();
        assert!(activity.voluntary_switches > 0, "{activity:?}");
        let proportional = process.proportional_bytes(&[process.pid]).unwrap();
        assert!(proportional > 100_000, "{proportional}");
        assert!(process.is_running() && process.cores() >= 1);
    }

    #[test]
    fn descriptors_are_those_that_are_open() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let process = Process::with_pid(child.id()).unwrap();
        // Before it is `cat`, it may still hold what this process has open; by its answer it is.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let found = process.descriptors(&[process.pid]);
        assert_eq!(found, fs::read_dir(format!("/proc/{}/fd", process.pid)).unwrap().count() as u64);
        assert!((3..10).contains(&found), "{found}");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn children_belong_to_it_and_an_ended_process_is_seen() {
        let mut child = sleeper();
        let own = Process::current().unwrap();
        assert!(own.family().contains(&child.id()));
        let process = Process::with_pid(child.id()).unwrap();
        assert!(process.usage(&process.family()).is_some());
        let both = own.usage(&[own.pid, child.id()]).unwrap();
        assert_eq!(both.processes, 2);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(process.usage(&[process.pid]), None);
        assert_eq!(process.activity(&[process.pid]), None);
        assert_eq!(process.proportional_bytes(&[process.pid]), None);
        assert_eq!(Process::with_pid(process.pid), None);
    }

    #[test]
    fn switches_of_all_threads_count() {
        let before = Process::current().unwrap().activity(&[std::process::id()]).unwrap();
        // A thread that waits a hundred times for the other one.
        let (ask, asked) = std::sync::mpsc::sync_channel::<()>(0);
        let thread = std::thread::spawn(move || asked.iter().count());
        (0..100).for_each(|_| ask.send(()).unwrap());
        drop(ask);
        assert_eq!(thread.join().unwrap(), 100);
        let after = Process::current().unwrap().activity(&[std::process::id()]).unwrap();
        assert!(after.voluntary_switches >= before.voluntary_switches + 50, "{before:?} {after:?}");
        // From outside, thread by thread.
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        for _ in 0..20 {
            child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        }
        let (voluntary, involuntary) = switches(child.id());
        assert!(voluntary + involuntary > 0);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn who_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(Process::listening_on(port).unwrap(), Process::current().unwrap());
        drop(listener);
        assert_eq!(Process::listening_on(port), Err(ListenerError::Nobody { port }));
    }

    #[test]
    fn percent_of_a_core() {
        let at = |seconds: u64, cpu: u64| {
            (Nanos::from_secs(seconds), Usage { cpu: Nanos::from_millis(cpu), ..Usage::default() })
        };
        for (from, to, percent) in [
            (at(1, 0), at(3, 1000), Some(50.0)),
            (at(1, 500), at(2, 4500), Some(400.0)),
            (at(1, 500), at(2, 400), Some(0.0)),
            (at(1, 0), at(1, 400), None),
        ] {
            assert_eq!(cpu_percent(from, to), percent);
        }
    }
}
