//! From what a suite file says to the suite, with flags over it.

use std::collections::BTreeMap;

use pulse_model::{CaseInfo, Estimate, Statistic, Subject, Target};

use crate::draft::Draft;
use crate::file::ServiceTable;
use crate::file::error::{Diagnostics, FileError, FileErrors};
use crate::file::reader::did_you_mean;
use crate::file::suite::amount::Amount;
use crate::file::suite::case::{CaseEntry, WebSocketEntry, Work};
use crate::file::suite::requests::{RequestsEntry, Source};
use crate::file::suite::service::{DEFAULT_READY_TIMEOUT, ServiceEntry};
use crate::file::suite::{SuiteEntries, files_beside, hopeless};
use crate::{
    Case, CaseKind, CaseLimits, Feed, LoadModel, LoadOptions, Overrides, Plan, PlanError, ProcessSelector,
    ScenarioFile, Service, Slot, Suite, SuiteService, Variable, WebSocketTls,
};

/// The kinds that `kind` may give to a case of requests; everything else shows in what the case does.
const CHOICES: [&str; 4] = ["response_time", "distribution", "concurrency", "tool_execution"];

/// What a suite is made with, besides its file.
pub(crate) struct Setting<'s> {
    pub(crate) file_name: &'s str,
    pub(crate) overrides: &'s Overrides,
    pub(crate) base: Option<&'s ServiceEntry>,
    pub(crate) files: &'s BTreeMap<String, Vec<u8>>,
    pub(crate) scenarios: &'s BTreeMap<String, ScenarioFile>,
}

impl SuiteEntries {
    /// The suite. Mistakes of single cases are noted, and those cases left out.
    pub(crate) fn into_suite(
        self,
        setting: &Setting<'_>,
        notes: &Diagnostics<'_>,
    ) -> Result<Suite, PlanError> {
        let entry = self.service.or_else(|| setting.base.cloned()).unwrap_or_default();
        let options = setting.overrides.service.merged_over(&entry.table.options);
        let (plan, _) = options.to_service()?;
        let maker = Maker {
            setting,
            notes,
            table: &entry.table,
            service: &plan,
            feeds: &self.feeds,
            variables: &self.variables,
        };
        let mut cases = Vec::with_capacity(self.cases.len());
        for case in &self.cases {
            cases.extend(maker.case(case)?);
        }
        Ok(Suite {
            name: self.name.unwrap_or_else(|| crate::draft::stem(setting.file_name).to_owned()),
            service: service(&entry, plan, setting.overrides.service.url.is_some()),
            cases,
        })
    }
}

/// With another URL, what the file says about starting and finding the process is about another service.
fn service(entry: &ServiceEntry, plan: Service, elsewhere: bool) -> SuiteService {
    let start = entry.start.clone().filter(|_| !elsewhere);
    let default = if start.is_some() { ProcessSelector::Started } else { ProcessSelector::Port };
    SuiteService {
        url: plan.url.clone(),
        ready: entry.ready.clone(),
        ready_timeout: entry.ready_timeout.unwrap_or(DEFAULT_READY_TIMEOUT),
        process: entry.process.clone().filter(|_| !elsewhere).unwrap_or(default),
        reuse: entry.reuse && start.is_some(),
        start,
        plan,
    }
}

struct Maker<'m> {
    setting: &'m Setting<'m>,
    notes: &'m Diagnostics<'m>,
    table: &'m ServiceTable,
    service: &'m Service,
    feeds: &'m [Feed],
    variables: &'m [Slot],
}

