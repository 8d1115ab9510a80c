//! What disturbs a run is named by its verdict, and nothing is named when nothing disturbs it: real faults, injected beside
//! the real program.
//!
//! `PULSE_TEST_FAULTS=12` injects each fault so many times, `PULSE_TEST_CLEAN=100` makes so many runs without any; `cargo xtask
//! bench validity` does both with a release build and shows what was named.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use pulse_testkit::SilentAddress;
use serde_json::Value;
use support::{Running, demo, load, pulse, steady};

/// Faults of one kind that may go unnamed, of so many.
const MISSES: (u32, u32) = (1, 12);
/// Share of the machine that others may use in a run that counts as clean.
const QUIET: f64 = 0.25;
/// Share of the machine from which on a run is told among those that the hypervisor disturbed.
const STEAL: f64 = 0.01;

/// Held by the test that runs: a fault must not be named in the run of another test, nor disturb a clean one.
static MACHINE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A test that failed leaves nothing behind that the next one would see.
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The signs of the faults that are injected here.
const FAULTS: [&str; 4] = ["cpu_wait", "worker_stopped", "exhaustion", "listen_drops"];

fn count(variable: &str) -> u32 {
    std::env::var(variable).map_or(1, |count| count.parse().expect("a number of runs"))
}

/// The codes of the signs in a report, and all messages.
fn signs(report: &Value) -> (Vec<String>, String) {
    let reasons = report["validity"]["reasons"].as_array().expect("a report has reasons");
    let text = |reason: &Value, key: &str| reason[key].as_str().expect("reasons are texts").to_owned();
    let codes = reasons.iter().map(|reason| text(reason, "code")).collect();
    (codes, reasons.iter().map(|reason| text(reason, "message") + "\n").collect())
}

/// Injects a fault; fails unless the verdict names it by this code and these words.
#[track_caller]
#[expect(clippy::print_stdout, reason = "the benchmark of validity reads the row")]
fn assert_named(fault: &str, code: &str, words: &str, mut inject: impl FnMut() -> Value) {
    let runs = count("PULSE_TEST_FAULTS");
    let (mut named, mut besides, mut last) = (0, BTreeMap::<String, u32>::new(), String::new());
    for _ in 0..runs {
        let report = inject();
        let (codes, messages) = signs(&report);
        named += u32::from(codes.iter().any(|sign| sign == code) && messages.contains(words));
        codes.into_iter().filter(|sign| sign != code).for_each(|sign| *besides.entry(sign).or_default() += 1);
        last = format!("{:#}\n{}", report["validity"], report["errors"]);
    }
    let besides: Vec<String> = besides.iter().map(|(sign, times)| format!("`{sign}` {times}")).collect();
    println!("\n| {fault} | {runs} | `{code}` | {named} | {} |", besides.join(", "));
    let (misses, of) = MISSES;
    assert!((runs - named) * of <= misses * runs, "{fault}: named in {named} of {runs}; the last:\n{last}");
}

