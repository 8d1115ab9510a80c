//! Ctrl-C: once stops gracefully, twice quits.

use std::io;
use std::thread;

use pulse_engine::StopHandle;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::terminal;

/// Connects the signals of this process with a run; `announcement` tells people
/// what happens at the first one, unless somebody else does.
pub(crate) fn stop_on_signal(stop: &StopHandle, announcement: Option<&'static str>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = stop.clone();
    thread::Builder::new().name("pulse-signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            if stop.is_stopped() {
                // The cursor may stand behind the `^C` that the terminal shows.
                terminal::note("");
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            if let Some(text) = announcement {
                terminal::note(&format!("\n{text}"));
            }
            stop.stop();
        }
    })?;
    Ok(())
}
