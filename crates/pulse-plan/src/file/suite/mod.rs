//! The suite file: from TOML to cases, in pure steps with the reading of other files between them.
//!
//! As with scenario files, every step builds the whole suite, the first one without the other files, so that every
//! mistake in the suite file itself is found before anything else is read.

mod amount;
mod build;
mod case;
mod command;
mod database;
mod hopeless;
mod judge;
mod requests;
mod service;
mod websocket;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use crate::file::error::{Diagnostics, FileError};
use crate::file::names::{FeedNames, Names, Scope};
use crate::file::needed::NeededFiles;
use crate::file::reader::TableReader;
use crate::file::tree::Node;
use crate::file::{Builder, data, read_tree, record, scenario, step};
use crate::{BodyFile, FileErrors, Overrides, PlanError, ScenarioFile, Suite};
use build::Setting;
use case::CaseEntry;
use service::ServiceEntry;

/// The file whose `[service]` the suites below it inherit; the only one that may have no cases.
const PROJECT_FILE: &str = "pulse.toml";

/// A suite file that was read and found free of mistakes, as far as one can tell without the files it names.
///
/// ```
/// use std::collections::BTreeMap;
/// use pulse_plan::{Overrides, SuiteFile};
///
/// let text = r#"
///     [[test]]
///     name = "health endpoint responds quickly"
///     group = "api"
///     request = "GET /health"
///     targets = ["p95 < 50ms", "errors = 0"]
/// "#;
/// let file = SuiteFile::parse("perf/api.toml", text, &|_| None)?;
/// let suite = file.into_suite(&BTreeMap::new(), &Overrides::default(), None)?;
/// assert_eq!(suite.cases[0].info.id, "api::health-endpoint-responds-quickly");
/// assert_eq!(suite.cases[0].info.kind, "response_time");
/// assert_eq!(suite.cases[0].info.target_lines, [6, 6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SuiteFile {
    name: String,
    text: String,
    root: Node,
    /// The environment variables that were asked for, with their values, so that all steps see the same.
    environment: BTreeMap<String, Option<String>>,
    needed: NeededFiles,
    /// The scenario files that cases name.
    scenario_paths: Vec<String>,
    scenarios: BTreeMap<String, ScenarioFile>,
}

/// The `[service]` of a `pulse.toml`, which suite files without one of their own inherit as a whole.
#[derive(Clone, Debug)]
pub struct BaseService {
    entry: ServiceEntry,
}

impl SuiteFile {
    /// Reads the text of a suite file, or of a `pulse.toml`. `file_name` is for messages; `env` looks up environment
    /// variables. A file without cases is a mistake, unless it is called `pulse.toml`.
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
        if notes.is_empty() {
            refuse_scenarios(&notes, &root);
        }
        let mut scenario_paths = Vec::new();
        if notes.is_empty() {
            let entries = SuiteEntries::read(&builder, &root, &recording);
            scenario_paths = entries.cases.iter().filter_map(CaseEntry::scenario_path).collect();
            if notes.is_empty() {
                check(&notes, entries);
            }
        }
        let needed = builder.into_needed();
        notes.finish()?;
        let (name, text) = (file_name.to_owned(), text.to_owned());
        Ok(Self {
            name,
            text,
            root,
            environment: asked.into_inner(),
            needed,
            scenario_paths,
            scenarios: BTreeMap::new(),
        })
    }

    /// The other files that the suite is made of, as they are written in this one: relative to its folder.
    ///
    /// After [`with_scenarios`](Self::with_scenarios) also those that the scenario files need.
    pub fn needs(&self) -> &[String] {
        &self.needed.paths
    }

    /// As [`ScenarioFile::may_stream`], for the suite and the scenario files that it names.
    pub fn may_stream(&self, path: &str) -> bool {
        self.needed.may_stream(path)
    }

    /// As [`ScenarioFile::stream`], for the suite and the scenario files that were read so far.
    pub fn stream(&mut self, path: &str, body: BodyFile) {
        for (scenario, file) in &mut self.scenarios {
            let own: Vec<String> =
                file.needs().iter().filter(|need| beside(scenario, need) == path).cloned().collect();
            own.iter().for_each(|need| file.stream(need, body.clone()));
        }
        self.needed.stream(path, body);
    }

    /// The places, in order, of a `.proto` file that one in `files` imports and that is not among them; as
    /// [`ScenarioFile::missing_import`], for the suite and the scenario files that it names.
    pub fn missing_import(&self, files: &BTreeMap<String, Vec<u8>>) -> Option<Vec<String>> {
        self.needed.missing_import(files)
    }

    /// Whether cases name scenario files, which [`with_scenarios`](Self::with_scenarios) has to read.
    pub fn has_scenarios(&self) -> bool {
        !self.scenario_paths.is_empty()
    }

    /// Reads the scenario files that cases name. `files` holds what [`needs`](Self::needs) lists so far; afterwards it
    /// lists more, if the scenario files need other files.
    pub fn with_scenarios(
        mut self,
        files: &BTreeMap<String, Vec<u8>>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, FileErrors> {
        for path in &self.scenario_paths {
            // A file that is missing is reported where it is named, when the suite is made.
            let Some(bytes) = files.get(path) else { continue };
            let text = std::str::from_utf8(bytes).map_err(|error| {
                let mistake = FileError::at(path, "", 0..0, format!("the file is not text: {error}"));
                FileErrors { errors: vec![mistake], omitted: 0 }
            })?;
            let file = ScenarioFile::parse(path, text, env)?;
            self.needed.extend(&file.needed, |need| beside(path, need));
            self.scenarios.insert(path.clone(), file);
        }
        Ok(self)
    }

    /// What `[service]` says, for suites that have none; `None` when there is no such table. `files` holds the content
    /// of every file of [`needs`](Self::needs).
    pub fn base_service(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<Option<BaseService>, FileErrors> {
        let entries = self.entries(files)?;
        Ok(entries.service.map(|entry| BaseService { entry }))
    }

    /// Makes the suite. `files` holds the content of every file of [`needs`](Self::needs) under the name given there.
    ///
    /// Of `overrides`, the service and the seed apply. Loads and targets are what a suite is about, so flags do not
    /// change them. With a URL in `overrides` the service is not started.
    pub fn into_suite(
        self,
        files: &BTreeMap<String, Vec<u8>>,
        overrides: &Overrides,
        base: Option<&BaseService>,
    ) -> Result<Suite, PlanError> {
        let entries = self.entries(files)?;
        let setting = Setting {
            file_name: &self.name,
            overrides,
            base: base.map(|base| &base.entry),
            files,
            scenarios: &self.scenarios,
        };
        let notes = Diagnostics::new(&self.name, &self.text);
        let suite = entries.into_suite(&setting, &notes)?;
        notes.finish()?;
        Ok(suite)
    }

    /// What the file and those that it needs say.
    fn entries(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<SuiteEntries, FileErrors> {
        let notes = Diagnostics::new(&self.name, &self.text);
        let env = |name: &str| self.environment.get(name).cloned().flatten();
        let builder = Builder::new(&notes, Some(files), Some(&self.needed.bodies));
        let entries = SuiteEntries::read(&builder, &self.root, &env);
        notes.finish()?;
        Ok(entries)
    }
}

/// The path of a file that is named in the file at `path`.
pub(crate) fn beside(path: &str, named: &str) -> String {
    match path.rfind(['/', '\\']) {
        Some(end) if !named.starts_with('/') => format!("{}{named}", &path[..=end]),
        _ => named.to_owned(),
    }
}

/// What was read for the scenario file at `path`, by the names that it uses itself.
pub(crate) fn files_beside(
    path: &str,
    file: &ScenarioFile,
    files: &BTreeMap<String, Vec<u8>>,
) -> BTreeMap<String, Vec<u8>> {
    let named = file.needs().iter().map(|need| (need.clone(), beside(path, need)));
    let folder = beside(path, "");
    let imported =
        files.keys().filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "proto"));
    let imported = imported.filter_map(|name| Some((name.strip_prefix(&folder)?.to_owned(), name.clone())));
    named.chain(imported).filter_map(|(own, name)| Some((own, files.get(&name)?.clone()))).collect()
}

