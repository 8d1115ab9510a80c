//! Prometheus text and OpenMetrics text, read into families.
//!
//! One reader for both: what it takes is the union of Prometheus text 0.0.4, 1.0.0 and OpenMetrics 1.0.0. It is as strict as
//! Prometheus where a mistake could change a meaning (quotes, duplicate labels, numbers), and lenient where text in the wild
//! is careless: families may interleave, lines may end in CRLF, comments may stand anywhere. Timestamps and exemplars are
//! checked and left out.
//!
//! Everything is bounded, and every mistake has a position.

use std::collections::HashMap;

use crate::names::{Noun, is_plain};

/// The longest text that is read.
pub const MAX_TEXT_BYTES: usize = 64 << 20;
/// The most samples that are read.
pub const MAX_SAMPLES: usize = 1_000_000;
/// The most labels of a sample.
pub const MAX_LABELS: usize = 64;

/// What a family says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExposedKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets.
    Histogram,
    /// Quantiles that the service computed itself.
    Summary,
    /// Anything else, and what says nothing.
    #[default]
    Unknown,
}

/// All samples under one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExposedFamily {
    /// The name, without the `_total` of counters.
    pub name: String,
    /// What it is.
    pub kind: ExposedKind,
    /// The unit, if the text gives one.
    pub unit: String,
    /// The description, if the text gives one.
    pub help: String,
    /// The samples in the order of the text.
    pub samples: Vec<ExposedSample>,
}

/// One line with a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExposedSample {
    /// The name as it stands, with its suffix.
    pub name: String,
    /// Labels in the order of the text.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// A text that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExposedText {
    /// Families in the order in which they first occur.
    pub families: Vec<ExposedFamily>,
    /// Whether `# EOF` stands at the end; OpenMetrics demands it, so that half a text is not taken for the whole.
    pub ended: bool,
}

/// Why a text could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct ExposedTextError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// Reads a text.
///
/// ```
/// let text = pulse_export::parse_text("# TYPE jobs counter\njobs_total{queue=\"mail\"} 3\n")?;
/// assert_eq!((&*text.families[0].name, text.families[0].samples[0].value), ("jobs", 3.0));
/// let error = pulse_export::parse_text("jobs{queue=mail} 3\n").unwrap_err();
/// assert_eq!(error.to_string(), "line 1, column 12: a label's value stands in quotes");
/// # Ok::<(), pulse_export::ExposedTextError>(())
/// ```
pub fn parse_text(text: &str) -> Result<ExposedText, ExposedTextError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(ExposedTextError { line: 1, column: 1, reason: "the text is longer than 64 MiB" });
    }
    let mut families = Families::default();
    let mut ended = false;
    let mut samples = 0;
    for (number, line) in text.split('\n').enumerate() {
        let mut cursor = Cursor { line: line.strip_suffix('\r').unwrap_or(line), at: 0 };
        let parsed = match () {
            () if cursor.rest().trim_start().is_empty() => Ok(()),
            () if ended => Err(cursor.fail("nothing may follow # EOF")),
            () if samples >= MAX_SAMPLES => Err(cursor.fail("there are more than 1 000 000 samples")),
            () if cursor.rest().trim_start().starts_with('#') => {
                cursor.comment(&mut families).map(|end| ended = end)
            }
            () => cursor.sample().map(|sample| {
                samples += 1;
                families.add(sample);
            }),
        };
        parsed.map_err(|Mistake { at, reason }| {
            let column = cursor.line[..at].chars().count() + 1;
            ExposedTextError { line: number + 1, column, reason }
        })?;
    }
    families.list.iter_mut().for_each(ExposedFamily::drop_suffix);
    Ok(ExposedText { families: families.list, ended })
}

/// Families by name while they are gathered.
#[derive(Default)]
struct Families {
    list: Vec<ExposedFamily>,
    by_name: HashMap<String, usize>,
    /// The family of the latest line, which most lines continue.
    open: usize,
}