impl Maker<'_> {
    fn case(&self, entry: &CaseEntry) -> Result<Option<Case>, PlanError> {
        let targets: Vec<Target> = entry.targets.iter().map(|placed| placed.target.clone()).collect();
        let (kind, limits, warmup, derived) = match &entry.work {
            Work::Done { kind, limits } => {
                let name = if matches!(kind, CaseKind::Database { .. }) { "database" } else { "command" };
                (kind.clone(), *limits, None, name)
            }
            Work::WebSocket { entry, limits } => (self.websocket(entry), *limits, None, "websocket"),
            Work::Requests(requests) => match self.requests(entry, requests, &targets) {
                Ok(made) => made,
                // These are the user's mistakes in the suite; others lie in flags or in the scenario file.
                Err(PlanError::Load(error)) => {
                    let message = format!("the case has no load: {error}");
                    self.notes.report(entry.span.clone(), &entry.path, message, None);
                    return Ok(None);
                }
                Err(other) => return Err(other),
            },
        };
        hopeless::check(self.notes, &entry.targets, &kind);
        let info = CaseInfo { kind: self.kind(entry, derived).to_owned(), ..entry.info.clone() };
        Ok(Some(Case { info, targets, kind, limits, warmup }))
    }

    /// The kind that the file gives, if it fits.
    fn kind<'k>(&self, entry: &'k CaseEntry, derived: &'k str) -> &'k str {
        let Some(given) = &entry.kind else { return derived };
        let word = given.word.as_str();
        let choice = CHOICES.contains(&derived);
        if word == derived || (choice && CHOICES.contains(&word)) {
            return word;
        }
        let help = if choice {
            did_you_mean(word, CHOICES).unwrap_or_else(|| format!("give one of {}", CHOICES.join(", ")))
        } else {
            "leave `kind` out: it follows from what the case does".to_owned()
        };
        let message = format!("the kind of this case cannot be `{word}`: what it does makes it `{derived}`");
        self.notes.report(given.span.clone(), &given.path, message, Some(help));
        derived
    }

    fn websocket(&self, entry: &WebSocketEntry) -> CaseKind {
        let url = if entry.path.starts_with('/') {
            let origin = url::Url::parse(&self.service.url)
                .map_or_else(|_| self.service.url.clone(), |url| url.origin().ascii_serialization());
            // http becomes ws, and https becomes wss.
            let origin = origin.replacen("http", "ws", 1);
            format!("{origin}{}{}", self.service.base_path, entry.path)
        } else {
            entry.path.clone()
        };
        CaseKind::WebSocket {
            url,
            tls: WebSocketTls {
                insecure: self.service.insecure,
                ca_certificate: self.service.ca_certificate.clone(),
            },
            connections: entry.connections,
            messages: entry.messages,
            interval: entry.interval,
            payload: entry.payload.clone(),
            timeout: entry.timeout,
        }
    }

    fn requests(
        &self,
        case: &CaseEntry,
        entry: &RequestsEntry,
        targets: &[Target],
    ) -> Result<(CaseKind, CaseLimits, Option<Plan>, &'static str), PlanError> {
        let plan = |load: &LoadOptions| self.plan(case, &entry.source, load, targets);
        if let Some([few, many]) = entry.compare {
            let with = |users| plan(&LoadOptions { users: Some(users), ..entry.batch.clone() });
            let (few, many) = (with(few)?, with(many)?);
            let length = few.duration().unwrap_or_default() + many.duration().unwrap_or_default();
            let limits = entry.amount.timed(entry.min_samples, length);
            return Ok((CaseKind::Degradation { few, many }, limits, None, "degradation"));
        }
        let batch = plan(&entry.batch)?;
        let warmup = entry.warmup.as_ref().map(plan).transpose()?;
        let steady = batch.scenario_info().iter().all(|scenario| scenario.steady);
        let limits = match batch.duration().filter(|_| !entry.counted) {
            None => entry.amount.counted(entry.min_samples),
            Some(length) if steady => entry.amount.timed(entry.min_samples, length),
            Some(length) => Amount::whole(length),
        };
        let derived = derived_kind(&batch, entry.parallel, targets);
        Ok((CaseKind::Load(batch), limits, warmup, derived))
    }

    /// The plan of a batch or of a warm-up.
    fn plan(
        &self,
        case: &CaseEntry,
        source: &Source,
        load: &LoadOptions,
        targets: &[Target],
    ) -> Result<Plan, PlanError> {
        let flags = &self.setting.overrides;
        let seed = LoadOptions { seed: flags.load.seed, ..LoadOptions::default() };
        let mut draft = match source {
            Source::Steps(scenarios) => Draft {
                service: self.table.clone(),
                load: load.clone(),
                scenarios: scenarios.clone(),
                feeds: if uses_feeds(scenarios) { self.feeds.to_vec() } else { Vec::new() },
                variables: self.variables.to_vec(),
                ..Draft::default()
            },
            Source::File(path) => self.draft_of_file(path)?,
        };
        draft.name = Some(case.info.name.clone());
        draft.targets = targets.to_vec();
        let over_file = if matches!(source, Source::File(_)) { seed.merged_over(load) } else { seed };
        let overrides = Overrides { service: flags.service.clone(), load: over_file, targets: Vec::new() };
        draft.into_plan(self.setting.file_name, &overrides)
    }

    /// What a scenario file says, but about the suite's service.
    fn draft_of_file(&self, path: &str) -> Result<Draft, PlanError> {
        let Some(file) = self.setting.scenarios.get(path) else {
            let mistake = FileError::at(path, "", 0..0, "the scenario file was not read");
            return Err(FileErrors { errors: vec![mistake], omitted: 0 }.into());
        };
        let mut draft = file.to_draft(&files_beside(path, file, self.setting.files))?;
        let own = std::mem::take(&mut draft.service);
        let mut headers = self.table.headers.clone();
        for (name, value) in own.headers {
            if !headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                headers.push((name, value));
            }
        }
        draft.service = ServiceTable { options: self.table.options.merged_over(&own.options), headers };
        Ok(draft)
    }
}

