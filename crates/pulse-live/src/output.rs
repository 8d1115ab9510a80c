//! The seam between a running job and those who watch it.

use std::io;

use pulse_model::RunEvent;

/// Consumes the events of a job. After an error it gets no more of them.
pub trait Output: Send {
    /// Takes the next event.
    fn event(&mut self, event: &RunEvent) -> io::Result<()>;

    /// Called several times a second while there are no events, for outputs that show the passing of time.
    fn tick(&mut self) -> io::Result<()> {
        Ok(())
    }
}
