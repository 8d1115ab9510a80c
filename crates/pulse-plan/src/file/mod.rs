//! The scenario file: from TOML to a plan, in two pure steps with the reading of other files between them.
//!
//! Both steps build the whole plan. The first one does so without the other files, so that every mistake in the
//! scenario file itself is found before anything else is read.

mod check;
mod connection;
mod data;
mod error;
mod events;
mod form;
mod grpc;
mod json;
mod load;
mod names;
mod needed;
mod reader;
mod scenario;
mod service;
mod step;
mod suite;
mod targets;
mod tree;
mod websocket;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub use error::{FileError, FileErrors};
pub use suite::{BaseService, SuiteFile};

use crate::draft::Draft;
use crate::{Body, BodyFile, Overrides, Plan, PlanError};
use error::Diagnostics;
use names::{FeedNames, Names, Scope, is_name, is_reserved};
use needed::NeededFiles;
use reader::{Field, TableReader};
use scenario::ScenarioEntry;
use tree::{Data, Node};

pub(crate) use scenario::ScenarioEntry as DraftScenario;
pub(crate) use service::ServiceTable;

/// The largest scenario file, in bytes.
pub const MAX_SCENARIO_FILE_BYTES: usize = 8 << 20;
/// The longest name in a report, in characters.
const MAX_NAME: usize = 200;
const MAX_VARIABLES: usize = 10_000;

/// A scenario file that was read and found free of mistakes, as far as one can tell without the files it names.
#[derive(Clone, Debug)]
pub struct ScenarioFile {
    name: String,
    text: String,
    root: Node,
    /// The environment variables that were asked for, with their values, so that both steps see the same.
    environment: BTreeMap<String, Option<String>>,
    needed: NeededFiles,
}