impl Families {
    /// The family with this name, made if need be.
    fn entry(&mut self, name: &str) -> &mut ExposedFamily {
        let next = self.list.len();
        self.open = *self.by_name.entry(name.to_owned()).or_insert(next);
        if self.open == next {
            self.list.push(ExposedFamily { name: name.to_owned(), ..ExposedFamily::default() });
        }
        &mut self.list[self.open]
    }

    fn describe(&mut self, what: Metadata, name: &str, text: String) {
        let family = self.entry(name);
        match what {
            Metadata::Help => family.help = text,
            Metadata::Unit => family.unit = text,
            Metadata::Type => {
                family.kind = match &*text {
                    "counter" => ExposedKind::Counter,
                    "gauge" => ExposedKind::Gauge,
                    "histogram" => ExposedKind::Histogram,
                    "summary" => ExposedKind::Summary,
                    _ => ExposedKind::Unknown,
                }
            }
        }
    }

    fn add(&mut self, sample: ExposedSample) {
        let open = self.list.get(self.open).is_some_and(|family| family.holds(&sample.name));
        if !open {
            let suffixes = ["", "_total", "_bucket", "_sum", "_count", "_created"];
            let found = suffixes.iter().find_map(|suffix| {
                let at = *self.by_name.get(sample.name.strip_suffix(suffix)?)?;
                self.list[at].holds(&sample.name).then_some(at)
            });
            match found {
                Some(at) => self.open = at,
                None => {
                    self.entry(&sample.name);
                }
            }
        }
        self.list[self.open].samples.push(sample);
    }
}

impl ExposedFamily {
    /// Whether a sample of this name belongs to the family.
    fn holds(&self, sample: &str) -> bool {
        let Some(suffix) = sample.strip_prefix(&*self.name) else { return false };
        match self.kind {
            ExposedKind::Counter => matches!(suffix, "" | "_total" | "_created"),
            ExposedKind::Histogram => matches!(suffix, "_bucket" | "_sum" | "_count" | "_created"),
            ExposedKind::Summary => matches!(suffix, "" | "_sum" | "_count" | "_created"),
            ExposedKind::Gauge | ExposedKind::Unknown => suffix.is_empty(),
        }
    }

