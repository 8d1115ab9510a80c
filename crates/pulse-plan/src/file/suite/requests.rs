//! Cases that make requests: one, several, or those of a scenario file, one after another or under load.

use std::sync::Arc;

use pulse_model::{Estimate, Nanos, Subject, Tags};

use crate::file::names::{Names, Scope};
use crate::file::reader::{Field, TableReader};
use crate::file::scenario::{self, ScenarioEntry};
use crate::file::suite::amount::{Amount, needed_at_least, needed_samples};
use crate::file::suite::case::Work;
use crate::file::targets::PlacedTarget;
use crate::file::tree::Data;
use crate::file::{Builder, load, step};
use crate::{LoadOptions, MAX_SCENARIO_FILE_BYTES, MAX_USERS, Step};

/// Length of a load when nobody says.
const DEFAULT_DURATION: Nanos = Nanos::from_secs(5);
/// Passes of a case whose batch is one pass, when nobody says.
const DEFAULT_PASSES: u64 = 10;
/// The most requests of a warm-up that nobody asked for, …
const MAX_DEFAULT_WARMUP: u64 = 100;
/// … and its longest time: a slow service is known soon enough.
const LONGEST_DEFAULT_WARMUP: Nanos = Nanos::from_secs(1);
const MAX_REQUESTS: usize = 1_000;
/// Keys of a request, for requests that are written as texts.
const PATTERN_KEYS: [&str; 7] =
    ["headers", "json", "body", "body_file", "timeout", "expect_status", "checks"];

/// A case that makes requests.
pub(crate) struct RequestsEntry {
    pub(crate) source: Source,
    /// The load of one batch; with a scenario file, what the case says over it.
    pub(crate) batch: LoadOptions,
    /// The load of the warm-up, when it is a run of its own.
    pub(crate) warmup: Option<LoadOptions>,
    /// Few users and many users.
    pub(crate) compare: Option<[u64; 2]>,
    /// Every request has a user of its own.
    pub(crate) parallel: bool,
    /// Whether a batch ends after a number of requests and not after a time.
    pub(crate) counted: bool,
    pub(crate) min_samples: u64,
    pub(crate) amount: Amount,
}

/// Where the requests come from.
pub(crate) enum Source {
    /// The case: one scenario, or one per request when they are parallel.
    Steps(Vec<ScenarioEntry>),
    /// A scenario file beside the suite.
    File(String),
}

impl RequestsEntry {
    pub(crate) fn scenario_path(&self) -> Option<&str> {
        match &self.source {
            Source::File(path) => Some(path),
            Source::Steps(_) => None,
        }
    }

    /// Requests of one pass; 1 when they stand in another file.
    pub(crate) fn requests_per_pass(&self) -> u64 {
        match &self.source {
            Source::Steps(scenarios) => requests_per_pass(scenarios),
            Source::File(_) => 1,
        }
    }
}

fn requests_per_pass(scenarios: &[ScenarioEntry]) -> u64 {
    scenarios.iter().flat_map(|scenario| &scenario.steps).map(|step| u64::from(step.repeat)).sum()
}

/// What is needed to read the keys of such a case.
pub(crate) struct Reader<'r, 'a> {
    pub(crate) builder: &'r Builder<'a>,
    pub(crate) table: &'r TableReader<'r>,
    pub(crate) names: &'r Names<'r>,
    pub(crate) defaults: &'r Amount,
    pub(crate) targets: &'r [PlacedTarget],
}

impl Reader<'_, '_> {
    /// Reads the case; `form` is the key that says what it asks for, `field` its value.
    pub(crate) fn read(&self, form: &'static str, field: &Field<'_>) -> Option<Work> {
        let steps = match form {
            "scenario" => None,
            "request" => Some(self.read_texts(std::slice::from_ref(field))),
            "requests" => Some(self.read_list(field)),
            _ => Some(scenario::read_steps(self.builder, field, self.names, &Tags::new())),
        };
        let path = if form == "scenario" { self.read_path(field) } else { None };
        let given = self.read_load();
        let amount = Amount::read_samples(self.table);
        let compare = self.table.get("compare_users").and_then(|field| read_compared(&field));
        let parallel = self.read_parallel(steps.as_deref(), &given, compare);
        self.refuse_conflicts(&given, &amount);
        if compare.is_none() && self.table.get("compare_users").is_some() {
            return None;
        }
        let source = match (steps, path) {
            (Some(steps), _) if steps.is_empty() => return None,
            (Some(steps), _) => Source::Steps(scenarios_of(steps, parallel)),
            (None, path) => Source::File(path?),
        };
        let entry = self.with_load(source, given, &amount, compare, parallel);
        self.check_load(&entry);
        Some(Work::Requests(Box::new(entry)))
    }

