//! The report for people, at a terminal or in a log.

use std::fmt::Write as _;
use std::io;

use pulse_model::{Summary, ValidityState, Verdict};
use unicode_width::UnicodeWidthStr;

use crate::figures::Figures;
use crate::header::{RULE, header};
use crate::monitor_text::is_monitor;
use crate::number::{self, NONE};
use crate::suite::is_suite;
use crate::{Reporter, SuiteText, database_text, text_sections};

/// The report in text. Its first block has a fixed wording that scripts read; further rows come after it. A suite is
/// written as by [`SuiteText`].
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Colors the words of verdicts with ANSI escapes; only for terminals.
    pub color: bool,
    /// Columns of the terminal; 0 where there is none (a file, a pipe): nothing is shortened or broken into lines.
    pub width: u16,
    /// Begins with [`header`](crate::header()); off when that was printed as the load began.
    pub header: bool,
}

impl Default for Text {
    /// As for a file: complete, without color, of any width.
    fn default() -> Self {
        Self { color: false, width: 0, header: true }
    }
}

impl Reporter for Text {
    fn render(&self, summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
        if is_suite(summary) {
            return SuiteText { color: self.color, width: self.width, ..SuiteText::default() }
                .render(summary, out);
        }
        if let Some(database) = &summary.database {
            let mut page = Page::new(self.color, usize::from(self.width));
            database_text::all(&mut page, summary, database);
            return out.write_all(page.finish().as_bytes());
        }
        let figures = Figures::of(summary);
        let mut page = Page { text: String::new(), color: self.color, width: usize::from(self.width) };
        if self.header {
            page.text.push_str(&header(&summary.run));
        }
        page.line("");
        results(&mut page, &figures);
        text_sections::all(&mut page, &figures);
        out.write_all(page.text.as_bytes())
    }
}

/// The block with the fixed wording.
fn results(page: &mut Page, figures: &Figures<'_>) {
    let rule = "=".repeat(RULE);
    let total = figures.requests();
    let millis = number::millis;
    page.line(&rule);
    page.line(if is_monitor(&figures.summary.run.kind) { "MONITOR RESULTS" } else { "LOAD TEST RESULTS" });
    page.line(&rule);
    page.row("Total Requests", total);
    if is_monitor(&figures.summary.run.kind) && total == 0 {
        // A process says nothing about requests, and a service without any has no times.
        page.row("Duration", number::seconds(figures.summary.judged().as_secs_f64()));
        page.line(&rule);
        return;
    }
    for (label, part) in [("Successful", figures.successful()), ("Failed", figures.failed)] {
        page.row(label, format!("{part} ({})", number::percent(part, total)));
    }
    page.row("Duration", number::seconds(figures.summary.judged().as_secs_f64()));
    page.line("");
    page.line("Response Times:");
    page.row("  Min", millis(figures.response.min));
    page.row("  Max", millis(figures.response.max));
    page.row("  Avg", millis(figures.response.mean));
    page.row("  Median", millis(figures.response.median));
    page.row("  95th percentile", millis(figures.response.p95));
    page.row("  99th percentile", millis(figures.response.p99));
    page.line("");
    let throughput = figures
        .throughput
        .map_or_else(|| NONE.to_owned(), |rate| format!("{} req/s", number::rate(Some(rate))));
    page.row("Throughput", throughput);
    if let Some(requests) = figures.requests_per_user() {
        // A share of a request is only worth its digits when it is not whole anyway.
        let digits = if requests > 0.0 && requests < 1.0 { 2 } else { 0 };
        page.row("Avg per user", format!("{requests:.digits$} requests"));
    }
    page.line(&rule);
}

/// The text being written.
pub(crate) struct Page {
    text: String,
    color: bool,
    width: usize,
}

/// A terminal color with a meaning.
#[derive(Clone, Copy)]
pub(crate) enum Tone {
    Good,
    Doubtful,
    Bad,
}

impl Tone {
    pub(crate) fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Good,
            Verdict::Inconclusive | Verdict::NoData => Self::Doubtful,
            Verdict::Fail => Self::Bad,
        }
    }

    pub(crate) fn of_validity(state: ValidityState) -> Self {
        match state {
            ValidityState::Valid => Self::Good,
            ValidityState::Suspect => Self::Doubtful,
            ValidityState::Invalid => Self::Bad,
        }
    }
}

