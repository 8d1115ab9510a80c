//! Ctrl-C: once stops gracefully and still reports, twice quits.

use std::io;
use std::thread;

use pulse_engine::StopHandle;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::terminal;

/// Connects the signals of this process with a run.
pub(crate) fn stop_on_signal(stop: &StopHandle) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = stop.clone();
    thread::Builder::new().name("pulse-signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            if stop.is_stopped() {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            terminal::note(
                "\nStopping: running requests may end, then the report follows. Ctrl-C again to quit.",
            );
            stop.stop();
        }
    })?;
    Ok(())
}