fn uses_feeds(scenarios: &[crate::file::DraftScenario]) -> bool {
    let mut steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    steps.any(|step| {
        let compared = step.checks.iter().flat_map(|check| check.condition.templates());
        let values = step.headers.iter().map(|(_, value)| value);
        let mut templates = step
            .body
            .templates()
            .chain([&step.target])
            .chain(values)
            .chain(compared)
            .chain(step.kind.templates());
        templates
            .any(|template| template.variables().any(|variable| matches!(variable, Variable::Feed { .. })))
    })
}

/// The kind that follows from what a case does and what it is judged by.
fn derived_kind(plan: &Plan, parallel: bool, targets: &[Target]) -> &'static str {
    let watches_process = |target: &Target| {
        matches!(
            target.subject,
            Subject::Estimate(Estimate::MemoryGrowth | Estimate::Cpu | Estimate::CpuPerRequest)
        )
    };
    let users: u64 = plan.scenarios.iter().map(|scenario| scenario.load.max_users()).sum();
    let open = plan.scenarios.iter().any(|scenario| matches!(scenario.load, LoadModel::Open(_)));
    let steps: usize = plan.scenarios.iter().map(|scenario| scenario.steps.len()).sum();
    if targets.iter().any(watches_process) {
        "memory"
    } else if !parallel && (users > 1 || open) {
        "concurrency"
    } else if judges_distribution(targets) {
        "distribution"
    } else if steps > 1 {
        "tool_execution"
    } else {
        "response_time"
    }
}

/// Two different quantiles of the same times, or a ratio.
fn judges_distribution(targets: &[Target]) -> bool {
    let quantile = |target: &Target| match &target.subject {
        Subject::Trend { metric, statistic: Statistic::Quantile(q) } => Some((metric.clone(), *q)),
        _ => None,
    };
    let quantiles: Vec<(String, f64)> = targets.iter().filter_map(quantile).collect();
    let differ = |(metric, q): &(String, f64)| {
        quantiles.iter().any(|(other, p)| other == metric && (p - q).abs() > f64::EPSILON)
    };
    quantiles.iter().any(differ)
        || targets.iter().any(|target| matches!(target.subject, Subject::Ratio { .. }))
}
