//! What live outputs show: the first event says whether it is a load or a watch.

use pulse_model::{EventKind, Nanos, RunEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::ViewState;
use crate::monitor_state::MonitorState;

/// Rows of the view of a load where the terminal has them.
const LOAD_HEIGHT: u16 = 12;
/// The same with charts, on terminals that have rows left for what was there before.
const CHARTS_HEIGHT: u16 = 24;
const TALL: u16 = 32;

/// The state behind a live output.
pub(crate) struct Shown {
    job: Job,
    /// Length of the window whose figures a watch shows.
    window: Nanos,
}

pub(crate) enum Job {
    Load(Box<ViewState>),
    Watch(Box<MonitorState>),
}

impl Shown {
    pub(crate) fn new(window: Nanos) -> Self {
        Self { job: Job::Load(Box::default()), window }
    }

    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    pub(crate) fn apply(&mut self, event: &RunEvent) {
        if let EventKind::Started(run) = &event.kind
            && run.kind == "monitor"
        {
            self.job = Job::Watch(Box::new(MonitorState::new(run.as_ref().clone(), self.window)));
        }
        match &mut self.job {
            Job::Load(state) => state.apply(event),
            Job::Watch(state) => state.apply(event),
        }
    }

    /// Lets time pass without an event.
    pub(crate) fn advance(&mut self, now: Nanos) {
        match &mut self.job {
            Job::Load(state) => state.advance(now),
            Job::Watch(state) => state.advance(now),
        }
    }

    /// Rows that it takes on a terminal of so many.
    pub(crate) fn height(&self, terminal: u16) -> u16 {
        match &self.job {
            Job::Load(_) if terminal >= TALL => CHARTS_HEIGHT,
            Job::Load(_) => LOAD_HEIGHT,
            Job::Watch(state) => state.height(),
        }
    }

    pub(crate) fn render(&self, area: Rect, buffer: &mut Buffer) {
        match &self.job {
            Job::Load(state) => state.render(area, buffer),
            Job::Watch(state) => state.render(area, buffer),
        }
    }
}
