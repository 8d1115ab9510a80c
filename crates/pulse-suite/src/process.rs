//! The service's process: finding it. Reading its memory and CPU time, those of its children included, is
//! [`pulse_monitor::Process`]'s.

use std::fs;
use std::path::Path;

use pulse_monitor::{ListenerError, Process};
use pulse_plan::ProcessSelector;
use url::{Host, Url};

/// The longest pid file that is read, in bytes.
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

/// The process that a suite names; `started` is the one that the suite has started.
pub fn find_process(
    selector: &ProcessSelector,
    url: &str,
    started: Option<u32>,
) -> Result<Process, ProcessError> {
    if !Path::new("/proc/self/stat").exists() {
        return Err(ProcessError::NoProc);
    }
    match selector {
        ProcessSelector::Started => with_pid(started.ok_or(ProcessError::NotStarted)?),
        ProcessSelector::Pid(pid) => with_pid(*pid),
        ProcessSelector::PidFile(path) => with_pid(read_pid_file(path)?),
        ProcessSelector::Port => match started {
            Some(pid) => with_pid(pid),
            None => listening_at(url),
        },
    }
}

fn with_pid(pid: u32) -> Result<Process, ProcessError> {
    Process::with_pid(pid).ok_or(ProcessError::NoProcess { pid })
}

/// The process that listens on the port of a URL of this machine.
fn listening_at(url: &str) -> Result<Process, ProcessError> {
    let (host, port) = host_and_port(url);
    if !is_local(&host) {
        return Err(ProcessError::Remote { host });
    }
    Process::listening_on(port).map_err(|error| match error {
        ListenerError::Nobody { port } => ProcessError::NoListener { port },
        ListenerError::Hidden { port } => ProcessError::Hidden { port },
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn finds_who_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let process = find_process(&ProcessSelector::Port, &url, None).unwrap();
        assert_eq!(process.pid, std::process::id());
        drop(listener);
        assert!(matches!(listening_at(&url), Err(ProcessError::NoListener { .. })));
        assert!(matches!(listening_at("http://example.com"), Err(ProcessError::Remote { .. })));
        assert!(matches!(find_process(&ProcessSelector::Started, &url, None), Err(ProcessError::NotStarted)));
    }

    #[test]
    fn pid_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.pid").to_str().unwrap().to_owned();
        let find = || find_process(&ProcessSelector::PidFile(path.clone()), "http://127.0.0.1", None);
        assert!(matches!(find(), Err(ProcessError::PidFile { .. })));
        fs::write(&path, "not a number").unwrap();
        assert!(find().unwrap_err().to_string().contains("`not a number`"));
        fs::write(&path, format!(" {}\n", std::process::id())).unwrap();
        assert_eq!(find().unwrap().pid, std::process::id());
        fs::write(&path, "4194304999").unwrap();
        assert!(matches!(find(), Err(ProcessError::PidFile { .. } | ProcessError::NoProcess { .. })));
    }
}
