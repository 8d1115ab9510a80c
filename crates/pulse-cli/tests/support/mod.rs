//! Runs the real binary and reads what it leaves behind.
#![allow(dead_code, clippy::allow_attributes, reason = "every test file compiles this and uses its part")]

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pulse_demo::{DemoConfig, DemoServer};
use pulse_testkit::{Discipline, Law, QueueServer, Script, ScriptedServer, ServiceLaw, Step};
use serde_json::Value;

/// After this a run is taken to hang: no run here lasts more than a few seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// Attempts at a run whose verdict matters, on a machine that is busy with other tests.
const ATTEMPTS: usize = 5;
/// An answer after which the connection goes on.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Fails unless the program ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as a JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.stdout);
        parsed.unwrap_or_else(|error| panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// Fails unless standard error contains all of these.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is missing in stderr:\n{}", self.stderr);
        }
        self
    }
}

/// A run under way.
pub(crate) struct Running {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    /// What it has said so far, on both streams.
    said: Arc<Said>,
}

/// What a program says while it runs.
#[derive(Default)]
struct Said {
    text: Mutex<String>,
    more: Condvar,
}

impl Running {
    /// Starts a command with its output collected.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let said = Arc::new(Said::default());
        let stdout = collected(child.stdout.take().expect("it is piped"), Arc::clone(&said));
        let stderr = collected(child.stderr.take().expect("it is piped"), Arc::clone(&said));
        Self { child, stdout, stderr, said }
    }

    /// Starts a command and waits until it has said this.
    #[track_caller]
    pub(crate) fn start_until(command: &mut Command, marker: &str) -> Self {
        let running = Self::start(command);
        let text = running.said.text.lock().expect("no reader panics");
        let is_missing = |text: &mut String| !text.contains(marker);
        let (text, waited) =
            running.said.more.wait_timeout_while(text, PATIENCE, is_missing).expect("no reader panics");
        assert!(!waited.timed_out(), "{marker:?} was not said in\n{text}");
        drop(text);
        running
    }

    /// What it has said so far, on both streams.
    pub(crate) fn so_far(&self) -> String {
        self.said.text.lock().expect("no reader panics").clone()
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, for example `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("there is a kill");
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Outcome {
        // A thread that waits beside the guard, so that a program that hangs fails its test instead of the whole suite.
        let id = self.child.id().to_string();
        let (done, ended) = mpsc::channel::<()>();
        let guard = thread::spawn(move || {
            let hangs = ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            if hangs {
                Command::new("kill").args(["-KILL", &id]).status().expect("there is a kill");
            }
            hangs
        });
        let status = self.child.wait().expect("a child can be waited for");
        drop(done);
        let hung = guard.join().expect("the guard does not panic");
        let [stdout, stderr] =
            [self.stdout, self.stderr].map(|pipe| pipe.join().expect("the reader does not panic"));
        assert!(!hung, "the program hung\nstdout:\n{stdout}\nstderr:\n{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        Outcome { code: status.code(), stdout, stderr }
    }
}

fn collected(mut pipe: impl Read + Send + 'static, said: Arc<Said>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let length = pipe.read(&mut piece).expect("a pipe can be read");
            if length == 0 {
                break;
            }
            bytes.extend_from_slice(&piece[..length]);
            said.text.lock().expect("no reader panics").push_str(&String::from_utf8_lossy(&piece[..length]));
            said.more.notify_all();
        }
        String::from_utf8(bytes).expect("the program writes UTF-8")
    })
}

/// The program, not yet started: that of this build, or the one that `PULSE_TEST_BINARY` names.
pub(crate) fn pulse(arguments: &[&str]) -> Command {
    let program = std::env::var_os("PULSE_TEST_BINARY");
    let mut command = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_pulse").into()));
    command
        .args(arguments)
        .env_remove("PULSE_DEMO_URL")
        .env_remove("STAGE")
        .env_remove("GITHUB_STEP_SUMMARY");
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    Running::start(&mut pulse(arguments)).finish()
}

/// Runs the program in a folder.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Outcome {
    Running::start(pulse(arguments).current_dir(folder)).finish()
}

/// Repeats a run as long as it says that the machine was too busy to measure, which is not what the test is about.
pub(crate) fn calm(mut attempt: impl FnMut() -> Outcome) -> Outcome {
    let mut outcome = attempt();
    for _ in 1..ATTEMPTS {
        let said = |sign: &str| outcome.stdout.contains(sign) || outcome.stderr.contains(sign);
        let busy = [
            "too busy to keep the schedule",
            "the hypervisor gave",
            "of a core: the generator",
            "a worker stood still",
        ];
        if outcome.code != Some(98) || !busy.into_iter().any(said) {
            break;
        }
        outcome = attempt();
    }
    outcome
}

/// Runs `pulse load` against a URL and returns the JSON report, whatever its verdict.
#[track_caller]
pub(crate) fn load(url: &str, flags: &[&str]) -> Value {
    let outcome = run(&[&["load", "--quiet", "--out", "json=-", url], flags].concat());
    assert!(matches!(outcome.code, Some(0 | 98 | 99)), "{outcome:?}");
    outcome.json()
}

/// A JSON report in a file.
#[track_caller]
pub(crate) fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a report is JSON")
}

/// The demo API at a free port.
pub(crate) fn demo() -> DemoServer {
    let listen = ([127, 0, 0, 1], 0).into();
    DemoServer::start(DemoConfig { listen, trades: 500, ..DemoConfig::default() }).expect("the demo starts")
}

/// A server that answers everything with 200 after so many milliseconds: slow enough for verdicts not to depend on a
/// machine that runs other tests.
pub(crate) fn steady(answer_ms: u64) -> QueueServer {
    QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Fixed(Duration::from_millis(answer_ms))))
}

/// A server that answers every request in the same way and keeps what it got.
pub(crate) fn answering(answer: &str) -> ScriptedServer {
    ScriptedServer::start(Script::each(vec![Step::ReadRequest, Step::send(answer), Step::Loop]))
}

/// The requests that a scripted server got, as text.
pub(crate) fn requests(server: &ScriptedServer) -> Vec<String> {
    server.requests().iter().map(|request| String::from_utf8_lossy(request).into_owned()).collect()
}
