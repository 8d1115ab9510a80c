//! Charts at a terminal: response times and rates over time, and how response times are spread.

use std::io;

use pulse_model::{Histogram, Nanos, Summary, TimePoint};
use pulse_report::{number, whole_intervals};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget};

use crate::styled_row::styled_row;
use crate::view_state::clock;

/// Rows of the charts of a report.
const HEIGHT: u16 = 18;
/// Columns from which the distribution stands beside the other charts.
const WIDE: u16 = 72;
/// Most columns that are used: on wider terminals lines would only be longer.
const WIDEST: u16 = 160;
/// Rows that a chart needs to have labels.
const LABELLED: u16 = 4;
/// Columns of a bar's limit and of its share.
const LIMIT: u16 = 12;
const SHARE: u16 = 8;
/// Eighths of a column.
const EIGHTHS: [&str; 9] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
/// Nanoseconds of a millisecond.
const MILLI: f64 = 1e6;

/// What the charts show, as data.
pub(crate) struct Charts<'a> {
    /// What was asked for, answered and failed, per second over seconds.
    rates: [Figure; 3],
    /// Median, p95 and p99 as decimal logarithms of milliseconds.
    times: [Figure; 3],
    /// Beginning and end in seconds.
    span: [f64; 2],
    response_time: &'a Histogram,
}

/// A line of a chart.
struct Figure {
    name: &'static str,
    color: Color,
    /// What is not joined is apart: nothing was measured between.
    parts: Vec<Vec<(f64, f64)>>,
}

/// The charts of a finished job as lines of text for a terminal of so many columns, with ANSI colors where `is_colored`;
/// `None` where there is nothing to draw or no room for it.
pub fn charts(summary: &Summary, width: u16, is_colored: bool) -> Option<String> {
    let area = Rect::new(0, 0, width.saturating_sub(1).min(WIDEST), HEIGHT);
    if area.width < 2 * LIMIT || summary.timeline.is_empty() || summary.requests() == 0 {
        return None;
    }
    let response_time = summary.response_time();
    let mut buffer = Buffer::empty(area);
    Charts::new(whole_intervals(&summary.timeline).iter(), &response_time).render(area, &mut buffer);
    let mut text = Vec::new();
    (0..HEIGHT).try_for_each(|y| line(&mut text, &buffer, y, is_colored)).ok()?;
    String::from_utf8(text).ok()
}

fn line(text: &mut Vec<u8>, buffer: &Buffer, y: u16, is_colored: bool) -> io::Result<()> {
    styled_row(text, buffer, y, is_colored)?;
    text.push(b'\n');
    Ok(())
}