    /// Prometheus text names a counter as its samples, OpenMetrics without their suffix; afterwards all are named alike.
    fn drop_suffix(&mut self) {
        let same = |sample: &ExposedSample| sample.name == self.name;
        if self.kind == ExposedKind::Counter
            && self.samples.iter().all(same)
            && let Some(name) = self.name.strip_suffix("_total").filter(|name| !name.is_empty())
        {
            self.name = name.to_owned();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Metadata {
    Help,
    Type,
    Unit,
}

/// A mistake at a byte offset of the line.
struct Mistake {
    at: usize,
    reason: &'static str,
}

/// A place in a line.
struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn fail(&self, reason: &'static str) -> Mistake {
        Mistake { at: self.at, reason }
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    /// Takes the character if it is next.
    fn take(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Everything up to the next blank.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let len = rest.find([' ', '\t']).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// A line that begins with `#`. Says whether it was the end.
    fn comment(&mut self, families: &mut Families) -> Result<bool, Mistake> {
        self.skip_blanks();
        self.take('#');
        self.skip_blanks();
        let what = match self.word() {
            "EOF" if self.rest().is_empty() => return Ok(true),
            "HELP" => Metadata::Help,
            "TYPE" => Metadata::Type,
            "UNIT" => Metadata::Unit,
            _ => return Ok(false),
        };
        self.skip_blanks();
        let name = if self.rest().starts_with('"') { self.quoted()? } else { self.word().to_owned() };
        if name.is_empty() {
            return Err(self.fail("a metric's name is missing"));
        }
        self.skip_blanks();
        let text = match what {
            Metadata::Help => unescaped(self.rest()),
            _ => self.rest().trim_end_matches([' ', '\t']).to_owned(),
        };
        families.describe(what, &name, text);
        Ok(false)
    }

    fn sample(&mut self) -> Result<ExposedSample, Mistake> {
        self.skip_blanks();
        let rest = self.rest();
        let len = rest.find([' ', '\t', '{']).unwrap_or(rest.len());
        let mut sample = ExposedSample { name: rest[..len].to_owned(), ..ExposedSample::default() };
        if len > 0 && !is_plain(&sample.name, Noun::Metric) {
            return Err(self.fail("not a metric's name; other characters need quotes within braces"));
        }
        self.at += len;
        self.skip_blanks();
        if self.take('{') {
            self.labels(&mut sample)?;
        }
        if sample.name.is_empty() {
            return Err(self.fail("a metric's name is missing"));
        }
        self.skip_blanks();
        sample.value = self.number("a value is missing", "not a number")?;
        self.skip_blanks();
        if !self.rest().is_empty() && !self.rest().starts_with('#') {
            self.number("a timestamp is missing", "not a timestamp")?;
            self.skip_blanks();
        }
        if self.take('#') {
            self.exemplar()?;
        }
        if self.rest().is_empty() { Ok(sample) } else { Err(self.fail("nothing may follow")) }
    }

    fn number(&mut self, missing: &'static str, wrong: &'static str) -> Result<f64, Mistake> {
        let start = self.at;
        let word = self.word();
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        match word.parse::<f64>() {
            Ok(value) if word.chars().all(known) => Ok(value),
            _ => Err(Mistake { at: start, reason: if word.is_empty() { missing } else { wrong } }),
        }
    }

    /// `{trace_id="…"} value [timestamp]` after a `#`.
    fn exemplar(&mut self) -> Result<(), Mistake> {
        self.skip_blanks();
        if !self.take('{') {
            return Err(self.fail("an exemplar begins with {"));
        }
        let mut labels = ExposedSample::default();
        self.labels(&mut labels)?;
        self.skip_blanks();
        self.number("an exemplar's value is missing", "not a number")?;
        self.skip_blanks();
        if !self.rest().is_empty() {
            self.number("a timestamp is missing", "not a timestamp")?;
            self.skip_blanks();
        }
        Ok(())
    }

    /// Labels up to and with the closing brace; a name in quotes without a value is the metric's.
    fn labels(&mut self, sample: &mut ExposedSample) -> Result<(), Mistake> {
        loop {
            self.skip_blanks();
            if self.take('}') {
                return Ok(());
            }
            let start = self.at;
            let quoted = self.rest().starts_with('"');
            let name = if quoted { self.quoted()? } else { self.label_name()? };
            self.skip_blanks();
            if self.take('=') {
                self.skip_blanks();
                if !self.rest().starts_with('"') {
                    return Err(self.fail("a label's value stands in quotes"));
                }
                let value = self.quoted()?;
                if sample.labels.len() >= MAX_LABELS {
                    return Err(Mistake { at: start, reason: "a sample has at most 64 labels" });
                }
                if sample.labels.iter().any(|(other, _)| *other == name) {
                    return Err(Mistake { at: start, reason: "this label is there twice" });
                }
                sample.labels.push((name, value));
            } else if quoted && sample.name.is_empty() && sample.labels.is_empty() && !name.is_empty() {
                sample.name = name;
            } else {
                return Err(self.fail("a label is written name=\"value\""));
            }
            self.skip_blanks();
            if !self.take(',') && !self.rest().starts_with('}') {
                return Err(self.fail("a , or } is expected"));
            }
        }
    }

    fn label_name(&mut self) -> Result<String, Mistake> {
        let rest = self.rest();
        let len = rest.find(['=', ' ', '\t', ',', '}']).unwrap_or(rest.len());
        if !is_plain(&rest[..len], Noun::Label) {
            return Err(self.fail("not a label's name; other characters need quotes"));
        }
        self.at += len;
        Ok(rest[..len].to_owned())
    }

    /// A text in quotes, with `\\`, `\"` and `\n` resolved; the cursor stands on the opening one.
    fn quoted(&mut self) -> Result<String, Mistake> {
        let start = self.at;
        let mut escaped = false;
        for (offset, c) in self.rest().char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.at = start + offset + 1;
                    return Ok(unescaped(&self.line[start + 1..start + offset]));
                }
                _ => {}
            }
        }
        Err(Mistake { at: start, reason: "a closing quote is missing" })
    }
}

/// Resolves `\\`, `\"` and `\n`; any other backslash stays, as Prometheus keeps it.
fn unescaped(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some(c @ ('\\' | '"')) => out.push(c),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{malicious, service};
    use crate::{Escaping, open_metrics, prometheus_text};
    use proptest::prelude::*;

    fn one(text: &str) -> ExposedSample {
        let mut text = parse_text(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        text.families.remove(0).samples.remove(0)
    }

    #[test]
    fn samples_in_every_spelling() {
        for (text, name, labels, value) in [
            ("a 1", "a", &[][..], 1.0),
            ("a{} 1", "a", &[], 1.0),
            ("  a\t{b=\"c\"}\t1  ", "a", &[("b", "c")], 1.0),
            ("a{b=\"c\",} 1", "a", &[("b", "c")], 1.0),
            ("a{ b = \"c\" , d = \"e\" } 1", "a", &[("b", "c"), ("d", "e")], 1.0),
            ("a{b=\"c\"} 1 1700000000000", "a", &[("b", "c")], 1.0),
            ("a 1 1700000000.123", "a", &[], 1.0),
            ("a_total 1 # {trace_id=\"x\"} 0.5 17.1", "a_total", &[], 1.0),
            ("a_total 1 17 # {} 0.5", "a_total", &[], 1.0),
            ("a 1e+06\r", "a", &[], 1e6),
            ("a +Inf", "a", &[], f64::INFINITY),
            ("a -0.25", "a", &[], -0.25),
            ("{\"a.b\"} 1", "a.b", &[], 1.0),
            ("{\"a.b\", \"c d\"=\"e\"} 1", "a.b", &[("c d", "e")], 1.0),
            ("a:b{c=\"\\\\n\\\"\\n\\t#}\"} 1", "a:b", &[("c", "\\n\"\n\\t#}")], 1.0),
        ] {
            let sample = one(text);
            let labels: Vec<(String, String)> =
                labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!((&*sample.name, sample.labels), (name, labels), "{text}");
            assert_eq!(sample.value.to_bits(), value.to_bits(), "{text}");
        }
    }

    #[test]
    fn mistakes_have_a_position() {
        for (text, line, column, reason) in [
            ("a", 1, 2, "a value is missing"),
            ("a b", 1, 3, "not a number"),
            ("a 0x10", 1, 3, "not a number"),
            ("a 1_0", 1, 3, "not a number"),
            ("a 1 b", 1, 5, "not a timestamp"),
            ("a 1 2 3", 1, 7, "nothing may follow"),
            ("a 1\né 1", 2, 1, "not a metric's name; other characters need quotes within braces"),
            ("{} 1", 1, 3, "a metric's name is missing"),
            ("a{b=\"é\",c} 1", 1, 10, "a label is written name=\"value\""),
            ("a{b=c} 1", 1, 5, "a label's value stands in quotes"),
            ("a{b=\"c} 1", 1, 5, "a closing quote is missing"),
            ("a{b=\"c\\\"} 1", 1, 5, "a closing quote is missing"),
            ("a{b=\"c\" d=\"e\"} 1", 1, 9, "a , or } is expected"),
            ("a{b=\"c\",b=\"d\"} 1", 1, 9, "this label is there twice"),
            ("a{1b=\"c\"} 1", 1, 3, "not a label's name; other characters need quotes"),
            ("a{b=\"c\"", 1, 8, "a , or } is expected"),
            ("a{\"b\"} 1", 1, 6, "a label is written name=\"value\""),
            ("a 1 # b", 1, 7, "an exemplar begins with {"),
            ("a 1 # {} ", 1, 10, "an exemplar's value is missing"),
            ("# TYPE", 1, 7, "a metric's name is missing"),
            ("# EOF\na 1", 2, 1, "nothing may follow # EOF"),
        ] {
            let error = parse_text(text).unwrap_err();
            assert_eq!(error, ExposedTextError { line, column, reason }, "{text}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        let long = " ".repeat(MAX_TEXT_BYTES + 1);
        assert_eq!(parse_text(&long).unwrap_err().reason, "the text is longer than 64 MiB");
        let many = "a 1\n".repeat(MAX_SAMPLES + 1);
        let error = parse_text(&many).unwrap_err();
        assert_eq!((error.line, error.reason), (MAX_SAMPLES + 1, "there are more than 1 000 000 samples"));
        let labels: Vec<String> = (0..=MAX_LABELS).map(|n| format!("l{n}=\"\"")).collect();
        let error = parse_text(&format!("a{{{}}} 1", labels.join(","))).unwrap_err();
        assert_eq!(error.reason, "a sample has at most 64 labels");
    }

    #[test]
    fn families_with_and_without_order() {
        let text = "# HELP a_total All a.\n# TYPE a_total counter\na_total 1\n# A comment.\n\n\
                    # TYPE b histogram\n# UNIT b seconds\nb_bucket{le=\"1\"} 1\nb_bucket{le=\"+Inf\"} 1\n\
                    c 2\na_total{x=\"y\"} 3\nb_sum 1\nb_count 1\n# TYPE d summary\nd{quantile=\"0.5\"} 1\nd_sum 1\nd_count 1\n\
                    # TYPE e counter\n# HELP e It\\nis \\\"e\\\".\ne_total 1\ne_created 2\nf_count 1\n# EOF\n";
        let text = parse_text(text).unwrap();
        let shape: Vec<(&str, ExposedKind, usize)> =
            text.families.iter().map(|family| (&*family.name, family.kind, family.samples.len())).collect();
        let expected = [
            ("a", ExposedKind::Counter, 2),
            ("b", ExposedKind::Histogram, 4),
            ("c", ExposedKind::Unknown, 1),
            ("d", ExposedKind::Summary, 3),
            ("e", ExposedKind::Counter, 2),
            ("f_count", ExposedKind::Unknown, 1),
        ];
        assert_eq!(shape, expected);
        assert_eq!((&*text.families[0].help, &*text.families[1].unit), ("All a.", "seconds"));
        assert_eq!(text.families[4].help, "It\nis \"e\".");
        assert!(text.ended);
    }

    #[test]
    fn both_of_our_texts_say_the_same() {
        for snapshot in [service(), malicious()] {
            for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values, Escaping::AllowUtf8] {
                let [plain, open] = [prometheus_text(&snapshot, escaping), open_metrics(&snapshot, escaping)]
                    .map(|bytes| parse_text(std::str::from_utf8(&bytes).unwrap()).unwrap());
                assert!(open.ended && !plain.ended);
                let without_units = |text: ExposedText| -> Vec<ExposedFamily> {
                    text.families.into_iter().map(|f| ExposedFamily { unit: String::new(), ..f }).collect()
                };
                let [plain, open] = [plain, open].map(without_units);
                for (plain, open) in plain.iter().zip(&open) {
                    assert_eq!(plain, open, "{escaping:?}");
                }
                assert_eq!(plain.len(), open.len());
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_positions_are_within(text in "[a-b_ \\t{}=\",\\\\#\n0-9.eé\u{0}]{0,80}", prefix in "(# TYPE a counter\n|# HELP |a\\{)?") {
            let text = prefix + &text;
            if let Err(error) = parse_text(&text) {
                let line = text.split('\n').nth(error.line - 1).unwrap();
                prop_assert!(error.column <= line.chars().count() + 1, "{error}");
            }
        }

        #[test]
        fn any_text_at_all(text in any::<String>()) {
            let _ = parse_text(&text);
        }
    }
}
