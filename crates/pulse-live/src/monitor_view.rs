//! The live view of a watched service on a frame.

use std::fmt::Write as _;

use pulse_model::{Quantile, Severity};
use pulse_report::{RequestFigures, Times, number};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Gauge, Widget};
use unicode_width::UnicodeWidthStr as _;

use crate::monitor_state::MonitorState;
use crate::view::{pairs, sparkline, style_of};
use crate::view_state::clock;

/// Endpoints that are shown where there is room.
const ENDPOINTS: usize = 12;
/// Forms of slow statements that are shown where there is room.
const SLOW: usize = 3;
/// Columns of the figures of an endpoint.
const FIGURES: usize = 50;
/// Narrowest room for an endpoint's name beside its figures.
const NAME: usize = 12;

/// A block of rows of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Title,
    Clock,
    Requests,
    Times,
    Targets,
    Rates,
    P95s,
    Cpu,
    Memory,
    EndpointHeader,
    Endpoint(usize),
    Database,
    Slow(usize),
    Caches,
    Pools,
    Process,
    Message(usize),
}

impl MonitorState {
    /// Rows that everything there is to show takes.
    pub(crate) fn height(&self) -> u16 {
        self.blocks().len() as u16
    }

    /// Everything there is to show from top to bottom, each with the order in which it goes when there is no room: the
    /// highest number first.
    fn blocks(&self) -> Vec<(Block, u8)> {
        let figures = &self.figures;
        let mut blocks = vec![(Block::Title, 4), (Block::Clock, 3)];
        let mut add = |applies: bool, block: Block, order: u8| {
            if applies {
                blocks.push((block, order));
            }
        };
        let requests = self.has_requests();
        let process = !figures.processes.is_empty();
        // Before the first figures there is at least the line that says so.
        add(requests || !process, Block::Requests, 0);
        add(requests, Block::Times, 1);
        add(!self.run.targets.is_empty(), Block::Targets, 2);
        add(requests, Block::Rates, 12);
        add(requests, Block::P95s, 11);
        add(process && !requests, Block::Cpu, 12);
        add(process && !requests, Block::Memory, 11);
        add(!figures.endpoints.is_empty(), Block::EndpointHeader, 7);
        for number in 0..figures.endpoints.len().min(ENDPOINTS) {
            // The first one is worth more than the caches, the last ones are worth less than the sparklines.
            add(true, Block::Endpoint(number), if number < 3 { 6 } else { 14 });
        }
        add(figures.database.count > 0, Block::Database, 8);
        for number in 0..figures.slow_statements.len().min(SLOW) {
            add(true, Block::Slow(number), 15);
        }
        add(!figures.caches.is_empty(), Block::Caches, 9);
        add(!figures.pools.is_empty(), Block::Pools, 10);
        add(process, Block::Process, 5);
        for number in 0..self.messages.len() {
            add(true, Block::Message(number), 13);
        }
        blocks
    }
}

impl Widget for &MonitorState {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mut blocks = self.blocks();
        while blocks.len() > usize::from(area.height) {
            // Of messages the oldest goes first, of endpoints the one that took the least time.
            let least = (0..blocks.len()).max_by_key(|&index| match blocks[index] {
                (Block::Message(_), order) => (order, std::cmp::Reverse(index)),
                (_, order) => (order, std::cmp::Reverse(usize::MAX - index)),
            });
            let Some(least) = least else { break };
            blocks.remove(least);
        }
        for (row, (block, _)) in blocks.into_iter().enumerate() {
            let line = Rect { y: area.y + row as u16, height: 1, ..area };
            render(self, block, line, buffer);
        }
    }
}

