//! Progress for a log: a line every few seconds.

use std::io::{self, Write};

use pulse_model::{EventKind, IntervalEvent, Nanos, RunEvent};
use pulse_report::number;

use crate::shown::{Job, Shown};
use crate::view_state::{breach, clock};
use crate::window::WINDOW;
use crate::{Output, ViewState};

/// Writes a line every 5 seconds of the job's own time, and one for every breach and notice.
pub struct ProgressLines<W> {
    out: W,
    shown: Shown,
    next: Nanos,
}

impl<W: Write> ProgressLines<W> {
    /// Lines go to `out`.
    pub fn new(out: W) -> Self {
        Self { out, shown: Shown::new(WINDOW), next: WINDOW }
    }

    fn interval(&mut self, at: Nanos, interval: &IntervalEvent) -> io::Result<()> {
        if at < self.next {
            return Ok(());
        }
        // The marks stay multiples of the period, however late an interval comes.
        self.next = Nanos((at.0 / WINDOW.0).saturating_add(1).saturating_mul(WINDOW.0));
        let (run, what) = match self.shown.job() {
            Job::Load(state) => (state.run.as_ref(), load(state)),
            Job::Watch(state) => (Some(&state.run), state.line()),
        };
        let left = run.and_then(|run| run.duration).map_or_else(String::new, |duration| {
            format!(" of {}, {} left", clock(duration), clock(duration.since(at)))
        });
        let warmup = if interval.point.warmup { " (warm-up)" } else { "" };
        self.line(&format!("{}{left}{warmup}: {what}", clock(at)))
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", number::printable(text))?;
        self.out.flush()
    }
}

/// What the last seconds of a load were like.
fn load(state: &ViewState) -> String {
    let figures = state.figures();
    format!(
        "{} users, {} req/s, p50 {}, p95 {}, p99 {}, {} failed ({} in all)",
        state.users,
        number::rate(figures.rate),
        number::millis(figures.p50),
        number::millis(figures.p95),
        number::millis(figures.p99),
        figures.failed,
        state.failed,
    )
}

impl<W: Write + Send> Output for ProgressLines<W> {
    fn event(&mut self, event: &RunEvent) -> io::Result<()> {
        self.shown.apply(event);
        match &event.kind {
            EventKind::Snapshot(interval) => self.interval(event.at, interval),
            EventKind::Breach(result) => self.line(&format!("{}: {}", clock(event.at), breach(result))),
            EventKind::Notice(finding) => self.line(&format!("{}: {}", clock(event.at), finding.message)),
            EventKind::Started(_) | EventKind::Finished(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    fn lines(events: &[RunEvent]) -> String {
        let mut out = Vec::new();
        let mut lines = ProgressLines::new(&mut out);
        for event in events {
            lines.event(event).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_every_five_seconds_of_the_job() {
        insta::assert_snapshot!(lines(&canned::run()));
    }

    #[test]
    fn a_watch_tells_of_the_service() {
        insta::assert_snapshot!(lines(&canned::watch()));
    }

    #[test]
    fn a_late_interval_does_not_shift_the_marks() {
        let seconds = [3, 7, 8, 9, 10, 13, 14];
        let events: Vec<_> = seconds.into_iter().map(canned::snapshot).collect();
        let text = lines(&events);
        let marks: Vec<_> = text.lines().map(|line| line.split(':').nth(1).unwrap()).collect();
        assert_eq!(marks, ["08", "10", "15"], "{text}");
    }

    #[test]
    fn without_figures_there_are_dashes() {
        let mut event = canned::snapshot(5);
        if let EventKind::Snapshot(interval) = &mut event.kind {
            **interval = IntervalEvent {
                point: pulse_model::TimePoint::default(),
                snapshot: pulse_model::Snapshot::default(),
                warmup: None,
            };
        }
        assert_eq!(lines(&[event]), "0:06: 0 users, - req/s, p50 -, p95 -, p99 -, 0 failed (0 in all)\n");
    }
}