impl Page {
    /// An empty page.
    pub(crate) fn new(color: bool, width: usize) -> Self {
        Self { text: String::new(), color, width }
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Whether a line needs no break.
    pub(crate) fn fits(&self, line: &str) -> bool {
        self.width == 0 || visible_width(line) <= self.width
    }

    /// Columns to fill; 0 where there is no limit.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A line that goes on below itself, `indent` columns from the left, where the page is too narrow for it.
    pub(crate) fn wrapped(&mut self, indent: usize, text: &str) {
        let mut column = 0;
        for (index, word) in text.split(' ').enumerate() {
            let width = visible_width(word);
            if index > 0 && self.width > 0 && column > indent && column + 1 + width > self.width {
                self.text.push('\n');
                self.text.push_str(&" ".repeat(indent));
                column = indent;
            } else if index > 0 {
                self.text.push(' ');
                column += 1;
            }
            self.text.push_str(word);
            column += width;
        }
        self.text.push('\n');
    }

    /// `label: value`.
    pub(crate) fn row(&mut self, label: &str, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{label}: {value}");
    }

    /// Lines that are already complete.
    pub(crate) fn block(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// An empty line and a title.
    pub(crate) fn title(&mut self, title: &str) {
        self.line("");
        self.line(title);
    }

    /// The word in its color where color is wanted.
    pub(crate) fn toned(&self, tone: Tone, word: &str) -> String {
        if !self.color {
            return word.to_owned();
        }
        let code = match tone {
            Tone::Good => 32,
            Tone::Doubtful => 33,
            Tone::Bad => 31,
        };
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    }
}

/// Columns that a text takes, not counting the escapes of [`Page::toned`].
fn visible_width(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().width();
    let after_escapes = parts.map(|part| part.split_once('m').map_or(0, |(_, rest)| rest.width()));
    first + after_escapes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, canonical_monitor};

    const DOCUMENTED: &str = "\
Starting load test: 100 users for 60 seconds
Target: http://127.0.0.1:8000
Expected requests per user: ~600
Expected total requests: ~60000
------------------------------------------------------------

============================================================
LOAD TEST RESULTS
============================================================
Total Requests: 60000
Successful: 59995 (99.99%)
Failed: 5 (0.01%)
Duration: 60.05s

Response Times:
  Min: 2.50ms
  Max: 180.30ms
  Avg: 15.20ms
  Median: 12.40ms
  95th percentile: 45.60ms
  99th percentile: 89.20ms

Throughput: 999.17 req/s
Avg per user: 600 requests
============================================================
";

    /// The block with response times blanked out; all other figures of the canonical run are the documented ones.
    fn without_times(text: &str) -> String {
        let blanked = text.lines().map(|line| match line.split_once(": ") {
            Some((label, _)) if label.starts_with("  ") => format!("{label}: T"),
            _ => line.to_owned(),
        });
        blanked.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_first_block_has_the_documented_wording() {
        let text = canonical::rendered(&Text::default(), &canonical::plain());
        let block: Vec<_> = text.lines().take(DOCUMENTED.lines().count()).collect();
        assert_eq!(without_times(&block.join("\n")), without_times(DOCUMENTED));
        for line in block.iter().filter(|line| line.starts_with("  ")) {
            let time = line.split_once(": ").unwrap().1.strip_suffix("ms").unwrap();
            assert_eq!(time.split_once('.').unwrap().1.len(), 2, "two decimals in {line}");
        }
    }

    #[test]
    fn the_header_is_not_repeated_where_it_was_printed_already() {
        let live = Text { header: false, ..Text::default() };
        let summary = canonical::plain();
        let whole = canonical::rendered(&Text::default(), &summary);
        let rest = canonical::rendered(&live, &summary);
        assert_eq!(whole, header(&summary.run) + &rest);
    }

    #[test]
    fn color_only_wraps_words() {
        let color = Text { color: true, ..Text::default() };
        let colored = canonical::rendered(&color, &canonical::full());
        let mut plain = colored.clone();
        for code in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] {
            assert!(plain.contains(code), "{code:?} is used");
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, canonical::rendered(&Text::default(), &canonical::full()));
        assert!(!plain.contains('\u{1b}'), "what the service sent does not steer the terminal");
    }

    #[test]
    fn lines_break_between_words_and_color_takes_no_room() {
        let wrapped = |width, color, text: &str| {
            let mut page = Page { text: String::new(), color, width };
            let line = format!("  {}: {text}", page.toned(Tone::Bad, "bad"));
            page.wrapped(4, &line);
            page.text.replace("\u{1b}[31m", "").replace("\u{1b}[0m", "")
        };
        for color in [false, true] {
            assert_eq!(wrapped(14, color, "one two three"), "  bad: one two\n    three\n");
            assert_eq!(wrapped(0, color, "one two three"), "  bad: one two three\n");
            assert_eq!(wrapped(12, color, "averyverylongword x"), "  bad:\n    averyverylongword\n    x\n");
        }
    }

    #[test]
    fn full() {
        insta::assert_snapshot!(canonical::rendered(&Text::default(), &canonical::full()));
    }

    #[test]
    fn full_at_a_terminal() {
        let usual = Text { width: 80, header: false, ..Text::default() };
        let text = canonical::rendered(&usual, &canonical::full());
        insta::assert_snapshot!(text);
        let widest = text.lines().max_by_key(|line| line.width()).unwrap();
        assert!(widest.width() <= 80, "{widest}");
    }

    #[test]
    fn full_on_a_narrow_terminal() {
        let narrow = Text { width: 60, header: false, ..Text::default() };
        insta::assert_snapshot!(canonical::rendered(&narrow, &canonical::full()));
    }

    #[test]
    fn empty() {
        insta::assert_snapshot!(canonical::rendered(&Text::default(), &canonical::empty()));
    }

    #[test]
    fn a_watch_without_requests_has_no_times() {
        let mut process = canonical_monitor::full();
        process.totals.series.retain(|series, _| series.metric.starts_with("process_"));
        insta::assert_snapshot!(canonical::rendered(&Text::default(), &process));
    }

    #[test]
    fn monitor() {
        insta::assert_snapshot!(canonical::rendered(&Text::default(), &canonical_monitor::full()));
    }
}
