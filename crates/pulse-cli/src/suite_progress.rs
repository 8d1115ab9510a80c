//! What people see while a suite runs: the line of each case as it ends, and at a terminal the running one.

use pulse_model::{EventKind, Histogram, Nanos, RunEvent, Series, metric};
use pulse_report::{Detail, SuiteText, number};
use pulse_suite::SuiteEvent;

use crate::terminal::{Stream, note};

/// Returns to the beginning of the line and clears it.
const CLEAR: &str = "\r\u{1b}[K";

/// Columns of a terminal that does not tell how many it has.
const NARROW: usize = 79;

/// Time between two lines about a running case where there is no terminal.
const PACE: Nanos = Nanos::from_secs(10);

/// Prints the progress of a suite.
#[derive(Debug)]
pub(crate) struct SuiteProgress {
    stream: Stream,
    text: SuiteText,
    /// The case that runs, where a status line tells of it.
    running: Option<Running>,
    has_status: bool,
    is_quiet: bool,
}

#[derive(Debug)]
struct Running {
    title: String,
    times: Histogram,
    /// When the next line is due.
    next_line: Nanos,
}

impl Running {
    fn new(title: String) -> Self {
        Self { title, times: Histogram::default(), next_line: PACE }
    }

    /// Whether it is time for a line again.
    fn is_line_due(&mut self, at: Nanos) -> bool {
        let is_due = at >= self.next_line;
        if is_due {
            self.next_line = Nanos(at.0 - at.0 % PACE.0 + PACE.0);
        }
        is_due
    }
}

impl SuiteProgress {
    /// Prints to a stream; the status line appears only at a terminal.
    pub(crate) fn new(stream: Stream, text: SuiteText) -> Self {
        let is_quiet = text.detail == Detail::Quiet;
        // The table of benchmarks has no lines of cases, but whoever waits for it wants to see that something happens.
        let has_status = stream.is_terminal() && (!is_quiet || text.benchmark);
        Self { stream, text, running: None, has_status, is_quiet }
    }

    /// Shows an event.
    pub(crate) fn show(&mut self, event: &SuiteEvent) {
        match event {
            SuiteEvent::SuiteStarted { name, service } if !self.is_quiet => {
                let line = format!("{} ({})\n", number::printable(name), number::printable(service));
                self.print(&line);
            }
            SuiteEvent::ServiceStarting { command } => {
                self.status(&format!("starting {}", number::printable(command)));
            }
            SuiteEvent::CaseStarted { number: at, total, info, attempt } => {
                let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                let title = format!("[{at}/{total}] {}{again}", number::printable(&info.id));
                self.status(&title);
                self.running = Some(Running::new(title));
            }
            SuiteEvent::CaseProgress(event) => self.progress(event),
            SuiteEvent::CaseFinished { summary, .. } => {
                self.running = None;
                let line = self.text.case(summary);
                self.print(&line);
            }
            SuiteEvent::Notice(finding) => self.print(&format!("{}\n", number::printable(&finding.message))),
            SuiteEvent::Finished(_) => self.print(""),
            _ => {}
        }
    }

    fn progress(&mut self, event: &RunEvent) {
        let (EventKind::Snapshot(interval), Some(running)) = (&event.kind, &mut self.running) else { return };
        running.times.merge(&interval.snapshot.trend(&Series::new(metric::RESPONSE_TIME)));
        let p95 = running.times.quantile(0.95).map(|quantile| quantile.estimate as f64);
        let phase = if interval.point.warmup { ", warming up" } else { "" };
        let line = format!(
            "{}  {} samples, p95 {}, {:.1}s{phase}",
            running.title,
            running.times.count(),
            number::millis(p95),
            event.at.as_secs_f64()
        );
        let is_line_due = running.is_line_due(event.at);
        self.status(&line);
        // A case that takes long must not look like one that hangs.
        if is_line_due && !self.has_status && !self.is_quiet {
            note(&line);
        }
    }

    /// Replaces the status line.
    fn status(&self, text: &str) {
        if self.has_status {
            // A line that wraps could not be cleared.
            let columns = usize::from(self.stream.width());
            let width = if columns > 1 { columns - 1 } else { NARROW };
            let text: String = text.chars().take(width).collect();
            self.write(&format!("{CLEAR}{text}"));
        }
    }

    /// Prints text above the status line, which disappears until there is something new to tell.
    fn print(&self, text: &str) {
        let clear = if self.has_status { CLEAR } else { "" };
        if !clear.is_empty() || !text.is_empty() {
            self.write(&format!("{clear}{text}"));
        }
    }

    fn write(&self, text: &str) {
        if let Err(error) = self.stream.write(text) {
            note(&format!("warning: the progress cannot be shown: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_case_tells_about_itself_every_ten_seconds() {
        let mut running = Running::new("[1/1] long".to_owned());
        let due = (1..=35).filter(|&second| running.is_line_due(Nanos::from_secs(second)));
        assert_eq!(due.collect::<Vec<_>>(), [10, 20, 30]);
        let mut running = Running::new("[1/1] long".to_owned());
        let due = [4, 14, 19, 21].into_iter().filter(|&second| running.is_line_due(Nanos::from_secs(second)));
        assert_eq!(due.collect::<Vec<_>>(), [14, 21], "events that come late shift nothing");
    }
}
