//! The `[[test]]` tables.

use std::ops::Range;

use pulse_model::{CaseInfo, Nanos};

use crate::file::error::FileError;
use crate::file::names::{Names, Scope, is_name};
use crate::file::reader::{Field, TableReader};
use crate::file::suite::amount::Amount;
use crate::file::suite::judge::{self, Offer};
use crate::file::suite::requests::{self, RequestsEntry};
use crate::file::suite::{PROJECT_FILE, command, database, websocket};
use crate::file::targets::PlacedTarget;
use crate::file::{Builder, load, step, targets};
use crate::{CaseKind, CaseLimits};

/// The keys that say what a case does; every case has one of them.
const FORMS: [&str; 7] = ["request", "requests", "step", "scenario", "command", "database", "websocket"];
const MAX_CASES: usize = 10_000;
const MAX_MARKS: usize = 100;
const EXAMPLE: &str = "{ name = \"health is fast\", request = \"GET /health\", targets = [\"p95 < 50ms\"] }";

/// A case before flags have their say.
pub(crate) struct CaseEntry {
    /// All but the kind.
    pub(crate) info: CaseInfo,
    pub(crate) targets: Vec<PlacedTarget>,
    pub(crate) kind: Option<KindWord>,
    pub(crate) work: Work,
    /// Where the case begins.
    pub(crate) span: Range<usize>,
    pub(crate) path: String,
}

/// What `kind` says, and where.
pub(crate) struct KindWord {
    pub(crate) word: String,
    pub(crate) span: Range<usize>,
    pub(crate) path: String,
}

/// What a case does, as far as it is known without the service.
#[expect(clippy::large_enum_variant, reason = "it lives only while a file is read")]
pub(crate) enum Work {
    Requests(Box<RequestsEntry>),
    WebSocket { entry: WebSocketEntry, limits: CaseLimits },
    Done { kind: CaseKind, limits: CaseLimits },
}

pub(crate) struct WebSocketEntry {
    /// A path of the service or an absolute URL.
    pub(crate) path: String,
    pub(crate) connections: u32,
    pub(crate) messages: u32,
    pub(crate) interval: Nanos,
    pub(crate) payload: String,
    pub(crate) timeout: Nanos,
}

impl CaseEntry {
    /// The scenario file that the case runs, if it does.
    pub(crate) fn scenario_path(&self) -> Option<String> {
        match &self.work {
            Work::Requests(requests) => requests.scenario_path().map(str::to_owned),
            _ => None,
        }
    }
}

pub(crate) fn read(
    builder: &Builder<'_>,
    root: &TableReader<'_>,
    names: &Names<'_>,
    defaults: &Amount,
) -> Vec<CaseEntry> {
    let file_name = builder.notes.file.rsplit(['/', '\\']).next().unwrap_or_default();
    let help = || "write each as [[test]] with a name, a request and targets".to_owned();
    let Some(field) = root.get("test") else {
        if file_name != PROJECT_FILE {
            root.error("the suite has no cases", Some(help()));
        }
        return Vec::new();
    };
    let Some(items) = field.items("[[test]]") else { return Vec::new() };
    if items.is_empty() {
        field.error("the suite has no cases", help());
    }
    if items.len() > MAX_CASES {
        field.error(format!("there are more than {MAX_CASES} cases"), "split the suite");
    }
    let mut cases: Vec<CaseEntry> = Vec::new();
    for item in items.iter().take(MAX_CASES) {
        let Some(case) = read_case(builder, item, names, defaults) else { continue };
        if let Some(other) = cases.iter().find(|other| other.info.id == case.info.id) {
            let message = format!(
                "this case would be selected as `{}`, like the one on line {}",
                case.info.id, other.info.line
            );
            item.error(message, "give it another name or group");
        }
        cases.push(case);
    }
    cases
}