    fn read_load(&self) -> LoadOptions {
        let mut options = load::read_shape(self.table);
        options.warmup = self.table.get("warmup").and_then(|field| field.duration("\"1s\""));
        options.seed = self.table.get("seed").and_then(|field| field.integer(0..=i64::MAX as u64, "1"));
        options
    }

    /// Requests that are written as texts and share the other keys of the case.
    fn read_texts(&self, fields: &[Field<'_>]) -> Vec<Step> {
        let scope =
            Scope { names: self.names, extracted: Vec::new(), later: Vec::new(), per_iteration: true };
        let pattern = step::read_pattern(self.builder, self.table, &scope, step::BodyUse::Request);
        let ask = |field: &Field<'_>| {
            let mut step = pattern.clone();
            step.ask(step::read_request(field, &scope)?);
            Some(step)
        };
        fields.iter().take(MAX_REQUESTS).filter_map(ask).collect()
    }

    /// A list of texts, or of tables like those of steps.
    fn read_list(&self, field: &Field<'_>) -> Vec<Step> {
        let Some(items) = field.items("[\"GET /\", \"GET /health\"]") else { return Vec::new() };
        if items.is_empty() || items.len() > MAX_REQUESTS {
            field.error(
                format!("a case has 1 to {MAX_REQUESTS} requests"),
                "write for example requests = [\"GET /\", \"GET /health\"]",
            );
        }
        let tables = items.iter().filter(|item| matches!(item.node.data, Data::Table(_))).count();
        if tables == 0 {
            return self.read_texts(&items);
        }
        if tables < items.len() {
            field.error("the list mixes texts and tables", "write all of them as { request = \"GET /\" }");
        }
        for key in PATTERN_KEYS {
            if let Some(field) = self.table.get(key) {
                field.error(
                    format!("`{key}` is for requests that are written as texts"),
                    "write it into the tables of `requests`",
                );
            }
        }
        if tables < items.len() {
            return Vec::new();
        }
        scenario::read_steps(self.builder, field, self.names, &Tags::new())
    }

    /// The path of a scenario file.
    fn read_path(&self, field: &Field<'_>) -> Option<String> {
        let path = field.text("\"checkout.toml\"")?;
        self.builder.needed(field, path, MAX_SCENARIO_FILE_BYTES);
        Some(path.to_owned()).filter(|path| !path.trim().is_empty())
    }

    /// Whether all requests are made at once.
    fn read_parallel(&self, steps: Option<&[Step]>, load: &LoadOptions, compare: Option<[u64; 2]>) -> bool {
        let Some(field) = self.table.get("parallel") else { return false };
        let Some(true) = field.boolean("true") else { return false };
        if steps.is_none_or(|steps| steps.len() < 2) {
            let help = "write for example requests = [\"GET /\", \"GET /health\"]";
            field.error("`parallel` needs several `requests` that are made at once", help);
        } else if is_shaped(load) || compare.is_some() {
            let help = "leave `parallel` out, and say with `users` or `rate` how much";
            field.error(
                "`parallel` makes every request once, by a user of its own; it has no other load",
                help,
            );
        }
        true
    }

    fn refuse_conflicts(&self, load: &LoadOptions, amount: &Amount) {
        if let (Some(_), Some(field)) = (amount.warmup_samples, self.table.get("warmup")) {
            field.error("`warmup` and `warmup_samples` exclude each other", "keep one of them");
        }
        if self.table.get("compare_users").is_none() {
            return;
        }
        for key in ["users", "rate", "stages", "arrivals", "max_users", "samples", "warmup_samples"] {
            if let Some(field) = self.table.get(key) {
                field.error(
                    format!("`compare_users` and `{key}` exclude each other"),
                    "both loads last for `duration`, with the same `pace`",
                );
            }
        }
        let judged = |placed: &PlacedTarget| is_about(placed, Estimate::Degradation);
        if !self.targets.is_empty() && !self.targets.iter().any(judged) && load.users.is_none() {
            let help = "add for example \"degradation < 1.5\" to the targets".to_owned();
            self.table.error("`compare_users` compares nothing without a target for it", Some(help));
        }
    }

