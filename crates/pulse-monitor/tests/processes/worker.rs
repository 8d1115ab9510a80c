//! The processes that the tests are about.

use std::io::{BufRead, Write};
use std::thread;
use std::time::Duration;

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use pulse_monitor::{Config, Group, Monitor};

use crate::service::requests;

/// What every request takes.
pub(crate) const NANOS: u64 = 1000;

pub(crate) fn main(words: &[String]) {
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(1);
    match words[0].as_str() {
        "endless" => endless(number(1)),
        "some" => some(number(1)),
        "forking" => forking(),
        "forking-under-load" => forking_under_load(number(1), number(2)),
        "private" => private(),
        "closing" => closing(),
        "growing" => growing(),
        other => panic!("`{other}` is no role"),
    }
}

fn monitor() -> Monitor {
    Monitor::new(Config { group: Group::FromEnvironment, ..Config::default() })
}

fn record(monitor: &Monitor, count: u64) {
    let endpoint = monitor.endpoint("/");
    (0..count).for_each(|_| endpoint.record(Duration::from_nanos(NANOS), 200));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Waits for a line; `None` at the end.
fn hear() -> Option<String> {
    let mut line = String::new();
    (std::io::stdin().lock().read_line(&mut line).unwrap() > 0).then_some(line)
}

/// Some threads record for ever. Each writes a byte to standard output after each request, as a service answers it.
fn endless(threads: u64) {
    let monitor = monitor();
    monitor.pool("db").set_size(u64::from(std::process::id()));
    thread::scope(|scope| {
        for thread in 0..threads {
            let monitor = monitor.clone();
            scope.spawn(move || {
                let endpoint = monitor.endpoint(&format!("/{thread}"));
                let out = std::io::stdout();
                loop {
                    endpoint.record(Duration::from_nanos(NANOS), 200);
                    // Unbuffered: an acknowledgement that the process still has is none.
                    if nix::unistd::write(&out, b".").is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// Records some requests at each line.
fn some(count: u64) {
    let monitor = monitor();
    monitor.pool("db").set_size(u64::from(std::process::id()));
    record(&monitor, count);
    say("recorded");
    while hear().is_some() {
        record(&monitor, count);
        say("recorded");
    }
}

/// Records, forks, and the child records on.
#[expect(unsafe_code, reason = "it is about forks")]
fn forking() {
    let monitor = monitor();
    monitor.pool("db").set_size(1);
    record(&monitor, 100);
    // SAFETY: the child only does what the library promises to survive; the ticker's thread is the only other one.
    if let ForkResult::Parent { child } = unsafe { fork() }.unwrap() {
        // The parent is killed while it waits.
        waitpid(child, None).unwrap();
        return;
    }
    record(&monitor, 50);
    say(&format!("{}", std::process::id()));
    while hear().is_some() {
        record(&monitor, 50);
        monitor.pool("db").set_size(2);
        say(&format!("{}", requests(&monitor.totals()).count()));
    }
}

/// Forks again and again while other threads record; every child records from two threads of its own.
#[expect(unsafe_code, reason = "it is about forks")]
fn forking_under_load(forks: u64, each: u64) {
    let monitor = monitor();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let recorded: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        // New names and threads, so that forks meet locks that are held.
                        monitor.record_request(
                            &format!("/{}", count % 300),
                            Duration::from_nanos(NANOS),
                            200,
                        );
                        thread::scope(|inner| drop(inner.spawn(|| record(&monitor, 1))));
                        count += 2;
                    }
                    count
                })
            })
            .collect();
        let children: Vec<_> = (0..forks)
            .map(|_| {
                // SAFETY: as above; the child leaves without returning to what it copied.
                match unsafe { fork() }.unwrap() {
                    ForkResult::Parent { child } => child,
                    ForkResult::Child => {
                        thread::scope(|scope| {
                            scope.spawn(|| record(&monitor, each));
                            record(&monitor, each);
                        });
                        // SAFETY: nothing is to be cleaned up.
                        unsafe { libc::_exit(0) }
                    }
                }
            })
            .collect();
        for child in children {
            let status = waitpid(child, None).unwrap();
            assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    say(&format!("{}", recorded + forks * each * 2));
    while hear().is_some() {}
}

/// A monitor of one process, which forks: the child begins at zero.
#[expect(unsafe_code, reason = "it is about forks")]
fn private() {
    let monitor = Monitor::new(Config::default());
    record(&monitor, 100);
    monitor.pool("db").set_size(7);
    let count = |monitor: &Monitor| requests(&monitor.totals()).count();
    // SAFETY: as above.
    if let ForkResult::Parent { child } = unsafe { fork() }.unwrap() {
        waitpid(child, None).unwrap();
        say(&format!("{} {}", count(&monitor), monitor.workers()[0].pid == std::process::id()));
        return;
    }
    let before = count(&monitor);
    record(&monitor, 5);
    let window = requests(&monitor.window(Duration::from_mins(1))).count();
    say(&format!("{before} {} {window} {}", count(&monitor), monitor.workers()[0].pid == std::process::id()));
}

/// Does what hosts do that want to be rid of inherited descriptors: closes all, its own included, and opens others.
fn closing() {
    let monitor = monitor();
    record(&monitor, 10);
    for descriptor in 3..1024 {
        let _ = nix::unistd::close(descriptor);
    }
    let others: Vec<_> = (0..64).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    // A new thread and a new endpoint need the registry, and that its file.
    thread::scope(|scope| {
        scope.spawn(|| monitor.record_request("/new", Duration::from_nanos(NANOS), 200));
    });
    say("recorded");
    while hear().is_some() {
        record(&monitor, 10);
        say("recorded");
    }
    drop(monitor);
    // Whatever has the numbers now is not closed with the monitor.
    assert!(others.iter().all(|file| file.metadata().is_ok()));
}

/// Records under more and more names, until there is no memory for more; then under the first one.
fn growing() {
    let monitor = monitor();
    let mut count = 0_u64;
    for name in 0..2000 {
        monitor.record_request(&format!("/{name}"), Duration::from_nanos(NANOS), 200);
        count += 1;
    }
    record(&monitor, 1);
    let totals = monitor.totals();
    let recorded = requests(&totals).count();
    say(&format!("{} {recorded} {}", count + 1, crate::service::dropped(&totals)));
    monitor.warnings().iter().for_each(|warning| say(warning));
}
