//! The `[[scenario]]` tables.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use pulse_model::{Nanos, Tags};

use crate::file::names::{Names, Scope, is_name, is_reserved};
use crate::file::reader::{Field, TableReader};
use crate::file::tree::{Data, Entry, Node};
use crate::file::{Builder, load, step, websocket};
use crate::{LoadOptions, Step};

const MAX_SCENARIOS: usize = 200;
const MAX_STEPS: usize = 1_000;
const MAX_WEIGHT: f64 = 1e6;

/// A scenario before it is known how the load is shared.
#[derive(Clone)]
pub(crate) struct ScenarioEntry {
    pub(crate) name: Arc<str>,
    pub(crate) weight: f64,
    /// Its own load; `None` when it shares that of the file.
    pub(crate) load: Option<LoadOptions>,
    pub(crate) start: Nanos,
    pub(crate) tags: Tags,
    pub(crate) cookies: bool,
    pub(crate) steps: Vec<Step>,
}

/// The steps of a scenario file.
pub(crate) fn steps(root: &Node) -> impl Iterator<Item = &Node> {
    list(root, "scenario").flat_map(|scenario| list(scenario, "step"))
}

/// Checks the names that steps extract to and gives each a number, before anything refers to them.
pub(crate) fn number_slots<'n>(
    builder: &Builder<'_>,
    steps: impl Iterator<Item = &'n Node>,
) -> BTreeMap<String, u16> {
    let mut slots = BTreeMap::new();
    for entry in steps.flat_map(extracted) {
        let report = |message: String, help: &str| {
            let key = format!("extract.{}", entry.key);
            builder.notes.report(entry.key_span.clone(), &key, message, Some(help.to_owned()));
        };
        if !is_name(&entry.key) || is_reserved(&entry.key) {
            let help =
                "a name is letters, digits, _ and -, and none of env, user_id, iteration, random, uuid";
            report(format!("a variable cannot be called `{}`", entry.key), help);
        }
        let next = u16::try_from(slots.len());
        match next {
            Ok(next) => {
                slots.entry(entry.key.clone()).or_insert(next);
            }
            Err(_) => report(format!("there are more than {} variables", u16::MAX), "extract fewer values"),
        }
    }
    slots
}

/// The extractions of a step, those of a WebSocket's messages included.
fn extracted(step: &Node) -> impl Iterator<Item = &Entry> {
    let tables = child(step, "extract").into_iter().chain(websocket::extracts(step));
    tables.flat_map(|table| entries(Some(table)))
}

/// The value of a key, if the node is a table that has it.
pub(crate) fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(Some(node)).find(|entry| entry.key == key).map(|entry| &entry.node)
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = &Entry> {
    let found = match node.map(|node| &node.data) {
        Some(Data::Table(table)) => table.entries.as_slice(),
        _ => &[],
    };
    found.iter()
}

/// Where a key of the node stands, if it has it.
pub(crate) fn key(node: &Node, key: &str) -> Option<Range<usize>> {
    entries(Some(node)).find(|entry| entry.key == key).map(|entry| entry.key_span.clone())
}

pub(crate) fn list<'n>(node: &'n Node, key: &str) -> impl Iterator<Item = &'n Node> + use<'n> {
    let found = match child(node, key).map(|node| &node.data) {
        Some(Data::List(items)) => items.as_slice(),
        _ => &[],
    };
    found.iter()
}

pub(crate) fn read(
    builder: &Builder<'_>,
    root: &TableReader<'_>,
    names: &Names<'_>,
    file_load: &LoadOptions,
) -> Vec<ScenarioEntry> {
    let Some(field) = root.required("scenario", "[[scenario]] with a [[scenario.step]]") else {
        return Vec::new();
    };
    let Some(items) = field.items("[[scenario]]") else { return Vec::new() };
    if items.is_empty() || items.len() > MAX_SCENARIOS {
        field.error(format!("a file has 1 to {MAX_SCENARIOS} scenarios"), "write each as [[scenario]]");
    }
    let mut scenarios: Vec<ScenarioEntry> = Vec::new();
    for (i, item) in items.iter().take(MAX_SCENARIOS).enumerate() {
        let Some(scenario) = read_scenario(builder, item, names, file_load, i) else { continue };
        if scenarios.iter().any(|other| other.name == scenario.name) {
            item.error(format!("there are two scenarios `{}`", scenario.name), "give each a name of its own");
        }
        scenarios.push(scenario);
    }
    scenarios
}

fn read_scenario(
    builder: &Builder<'_>,
    field: &Field<'_>,
    names: &Names<'_>,
    file_load: &LoadOptions,
    index: usize,
) -> Option<ScenarioEntry> {
    let table = field.table("{ name = \"browse\" }")?;
    let fixed = Scope::fixed(names);
    let name = table.get("name").and_then(|field| step::read_label(&field, &fixed));
    let own_load = table.get("load").and_then(|field| load::read(&field, Some(file_load)));
    let weight = table.get("weight").and_then(|field| {
        let weight = field.number("3")?;
        if table.get("load").is_some() {
            let help = "leave out one of them";
            field.error(
                "`weight` is a share of the file's [load], but this scenario has a load of its own",
                help,
            );
        }
        let fine = (1e-6..=MAX_WEIGHT).contains(&weight);
        if !fine {
            field
                .error(format!("`weight` must be above 0 and at most a million, not {weight}"), "weight = 1");
        }
        fine.then_some(weight)
    });
    let start = table.get("start").and_then(|field| field.duration("\"2s\""));
    let tags = table.get("tags").map(|field| step::read_tags(&field, &fixed)).unwrap_or_default();
    let cookies = table.get("cookies").and_then(|field| field.boolean("false"));
    let steps = table.required("step", "[[scenario.step]] with a request");
    let steps = steps.map(|field| read_steps(builder, &field, names, &tags)).unwrap_or_default();
    table.finish();
    Some(ScenarioEntry {
        name: name.unwrap_or_else(|| format!("scenario {}", index + 1).into()),
        weight: weight.unwrap_or(1.0),
        load: own_load,
        start: start.unwrap_or_default(),
        tags,
        cookies: cookies.unwrap_or(true),
        steps,
    })
}

/// The steps of an iteration, each of which knows what those before it extract.
pub(crate) fn read_steps(
    builder: &Builder<'_>,
    field: &Field<'_>,
    names: &Names<'_>,
    tags: &Tags,
) -> Vec<Step> {
    let Some(items) = field.items("[[scenario.step]]") else { return Vec::new() };
    if items.is_empty() || items.len() > MAX_STEPS {
        field.error(
            format!("an iteration has 1 to {MAX_STEPS} steps"),
            "write each as a table with a request",
        );
    }
    let extracts: Vec<Vec<&str>> =
        items.iter().map(|item| extracted(item.node).map(|entry| entry.key.as_str()).collect()).collect();
    let kinds = ["name", "request", "websocket", "events", "grpc"];
    let title = |i: usize| match kinds.iter().find_map(|key| child(items[i].node, key)) {
        Some(Node { data: Data::Text(text), .. }) => text.clone(),
        _ => format!("number {}", i + 1),
    };
    let read_step = |(i, item): (usize, &Field<'_>)| {
        let later = (i..items.len()).flat_map(|j| extracts[j].iter().map(move |name| (*name, j)));
        let scope = Scope {
            names,
            extracted: extracts[..i].concat(),
            later: later.map(|(name, j)| (name, title(j))).collect(),
            per_iteration: true,
        };
        step::read(builder, item, &scope, tags)
    };
    items.iter().take(MAX_STEPS).enumerate().filter_map(read_step).collect()
}