impl ScenarioFile {
    /// Reads the text of a scenario file. `file_name` is for messages; `env` looks up environment variables.
    pub fn parse(
        file_name: &str,
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, FileErrors> {
        let notes = Diagnostics::new(file_name, text);
        let root = read_tree(text, &notes);
        let asked = RefCell::new(BTreeMap::new());
        let recording = |name: &str| record(env, &asked, name);
        let builder = Builder::new(&notes, None, None);
        if let (true, Some(test)) = (notes.is_empty(), scenario::key(&root, "test")) {
            let help = format!("run it with pulse test {file_name}");
            notes.report(test, "test", "this is a suite: it has cases, not scenarios", Some(help));
        }
        if notes.is_empty() {
            let draft = builder.draft(&root, &recording);
            builder.check(draft, &root);
        }
        let needed = builder.into_needed();
        notes.finish()?;
        Ok(Self {
            name: file_name.to_owned(),
            text: text.to_owned(),
            root,
            environment: asked.into_inner(),
            needed,
        })
    }

    /// The other files that the plan is made of, as they are written in this one: relative to its folder.
    pub fn needs(&self) -> &[String] {
        &self.needed.paths
    }

    /// Whether the content of a file of [`needs`](Self::needs) is the body of plain requests and nothing else, so that it
    /// need not be held in memory: [`stream`](Self::stream) says where it is then.
    pub fn may_stream(&self, path: &str) -> bool {
        self.needed.may_stream(path)
    }

    /// Has the content of a file of [`needs`](Self::needs) read while it is sent. It has no place among `files` then.
    pub fn stream(&mut self, path: &str, body: BodyFile) {
        self.needed.stream(path, body);
    }

    /// The places, in order, of a `.proto` file that one in `files` imports and that is not among them; `None` when
    /// nothing is missing. To be asked again with what was found, which may import more.
    pub fn missing_import(&self, files: &BTreeMap<String, Vec<u8>>) -> Option<Vec<String>> {
        self.needed.missing_import(files)
    }

    /// Makes the plan. `files` holds the content of every file of [`needs`](Self::needs) under the name given there,
    /// and what was found of [`missing_import`](Self::missing_import).
    pub fn into_plan(
        self,
        files: &BTreeMap<String, Vec<u8>>,
        overrides: &Overrides,
    ) -> Result<Plan, PlanError> {
        self.to_draft(files)?.into_plan(&self.name, overrides)
    }

    /// Everything that the file and those that it needs say.
    fn to_draft(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<Draft, FileErrors> {
        let notes = Diagnostics::new(&self.name, &self.text);
        let env = |name: &str| self.environment.get(name).cloned().flatten();
        let draft = Builder::new(&notes, Some(files), Some(&self.needed.bodies)).draft(&self.root, &env);
        notes.finish()?;
        Ok(draft)
    }
}

/// Looks up an environment variable and keeps the answer, so that a later step sees the same.
fn record(
    env: &dyn Fn(&str) -> Option<String>,
    asked: &RefCell<BTreeMap<String, Option<String>>>,
    name: &str,
) -> Option<String> {
    let value = env(name);
    asked.borrow_mut().insert(name.to_owned(), value.clone());
    value
}

/// The document; an empty one when it cannot be read.
fn read_tree(text: &str, notes: &Diagnostics<'_>) -> Node {
    let empty = Node { span: 0..0, data: Data::Table(tree::Table::default()) };
    if text.len() > MAX_SCENARIO_FILE_BYTES {
        let limit = MAX_SCENARIO_FILE_BYTES >> 20;
        let help = "move bodies and data into files of their own".to_owned();
        notes.report(0..0, "", format!("the file is larger than {limit} MiB"), Some(help));
        return empty;
    }
    tree::parse(text).unwrap_or_else(|error| {
        notes.report(error.span, "", error.message, None);
        empty
    })
}

/// What is needed while a file is turned into a plan.
pub(crate) struct Builder<'a> {
    pub(crate) notes: &'a Diagnostics<'a>,
    /// The other files; `None` in the first step.
    files: Option<&'a BTreeMap<String, Vec<u8>>>,
    /// Bodies that are streamed; none in the first step.
    bodies: Option<&'a BTreeMap<String, BodyFile>>,
    needs: RefCell<Vec<String>>,
    held: RefCell<BTreeSet<String>>,
    pub(crate) protos: grpc::Protos,
}

impl<'a> Builder<'a> {
    fn new(
        notes: &'a Diagnostics<'a>,
        files: Option<&'a BTreeMap<String, Vec<u8>>>,
        bodies: Option<&'a BTreeMap<String, BodyFile>>,
    ) -> Self {
        Self {
            notes,
            files,
            bodies,
            needs: RefCell::default(),
            held: RefCell::default(),
            protos: grpc::Protos::default(),
        }
    }

    /// The other files that were named.
    fn into_needed(self) -> NeededFiles {
        let (paths, held) = (self.needs.into_inner(), self.held.into_inner());
        NeededFiles { paths, held, protos: self.protos.into_sources(), ..NeededFiles::default() }
    }

