//! The service's process: finding it, and reading its memory and CPU time, those of its children included.
//!
//! Everything comes from `/proc`, so that it works on Linux only and needs no privileges for processes of the same user.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pulse_model::Nanos;
use pulse_plan::ProcessSelector;
use url::{Host, Url};

/// The most processes of a service that are read; what is beyond is left out.
const MAX_PROCESSES: usize = 1024;
/// The longest file of `/proc` or pid file that is read, in bytes.
const MAX_PID_FILE_BYTES: u64 = 64;

/// Why the service's process cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no `/proc`.
    #[error("memory and CPU time of a process can be read on Linux only")]
    NoProc,
    /// The service is on another machine.
    #[error("{host} is not this machine: memory and CPU time can be read only where the service runs")]
    Remote {
        /// The host of the service's URL.
        host: String,
    },
    /// Nobody listens.
    #[error("no process listens on port {port}: is the service running? Else name it with pid or pid_file")]
    NoListener {
        /// The port of the service's URL.
        port: u16,
    },
    /// Somebody listens, but who it is cannot be seen.
    #[error(
        "the process that listens on port {port} belongs to somebody else: run as the same user, or name it with pid"
    )]
    Hidden {
        /// The port of the service's URL.
        port: u16,
    },
    /// There is no such process.
    #[error("there is no process {pid}: is the service running?")]
    NoProcess {
        /// The number.
        pid: u32,
    },
    /// The file with the number cannot be used.
    #[error("the pid file {path} cannot be used: {reason}")]
    PidFile {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The suite starts no process.
    #[error("the suite starts no service: give it start = \"…\", or name the process with pid or pid_file")]
    NotStarted,
}

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
}

impl Process {
    /// The process that a suite names; `started` is the one that the suite has started.
    pub fn find(selector: &ProcessSelector, url: &str, started: Option<u32>) -> Result<Self, ProcessError> {
        if !Path::new("/proc/self/stat").exists() {
            return Err(ProcessError::NoProc);
        }
        match selector {
            ProcessSelector::Started => Self::with_pid(started.ok_or(ProcessError::NotStarted)?),
            ProcessSelector::Pid(pid) => Self::with_pid(*pid),
            ProcessSelector::PidFile(path) => Self::with_pid(read_pid_file(path)?),
            ProcessSelector::Port => match started {
                Some(pid) => Self::with_pid(pid),
                None => Self::listening_at(url),
            },
        }
    }

    /// The process of a number.
    pub fn with_pid(pid: u32) -> Result<Self, ProcessError> {
        let stat = Stat::read(pid).filter(Stat::is_running).ok_or(ProcessError::NoProcess { pid })?;
        Ok(Self { pid, start_ticks: stat.start_ticks })
    }

    /// The process that listens on the port of a URL of this machine; of several, the one that was first.
    pub fn listening_at(url: &str) -> Result<Self, ProcessError> {
        let (host, port) = host_and_port(url);
        if !is_local(&host) {
            return Err(ProcessError::Remote { host });
        }
        let sockets = listening_sockets(port);
        if sockets.is_empty() {
            return Err(ProcessError::NoListener { port });
        }
        let holders = pids().into_iter().filter(|&pid| holds_any(pid, &sockets));
        holders
            .filter_map(|pid| Some((Stat::read(pid)?, pid)))
            .min_by_key(|(stat, pid)| (stat.start_ticks, *pid))
            .map(|(stat, pid)| Self { pid, start_ticks: stat.start_ticks })
            .ok_or(ProcessError::Hidden { port })
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
        let page_bytes = rustix::param::page_size() as u64;
        for &pid in family {
            let Some((stat, pages)) = Stat::read(pid).zip(resident_pages(pid)) else { continue };
            usage.resident_bytes += pages * page_bytes;
            usage.cpu += stat.cpu;
            usage.processes += 1;
        }
        Some(usage)
    }

    /// Cores that the process may use: its affinity, as far as the kernel says.
    pub fn cores(&self) -> u32 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        list.and_then(count_cores).unwrap_or_else(pulse_engine::cores)
    }
}

/// Counts `0-3,8`.
fn count_cores(list: &str) -> Option<u32> {
    let mut count = 0_u32;
    for range in list.trim().split(',') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        count = count.checked_add(to.checked_sub(from)?.checked_add(1)?)?;
    }
    (count > 0).then_some(count)
}

fn read_pid_file(path: &str) -> Result<u32, ProcessError> {
    let fail = |reason: String| ProcessError::PidFile { path: path.to_owned(), reason };
    let size_bytes = fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
    if size_bytes > MAX_PID_FILE_BYTES {
        return Err(fail(format!("it has {size_bytes} bytes; the number of a process is expected")));
    }
    let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    text.trim().parse().map_err(|_| fail(format!("`{}` is not the number of a process", text.trim())))
}

fn host_and_port(url: &str) -> (String, u16) {
    match Url::parse(url) {
        Ok(url) => {
            (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default().unwrap_or_default())
        }
        Err(_) => (url.to_owned(), 0),
    }
}

