//! The thread that looks at every monitor once a second. It is started when something is first recorded, and again in the
//! child of a fork; it ends when there is no monitor left.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::SigSet;

use crate::{clock, fork};

static IS_RUNNING: AtomicBool = AtomicBool::new(false);

const SECOND: u64 = 1_000_000_000;

/// Starts the thread unless it runs. Where no thread can be had, windows move on only when they are asked for.
#[cold]
pub(crate) fn ensure_running() {
    if IS_RUNNING.swap(true, Ordering::AcqRel) {
        return;
    }
    if spawn("pulse-monitor", run).is_err() {
        IS_RUNNING.store(false, Ordering::Release);
    }
}

/// Starts a thread that gets no signals: those are for the threads of the host.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // The new thread inherits a mask that blocks all of them.
    let mask = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK);
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    if let Ok(mask) = mask {
        let _ = mask.thread_set_mask();
    }
    spawned.map(drop)
}

/// In the child of a fork: the thread stayed with the parent.
pub(crate) fn became_child() {
    IS_RUNNING.store(false, Ordering::Release);
}

fn run() {
    loop {
        thread::sleep(Duration::from_nanos(SECOND - clock::now().0 % SECOND));
        let cores = fork::cores(|| IS_RUNNING.store(false, Ordering::Release));
        if cores.is_empty() {
            return;
        }
        cores.iter().for_each(|core| core.tick());
    }
}