    /// The content of another file; in the first step `None`, but noted as needed.
    pub(crate) fn needed(&self, field: &Field<'_>, path: &str, max_bytes: usize) -> Option<&'a [u8]> {
        self.held.borrow_mut().insert(path.to_owned());
        self.note(field, path)?;
        self.content(field, path, max_bytes)
    }

    /// The content of another file as the body of a plain request, which may be streamed.
    pub(crate) fn needed_body(&self, field: &Field<'_>, path: &str, max_bytes: usize) -> Option<Body> {
        self.note(field, path)?;
        match self.bodies.and_then(|bodies| bodies.get(path)) {
            Some(body) => Some(Body::File(body.clone())),
            None => self.content(field, path, max_bytes).map(|bytes| Body::Bytes(bytes.into())),
        }
    }

    fn note(&self, field: &Field<'_>, path: &str) -> Option<()> {
        if path.trim().is_empty() || path.contains('\0') {
            field.error("the name of the file is missing", "write a path relative to this file");
            return None;
        }
        let mut needs = self.needs.borrow_mut();
        if !needs.iter().any(|need| need == path) {
            needs.push(path.to_owned());
        }
        Some(())
    }

    fn content(&self, field: &Field<'_>, path: &str, max_bytes: usize) -> Option<&'a [u8]> {
        let found = self.files?.get(path);
        match found {
            None => field.error(format!("the file `{path}` was not read"), "check that it is there"),
            Some(bytes) if bytes.len() > max_bytes => {
                let message = format!("the file `{path}` is larger than {} MiB", max_bytes >> 20);
                field.error(message, "use a smaller one");
            }
            Some(bytes) => return Some(bytes),
        }
        None
    }

    /// Reads everything. Mistakes are noted, and what is wrong is left out.
    fn draft(&self, root: &Node, env: &dyn Fn(&str) -> Option<String>) -> Draft {
        let Some(table) = TableReader::root(root, self.notes) else { return Draft::default() };
        let mut names = Names { env, constants: BTreeMap::new(), slots: BTreeMap::new(), feeds: Vec::new() };
        let title = table.get("name").and_then(|field| step::read_label(&field, &Scope::fixed(&names)));
        names.constants = self.constants(&table, &names);
        names.slots = scenario::number_slots(self, scenario::steps(root));
        let feeds = data::read(self, &table);
        for entry in &feeds {
            let columns = entry.read.then(|| entry.feed.columns.clone());
            names.feeds.push(FeedNames { name: entry.feed.name.clone(), columns });
        }
        let everywhere =
            Scope { names: &names, extracted: Vec::new(), later: Vec::new(), per_iteration: true };
        let service = service::read(self, &table, &everywhere);
        let load = table.get("load").and_then(|field| load::read(&field, None)).unwrap_or_default();
        let targets = table.get("targets").map_or_else(Vec::new, |field| targets::read(&field));
        let targets = targets.into_iter().map(|placed| placed.target).collect();
        let scenarios: Vec<ScenarioEntry> = scenario::read(self, &table, &names, &load);
        let variables = names.slot_values();
        table.finish();
        let feeds = feeds.into_iter().map(|entry| entry.feed).collect();
        Draft {
            name: title.map(|title| title.to_string()),
            service,
            load,
            targets,
            scenarios,
            feeds,
            variables,
        }
    }

    /// What only shows when everything is put together, without flags.
    fn check(&self, draft: Draft, root: &Node) {
        if !self.notes.is_empty() {
            return;
        }
        let (span, key, message) = match draft.into_plan(self.notes.file, &Overrides::default()) {
            Ok(_) => return,
            Err(PlanError::Load(error)) => {
                let (span, key) = option_position(root, error.option());
                (span, key, error.to_string())
            }
            Err(other) => (0..0, String::new(), other.to_string()),
        };
        self.notes.report(span, &key, message, None);
    }

    fn constants(&self, root: &TableReader<'_>, names: &Names<'_>) -> BTreeMap<String, String> {
        let mut constants = BTreeMap::new();
        let Some(field) = root.get("variables") else { return constants };
        let entries = field.entries("{ account = \"demo\" }").unwrap_or_default();
        if entries.len() > MAX_VARIABLES {
            field.error(format!("there are more than {MAX_VARIABLES} variables"), "use a feed");
        }
        for (entry, value) in entries {
            if !is_name(&entry.key) || is_reserved(&entry.key) {
                let message = format!("a variable cannot be called `{}`", entry.key);
                let help =
                    "a name is letters, digits, _ and -, and none of env, user_id, iteration, random, uuid";
                self.notes.report(entry.key_span.clone(), &value.path, message, Some(help.to_owned()));
            }
            let text = match &value.node.data {
                Data::Integer(number) => Some(number.to_string()),
                Data::Number(number) => Some(number.to_string()),
                Data::Boolean(flag) => Some(flag.to_string()),
                _ => Scope::fixed(names).text(&value, "\"text\""),
            };
            // A name that is known but has no value would cause errors wherever it is used.
            constants.insert(entry.key.clone(), text.unwrap_or_default());
        }
        constants
    }
}

/// Where an option of the shared load stands; the start of the file when it is left to its default.
fn option_position(root: &Node, option: &str) -> (Range<usize>, String) {
    let Some(load) = scenario::child(root, "load") else { return (0..0, "load".into()) };
    match scenario::child(load, option) {
        Some(node) => (node.span.clone(), format!("load.{option}")),
        None => (load.span.clone(), "load".into()),
    }
}