impl<'a> Charts<'a> {
    pub(crate) fn new<'p>(points: impl Iterator<Item = &'p TimePoint>, response_time: &'a Histogram) -> Self {
        let figure = |name, color| Figure { name, color, parts: vec![Vec::new()] };
        let mut charts = Self {
            rates: [
                figure("asked for", Color::DarkGray),
                figure("answered", Color::Cyan),
                figure("failed", Color::Red),
            ],
            times: [figure("p50", Color::Green), figure("p95", Color::Cyan), figure("p99", Color::Magenta)],
            span: [f64::INFINITY, 0.0],
            response_time,
        };
        for point in points {
            charts.add(point);
        }
        charts
    }

    fn add(&mut self, point: &TimePoint) {
        let [from, to] = [point.from, point.to].map(Nanos::as_secs_f64);
        if to <= from {
            return;
        }
        self.span = [self.span[0].min(from), self.span[1].max(to)];
        let middle = f64::midpoint(from, to);
        let counts = [point.due, point.requests, point.failed];
        for (figure, count) in self.rates.iter_mut().zip(counts) {
            figure.add(middle, Some(count as f64 / (to - from)));
        }
        for (figure, nanos) in self.times.iter_mut().zip([point.p50, point.p95, point.p99]) {
            let is_measured = point.requests > 0 && nanos > 0;
            figure.add(middle, is_measured.then(|| (nanos as f64 / MILLI).log10()));
        }
    }

    fn rates(&self, area: Rect, buffer: &mut Buffer) {
        let is_shown = |figure: &&Figure| figure.values().any(|value| value > 0.0);
        let figures: Vec<_> = self.rates.iter().filter(is_shown).collect();
        let most = figures.iter().flat_map(|figure| figure.values()).fold(0.0, f64::max);
        let labels = [0.0, most / 2.0, most].map(|rate| format!("{rate:.0}"));
        self.over_time("rate (1/s)", &figures, [0.0, most.max(1.0)], labels, area, buffer);
    }

    fn times(&self, area: Rect, buffer: &mut Buffer) {
        let figures: Vec<_> = self.times.iter().collect();
        let values = || figures.iter().flat_map(|figure| figure.values());
        let [least, most] =
            [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)];
        let [least, most] = if least <= most { [least, most] } else { [0.0, 1.0] };
        // A flat line lies in the middle rather than on an edge.
        let room = (0.3 - (most - least)).max(0.0) / 2.0;
        let bounds = [least - room, most + room];
        let labels = [bounds[0], f64::midpoint(bounds[0], bounds[1]), bounds[1]];
        let labels = labels.map(|decades| significant(10_f64.powf(decades)));
        self.over_time("response time (ms)", &figures, bounds, labels, area, buffer);
    }

    fn over_time(
        &self,
        title: &'static str,
        figures: &[&Figure],
        bounds: [f64; 2],
        labels: [String; 3],
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let [head, area] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        let mut line = Line::styled(title, Style::new().add_modifier(Modifier::BOLD));
        for figure in figures {
            line.push_span(Span::styled(format!("  {}", figure.name), Style::new().fg(figure.color)));
        }
        line.render(head, buffer);
        let datasets = figures.iter().flat_map(|figure| {
            figure.parts.iter().map(|part| {
                let dataset = Dataset::default().data(part).marker(Marker::Braille);
                let form = if part.len() == 1 { GraphType::Scatter } else { GraphType::Line };
                dataset.graph_type(form).style(Style::new().fg(figure.color))
            })
        });
        let [from, to] = if self.span[0] <= self.span[1] { self.span } else { [0.0, 1.0] };
        let times = [from, to].map(|seconds| clock(Nanos((seconds * 1e9) as u64)));
        let dim = Style::new().add_modifier(Modifier::DIM);
        let [mut x, mut y] = [[from, to], bounds].map(|bounds| Axis::default().bounds(bounds).style(dim));
        if area.height >= LABELLED {
            x = x.labels(times);
            y = y.labels(labels);
        }
        Chart::new(datasets.collect()).x_axis(x).y_axis(y).legend_position(None).render(area, buffer);
    }

    /// A bar for each range of response times, all as wide on a logarithmic scale.
    fn distribution(&self, area: Rect, buffer: &mut Buffer) {
        let [head, area] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        Line::styled("requests by response time", Style::new().add_modifier(Modifier::BOLD))
            .render(head, buffer);
        let bars = bars(self.response_time, usize::from(area.height));
        let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let room = area.width.saturating_sub(LIMIT + SHARE);
        for ((limit, count), row) in bars.iter().zip(area.rows()) {
            let limit = format!(
                "{:>width$} ",
                format!("≤ {}ms", significant(limit / MILLI)),
                width = usize::from(LIMIT) - 1
            );
            let eighths = (*count as f64 / most.max(1) as f64 * f64::from(room) * 8.0).ceil() as usize;
            let bar = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
            let share = match count {
                0 => String::new(),
                count => format!(" {}", number::percent(*count, self.response_time.count())),
            };
            Line::from(vec![
                Span::styled(limit, Style::new().add_modifier(Modifier::DIM)),
                Span::styled(bar, Style::new().fg(Color::Cyan)),
                Span::raw(share),
            ])
            .render(row, buffer);
        }
    }
}

impl Widget for &Charts<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let [over_time, distribution] = if area.width >= WIDE {
            Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).spacing(2).areas(area)
        } else {
            Layout::vertical([Constraint::Fill(2), Constraint::Fill(1)]).areas(area)
        };
        let [times, rates] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(over_time);
        self.times(times, buffer);
        self.rates(rates, buffer);
        self.distribution(distribution, buffer);
    }
}

