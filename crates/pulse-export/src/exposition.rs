//! A snapshot sorted into families, with final names and labels: what every encoder walks through.
//!
//! - **Order.** Families by name, series within a family in the snapshot's order, labels by name. The same snapshot always
//!   gives the same bytes, and a label set never changes its order.
//! - **Custom names.** A name that is not in the table of `families.rs` is kept as far as the format allows. When two would
//!   be written alike, or one like a name of the table, the one that had to be changed gets a mark made from its original
//!   name: `orders_9d2f01c4_total`. When several had to be changed, each gets its mark. Nothing is ever merged by accident.
//! - **Values of labels.** Control characters except tab and line feed become U+FFFD: a null byte ends the text for some
//!   readers. An empty value is left out, since Prometheus does not tell it from a missing one. Series that became the same
//!   by that are added up.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use pulse_model::{Aggregate, Histogram, Series, Snapshot, tag};

use crate::families::{Attribute, Definition, EVERYWHERE, Instrument, Source, Unit, definition, is_exported};
use crate::names::Escaping;
use crate::naming;

/// All families of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Exposition<'a> {
    pub(crate) families: Vec<Family<'a>>,
}

/// All series of one name.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    /// Prometheus' name, escaped, without the `_total` of counters.
    pub(crate) name: String,
    /// OpenTelemetry's name.
    pub(crate) otel_name: Cow<'a, str>,
    pub(crate) instrument: Instrument,
    pub(crate) unit: Unit,
    pub(crate) help: Cow<'a, str>,
    /// Names of all labels that occur, sorted as Prometheus spells them.
    pub(crate) label_names: Vec<LabelName<'a>>,
    pub(crate) points: Vec<Point<'a>>,
    /// The metric's name, of a family that is not in the table.
    pub(crate) custom: Option<&'a str>,
    labels: Vec<Label<'a>>,
}

/// The name of a label.
#[derive(Debug)]
pub(crate) struct LabelName<'a> {
    /// As Prometheus spells it, escaped.
    pub(crate) prometheus: String,
    /// As OpenTelemetry spells it.
    pub(crate) otel: Cow<'a, str>,
    pub(crate) kind: LabelKind,
    /// A tag that is not in the table.
    pub(crate) custom: bool,
}

/// What the values of a label are. Prometheus knows text only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LabelKind {
    Text,
    Number,
    Flag,
}

/// A label of one series.
#[derive(Debug)]
pub(crate) struct Label<'a> {
    /// Index into the family's label names.
    pub(crate) name: u16,
    pub(crate) value: Cow<'a, str>,
}

/// One series.
#[derive(Debug)]
pub(crate) struct Point<'a> {
    labels: Range<u32>,
    pub(crate) value: Value<'a>,
}

/// The value of a series, in the unit of recording.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Number(u64),
    Histogram(Cow<'a, Histogram>),
}

impl<'a> Family<'a> {
    /// The labels of one of its series, sorted by name.
    pub(crate) fn labels(&self, point: &Point<'a>) -> &[Label<'a>] {
        &self.labels[point.labels.start as usize..point.labels.end as usize]
    }

    pub(crate) fn label_name(&self, label: &Label<'_>) -> &LabelName<'a> {
        &self.label_names[usize::from(label.name)]
    }
}

impl<'a> Exposition<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, escaping: Escaping) -> Self {
        let mut drafts: Vec<Draft<'a>> = Vec::new();
        let mut open: Option<(&'a str, u8, usize)> = None;
        for (series, aggregate) in snapshot.series.iter().filter(|(series, _)| is_exported(series)) {
            let kind = kind(aggregate);
            let at = match open {
                // Series of a metric follow each other.
                Some((metric, open_kind, at)) if metric == &*series.metric && open_kind == kind => at,
                _ => {
                    let at = Draft::position(&mut drafts, &series.metric, aggregate);
                    open = Some((&series.metric, kind, at));
                    at
                }
            };
            drafts[at].add(series, aggregate);
        }
        let mut families: Vec<Family<'a>> = Vec::with_capacity(drafts.len());
        for Draft { mut family, lossy, .. } in drafts {
            naming::name_labels(&mut family, escaping);
            family.sort_labels();
            if lossy {
                family.add_up();
            }
            families.push(family);
        }
        naming::name_families(&mut families, escaping);
        families.sort_by(|a, b| a.name.cmp(&b.name));
        Self { families }
    }
}

const fn kind(aggregate: &Aggregate) -> u8 {
    match aggregate {
        Aggregate::Counter(_) => 0,
        Aggregate::Gauge(_) => 1,
        Aggregate::Rate(_) => 2,
        Aggregate::Trend(_) => 3,
    }
}