fn render(state: &MonitorState, block: Block, area: Rect, buffer: &mut Buffer) {
    let figures = &state.figures;
    match block {
        Block::Title => title(state, area, buffer),
        Block::Clock => time(state, area, buffer),
        Block::Requests => requests(state).render(area, buffer),
        Block::Times => times(state, area.width).render(area, buffer),
        Block::Targets => targets(state).render(area, buffer),
        Block::Rates => sparkline("rate", &state.rates, area, buffer),
        Block::P95s => sparkline("p95", &state.p95s, area, buffer),
        Block::Cpu => sparkline("cpu", &state.cpu, area, buffer),
        Block::Memory => sparkline("rss", &state.memory, area, buffer),
        Block::EndpointHeader => {
            let cells = ["req/s", "failed", "p50", "p95", "max", "time"];
            let line = row("endpoint", &cells.map(str::to_owned), area.width);
            Line::styled(line, Style::new().add_modifier(Modifier::DIM)).render(area, buffer);
        }
        Block::Endpoint(number) => {
            if let Some((name, endpoint)) = figures.endpoints.get(number) {
                endpoint_line(name, endpoint, figures.requests.times.sum, area.width).render(area, buffer);
            }
        }
        Block::Database => database(state).render(area, buffer),
        Block::Slow(number) => {
            if let Some(slow) = figures.slow_statements.get(number) {
                let [total, max] = [slow.total, slow.max].map(|nanos| number::millis(Some(nanos as f64)));
                let query = number::printable(&slow.query);
                pairs(&[("slow", format!("{}× {total}, max {max}  {query}", slow.count))])
                    .render(area, buffer);
            }
        }
        Block::Caches => caches(state).render(area, buffer),
        Block::Pools => pools(state).render(area, buffer),
        Block::Process => process(state).render(area, buffer),
        Block::Message(number) => {
            if let Some(message) = state.messages.get(number) {
                let text = number::printable(&message.text);
                Line::styled(text, style_of(true, message.severity)).render(area, buffer);
            }
        }
    }
}

fn title(state: &MonitorState, area: Rect, buffer: &mut Buffer) {
    let phase = if state.finished { "finished" } else { "watching" };
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(phase.len() as u16)])
        .spacing(1)
        .areas(area);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    Line::styled(number::printable(&state.run.name), bold).render(left, buffer);
    Line::raw(phase).render(right, buffer);
}

/// How long it has been watched, and of which part of it the figures are.
fn time(state: &MonitorState, area: Rect, buffer: &mut Buffer) {
    let covered = format!("figures of the last {:.0} s", state.figures.length.as_secs_f64());
    let Some(progress) = state.progress() else {
        return pairs(&[("watched", clock(state.at)), ("", covered)]).render(area, buffer);
    };
    let whole = state.run.duration.map_or_else(String::new, clock);
    Gauge::default()
        .gauge_style(Style::new().fg(Color::Cyan).bg(Color::DarkGray))
        .ratio(progress)
        .label(format!("{} of {whole}, {covered}", clock(state.at)))
        .use_unicode(true)
        .render(area, buffer);
}

fn requests(state: &MonitorState) -> Line<'static> {
    let RequestFigures { failed, times } = &state.figures.requests;
    let line = pairs(&[
        ("rate", format!("{} req/s", number::rate(times.per_second))),
        ("failed", format!("{failed} of {} ({})", times.count, number::percent(*failed, times.count))),
        ("in all", format!("{}, {} failed", state.requests, state.failed)),
    ]);
    line.style(style_of(*failed > 0, Severity::Problem))
}

/// Percentiles, each with the bucket that holds it where there is room.
fn times(state: &MonitorState, width: u16) -> Line<'static> {
    let times = &state.figures.requests.times;
    if state.coarse {
        return quantiles(times, Bounds::Interpolated);
    }
    let forms = [Bounds::Absolute, Bounds::Relative, Bounds::None].map(|bounds| quantiles(times, bounds));
    let [.., shortest] = &forms;
    forms.iter().find(|line| line.width() <= usize::from(width)).unwrap_or(shortest).clone()
}

/// How the bucket around a quantile is shown.
#[derive(Clone, Copy)]
enum Bounds {
    Absolute,
    Relative,
    None,
    /// Not at all: it is not known how far off it is.
    Interpolated,
}

impl Bounds {
    fn of(self, quantile: Quantile) -> Option<String> {
        let Quantile { lo, estimate, hi } = quantile;
        match self {
            Self::Absolute => {
                let [lo, hi] = [lo, hi].map(|bound| number::rate(Some(bound as f64 / 1e6)));
                Some(format!(" ({lo}–{hi})"))
            }
            Self::Relative => {
                let width = (hi - estimate).max(estimate - lo) as f64 / estimate.max(1) as f64;
                Some(format!(" ±{:.1}%", width * 100.0))
            }
            Self::None => None,
            Self::Interpolated => Some("?".to_owned()),
        }
    }
}

