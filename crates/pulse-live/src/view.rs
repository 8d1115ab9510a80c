//! The live view on a frame.

use pulse_model::{Nanos, Severity};
use pulse_report::number;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Gauge, Sparkline, Widget};

use crate::charts::Charts;
use crate::view_state::{ViewState, clock};

/// Tallest that a sparkline gets.
const SPARKLINE_HEIGHT: u16 = 3;
/// Rows from which charts take the place of the sparklines.
const CHARTS_FROM: u16 = 20;
/// Room for the label before a sparkline.
const LABEL: u16 = 6;

/// Puts the live view on the whole frame. It adapts to any size; 60 columns by 12 rows show everything, 20 rows and more have
/// charts.
pub fn draw(frame: &mut Frame<'_>, state: &ViewState) {
    frame.render_widget(state, frame.area());
}

/// A row of the view.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Title,
    Progress,
    Load,
    Times,
    Rates,
    P95s,
    Charts,
    Errors,
    Dropped,
    Message(usize),
}

/// Rows from top to bottom, and in which order they go when there is no room: the highest number first.
const ROWS: [(Row, u8); 8] = [
    (Row::Title, 4),
    (Row::Progress, 0),
    (Row::Load, 1),
    (Row::Times, 2),
    (Row::Rates, 7),
    (Row::P95s, 6),
    (Row::Errors, 3),
    (Row::Dropped, 5),
];

impl Widget for &ViewState {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let rows = rows(self, area.height);
        let heights = rows.iter().map(|row| match row {
            Row::Rates | Row::P95s => Constraint::Max(SPARKLINE_HEIGHT),
            Row::Charts => Constraint::Fill(1),
            _ => Constraint::Length(1),
        });
        let areas = Layout::vertical(heights).split(area);
        for (row, area) in rows.iter().zip(areas.iter()) {
            render_row(self, *row, *area, buffer);
        }
    }
}

/// The rows for which there is room.
fn rows(state: &ViewState, height: u16) -> Vec<Row> {
    let mut rows = ROWS.to_vec();
    if height >= CHARTS_FROM {
        rows.retain(|(row, _)| *row != Row::P95s);
        for (row, _) in rows.iter_mut().filter(|(row, _)| *row == Row::Rates) {
            *row = Row::Charts;
        }
    }
    let messages = 0..state.messages.len();
    rows.extend(messages.map(|index| (Row::Message(index), 10)));
    while rows.len() > usize::from(height) {
        let least = (0..rows.len()).max_by_key(|&index| (rows[index].1, std::cmp::Reverse(index)));
        let Some(least) = least else { break };
        rows.remove(least);
    }
    rows.into_iter().map(|(row, _)| row).collect()
}

fn render_row(state: &ViewState, row: Row, area: Rect, buffer: &mut Buffer) {
    let figures = state.figures();
    let dim = Style::new().add_modifier(Modifier::DIM);
    match row {
        Row::Title => title(state, area, buffer),
        Row::Progress => progress(state, area, buffer),
        Row::Load => {
            let line = pairs(&[
                ("users", state.users.to_string()),
                ("rate", format!("{} req/s", number::rate(figures.rate))),
                ("planned", format!("{} iterations/s", number::rate(figures.planned))),
            ]);
            line.render(area, buffer);
        }
        Row::Times => {
            let mut line = pairs(&[
                ("p50", number::millis(figures.p50)),
                ("p95", number::millis(figures.p95)),
                ("p99", number::millis(figures.p99)),
            ]);
            line.push_span(Span::styled(" of the last 5 s", dim));
            line.render(area, buffer);
        }
        Row::Rates => sparkline("rate", &state.rates, area, buffer),
        Row::P95s => sparkline("p95", &state.p95s, area, buffer),
        Row::Charts => Charts::new(state.points.iter(), &state.response_time).render(area, buffer),
        Row::Errors => errors(state, area, buffer),
        Row::Dropped => {
            let line = pairs(&[("dropped or missed", state.dropped.to_string())]);
            let style = style_of(state.dropped > 0, Severity::Warning);
            line.style(style).render(area, buffer);
        }
        Row::Message(index) => {
            if let Some(message) = state.messages.get(index) {
                let style = style_of(true, message.severity);
                let text = number::printable(&message.text);
                Line::styled(text, style).render(area, buffer);
            }
        }
    }
}

fn title(state: &ViewState, area: Rect, buffer: &mut Buffer) {
    let phase = match state {
        ViewState { finished: true, .. } => "finished",
        ViewState { run: None, .. } => "starting",
        ViewState { warmup: true, .. } => "warming up",
        _ if state.progress() >= Some(1.0) => "finishing",
        _ => "running",
    };
    let name = state.run.as_ref().map_or("", |run| &run.name);
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(phase.len() as u16)])
        .spacing(1)
        .areas(area);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    Line::styled(number::printable(name), bold).render(left, buffer);
    Line::raw(phase).render(right, buffer);
}