/// A family that does not have its name yet.
#[derive(Debug)]
struct Draft<'a> {
    /// The metric's name, and the kind of its values: one name may have several kinds by mistake.
    key: (&'a str, u8),
    /// The line of the table; of a shared family, the line of the metric that is being added.
    definition: Option<&'static Definition>,
    family: Family<'a>,
    /// Label sets may have become the same.
    lossy: bool,
}

impl<'a> Draft<'a> {
    fn position(drafts: &mut Vec<Self>, metric: &'a str, aggregate: &Aggregate) -> usize {
        let key = (metric, kind(aggregate));
        let line = definition(metric, aggregate);
        let shared = drafts.iter().position(|draft| match (draft.definition, line) {
            (Some(mine), Some(line)) => mine.name == line.name,
            (None, None) => draft.key == key,
            _ => false,
        });
        if let Some(at) = shared {
            drafts[at].definition = line;
            return at;
        }
        drafts.push(Self {
            key,
            definition: line,
            family: Family::empty(metric, aggregate, line),
            lossy: false,
        });
        drafts.len() - 1
    }

    fn add(&mut self, series: &'a Series, aggregate: &'a Aggregate) {
        match aggregate {
            Aggregate::Counter(count) => self.push(series, None, Value::Number(*count)),
            Aggregate::Gauge(gauge) => self.push(series, None, Value::Number(gauge.last)),
            Aggregate::Trend(histogram) => {
                self.push(series, None, Value::Histogram(Cow::Borrowed(histogram)));
            }
            Aggregate::Rate(rate) => {
                let (hit, miss) = self.hit_and_miss();
                let misses = rate.total.saturating_sub(rate.hits);
                self.push(series, Some(hit), Value::Number(rate.hits));
                self.push(series, Some(miss), Value::Number(misses));
            }
        }
    }

    fn hit_and_miss(&self) -> ((&'static str, &'static str), (&'static str, &'static str)) {
        let attributes = self.definition.map_or(&[][..], |definition| definition.attributes);
        let found = attributes.iter().find_map(|attribute| match attribute.source {
            Source::Hit(hit, miss) => Some(((attribute.name, hit), (attribute.name, miss))),
            _ => None,
        });
        found.unwrap_or((("result", "hit"), ("result", "miss")))
    }

    fn push(&mut self, series: &'a Series, extra: Option<(&'static str, &'static str)>, value: Value<'a>) {
        let start = self.family.labels.len() as u32;
        for (tag, text) in &series.tags {
            self.tag(series, tag, text);
        }
        for attribute in self.definition.map_or(&[][..], |definition| definition.attributes) {
            if let Source::Always(value) = attribute.source {
                self.label(attribute.name, LabelKind::Text, value);
            }
        }
        if let Some((name, value)) = extra {
            self.label(name, LabelKind::Text, value);
        }
        let end = self.family.labels.len() as u32;
        self.family.points.push(Point { labels: start..end, value });
    }

    fn tag(&mut self, series: &'a Series, tag: &'a str, text: &'a str) {
        let known = match self.definition {
            Some(definition) => definition.attribute_of(tag),
            None => EVERYWHERE
                .iter()
                .find(|attribute| attribute.source == Source::Flag(tag::OVERFLOW) && tag == tag::OVERFLOW),
        };
        let Some(&Attribute { name, source }) = known else {
            return self.write_label(tag, LabelKind::Text, true, text);
        };
        match source {
            Source::Number(_) if text.parse::<u32>().is_ok() => self.label(name, LabelKind::Number, text),
            Source::Flag(_) if text == "true" => self.label(name, LabelKind::Flag, text),
            Source::Number(_) | Source::Flag(_) => self.lossy = true,
            Source::ErrorType => match text {
                "ok" => {}
                "failed" => {
                    let status = series.tag(tag::STATUS).filter(|status| status.parse::<u32>().is_ok());
                    self.label(name, LabelKind::Text, status.unwrap_or("_OTHER"));
                }
                other => {
                    self.lossy = true;
                    self.label(name, LabelKind::Text, other);
                }
            },
            _ => self.label(name, LabelKind::Text, text),
        }
    }

    fn label(&mut self, name: &'static str, kind: LabelKind, value: &'a str) {
        self.write_label(name, kind, false, value);
    }

    fn write_label(&mut self, name: &'a str, kind: LabelKind, custom: bool, value: &'a str) {
        if value.is_empty() {
            self.lossy = true;
            return;
        }
        let value = cleaned(value);
        self.lossy |= matches!(value, Cow::Owned(_));
        let names = &mut self.family.label_names;
        let at = names.iter().position(|known| known.otel == name && known.custom == custom).unwrap_or_else(
            || {
                names.push(LabelName { prometheus: String::new(), otel: name.into(), kind, custom });
                names.len() - 1
            },
        );
        self.family.labels.push(Label { name: at as u16, value });
    }
}