fn read_case(
    builder: &Builder<'_>,
    field: &Field<'_>,
    names: &Names<'_>,
    defaults: &Amount,
) -> Option<CaseEntry> {
    let table = field.table(EXAMPLE)?;
    let fixed = Scope::fixed(names);
    let name = table
        .required("name", "\"health is fast\"")
        .and_then(|field| step::read_label(&field, &fixed).filter(|name| has_slug(&field, name)));
    let group = table
        .get("group")
        .and_then(|field| step::read_label(&field, &fixed).filter(|name| has_slug(&field, name)));
    let marks = table.get("marks").map(|field| read_marks(&field)).unwrap_or_default();
    let targets = read_targets(&table);
    let kind = table.get("kind").and_then(|field| {
        let word = field.text("\"response_time\"")?.to_owned();
        Some(KindWord { word, span: field.node.span.clone(), path: field.path.clone() })
    });
    let work = read_work(builder, &table, names, defaults, &targets);
    let offer = work.as_ref().map(Offer::of);
    judge::check(builder.notes, &targets, offer.as_ref());
    let (name, group) = (name?.to_string(), group.map(|group| group.to_string()).unwrap_or_default());
    let line_of = |at: usize| FileError::at("", builder.notes.text, at..at, "").line as u32;
    let info = CaseInfo {
        id: if group.is_empty() { slug(&name) } else { format!("{}::{}", group_slug(&group), slug(&name)) },
        name,
        group,
        marks,
        file: builder.notes.file.to_owned(),
        line: line_of(field.node.span.start),
        target_lines: targets.iter().map(|placed| line_of(placed.span.start)).collect(),
        ..CaseInfo::default()
    };
    let (span, path) = (field.node.span.clone(), field.path.clone());
    Some(CaseEntry { info, targets, kind, work: work?, span, path })
}

fn read_work(
    builder: &Builder<'_>,
    table: &TableReader<'_>,
    names: &Names<'_>,
    defaults: &Amount,
    targets: &[PlacedTarget],
) -> Option<Work> {
    let fixed = Scope::fixed(names);
    let Some((form, field)) = table.one_of(&FORMS) else {
        // Keys that go with a request are known; what remains may be a misspelt one of those that are looked for.
        load::read_shape(table);
        Amount::read_samples(table);
        if table.finish() {
            let help = format!("give one of {}", FORMS.join(", "));
            table.error("the case does nothing", Some(help));
        }
        return None;
    };
    let work = match form {
        "command" => command::read(&field, table, defaults),
        "database" => database::read(&field, table, &fixed, defaults),
        "websocket" => websocket::read(&field, table, &fixed, defaults),
        _ => requests::Reader { builder, table, names, defaults, targets }.read(form, &field),
    };
    table.finish();
    work
}

fn read_targets(table: &TableReader<'_>) -> Vec<PlacedTarget> {
    const HELP: &str = "write for example targets = [\"p95 < 50ms\", \"errors = 0\"]";
    let Some(field) = table.get("targets") else {
        table.error("the case has no targets: nothing could be judged", Some(HELP.to_owned()));
        return Vec::new();
    };
    if matches!(&field.node.data, crate::file::tree::Data::List(items) if items.is_empty()) {
        field.error("the case has no targets: nothing could be judged", HELP);
    }
    targets::read(&field)
}

fn read_marks(field: &Field<'_>) -> Vec<String> {
    let items = field.items("[\"slow\"]").unwrap_or_default();
    if items.len() > MAX_MARKS {
        field.error(format!("a case has at most {MAX_MARKS} marks"), "leave some out");
    }
    let read = |item: &Field<'_>| {
        let text = item.text("\"slow\"")?;
        if !is_name(text) || matches!(text, "and" | "or" | "not") {
            let help = "a mark is letters, digits, _ and -, and none of and, or, not";
            item.error(format!("a mark cannot be called `{text}`"), help);
        }
        Some(text.to_owned())
    };
    items.iter().take(MAX_MARKS).filter_map(read).collect()
}

fn has_slug(field: &Field<'_>, name: &str) -> bool {
    let found = group_slug(name).chars().any(char::is_alphanumeric);
    if !found {
        field.error(format!("`{name}` has no letter and no digit to be selected by"), "write a short name");
    }
    found
}

/// Lower case, with a dash for everything between letters and digits.
fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// A group may have parts of its own.
fn group_slug(group: &str) -> String {
    let parts: Vec<String> = group.split("::").map(slug).filter(|part| !part.is_empty()).collect();
    parts.join("::")
}