fn is_local(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Ok(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        Ok(Host::Domain(name)) => name == "localhost" || is_own_name(&name),
        Err(_) => false,
    }
}

fn is_own_name(name: &str) -> bool {
    fs::read_to_string("/proc/sys/kernel/hostname").is_ok_and(|own| own.trim().eq_ignore_ascii_case(name))
}

/// Inodes of the sockets that listen on a port.
fn listening_sockets(port: u16) -> Vec<u64> {
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening_inode(line, port)).collect::<Vec<_>>())
        .collect()
}

/// The inode of a line of `/proc/net/tcp` if it listens (state 0A) on the port: the second field is the local address in
/// hexadecimal, the fourth the state, the tenth the inode.
fn listening_inode(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let (_, local_port) = fields.nth(1)?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let found = u16::from_str_radix(local_port, 16) == Ok(port) && state == "0A";
    if found { inode.parse().ok() } else { None }
}

fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn holds_any(pid: u32, sockets: &[u64]) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| {
        let inode =
            link.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        inode.is_some_and(|inode: u64| sockets.contains(&inode))
    })
}

/// Resident pages: the second field of `statm`.
fn resident_pages(pid: u32) -> Option<u64> {
    fs::read_to_string(format!("/proc/{pid}/statm")).ok()?.split_whitespace().nth(1)?.parse().ok()
}

/// What is needed of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: u32,
    start_ticks: u64,
    cpu: Nanos,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Fields after the name, which stands in parentheses and may hold anything: state (3), parent (4), utime (14),
    /// stime (15), cutime (16), cstime (17), start time (22).
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| -> Option<u64> { fields.get(field - 3)?.parse().ok() };
        let ticks: u64 = (14..=17).map(number).sum::<Option<u64>>()?;
        let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: u32::try_from(number(4)?).ok()?,
            start_ticks: number(22)?,
            cpu: Nanos(ticks.saturating_mul(tick)),
        })
    }

    /// Not a zombie: one of those has ended, and only its parent has not asked for the result yet.
    fn is_running(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn lines_of_proc() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0";
        assert_eq!(listening_inode(line, 8080), Some(4242));
        assert_eq!(listening_inode(line, 8081), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 8080), None);
        let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(listening_inode(header, 8080), None);
        let stat = "17 (a ) b) S 4 17 17 0 -1 0 0 0 0 0 100 50 7 3 20 0 1 0 9000 1 2";
        let parsed = Stat::parse(stat).unwrap();
        assert_eq!((parsed.state, parsed.parent, parsed.start_ticks), ('S', 4, 9000));
        assert_eq!(parsed.cpu, Nanos(160 * 1_000_000_000 / rustix::param::clock_ticks_per_second()));
        assert_eq!(Stat::parse("17 (x) S"), None);
        for (list, cores) in
            [("0-3", Some(4)), (" 0-1,8\n", Some(3)), ("5", Some(1)), ("", None), ("3-1", None)]
        {
            assert_eq!(count_cores(list), cores, "{list:?}");
        }
    }

    #[test]
    fn finds_who_listens_and_what_it_uses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let process = Process::find(&ProcessSelector::Port, &url, None).unwrap();
        assert_eq!(process.pid, std::process::id());
        let usage = process.usage(&[process.pid]).unwrap();
        assert!(usage.resident_bytes > 100_000 && usage.processes == 1, "{usage:?}");
        assert!(process.is_running() && process.cores() >= 1);
        drop(listener);
        assert!(matches!(Process::listening_at(&url), Err(ProcessError::NoListener { .. })));
        assert!(matches!(Process::listening_at("http://example.com"), Err(ProcessError::Remote { .. })));
        assert!(matches!(
            Process::find(&ProcessSelector::Started, &url, None),
            Err(ProcessError::NotStarted)
        ));
    }

    #[test]
    fn pid_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.pid").to_str().unwrap().to_owned();
        let find = || Process::find(&ProcessSelector::PidFile(path.clone()), "http://127.0.0.1", None);
        assert!(matches!(find(), Err(ProcessError::PidFile { .. })));
        fs::write(&path, "not a number").unwrap();
        assert!(find().unwrap_err().to_string().contains("`not a number`"));
        fs::write(&path, format!(" {}\n", std::process::id())).unwrap();
        assert_eq!(find().unwrap().pid, std::process::id());
        fs::write(&path, "4194304999").unwrap();
        assert!(matches!(find(), Err(ProcessError::NoProcess { .. })));
    }

    #[test]
    fn children_belong_to_it_and_an_ended_process_is_seen() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let own = Process::with_pid(std::process::id()).unwrap();
        assert!(own.family().contains(&child.id()));
        let process = Process::with_pid(child.id()).unwrap();
        assert!(process.usage(&process.family()).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(process.usage(&[process.pid]), None);
        assert!(Process::with_pid(process.pid).is_err());
    }
}