/// Without control characters that readers trip over.
fn cleaned(text: &str) -> Cow<'_, str> {
    if text.bytes().any(is_unwanted) {
        text.replace(|c: char| c.is_ascii() && is_unwanted(c as u8), "\u{FFFD}").into()
    } else {
        text.into()
    }
}

const fn is_unwanted(byte: u8) -> bool {
    (byte < b' ' && byte != b'\n' && byte != b'\t') || byte == 0x7F
}

impl<'a> Family<'a> {
    fn empty(metric: &'a str, aggregate: &Aggregate, line: Option<&'static Definition>) -> Self {
        let (instrument, unit, what) = match aggregate {
            Aggregate::Counter(_) => (Instrument::Counter, Unit::Count(""), "Counter"),
            Aggregate::Rate(_) => (Instrument::Counter, Unit::Count(""), "Rate"),
            Aggregate::Gauge(_) => (Instrument::Gauge, Unit::Count(""), "Gauge"),
            Aggregate::Trend(_) => (Instrument::Histogram, Unit::Seconds, "Timer"),
        };
        let help = || format!("{what} {}.", cleaned(metric)).into();
        Self {
            name: String::new(),
            otel_name: line.map_or(metric, |line| line.name).into(),
            instrument: line.map_or(instrument, |line| line.instrument),
            unit: line.map_or(unit, |line| line.unit),
            help: line.map_or_else(help, |line| line.help.into()),
            label_names: Vec::new(),
            points: Vec::new(),
            custom: line.is_none().then_some(metric),
            labels: Vec::new(),
        }
    }

    /// Brings the names into order, and with them the labels of each series.
    fn sort_labels(&mut self) {
        let mut order: Vec<usize> = (0..self.label_names.len()).collect();
        order.sort_by(|&a, &b| self.label_names[a].prometheus.cmp(&self.label_names[b].prometheus));
        let mut rank = vec![0; order.len()];
        for (place, &name) in order.iter().enumerate() {
            rank[name] = place as u16;
        }
        for label in &mut self.labels {
            label.name = rank[usize::from(label.name)];
        }
        for point in &self.points {
            self.labels[point.labels.start as usize..point.labels.end as usize]
                .sort_by_key(|label| label.name);
        }
        self.label_names.sort_by(|a, b| a.prometheus.cmp(&b.prometheus));
    }

    /// Adds up the series whose labels have become the same.
    fn add_up(&mut self) {
        let mut first: BTreeMap<Vec<(u16, &str)>, usize> = BTreeMap::new();
        let mut kept: Vec<Point<'a>> = Vec::with_capacity(self.points.len());
        for point in std::mem::take(&mut self.points) {
            let labels = &self.labels[point.labels.start as usize..point.labels.end as usize];
            let labels = labels.iter().map(|label| (label.name, &*label.value)).collect();
            if let Some(&at) = first.get(&labels) {
                kept[at].value.add(point.value);
            } else {
                first.insert(labels, kept.len());
                kept.push(point);
            }
        }
        self.points = kept;
    }
}

