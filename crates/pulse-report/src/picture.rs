//! The report as a picture: charts with what must be known to read them.

mod axis;
mod cases;
mod letters;
mod panel;
mod raster;
mod run;

use std::io;

use plotters::coord::Shift;
use plotters::prelude::{
    Color as _, DrawingArea, DrawingBackend, IntoDrawingArea as _, PathElement, RGBColor, SVGBackend, Text,
};
use pulse_model::{Moment, Nanos, Summary};
use tiny_skia::Pixmap;

use self::panel::{AMBER, BACKGROUND, Drawn, GREEN, INK, MUTED, Panel, RED, text};
use self::raster::Raster;
use crate::figures::Figures;
use crate::number::{self, printable};
use crate::suite::{Suite, is_suite};
use crate::text::Tone;
use crate::{Reporter, wording};

/// Width and height in pixels.
const SIZE: (u32, u32) = (1200, 900);
/// What the lines of the heading are indented by, and their heights.
const INDENT: i32 = 14;
const TITLE: f64 = 22.0;
const TITLE_LINE: i32 = 38;
const LETTERS: f64 = 14.0;
const LINE: i32 = 21;
/// Moments that are told in words; the rest is counted.
const MOMENTS: usize = 3;
/// What stands between facts.
const BETWEEN: &str = "  ·  ";

/// The report as an SVG picture of 1200 × 900 pixels: for a load or a watch its rates and response times over time, its
/// percentiles and its distribution, for a suite the response times of its cases, for both what changed against a baseline.
///
/// It has a background of its own, so that it can be read on a dark page, too. It holds no script and no reference.
#[derive(Clone, Copy, Debug, Default)]
pub struct Svg;

/// The picture of [`Svg`] as PNG. Its letters come with the program: the machine needs no fonts. What the font lacks (it has
/// Latin, Greek and Cyrillic letters) is an empty box.
#[derive(Clone, Copy, Debug, Default)]
pub struct Png;

impl Reporter for Svg {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let picture = Picture::of(summary);
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        picture.draw(&area).and_then(|()| area.present()).map_err(not_drawn)?;
        drop(area);
        // What programs that read a page aloud say of it.
        let (head, body) = svg.split_once(">\n").unwrap_or_default();
        write!(out, "{head} role=\"img\">\n<title>{}</title>\n{body}", escaped(&picture.spoken()))
    }
}

impl Reporter for Png {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        let mut pixels = Pixmap::new(SIZE.0, SIZE.1)
            .ok_or_else(|| io::Error::new(io::ErrorKind::OutOfMemory, "no memory for the picture"))?;
        let area = Raster::new(&mut pixels).into_drawing_area();
        Picture::of(summary).draw(&area).and_then(|()| area.present()).map_err(not_drawn)?;
        drop(area);
        out.write_all(&pixels.encode_png().map_err(io::Error::other)?)
    }
}

fn not_drawn(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("the picture cannot be drawn: {error}"))
}

/// The text as XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What is in a picture.
struct Picture {
    title: String,
    /// Words with their meaning: the verdict, and whether the measurement can be trusted.
    verdict: [(String, Tone); 2],
    /// What stands beside them.
    figures: String,
    /// What stands below.
    lines: Vec<String>,
    /// Charts from top to bottom, in each row from left to right.
    rows: Vec<Vec<Panel>>,
}

impl Picture {
    fn of(summary: &Summary) -> Self {
        if is_suite(summary) { Self::of_suite(summary) } else { Self::of_run(summary) }
    }

    fn of_run(summary: &Summary) -> Self {
        let figures = Figures::of(summary);
        let requests = figures.requests();
        let response = &figures.response;
        let told = [
            format!("{requests} requests"),
            format!("{} failed ({})", figures.failed, number::percent(figures.failed, requests)),
            format!("{} req/s", number::rate(figures.throughput)),
            format!("p50 {}", number::millis(response.median)),
            format!("p95 {}", number::millis(response.p95)),
            format!("p99 {}", number::millis(response.p99)),
        ];
        let conditions = [
            printable(&summary.run.service).into_owned(),
            number::seconds(summary.elapsed.as_secs_f64()),
            printable(&summary.run.started).into_owned(),
        ];
        let loads = summary.run.scenarios.iter().map(|scenario| printable(&scenario.load).into_owned());
        let conditions = conditions.into_iter().chain(loads);
        let conditions: Vec<_> = conditions.filter(|text| !text.is_empty()).collect();
        let tone = summary.verdict.map_or(Tone::Doubtful, Tone::of_verdict);
        let marks: Vec<_> = numbered(&summary.moments);
        let right = cases::compared(&Suite::of(summary)).unwrap_or_else(|| run::histogram(summary));
        Self {
            title: titled(wording::job(summary), &summary.run.name),
            verdict: [(wording::verdict(summary).to_owned(), tone), measurement(summary)],
            figures: told.join(BETWEEN),
            lines: [conditions.join(BETWEEN)].into_iter().chain(remarks(summary)).collect(),
            rows: vec![
                vec![run::rates(summary, &marks)],
                vec![run::times(summary, &marks)],
                vec![run::percentiles(summary), right],
            ],
        }
    }