impl Figure {
    fn add(&mut self, at: f64, value: Option<f64>) {
        match (value, self.parts.last_mut()) {
            (Some(value), Some(part)) => part.push((at, value)),
            (None, Some(part)) if !part.is_empty() => self.parts.push(Vec::new()),
            _ => {}
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.parts.iter().flatten().map(|(_, value)| *value)
    }
}

/// Upper limits in nanoseconds with the values up to there, in at most `rows` ranges from the smallest to the largest.
fn bars(times: &Histogram, rows: usize) -> Vec<(f64, u64)> {
    let (Some(least), Some(most)) = (times.min(), times.max()) else { return Vec::new() };
    let [least, most] = [least.max(1) as f64, most.max(1) as f64].map(f64::ln);
    // Where all are alike one bar says so.
    let rows = if most > least { rows } else { rows.min(1) };
    let limit = |row: usize| (least + (most - least) * (row + 1) as f64 / rows as f64).exp();
    let mut bars: Vec<_> = (0..rows).map(|row| (limit(row), 0)).collect();
    for bucket in times.buckets() {
        let middle = f64::midpoint(bucket.lower as f64, bucket.upper as f64).max(1.0).ln();
        let row = ((middle - least) / (most - least) * rows as f64).floor() as usize;
        if let Some(bar) = bars.get_mut(row.min(rows.saturating_sub(1))) {
            bar.1 += bucket.count;
        }
    }
    bars
}

/// The number with three digits that count: `0.0123`, `1.23`, `123`, `12345`.
fn significant(value: f64) -> String {
    let digits = 2 - value.abs().log10().floor().clamp(-6.0, 2.0) as i32;
    format!("{value:.0$}", usize::try_from(digits).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    /// A run of a minute that was slow for ten seconds, and did nothing for five.
    fn run() -> Summary {
        let mut summary = canned::summary();
        let point = |second: u64| {
            let slow = if (20..30).contains(&second) { 10 } else { 1 };
            let requests = if (40..45).contains(&second) { 0 } else { 100 + second };
            TimePoint {
                from: Nanos::from_secs(second),
                to: Nanos::from_secs(second + 1),
                due: 150,
                requests,
                failed: u64::from(slow > 1) * 20,
                p50: slow * 2_000_000,
                p95: slow * 5_000_000,
                p99: slow * 9_000_000,
                ..TimePoint::default()
            }
        };
        summary.timeline = (0..60).map(point).collect();
        let mut times = Histogram::default();
        (0..1_000_u64).for_each(|n| times.record(1_000_000 + n * n * 90));
        let series = pulse_model::Series::new(pulse_model::metric::RESPONSE_TIME);
        summary.totals.series.retain(|known, _| known.metric != series.metric);
        summary.totals.series.insert(series, pulse_model::Aggregate::Trend(times));
        summary
    }

    #[test]
    fn a_usual_terminal() {
        insta::assert_snapshot!(charts(&run(), 80, false).unwrap());
    }

    #[test]
    fn a_narrow_terminal() {
        insta::assert_snapshot!(charts(&run(), 50, false).unwrap());
    }

    #[test]
    fn color_is_only_in_escapes() {
        let colored = charts(&run(), 100, true).unwrap();
        let plain = charts(&run(), 100, false).unwrap();
        assert!(!plain.contains('\u{1b}') && colored.contains("\u{1b}["), "{colored}");
        let mut rest = String::new();
        for part in colored.split('\u{1b}') {
            rest.push_str(
                part.strip_prefix('[').and_then(|part| part.split_once('m')).map_or(part, |(_, text)| text),
            );
        }
        let trimmed =
            |text: &str| text.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>();
        assert_eq!(trimmed(&rest), trimmed(&plain));
        assert!(plain.lines().all(|line| Line::raw(line).width() < 100), "{plain}");
    }

    #[test]
    fn nothing_measured_is_nothing_drawn() {
        assert_eq!(charts(&Summary::default(), 80, false), None);
        assert_eq!(charts(&run(), 0, false), None);
        assert_eq!(charts(&run(), 20, false), None);
    }

    #[test]
    fn every_request_is_in_a_bar() {
        let mut times = Histogram::default();
        assert_eq!(bars(&times, 5), []);
        times.record_n(0, 3);
        times.record_n(5_000_000, 4);
        let counts = |rows| bars(&times, rows).iter().map(|(_, count)| *count).collect::<Vec<_>>();
        assert_eq!(counts(1), [7]);
        assert_eq!(counts(3), [3, 0, 4]);
        assert_eq!(counts(0), Vec::<u64>::new());
        let mut alike = Histogram::default();
        alike.record_n(7, 9);
        assert_eq!(bars(&alike, 6).iter().map(|(_, count)| *count).collect::<Vec<_>>(), [9]);
    }

    #[test]
    fn no_size_panics() {
        let summary = run();
        let times = summary.response_time();
        let drawn = Charts::new(summary.timeline.iter(), &times);
        for width in [0, 1, 2, 5, 13, 71, 72, 200] {
            for height in [0, 1, 2, 3, 7, 30] {
                let area = Rect::new(0, 0, width, height);
                drawn.render(area, &mut Buffer::empty(area));
                Charts::new([].iter(), &Histogram::default()).render(area, &mut Buffer::empty(area));
            }
        }
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (value, text) in [(0.012_345, "0.0123"), (1.234, "1.23"), (123.4, "123"), (12_345.6, "12346")] {
            assert_eq!(significant(value), text);
        }
    }
}
