//! Names that cannot be mistaken for each other.
//!
//! Names of the table and names that are plain already keep their text. One that has to be changed to be written gets a mark
//! made from its original name as soon as another would be written alike; names that are nobody else's stay readable.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::exposition::Family;
use crate::families::{Instrument, TABLE};
use crate::names::{Escaping, Noun, escape, is_plain, mark};

/// Names that labels must not have, because Prometheus gives them a meaning of its own.
fn is_reserved_label(name: &str, instrument: Instrument) -> bool {
    name.starts_with("__") || (name == "le" && instrument == Instrument::Histogram)
}

/// The name a label would like.
fn wished_label(name: &str, custom: bool, instrument: Instrument) -> Cow<'_, str> {
    match custom {
        true if is_reserved_label(name, instrument) => format!("tag_{name}").into(),
        true => name.into(),
        false => name.replace('.', "_").into(),
    }
}

/// Gives the labels of a family their names.
pub(crate) fn name_labels(family: &mut Family<'_>, escaping: Escaping) {
    let instrument = family.instrument;
    let wishes: Vec<(String, bool)> = family
        .label_names
        .iter()
        .map(|label| {
            let wish = wished_label(&label.otel, label.custom, instrument);
            let changed = label.custom && (wish != label.otel || is_changed(&wish, Noun::Label, escaping));
            (escape(&wish, Noun::Label, escaping).into_owned(), changed)
        })
        .collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for known_first in [false, true] {
        for (at, (text, changed)) in wishes.iter().enumerate() {
            let label = &family.label_names[at];
            if label.custom != known_first {
                continue;
            }
            let shared = wishes.iter().filter(|(other, _)| other == text).count() > 1;
            let mut name = text.clone();
            let mut attempt = 0;
            while taken.contains(&name) || (attempt == 0 && shared && *changed) {
                let marked =
                    format!("{}_{}", wished_label(&label.otel, true, instrument), mark(&label.otel, attempt));
                name = escape(&marked, Noun::Label, escaping).into_owned();
                attempt += 1;
            }
            taken.insert(name.clone());
            family.label_names[at].prometheus = name;
        }
    }
    // For OpenTelemetry only a tag with the very name of a known label is in the way.
    for at in 0..family.label_names.len() {
        let label = &family.label_names[at];
        if label.custom && family.label_names.iter().any(|other| !other.custom && other.otel == label.otel) {
            family.label_names[at].otel = format!("{}_{}", label.otel, mark(&label.otel, 0)).into();
        }
    }
}

fn is_changed(name: &str, noun: Noun, escaping: Escaping) -> bool {
    !is_plain(name, noun) && (escaping != Escaping::AllowUtf8 || escape(name, noun, escaping) != name)
}

/// The name a custom family would like, in parts so that a mark finds its place before the unit.
struct Wish {
    stem: String,
    suffix: &'static str,
    changed: bool,
}

impl Wish {
    fn of(metric: &str, family: &Family<'_>, escaping: Escaping) -> Self {
        let mut stem = metric;
        let mut changed = false;
        if family.instrument == Instrument::Counter
            && let Some(rest) = stem.strip_suffix("_total").filter(|rest| !rest.is_empty())
        {
            (stem, changed) = (rest, true);
        }
        let suffix = match family.unit.word() {
            Some("seconds") => "_seconds",
            Some("bytes") => "_bytes",
            _ => "",
        };
        let stem = stem.strip_suffix(suffix).unwrap_or(stem).to_owned();
        let changed = changed || is_changed(&format!("{stem}{suffix}"), Noun::Metric, escaping);
        Self { stem, suffix, changed }
    }

    fn written(&self, mark: &str, escaping: Escaping) -> String {
        let whole = format!("{}{mark}{}", self.stem, self.suffix);
        escape(&whole, Noun::Metric, escaping).into_owned()
    }
}

/// Gives the families their names.
pub(crate) fn name_families(families: &mut [Family<'_>], escaping: Escaping) {
    for family in families.iter_mut().filter(|family| family.custom.is_none()) {
        let mut name = family.otel_name.replace('.', "_");
        if let Some(word) = family.unit.word() {
            name = format!("{name}_{word}");
        }
        family.name = escape(&name, Noun::Metric, escaping).into_owned();
    }
    let mut customs: Vec<&mut Family<'_>> = families.iter_mut().filter(|f| f.custom.is_some()).collect();
    if customs.is_empty() {
        return;
    }
    customs.sort_by_key(|family| (family.custom, family.instrument));
    let wishes: Vec<Wish> =
        customs.iter().map(|family| Wish::of(family.custom.unwrap_or_default(), family, escaping)).collect();
    let texts: Vec<String> = wishes.iter().map(|wish| wish.written("", escaping)).collect();
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    texts.iter().for_each(|text| *wanted.entry(text).or_default() += 1);
    let mut taken = Taken::with_table(escaping);
    for changed in [false, true] {
        for (at, wish) in wishes.iter().enumerate().filter(|(_, wish)| wish.changed == changed) {
            let family = &mut *customs[at];
            let original = format!("{}\0{:?}", family.custom.unwrap_or_default(), family.instrument);
            let shared = wanted.get(&*texts[at]).is_some_and(|&families| families > 1);
            let mut name = texts[at].clone();
            let mut attempt = 0;
            while !taken.is_free(&name, family.instrument) || (attempt == 0 && shared && changed) {
                name = wish.written(&format!("_{}", mark(&original, attempt)), escaping);
                attempt += 1;
            }
            taken.take(&name, family.instrument);
            family.name = name;
            let mut attempt = 0;
            while !taken.otel.insert(family.otel_name.to_string()) {
                family.otel_name = format!("{}_{}", family.otel_name, mark(&original, attempt)).into();
                attempt += 1;
            }
        }
    }
}

/// Names that are in use, with all that their samples are called.
struct Taken {
    samples: BTreeSet<String>,
    otel: BTreeSet<String>,
}

impl Taken {
    /// All names of the table, whether they occur or not, so that a custom name does not change when they do.
    fn with_table(escaping: Escaping) -> Self {
        let mut taken = Self { samples: BTreeSet::new(), otel: BTreeSet::new() };
        for definition in TABLE {
            let name = definition.prometheus_name();
            taken.take(&escape(&name, Noun::Metric, escaping), definition.instrument);
            taken.otel.insert(definition.name.to_owned());
        }
        taken
    }

    /// The suffixes of a family's samples, by the rules of OpenMetrics.
    const fn suffixes(instrument: Instrument) -> &'static [&'static str] {
        match instrument {
            Instrument::Counter => &["", "_total", "_created"],
            Instrument::UpDownCounter | Instrument::Gauge => &[""],
            Instrument::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
        }
    }

    fn is_free(&self, name: &str, instrument: Instrument) -> bool {
        !Self::suffixes(instrument).iter().any(|suffix| self.samples.contains(&format!("{name}{suffix}")))
    }

    fn take(&mut self, name: &str, instrument: Instrument) {
        let names = Self::suffixes(instrument).iter().map(|suffix| format!("{name}{suffix}"));
        self.samples.extend(names);
    }
}
