//! Shows a running job, and keeps it: every consumer of the event stream.
//!
//! - [`Output`] is a consumer; [`Hub`] feeds several, each on a thread of its own, so that none disturbs the load.
//! - [`TerminalView`] is the live view at a terminal, [`ProgressLines`] what a log gets instead.
//! - [`charts`] draws a finished job as lines of text for a terminal.
//! - [`Recorder`] writes a recording (`.pulse`); [`Replay`] and [`read_recording`] read it back.
//! - [`Server`] answers `/metrics`, `/api/summary` and `/healthz` about a running job; [`SlidingWindow`] is its last part, [`Windows`] are several.
//! - [`ViewState`] is what the live view shows, as plain data; [`draw`] puts it on a frame.
//!
//! ```
//! use pulse_live::{Hub, ProgressLines, Recorder, read_recording};
//! use pulse_model::{EventKind, Nanos, RunEvent, Summary};
//!
//! let finished = RunEvent { at: Nanos::ZERO, kind: EventKind::Finished(Box::new(Summary::default())) };
//!
//! let mut hub = Hub::new();
//! hub.add("progress", ProgressLines::new(std::io::sink()))?;
//! hub.send(finished.clone());
//! assert!(hub.close().iter().all(|report| report.error.is_none()));
//!
//! let mut file = Vec::new();
//! pulse_live::Output::event(&mut Recorder::new(&mut file)?, &finished)?;
//! assert_eq!(read_recording(file.as_slice())?.events, [finished]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does *not* do: no raw mode and no signal handling (Ctrl-C belongs to the program), no masking of secrets (events
//! come masked), no reports (see `pulse-report`), no rebuilding of a summary that a recording lacks.

mod charts;
mod hub;
mod inline_block;
mod monitor_state;
mod monitor_view;
mod output;
mod progress_lines;
mod recorder;
mod recording;
mod server;
mod shown;
mod sliding_window;
mod styled_row;
mod terminal_view;
mod view;
mod view_state;
mod window;
mod windows;

#[cfg(test)]
mod canned;

pub use charts::charts;
pub use hub::{Hub, OutputReport};
pub use output::Output;
pub use progress_lines::ProgressLines;
pub use recorder::{FORMAT, Recorder, VERSION};
pub use recording::{Recording, RecordingError, Replay, read_recording};
pub use server::{Feed, Server, ServerConfig, ServerError, WindowFeed};
pub use sliding_window::SlidingWindow;
pub use terminal_view::TerminalView;
pub use view::draw;
pub use view_state::ViewState;
pub use windows::Windows;