fn quantiles(times: &Times, bounds: Bounds) -> Line<'static> {
    let mut line = Line::default();
    let dim = Style::new().add_modifier(Modifier::DIM);
    for (name, q, quantile) in [("p50", 0.5, times.p50), ("p95", 0.95, times.p95), ("p99", 0.99, times.p99)] {
        let gap = if line.spans.is_empty() { "" } else { "  " };
        line.push_span(Span::styled(format!("{gap}{name}"), dim));
        // Of fewer values than 1/(1−q) the quantile is just the largest one.
        let is_largest = (times.count as f64) * (1.0 - q) < 1.0;
        let style = if is_largest { dim } else { Style::new() };
        line.push_span(Span::styled(format!(" {}", shown(quantile)), style));
        let bounds = quantile.and_then(|quantile| bounds.of(quantile));
        let bounds =
            if is_largest && quantile.is_some() { Some(" (the largest)".to_owned()) } else { bounds };
        line.push_span(Span::styled(bounds.unwrap_or_default(), dim));
    }
    line.push_span(Span::styled(format!("  n {}", times.count), dim));
    if matches!(bounds, Bounds::Interpolated) {
        line.push_span(Span::styled("  (interpolated)", dim));
    }
    line
}

fn shown(quantile: Option<Quantile>) -> String {
    number::millis(quantile.map(|quantile| quantile.estimate as f64))
}

/// What is missed now, or that nothing is.
fn targets(state: &MonitorState) -> Line<'static> {
    let all = state.run.targets.len();
    if state.missed.is_empty() {
        return pairs(&[("targets", format!("{all}, none missed now"))]);
    }
    let missed: Vec<String> = state
        .missed
        .iter()
        .map(|result| {
            let measured = result.measured.map(|measured| number::measured(&result.target, measured.value));
            format!("{} ({})", result.target, measured.unwrap_or_else(|| number::NONE.to_owned()))
        })
        .collect();
    let text = format!("{} of {all} missed: {}", missed.len(), missed.join(", "));
    pairs(&[("targets", number::printable(&text).into_owned())]).style(style_of(true, Severity::Problem))
}

fn endpoint_line(name: &str, endpoint: &RequestFigures, whole: u128, width: u16) -> Line<'static> {
    let times = &endpoint.times;
    let bare = |nanos: Option<u64>| number::rate(nanos.map(|nanos| nanos as f64 / 1e6));
    let share = if whole == 0 { 0.0 } else { times.sum as f64 / whole as f64 };
    let cells = [
        number::rate(times.per_second),
        number::percent(endpoint.failed, times.count),
        bare(times.p50.map(|quantile| quantile.estimate)),
        bare(times.p95.map(|quantile| quantile.estimate)),
        bare(times.max),
        number::share(share),
    ];
    let style = style_of(endpoint.failed > 0, Severity::Problem);
    Line::styled(row(&number::printable(name), &cells, width), style)
}

/// A name and its figures, right-aligned; where there is no room for all, the last figures go.
fn row(name: &str, cells: &[String; 6], width: u16) -> String {
    const WIDTHS: [usize; 6] = [9, 8, 8, 8, 9, 8];
    debug_assert_eq!(WIDTHS.iter().sum::<usize>(), FIGURES);
    let width = usize::from(width);
    let mut shown = WIDTHS.len();
    while shown > 0 && WIDTHS[..shown].iter().sum::<usize>() + NAME > width {
        shown -= 1;
    }
    let room = width.saturating_sub(WIDTHS[..shown].iter().sum());
    let mut line = fitted(name, room);
    for (cell, width) in cells.iter().zip(&WIDTHS[..shown]) {
        // Writing to a string cannot fail.
        let _ = write!(line, "{cell:>width$}");
    }
    line
}

/// The text in exactly so many columns, its end replaced by … where it is longer.
fn fitted(text: &str, room: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let shortened = text.width() > room;
    let end = if shortened { room.saturating_sub(1) } else { room };
    for c in text.chars() {
        let width = c.to_string().width();
        if used + width > end {
            break;
        }
        out.push(c);
        used += width;
    }
    if shortened && room > 0 {
        out.push('…');
        used += 1;
    }
    out + &" ".repeat(room.saturating_sub(used))
}

fn database(state: &MonitorState) -> Line<'static> {
    let figures = &state.figures;
    let statements = &figures.database;
    let line = pairs(&[
        ("database", format!("{}/s", number::rate(statements.per_second))),
        ("p50", shown(statements.p50)),
        ("p95", shown(statements.p95)),
        ("max", number::millis(statements.max.map(|max| max as f64))),
        ("slow", figures.slow_queries.to_string()),
    ]);
    line.style(style_of(figures.slow_queries > 0, Severity::Warning))
}

fn caches(state: &MonitorState) -> Line<'static> {
    let caches = state.figures.caches.iter().map(|(name, rate)| {
        format!("{} {} of {}", number::printable(name), number::percent(rate.hits, rate.total), rate.total)
    });
    pairs(&[("hits", caches.collect::<Vec<_>>().join(", "))])
}