/// Keeps all cores busy many times over until it is dropped.
struct Hog {
    stop: &'static AtomicBool,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Hog {
    fn start(threads_per_core: usize) -> Self {
        let stop: &AtomicBool = Box::leak(Box::default());
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let spin = || {
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        let threads = (0..cores * threads_per_core).map(|_| thread::spawn(spin)).collect();
        Self { stop, threads }
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[test]
fn other_programs_on_the_same_cores() {
    let _alone = alone();
    assert_named("other programs on all cores", "cpu_wait", "waited for a core", || {
        let server = demo();
        let _hog = Hog::start(4);
        let flags = ["--users", "20", "--pace", "0", "--duration", "2", "--workers", "2"];
        load(&server.url(), &flags)
    });
}

#[test]
fn a_process_that_is_stopped() {
    let _alone = alone();
    assert_named("the process is stopped for 500 ms", "worker_stopped", "stood still", || {
        let server = steady(2);
        let url = server.url();
        let line = ["load", "-q", "-o", "json=-", &url, "--users", "5", "--pace", "20", "--duration", "4"];
        let running = Running::start(&mut pulse(&line));
        while server.counts().requests < 50 {
            thread::yield_now();
        }
        running.signal("STOP");
        // The fault itself, not a wait for something.
        thread::sleep(Duration::from_millis(500));
        running.signal("CONT");
        running.finish().json()
    });
}

/// The program behind a line of shell that prepares its surroundings.
fn prepared(prefix: &[&str], preparation: &str, line: &[&str]) -> Value {
    let program = pulse(line);
    let mut command = Command::new(prefix.first().unwrap_or(&"sh"));
    let shell = if prefix.is_empty() { &[][..] } else { &["sh"] };
    command.args(prefix.iter().skip(1)).args(shell).args([
        "-c",
        &format!("{preparation} && exec \"$@\""),
        "sh",
    ]);
    command.arg(program.get_program()).args(program.get_args());
    let folder = tempfile::tempdir().unwrap();
    Running::start(command.current_dir(folder.path())).finish().json()
}

#[test]
fn a_limit_of_descriptors() {
    let _alone = alone();
    let server = steady(2000);
    assert_named("a limit of 100 descriptors", "exhaustion", "file descriptors", || {
        let url = server.url();
        let load = ["load", "-q", "-o", "json=-", &url, "--rate", "100", "--duration", "3"];
        prepared(&[], "ulimit -n 100", &load)
    });
}

#[test]
fn a_narrow_range_of_ports() {
    let _alone = alone();
    let narrow = "ip link set lo up && echo '40000 40009' > /proc/sys/net/ipv4/ip_local_port_range";
    let namespace = ["unshare", "-rn"];
    let possible = Command::new("unshare")
        .args(["-rn", "sh", "-c", narrow])
        .output()
        .is_ok_and(|tried| tried.status.success());
    if !possible {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no network namespace, and CI must have it");
        println!(
            "SKIPPED: no network namespace of its own; as root, or with user namespaces and `ip`, it runs"
        );
        return;
    }
    assert_named("10 local ports", "exhaustion", "local ports", || {
        prepared(&namespace, narrow, &["demo", "-q", "-o", "json=-", "--users", "40", "--duration", "2"])
    });
}

#[test]
fn a_listener_that_does_not_accept() {
    let _alone = alone();
    assert_named("a listener with a full queue", "listen_drops", "dropped by listeners", || {
        let listener = SilentAddress::with_backlog(1);
        let url = format!("http://{}/", listener.address());
        let flags = ["--users", "10", "--duration", "3", "--timeout", "2s", "--connect-timeout", "1500ms"];
        load(&url, &flags)
    });
}

/// CPU time of the whole machine in hundredths of a second: all, busy, that of the children of this process, and what the
/// hypervisor gave to other machines.
fn machine() -> Option<[f64; 4]> {
    let numbers =
        |text: &str| -> Vec<f64> { text.split_whitespace().filter_map(|word| word.parse().ok()).collect() };
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let all = numbers(stat.lines().next()?);
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    let own = numbers(own.rsplit_once(") S ").or_else(|| own.rsplit_once(") R "))?.1);
    let total: f64 = all.iter().take(8).sum();
    Some([total, total - all.get(3)? - all.get(4)?, own.get(12)? + own.get(13)?, *all.get(7)?])
}

#[test]
fn nothing_is_named_when_nothing_disturbs() {
    let _alone = alone();
    let (runs, is_counted) = (count("PULSE_TEST_CLEAN"), std::env::var_os("PULSE_TEST_CLEAN").is_some());
    let mut alarms = Vec::new();
    // Runs that nothing disturbed, in which others used the machine, and in which its hypervisor gave it to others.
    let mut kinds: [(u32, BTreeMap<String, u32>); 3] = Default::default();
    for _ in 0..3 * runs {
        if kinds[0].0 == runs {
            break;
        }
        let before = machine();
        let report = prepared(&[], "true", &["demo", "-q", "-o", "json=-", "--duration", "3"]);
        let [others, steal] = before.zip(machine()).map_or([0.0; 2], |(before, after)| {
            let [all, busy, own, stolen] = [0, 1, 2, 3].map(|place| after[place] - before[place]);
            [busy - own, stolen].map(|time| time / all.max(1.0))
        });
        let (codes, messages) = signs(&report);
        // Whether a build for tests keeps its schedule to 10 % of an answer is up to the machine; where runs are
        // counted, every sign is an alarm, the hypervisor's doing as well: the table only tells whose it was.
        let counts = |code: &String| is_counted || FAULTS.contains(&code.as_str());
        if others < QUIET && codes.iter().any(counts) {
            alarms.push(messages);
        }
        let kind = match (others >= QUIET, steal >= STEAL) {
            (false, false) => 0,
            (true, _) => 1,
            (false, true) => 2,
        };
        kinds[kind].0 += 1;
        codes.into_iter().for_each(|sign| *kinds[kind].1.entry(sign).or_default() += 1);
    }
    let names = [
        "nothing else on the machine",
        "others use a quarter of it or more",
        "the hypervisor takes 1 % of it or more",
    ];
    for (name, (count, blamed)) in names.into_iter().zip(kinds) {
        let blamed: Vec<String> = blamed.iter().map(|(sign, times)| format!("`{sign}` {times}")).collect();
        println!("\n| none, {name} | {count} | | | {} |", blamed.join(", "));
    }
    assert!(alarms.is_empty(), "{alarms:#?}");
}