    fn of_suite(summary: &Summary) -> Self {
        let suite = Suite::of(summary);
        let verdict = suite.verdict();
        let state = suite.validity;
        let left_out = suite.cases.len().saturating_sub(cases::ROWS);
        let more = (left_out > 0).then(|| format!("{left_out} more cases are in the other reports"));
        let started = printable(&summary.run.started).into_owned();
        let conditions = (!started.is_empty()).then_some(started);
        let measurement = (format!("measurement {}", wording::validity(state)), Tone::of_validity(state));
        Self {
            title: titled(wording::job(summary), &summary.run.name),
            verdict: [(verdict.as_str().to_owned(), Tone::of_verdict(verdict)), measurement],
            figures: suite.tally(),
            lines: conditions.into_iter().chain(more).chain(remarks(summary)).collect(),
            rows: [Some(cases::times(&suite)), cases::compared(&suite)]
                .into_iter()
                .flatten()
                .map(|panel| vec![panel])
                .collect(),
        }
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        area.fill(&BACKGROUND)?;
        let width = f64::from(SIZE.0) - 2.0 * f64::from(INDENT);
        let title = letters::fitted(&self.title, TITLE, width);
        area.draw(&Text::new(title, (INDENT, INDENT), text(TITLE, INK)))?;
        let mut y = INDENT + TITLE_LINE;
        let words = self.verdict.iter().map(|(word, tone)| (word.as_str(), color(*tone)));
        let mut x = INDENT;
        for (word, color) in words.chain([(self.figures.as_str(), INK)]) {
            let word = letters::fitted(word, LETTERS, f64::from(SIZE.0) - f64::from(x + INDENT));
            let after = x + letters::room(&format!("{word}{BETWEEN}"), LETTERS).ceil() as i32;
            area.draw(&Text::new(word, (x, y), text(LETTERS, color)))?;
            x = after;
        }
        for line in &self.lines {
            y += LINE;
            let line = letters::fitted(line, LETTERS, width);
            area.draw(&Text::new(line, (INDENT, y), text(LETTERS, MUTED)))?;
        }
        y += LINE + LINE / 2;
        let rule = vec![(INDENT, y - 4), (SIZE.0.cast_signed() - INDENT, y - 4)];
        area.draw(&PathElement::new(rule, MUTED.mix(0.4)))?;
        let (_, charts) = area.split_vertically(y);
        let rows = charts.split_evenly((self.rows.len(), 1));
        for (panels, row) in self.rows.iter().zip(&rows) {
            for (panel, place) in panels.iter().zip(&row.split_evenly((1, panels.len()))) {
                panel.draw(place)?;
            }
        }
        Ok(())
    }

    /// The picture in a sentence.
    fn spoken(&self) -> String {
        let words = self.verdict.iter().map(|(word, _)| word.as_str()).chain([self.figures.as_str()]);
        format!("{}: {}", self.title, words.collect::<Vec<_>>().join(", "))
    }
}

fn titled(job: &str, name: &str) -> String {
    if name.is_empty() { job.to_owned() } else { format!("{job}: {}", printable(name)) }
}

fn measurement(summary: &Summary) -> (String, Tone) {
    let state = summary.validity.state;
    (format!("measurement {}", wording::validity(state)), Tone::of_validity(state))
}

/// What the reader must know: an early end, doubts, and what happened when.
fn remarks(summary: &Summary) -> impl Iterator<Item = String> {
    let ending = wording::ending(&summary.ending).map(|ending| format!("Not completed: {ending}"));
    let reasons = &summary.validity.reasons;
    let doubt = reasons.first().map(|reason| {
        let more =
            if reasons.len() > 1 { format!(" (and {} more)", reasons.len() - 1) } else { String::new() };
        let state = wording::validity(reason.state).to_lowercase();
        format!("{state}: {}{more}", printable(&reason.message))
    });
    let moments = summary.moments.iter().take(MOMENTS).enumerate();
    let moments = moments.map(|(index, moment)| {
        let at = wording::moment(Some(moment.at));
        let more = summary.moments.len().saturating_sub(MOMENTS);
        let more =
            if index + 1 == MOMENTS && more > 0 { format!(" (and {more} more)") } else { String::new() };
        format!("{} at {at}: {}{more}", index + 1, printable(&moment.message))
    });
    ending.into_iter().chain(doubt).chain(moments.collect::<Vec<_>>())
}

/// Seconds of the moments, each with its number; where many are, only the first ones are marked.
fn numbered(moments: &[Moment]) -> Vec<(f64, String)> {
    let seconds = |at: Nanos| at.as_secs_f64();
    let marked = moments.iter().take(MOMENTS).enumerate();
    marked.map(|(index, moment)| (seconds(moment.at), (index + 1).to_string())).collect()
}

const fn color(tone: Tone) -> RGBColor {
    match tone {
        Tone::Good => GREEN,
        Tone::Doubtful => AMBER,
        Tone::Bad => RED,
    }
}

#[cfg(test)]
mod tests;