fn progress(state: &ViewState, area: Rect, buffer: &mut Buffer) {
    let duration = state.run.as_ref().and_then(|run| run.duration);
    let label = match (duration, state.progress()) {
        (Some(duration), _) => {
            // Rounded so that elapsed and remaining add up to the whole.
            let elapsed = Nanos::from_secs(state.at.0 / 1_000_000_000);
            let left = clock(duration.since(elapsed));
            format!("{} of {}, {left} left", clock(elapsed), clock(duration))
        }
        (None, Some(done)) => format!("{}, {:.0}% of the budget", clock(state.at), done * 100.0),
        (None, None) => clock(state.at),
    };
    Gauge::default()
        .gauge_style(Style::new().fg(Color::Cyan).bg(Color::DarkGray))
        .ratio(state.progress().unwrap_or(0.0))
        .label(label)
        .use_unicode(true)
        .render(area, buffer);
}

/// As many of the newest points as there is room for, the newest at the right.
pub(crate) fn sparkline(
    label: &'static str,
    points: &std::collections::VecDeque<u64>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let [left, right] = Layout::horizontal([Constraint::Length(LABEL), Constraint::Fill(1)]).areas(area);
    Line::raw(label).render(left, buffer);
    let skipped = points.len().saturating_sub(usize::from(right.width));
    Sparkline::default()
        .data(points.iter().skip(skipped).copied())
        .style(Style::new().fg(Color::Cyan))
        .render(right, buffer);
}

fn errors(state: &ViewState, area: Rect, buffer: &mut Buffer) {
    let share = number::percent(state.failed, state.requests);
    let mut line = pairs(&[("failed", format!("{} of {} ({share})", state.failed, state.requests))]);
    for (class, count) in &state.errors {
        line.push_span(Span::raw(format!("  {} {count}", number::printable(class))));
    }
    let style = style_of(state.failed > 0, Severity::Problem);
    line.style(style).render(area, buffer);
}

/// `name value  name value`, the names dim.
pub(crate) fn pairs<'a>(pairs: &[(&'a str, String)]) -> Line<'a> {
    let dim = Style::new().add_modifier(Modifier::DIM);
    let mut line = Line::default();
    for (index, (name, value)) in pairs.iter().enumerate() {
        let gap = if index > 0 { "  " } else { "" };
        line.push_span(Span::raw(gap));
        line.push_span(Span::styled(*name, dim));
        line.push_span(Span::raw(format!(" {value}")));
    }
    line
}

pub(crate) fn style_of(applies: bool, severity: Severity) -> Style {
    match severity {
        _ if !applies => Style::new(),
        Severity::Note => Style::new().fg(Color::Cyan),
        Severity::Warning => Style::new().fg(Color::Yellow),
        Severity::Problem => Style::new().fg(Color::Red),
    }
}

#[cfg(test)]
mod tests {
    use pulse_model::RunEvent;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::canned;

    fn shown(width: u16, height: u16, events: &[RunEvent]) -> String {
        let mut state = ViewState::default();
        for event in events {
            state.apply(event);
        }
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &state)).unwrap();
        terminal.backend().to_string()
    }

    fn running() -> Vec<RunEvent> {
        let mut events = canned::run();
        events.pop();
        events
    }

    #[test]
    fn sixty_by_twelve_shows_everything() {
        insta::assert_snapshot!(shown(60, 12, &running()));
    }

    #[test]
    fn a_wide_and_tall_terminal() {
        insta::assert_snapshot!(shown(110, 16, &running()));
    }

    #[test]
    fn a_large_terminal_has_charts() {
        let mut events: Vec<_> = vec![canned::started()];
        events.extend((0..40).map(canned::snapshot));
        insta::assert_snapshot!(shown(100, 24, &events));
    }

    #[test]
    fn a_tiny_terminal_keeps_what_matters_most() {
        insta::assert_snapshot!(shown(30, 4, &running()));
    }

    #[test]
    fn before_the_first_event_and_while_warming_up() {
        insta::assert_snapshot!(shown(60, 12, &[]),);
        insta::assert_snapshot!(shown(60, 12, &[canned::started(), canned::snapshot(0)]));
    }

    #[test]
    fn no_size_panics() {
        let mut state = ViewState::default();
        for event in running() {
            state.apply(&event);
        }
        for width in [0, 1, 2, 5, 7, 20, 300] {
            for height in [0, 1, 2, 3, 7, 30] {
                let area = Rect::new(0, 0, width, height);
                state.render(area, &mut Buffer::empty(area));
            }
        }
    }
}