fn pools(state: &MonitorState) -> Line<'static> {
    let waiting = state.figures.pools.iter().any(|(_, pool)| pool.waiting > 0);
    let pools = state.figures.pools.iter().map(|(name, pool)| {
        let name = number::printable(name);
        format!("{name} {} of {} in use, {} waiting", pool.in_use, pool.size, pool.waiting)
    });
    pairs(&[("pools", pools.collect::<Vec<_>>().join("; "))]).style(style_of(waiting, Severity::Warning))
}

/// All processes together.
fn process(state: &MonitorState) -> Line<'static> {
    let figures = &state.figures;
    let Some(process) = figures.process() else { return Line::default() };
    let mut shown: Vec<(&str, String)> = Vec::new();
    let mut add = |name, value: Option<String>| shown.extend(value.map(|value| (name, value)));
    add("cpu", process.cpu.map(number::share));
    add("rss", process.resident.map(|size| number::bytes(size as f64)));
    add("pss", process.proportional.map(|size| number::bytes(size as f64)));
    add("threads", process.threads.map(|threads| threads.to_string()));
    add("fds", process.descriptors.map(|descriptors| descriptors.to_string()));
    add("switches/s", process.switches.map(|rate| format!("{rate:.0}")));
    add("read/s", process.read.map(number::bytes));
    add("written/s", process.written.map(number::bytes));
    let count = figures.processes.len();
    if count > 1 {
        shown.insert(0, ("processes", count.to_string()));
    }
    pairs(&shown)
}

#[cfg(test)]
mod tests {
    use pulse_model::{Nanos, RunEvent, RunInfo};

    use super::*;
    use crate::canned;

    fn state(events: &[RunEvent]) -> MonitorState {
        let mut state = MonitorState::new(RunInfo::default(), Nanos::from_secs(60));
        for event in events {
            state.apply(event);
        }
        state
    }

    fn shown(width: u16, height: u16, state: &MonitorState) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        state.render(buffer.area, &mut buffer);
        let row = |y: u16| {
            let text: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
            text.trim_end().to_owned()
        };
        (0..height).map(row).collect::<Vec<_>>().join("\n")
    }

    fn running() -> MonitorState {
        let mut events = canned::watch();
        events.pop();
        state(&events)
    }

    #[test]
    fn eighty_by_twenty_four_shows_everything() {
        let running = running();
        assert!(running.height() <= 23, "{} rows", running.height());
        insta::assert_snapshot!(shown(80, running.height(), &running));
    }

    #[test]
    fn a_wide_terminal_has_room_for_the_bounds() {
        insta::assert_snapshot!(shown(110, 6, &running()));
    }

    #[test]
    fn a_tiny_terminal_keeps_what_matters_most() {
        insta::assert_snapshot!(shown(34, 5, &running()));
    }

    #[test]
    fn before_the_first_figures() {
        let started = state(&[canned::watch_started()]);
        insta::assert_snapshot!(shown(80, started.height(), &started));
    }

    #[test]
    fn a_process_without_requests() {
        let events = [canned::watch_started(), canned::process_snapshot(0), canned::process_snapshot(1)];
        let process = state(&events);
        insta::assert_snapshot!(shown(80, process.height(), &process));
    }

    #[test]
    fn interpolated_quantiles_have_no_bounds() {
        let mut coarse = running();
        coarse.coarse = true;
        let text = shown(110, 6, &coarse);
        assert!(text.contains("p95 39.31ms?") && text.contains("(interpolated)"), "{text}");
    }

    #[test]
    fn few_values_have_no_percentiles() {
        let mut few = running();
        few.figures.requests.times.count = 19;
        let text = shown(110, 6, &few);
        assert!(text.contains("(the largest)"), "{text}");
    }

    #[test]
    fn no_size_panics() {
        let state = running();
        for width in [0, 1, 2, 5, 7, 13, 20, 61, 300] {
            for height in [0, 1, 2, 3, 7, 30] {
                let area = Rect::new(0, 0, width, height);
                state.render(area, &mut Buffer::empty(area));
            }
        }
    }

    #[test]
    fn names_fit_whatever_they_are() {
        for (text, room, fits) in [
            ("GET /a", 8, "GET /a  "),
            ("GET /a", 6, "GET /a"),
            ("GET /abc", 6, "GET /…"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日… "),
            ("x", 0, ""),
        ] {
            assert_eq!(fitted(text, room), fits, "{text} in {room}");
        }
    }
}
