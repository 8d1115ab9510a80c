//! Prometheus text 0.0.4 and 1.0.0, and OpenMetrics text 1.0.0.
//!
//! The three differ little. OpenMetrics has the order TYPE, UNIT, HELP, names a counter's family without `_total`, and ends
//! with `# EOF`. Version 1.0.0 of Prometheus' text, like OpenMetrics, may have names in quotes.
//!
//! Histograms leave in classic buckets (see `classic.rs`): these formats know no other. `_created` is left out, since
//! Prometheus makes a series of its own of it; exemplars are not recorded.

use pulse_model::Snapshot;

use crate::classic::Bounds;
use crate::exposition::{Exposition, Family, Label, Value};
use crate::families::{Instrument, Unit};
use crate::names::{Escaping, Noun, is_plain};
use crate::number;

/// Which of the text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Prometheus,
    OpenMetrics,
}

/// The snapshot as Prometheus text. With [`Escaping::Underscores`] it is version 0.0.4, which every scraper reads; the other
/// schemes belong to version 1.0.0.
pub fn prometheus_text(snapshot: &Snapshot, escaping: Escaping) -> Vec<u8> {
    write(snapshot, escaping, Dialect::Prometheus)
}

/// The snapshot as OpenMetrics text 1.0.0.
pub fn open_metrics(snapshot: &Snapshot, escaping: Escaping) -> Vec<u8> {
    let mut out = write(snapshot, escaping, Dialect::OpenMetrics);
    out.extend_from_slice(b"# EOF\n");
    out
}

fn write(snapshot: &Snapshot, escaping: Escaping, dialect: Dialect) -> Vec<u8> {
    let exposition = Exposition::new(snapshot, escaping);
    let mut out = Vec::with_capacity(exposition.families.iter().map(size).sum());
    let mut scratch = Scratch::default();
    for family in &exposition.families {
        write_metadata(family, dialect, &mut out);
        if family.instrument == Instrument::Histogram {
            write_histograms(family, &mut scratch, &mut out);
        } else {
            write_numbers(family, &mut scratch, &mut out);
        }
    }
    out
}

/// About how many bytes a family takes; growing a buffer of megabytes copies it several times.
fn size(family: &Family<'_>) -> usize {
    let lines = if family.instrument == Instrument::Histogram { 22 } else { 1 };
    let labels: usize = family.label_names.iter().map(|name| name.prometheus.len() + 16).sum();
    256 + family.points.len() * lines * (family.name.len() + labels + 36)
}

fn write_metadata(family: &Family<'_>, dialect: Dialect, out: &mut Vec<u8>) {
    let instrument = match family.instrument {
        Instrument::Counter => "counter",
        Instrument::UpDownCounter | Instrument::Gauge => "gauge",
        Instrument::Histogram => "histogram",
    };
    let suffix = if family.instrument == Instrument::Counter { "_total" } else { "" };
    match dialect {
        Dialect::Prometheus => {
            write_comment("HELP", &family.name, suffix, &family.help, dialect, out);
            write_comment("TYPE", &family.name, suffix, instrument, dialect, out);
        }
        Dialect::OpenMetrics => {
            write_comment("TYPE", &family.name, "", instrument, dialect, out);
            if let Some(unit) = family.unit.word() {
                write_comment("UNIT", &family.name, "", unit, dialect, out);
            }
            write_comment("HELP", &family.name, "", &family.help, dialect, out);
        }
    }
}

fn write_comment(what: &str, name: &str, suffix: &str, text: &str, dialect: Dialect, out: &mut Vec<u8>) {
    out.extend_from_slice(b"# ");
    out.extend_from_slice(what.as_bytes());
    out.push(b' ');
    if is_plain(name, Noun::Metric) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
    } else {
        out.push(b'"');
        escaped(name, true, out);
        out.extend_from_slice(suffix.as_bytes());
        out.push(b'"');
    }
    out.push(b' ');
    escaped(text, dialect == Dialect::OpenMetrics, out);
    out.push(b'\n');
}

/// Writes `text` with `\`, line feeds and, where they would end it, quotes escaped.
fn escaped(text: &str, quotes: bool, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) =
        rest.iter().position(|&byte| matches!(byte, b'\\' | b'\n') || (quotes && byte == b'"'))
    {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\\');
        out.push(if rest[at] == b'\n' { b'n' } else { rest[at] });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Buffers that live for all families.
#[derive(Debug, Default)]
struct Scratch {
    /// The beginning of a line: name and labels without the closing brace.
    head: Vec<u8>,
    counts: Vec<u64>,
}

/// Writes the name of samples and the opening brace, and says whether a name in quotes already stands behind it.
fn open(name: &str, suffix: &str, out: &mut Vec<u8>) -> bool {
    if is_plain(name, Noun::Metric) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        out.push(b'{');
        return false;
    }
    out.extend_from_slice(b"{\"");
    escaped(name, true, out);
    out.extend_from_slice(suffix.as_bytes());
    out.push(b'"');
    true
}

