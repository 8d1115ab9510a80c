//! The seam between a summary and its many forms.

use std::io;

use pulse_model::Summary;

/// Renders a summary. The same summary always gives the same bytes.
pub trait Reporter {
    /// Writes the whole report to `out`. Fails only when writing does.
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()>;
}