impl Value<'_> {
    fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::Number(mine), Self::Number(theirs)) => *mine = mine.saturating_add(theirs),
            (Self::Histogram(mine), Self::Histogram(theirs)) => mine.to_mut().merge(&theirs),
            // A family has values of one kind.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{malicious, service};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Every series of a snapshot as `name{label="value"}`, with its number or its count.
    fn lines(snapshot: &Snapshot, escaping: Escaping) -> Vec<(String, u64)> {
        let exposition = Exposition::new(snapshot, escaping);
        let point = |family: &Family<'_>, point: &Point<'_>| {
            let labels = family.labels(point).iter();
            let labels: Vec<String> =
                labels.map(|l| format!("{}={:?}", family.label_name(l).prometheus, l.value)).collect();
            let value = match &point.value {
                Value::Number(value) => *value,
                Value::Histogram(histogram) => histogram.count(),
            };
            (format!("{}{labels:?}", family.name), value)
        };
        exposition.families.iter().flat_map(|f| f.points.iter().map(move |p| point(f, p))).collect()
    }

    fn only(series: &str, aggregate: Aggregate) -> String {
        let mut snapshot = Snapshot::default();
        snapshot.add(series.parse().unwrap(), aggregate);
        lines(&snapshot, Escaping::Underscores)
            .iter()
            .map(|(line, n)| format!("{line} {n}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn trend() -> Aggregate {
        Aggregate::Trend(crate::canonical::latencies(1, 1_000))
    }

    #[test]
    fn labels_of_requests() {
        let name = "http_server_request_duration_seconds";
        for (series, labels) in [
            ("response_time", "[]"),
            ("response_time{endpoint=/a,outcome=ok}", r#"["http_route=\"/a\""]"#),
            ("response_time{outcome=ok,status=200}", r#"["http_response_status_code=\"200\""]"#),
            (
                "response_time{outcome=failed,status=404}",
                r#"["error_type=\"404\"", "http_response_status_code=\"404\""]"#,
            ),
            ("response_time{outcome=failed}", r#"["error_type=\"_OTHER\""]"#),
            ("response_time{outcome=failed,status=unknown}", r#"["error_type=\"_OTHER\""]"#),
            ("response_time{outcome=odd}", r#"["error_type=\"odd\""]"#),
            ("response_time{overflow=true}", r#"["otel_metric_overflow=\"true\""]"#),
            ("response_time{overflow=false}", "[]"),
            ("response_time{group=g,method=GET}", r#"["group=\"g\"", "http_request_method=\"GET\""]"#),
        ] {
            assert_eq!(only(series, trend()), format!("{name}{labels} 1"), "{series}");
        }
    }

    #[test]
    fn another_kind_of_value_is_another_family() {
        assert_eq!(only("response_time", Aggregate::Counter(3)), "response_time[] 3");
        assert_eq!(only("cache", Aggregate::Counter(3)), "cache[] 3");
        let rate = Aggregate::Rate(pulse_model::Rate { hits: 1, total: 3 });
        assert_eq!(
            only("custom{overflow=true}", rate),
            r#"custom["otel_metric_overflow=\"true\"", "result=\"hit\""] 1; custom["otel_metric_overflow=\"true\"", "result=\"miss\""] 2"#
        );
    }

    #[test]
    fn metrics_that_share_a_family_stand_together() {
        let exposition = service();
        let exposition = Exposition::new(&exposition, Escaping::Underscores);
        let names: Vec<&str> = exposition.families.iter().map(|family| &*family.name).collect();
        assert!(names.is_sorted());
        let disk = exposition.families.iter().find(|family| family.name == "process_disk_io_bytes").unwrap();
        assert_eq!(disk.points.len(), 4);
    }

    #[test]
    fn a_custom_name_does_not_depend_on_what_else_is_there() {
        let alone = only("queue_jobs", Aggregate::Counter(3));
        assert!(
            lines(&malicious(), Escaping::Underscores).iter().any(|(line, n)| format!("{line} {n}") == alone)
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_has_the_name_of_another(
            names in prop::collection::vec("[ab._ -]{0,4}(_total|_seconds|_count|_bucket)?", 1..12),
            tags in prop::collection::vec("(le|__name__|[ab._]{0,3})", 1..4),
            kinds in prop::collection::vec(0..3_u8, 12),
        ) {
            let mut snapshot = Snapshot::default();
            for (n, (name, kind)) in names.iter().zip(kinds).enumerate() {
                let series = Series::new(name).with(&tags[n % tags.len()], "1").with(&tags[0], "2");
                let aggregate = match kind {
                    0 => Aggregate::Counter(1),
                    1 => Aggregate::Gauge(pulse_model::Gauge { at: pulse_model::Nanos(0), last: 1, min: 1, max: 1 }),
                    _ => trend(),
                };
                snapshot.series.insert(series, aggregate);
            }
            for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values, Escaping::AllowUtf8] {
                let lines = lines(&snapshot, escaping);
                prop_assert_eq!(lines.len(), snapshot.series.len());
                let distinct: BTreeSet<&String> = lines.iter().map(|(line, _)| line).collect();
                prop_assert_eq!(distinct.len(), lines.len());
                let exposition = Exposition::new(&snapshot, escaping);
                let mut samples = BTreeSet::new();
                for family in &exposition.families {
                    let suffixes: &[&str] = match family.instrument {
                        Instrument::Counter => &["", "_total", "_created"],
                        Instrument::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
                        _ => &[""],
                    };
                    for suffix in suffixes {
                        prop_assert!(samples.insert(format!("{}{suffix}", family.name)), "{}{suffix}", family.name);
                    }
                    let labels: BTreeSet<&String> = family.label_names.iter().map(|name| &name.prometheus).collect();
                    prop_assert_eq!(labels.len(), family.label_names.len());
                }
                let otel: BTreeSet<_> = exposition.families.iter().map(|family| &family.otel_name).collect();
                prop_assert_eq!(otel.len(), exposition.families.len());
            }
        }
    }
}