/// `http_route="` of each label of the family.
fn label_heads(family: &Family<'_>) -> Vec<Vec<u8>> {
    let head = |name: &str| {
        let mut head = Vec::with_capacity(name.len() + 2);
        if is_plain(name, Noun::Label) {
            head.extend_from_slice(name.as_bytes());
        } else {
            head.push(b'"');
            escaped(name, true, &mut head);
            head.push(b'"');
        }
        head.extend_from_slice(b"=\"");
        head
    };
    family.label_names.iter().map(|name| head(&name.prometheus)).collect()
}

fn write_labels(labels: &[Label<'_>], heads: &[Vec<u8>], mut comma: bool, out: &mut Vec<u8>) {
    for label in labels {
        if comma {
            out.push(b',');
        }
        comma = true;
        out.extend_from_slice(&heads[usize::from(label.name)]);
        escaped(&label.value, true, out);
        out.push(b'"');
    }
}

fn write_numbers(family: &Family<'_>, scratch: &mut Scratch, out: &mut Vec<u8>) {
    let suffix = if family.instrument == Instrument::Counter { "_total" } else { "" };
    let heads = label_heads(family);
    scratch.head.clear();
    let quoted = open(&family.name, suffix, &mut scratch.head);
    for point in &family.points {
        let Value::Number(value) = point.value else { continue };
        out.extend_from_slice(&scratch.head);
        let labels = family.labels(point);
        write_labels(labels, &heads, quoted, out);
        if labels.is_empty() && !quoted {
            // Braces with nothing in them are allowed, but nobody writes them.
            out.pop();
            out.push(b' ');
        } else {
            out.extend_from_slice(b"} ");
        }
        write_value(u128::from(value), family.unit, out);
        out.push(b'\n');
    }
}

fn write_value(value: u128, unit: Unit, out: &mut Vec<u8>) {
    match (unit, u64::try_from(value)) {
        (Unit::Seconds, _) => number::seconds(value, out),
        (_, Ok(value)) => number::whole(value, out),
        (_, Err(_)) => out.extend_from_slice(value.to_string().as_bytes()),
    }
}

fn write_histograms(family: &Family<'_>, scratch: &mut Scratch, out: &mut Vec<u8>) {
    let bounds = Bounds::of(family.unit);
    let tails: Vec<Vec<u8>> = bounds
        .labels
        .iter()
        .map(String::as_str)
        .chain(["+Inf"])
        .map(|bound| format!("le=\"{bound}\"}} ").into_bytes())
        .collect();
    let heads = label_heads(family);
    let [mut bucket, mut sum, mut count] = [Vec::new(), Vec::new(), Vec::new()];
    let quoted = open(&family.name, "_bucket", &mut bucket);
    open(&family.name, "_sum", &mut sum);
    open(&family.name, "_count", &mut count);
    let mut labels = Vec::new();
    for point in &family.points {
        let Value::Histogram(histogram) = &point.value else { continue };
        labels.clear();
        write_labels(family.labels(point), &heads, quoted, &mut labels);
        bounds.count(histogram, &mut scratch.counts);
        scratch.counts.push(histogram.count());
        scratch.head.clear();
        scratch.head.extend_from_slice(&bucket);
        scratch.head.extend_from_slice(&labels);
        if !family.labels(point).is_empty() || quoted {
            scratch.head.push(b',');
        }
        for (tail, &n) in tails.iter().zip(&scratch.counts) {
            out.extend_from_slice(&scratch.head);
            out.extend_from_slice(tail);
            number::whole(n, out);
            out.push(b'\n');
        }
        close(&sum, &labels, out);
        write_value(histogram.sum(), family.unit, out);
        out.push(b'\n');
        close(&count, &labels, out);
        number::whole(histogram.count(), out);
        out.push(b'\n');
    }
}

/// Name and labels of a line that has no label of its own.
fn close(name: &[u8], labels: &[u8], out: &mut Vec<u8>) {
    if labels.is_empty() && name.ends_with(b"{") {
        out.extend_from_slice(&name[..name.len() - 1]);
        out.push(b' ');
    } else {
        out.extend_from_slice(name);
        out.extend_from_slice(labels);
        out.extend_from_slice(b"} ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{malicious, service};

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn forms_of_a_service() {
        insta::assert_snapshot!("service", text(prometheus_text(&service(), Escaping::Underscores)));
        insta::assert_snapshot!(
            "service_open_metrics",
            text(open_metrics(&service(), Escaping::Underscores))
        );
    }

    #[test]
    fn forms_of_malicious_names() {
        for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values, Escaping::AllowUtf8] {
            let name = format!("malicious_{}", escaping.parameter());
            insta::assert_snapshot!(name, text(prometheus_text(&malicious(), escaping)));
        }
        let name = "malicious_open_metrics";
        insta::assert_snapshot!(name, text(open_metrics(&malicious(), Escaping::Underscores)));
    }

    #[test]
    fn nothing_at_all() {
        assert_eq!(text(prometheus_text(&Snapshot::default(), Escaping::Underscores)), "");
        assert_eq!(text(open_metrics(&Snapshot::default(), Escaping::Underscores)), "# EOF\n");
    }
}