    /// Completes what is said about the load.
    fn with_load(
        &self,
        source: Source,
        given: LoadOptions,
        amount: &Amount,
        compare: Option<[u64; 2]>,
        parallel: bool,
    ) -> RequestsEntry {
        let own_samples = amount.samples;
        let amount = amount.or(self.defaults);
        let from_file = matches!(source, Source::File(_));
        let timed_by_itself = given.duration.is_some() || given.stages.is_some() || compare.is_some();
        let sequential = !is_shaped(&given) && compare.is_none() && !from_file;
        let counted = sequential || (own_samples.is_some() && !timed_by_itself);
        let mut entry = RequestsEntry {
            source,
            batch: given,
            warmup: None,
            compare,
            parallel,
            counted,
            min_samples: amount.samples.unwrap_or_else(|| needed_samples(self.targets)),
            amount,
        };
        let per_pass = entry.requests_per_pass();
        let duration_judged = self.targets.iter().any(|placed| is_about(placed, Estimate::Duration));
        let one_pass = sequential && (parallel || duration_judged);
        if one_pass {
            entry.min_samples = own_samples
                .unwrap_or_else(|| needed_at_least(per_pass.saturating_mul(DEFAULT_PASSES), self.targets));
        }
        if counted {
            entry.min_samples = entry.min_samples.div_ceil(per_pass).saturating_mul(per_pass);
            entry.batch.requests = Some(if one_pass { per_pass } else { entry.min_samples });
        }
        if sequential || (entry.batch.users, entry.batch.rate) == (None, None) && !from_file {
            complete_closed(&mut entry, parallel, per_pass);
        }
        if !counted && !from_file && entry.batch.stages.is_none() {
            entry.batch.duration = entry.batch.duration.or(Some(DEFAULT_DURATION));
        }
        self.set_warmup(&mut entry, per_pass);
        entry
    }

    /// A warm-up is a part of a load that lasts for a time, and a run of its own before one that counts.
    fn set_warmup(&self, entry: &mut RequestsEntry, per_pass: u64) {
        let own = Amount::read_samples(self.table).warmup_samples;
        let asked = entry.batch.warmup.filter(|_| entry.counted);
        if entry.counted {
            // A warm-up inside would use up the requests that are counted; that of a scenario file is overridden.
            entry.batch.warmup = Some(Nanos::ZERO);
        }
        let few = (entry.min_samples / 10).clamp(1, MAX_DEFAULT_WARMUP);
        let mut longest = None;
        let count = match (asked, own) {
            (Some(Nanos::ZERO), _) => 0,
            (Some(warmup), _) => {
                let timed = LoadOptions { duration: Some(warmup), requests: None, ..entry.batch.clone() };
                entry.warmup = Some(timed);
                0
            }
            (None, Some(count)) => count,
            (None, None) if entry.counted => entry.amount.warmup_samples.unwrap_or_else(|| {
                longest = Some(LONGEST_DEFAULT_WARMUP);
                few
            }),
            (None, None) => 0,
        };
        if count > 0 {
            let requests = Some(count.div_ceil(per_pass).saturating_mul(per_pass));
            let duration = longest.or(entry.batch.duration);
            entry.warmup =
                Some(LoadOptions { requests, duration, warmup: Some(Nanos::ZERO), ..entry.batch.clone() });
        }
    }

    /// Mistakes that show without the service and without other files.
    fn check_load(&self, entry: &RequestsEntry) {
        let mut options = entry.batch.clone();
        if let Source::File(_) = entry.source {
            return;
        }
        options.users = entry.compare.map(|[_, many]| many).or(options.users);
        if let Err(error) = options.to_model() {
            load::report(self.table, &error);
        }
    }
}

/// One user (or one per request) as fast as answers come, unless a pace is given.
fn complete_closed(entry: &mut RequestsEntry, parallel: bool, per_pass: u64) {
    let batch = &mut entry.batch;
    if entry.compare.is_some() || batch.stages.is_some() || batch.is_open() {
        return;
    }
    batch.users = Some(if parallel { per_pass } else { 1 });
    batch.pace = batch.pace.or(Some(0.0));
}

/// Whether the case says how much load there is, instead of one request after another.
fn is_shaped(load: &LoadOptions) -> bool {
    load.users.is_some() || load.is_open() || load.stages.is_some() || load.duration.is_some()
}

fn is_about(placed: &PlacedTarget, estimate: Estimate) -> bool {
    placed.target.subject == Subject::Estimate(estimate)
}

/// One scenario of all steps, or one of each.
fn scenarios_of(steps: Vec<Step>, parallel: bool) -> Vec<ScenarioEntry> {
    let entry = |name: Arc<str>, steps: Vec<Step>| ScenarioEntry {
        name,
        weight: 1.0,
        load: None,
        start: Nanos::ZERO,
        tags: Tags::new(),
        cookies: true,
        steps,
    };
    if !parallel {
        return vec![entry("requests".into(), steps)];
    }
    let numbered = steps.into_iter().enumerate();
    numbered.map(|(i, step)| entry(format!("request {}", i + 1).into(), vec![step])).collect()
}

fn read_compared(field: &Field<'_>) -> Option<[u64; 2]> {
    const EXAMPLE: &str = "[5, 100]";
    let items = field.items(EXAMPLE)?;
    let [few, many] = items.as_slice() else {
        field.error("`compare_users` is two numbers of users", "write for example compare_users = [5, 100]");
        return None;
    };
    let (few, many) = (few.integer(1..=MAX_USERS, "5")?, many.integer(1..=MAX_USERS, "100")?);
    if few >= many {
        field.error(format!("{few} users are not fewer than {many}"), "write the smaller number first");
        return None;
    }
    Some([few, many])
}