/// People mix the two kinds of files up; twenty unknown keys would not tell them.
fn refuse_scenarios(notes: &Diagnostics<'_>, root: &Node) {
    if let (Some(span), None) = (scenario::key(root, "scenario"), scenario::key(root, "test")) {
        let help = format!(
            "run it with pulse load {file}, or name it in a case of a suite: scenario = \"{file}\"",
            file = notes.file
        );
        notes.report(span, "scenario", "this is a scenario file: it has no cases", Some(help));
    }
}

/// What only shows when everything is put together, without flags and without other files.
fn check(notes: &Diagnostics<'_>, mut entries: SuiteEntries) {
    entries.cases.retain(|case| case.scenario_path().is_none());
    let setting = Setting {
        file_name: notes.file,
        overrides: &Overrides::default(),
        base: None,
        files: &BTreeMap::new(),
        scenarios: &BTreeMap::new(),
    };
    if let Err(error) = entries.into_suite(&setting, notes) {
        notes.report(0..0, "", error.to_string(), None);
    }
}

/// Everything that a suite file says, before flags have their say.
pub(crate) struct SuiteEntries {
    pub(crate) name: Option<String>,
    pub(crate) service: Option<ServiceEntry>,
    pub(crate) feeds: Vec<crate::Feed>,
    pub(crate) variables: Vec<crate::Slot>,
    pub(crate) cases: Vec<CaseEntry>,
}

impl SuiteEntries {
    /// Reads everything. Mistakes are noted, and what is wrong is left out.
    fn read(builder: &Builder<'_>, root: &Node, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let nothing =
            Self { name: None, service: None, feeds: Vec::new(), variables: Vec::new(), cases: Vec::new() };
        let Some(table) = TableReader::root(root, builder.notes) else { return nothing };
        let mut names = Names { env, constants: BTreeMap::new(), slots: BTreeMap::new(), feeds: Vec::new() };
        let title = table.get("name").and_then(|field| step::read_label(&field, &Scope::fixed(&names)));
        names.constants = builder.constants(&table, &names);
        // A service is shared by files that know nothing of each other's feeds and extractions.
        let service = table.get("service").and_then(|field| service::read(builder, &field, &names));
        names.slots = scenario::number_slots(builder, steps(root));
        let feeds = data::read(builder, &table);
        for entry in &feeds {
            let columns = entry.read.then(|| entry.feed.columns.clone());
            names.feeds.push(FeedNames { name: entry.feed.name.clone(), columns });
        }
        let defaults = table.get("defaults").map(|field| amount::read_defaults(&field)).unwrap_or_default();
        let cases = case::read(builder, &table, &names, &defaults);
        if let Some(field) = table.get("targets") {
            field.error("`targets` belong to a case", "write them in each [[test]]");
        }
        let variables = names.slot_values();
        table.finish();
        let feeds = feeds.into_iter().map(|entry| entry.feed).collect();
        Self { name: title.map(|title| title.to_string()), service, feeds, variables, cases }
    }
}

/// Everything in the cases of a file that may extract variables.
fn steps(root: &Node) -> impl Iterator<Item = &Node> {
    scenario::list(root, "test")
        .flat_map(|test| scenario::list(test, "step").chain(scenario::list(test, "requests")))
}
