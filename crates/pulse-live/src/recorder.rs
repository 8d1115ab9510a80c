//! Writes the event stream of a job to a file.

use std::io::{self, Write};

use pulse_model::RunEvent;
use serde::{Deserialize, Serialize};

use crate::Output;

/// The `format` of a recording's first line.
pub const FORMAT: &str = "pulse-run";
/// The version of recordings that this release writes, and the newest it reads.
pub const VERSION: u32 = 1;

/// The first line of a recording.
#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) format: String,
    pub(crate) version: u32,
}

/// Writes a recording: JSON Lines, first `{"format":"pulse-run","version":1}`, then one event per line.
///
/// Every event is written at once and flushed, so that the file of a killed process can be read up to its last event.
pub struct Recorder<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording. Fails when writing does, for example on a full disk.
    pub fn new(out: W) -> io::Result<Self> {
        let mut recorder = Self { out, line: Vec::new() };
        recorder.write(&Head { format: FORMAT.to_owned(), version: VERSION })?;
        Ok(recorder)
    }

    fn write(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        self.out.flush()
    }
}

impl<W: Write + Send> Output for Recorder<W> {
    fn event(&mut self, event: &RunEvent) -> io::Result<()> {
        self.write(event)
    }
}
