//! A draft: everything that a scenario file says, before flags have their say and the load is shared.

use pulse_model::{Nanos, Target};

use crate::file::{DraftScenario, ServiceTable};
use crate::service::ServiceUrl;
use crate::{
    DEFAULT_GRACEFUL_STOP, DEFAULT_SEED, Feed, HttpVersion, LoadError, LoadOptions, Overrides, Plan,
    PlanError, Scenario, ServiceOptions, Slot, Step, StepKind, Template,
};

/// What a scenario file says.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) name: Option<String>,
    pub(crate) service: ServiceTable,
    pub(crate) load: LoadOptions,
    pub(crate) targets: Vec<Target>,
    pub(crate) scenarios: Vec<DraftScenario>,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) variables: Vec<Slot>,
}

impl Draft {
    /// The plan, with flags over what the file says.
    pub(crate) fn into_plan(self, file_name: &str, overrides: &Overrides) -> Result<Plan, PlanError> {
        let mut options = overrides.service.merged_over(&self.service.options);
        // gRPC is HTTP/2: where nothing else is asked for, nothing else need be spoken.
        let mut steps = self.scenarios.iter().flat_map(|scenario| &scenario.steps);
        if steps.all(|step| matches!(step.kind, StepKind::Grpc(_))) && !self.scenarios.is_empty() {
            options.http = options.http.or(Some(HttpVersion::Http2));
        }
        let (service, url) = options.to_service()?;
        let load = overrides.load.merged_over(&self.load);
        let loads = self.loads(&load, &overrides.load)?;
        let headers = default_headers(self.service.headers, &options, &url);
        let graceful_stop = |own: Option<Nanos>| own.or(load.graceful_stop).unwrap_or(DEFAULT_GRACEFUL_STOP);
        let mut scenarios = Vec::with_capacity(self.scenarios.len());
        for (entry, options) in self.scenarios.into_iter().zip(loads) {
            let steps = entry.steps.into_iter().map(|step| complete(step, &headers, &service.base_path));
            let steps: Vec<Step> = steps.collect();
            let load = options.to_model_for(&entry.name, pauses(&steps))?;
            scenarios.push(Scenario {
                name: entry.name,
                load,
                start: entry.start,
                graceful_stop: graceful_stop(overrides.load.graceful_stop.or(options.graceful_stop)),
                tags: entry.tags,
                cookies: entry.cookies,
                steps,
            });
        }
        let mut plan = Plan {
            name: self.name.unwrap_or_else(|| stem(file_name).to_owned()),
            service,
            scenarios,
            feeds: self.feeds,
            variables: self.variables,
            targets: if overrides.targets.is_empty() { self.targets } else { overrides.targets.clone() },
            warmup: load.warmup.unwrap_or_default(),
            seed: load.seed.unwrap_or(DEFAULT_SEED),
            idle: load.idle.unwrap_or_default(),
        };
        plan.complete()?;
        Ok(plan)
    }

    /// The load of each scenario: its own, or its share.
    fn loads(&self, shared: &LoadOptions, flags: &LoadOptions) -> Result<Vec<LoadOptions>, LoadError> {
        let weights: Vec<f64> = self
            .scenarios
            .iter()
            .filter(|scenario| scenario.load.is_none())
            .map(|scenario| scenario.weight)
            .collect();
        if let (true, Some(option)) =
            (weights.is_empty(), only_shared(flags).or_else(|| only_shared(&self.load)))
        {
            return Err(LoadError::NothingShared(option));
        }
        // The warm-up is of the whole run, whose length is known only when all scenarios are.
        let shared = LoadOptions { warmup: None, ..shared.clone() };
        let mut parts = if weights.is_empty() { Vec::new() } else { shared.shared(&weights)? }.into_iter();
        let own =
            |load: &LoadOptions| LoadOptions { duration: flags.duration.or(load.duration), ..load.clone() };
        Ok(self
            .scenarios
            .iter()
            .filter_map(|scenario| scenario.load.as_ref().map(own).or_else(|| parts.next()))
            .collect())
    }
}

/// How long an iteration pauses, on average.
fn pauses(steps: &[Step]) -> Nanos {
    let within = |step: &Step| match &step.kind {
        StepKind::WebSocket(script) => script.pauses(),
        _ => Nanos::ZERO,
    };
    let each = |step: &Step| (step.think.mean() + within(step)).times(u64::from(step.repeat));
    steps.iter().fold(Nanos::ZERO, |sum, step| sum + each(step))
}

/// An option that only changes the shared load.
fn only_shared(options: &LoadOptions) -> Option<&'static str> {
    [
        ("users", options.users.is_some()),
        ("rate", options.rate.is_some()),
        ("stages", options.stages.is_some()),
        ("pace", options.pace.is_some()),
        ("missed", options.missed.is_some()),
        ("arrivals", options.arrivals.is_some()),
        ("max_users", options.max_users.is_some()),
        ("iterations", options.iterations.is_some()),
        ("requests", options.requests.is_some()),
    ]
    .into_iter()
    .find_map(|(option, given)| given.then_some(option))
}

/// Header fields of the service; those of flags replace those of the file.
fn default_headers(
    of_file: Vec<(String, Template)>,
    options: &ServiceOptions,
    url: &ServiceUrl,
) -> Vec<(String, Template)> {
    let mut headers: Vec<(String, Template)> = options
        .default_headers(url)
        .into_iter()
        .map(|(name, value)| (name, Template::literal(value)))
        .collect();
    let of_flags: Vec<&String> = options.headers.iter().map(|(name, _)| name).collect();
    for (name, value) in of_file {
        if !of_flags.iter().any(|flag| flag.eq_ignore_ascii_case(&name)) {
            // A field that is written out beats the authorization that follows from other options.
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
            headers.push((name, value));
        }
    }
    headers
}

/// A step with what it takes from the service.
fn complete(mut step: Step, headers: &[(String, Template)], base_path: &str) -> Step {
    for (name, value) in headers {
        if !step.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
            step.headers.push((name.clone(), value.clone()));
        }
    }
    let mut target = Template::literal(base_path);
    target.append(&step.target);
    step.target = target;
    step
}

/// The file's name without folders and extension.
pub(crate) fn stem(file_name: &str) -> &str {
    let name = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
    name.strip_suffix(".toml").filter(|stem| !stem.is_empty()).unwrap_or(name)
}
