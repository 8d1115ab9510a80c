//! The plan: everything that should happen, before anything does.

use pulse_model::{Nanos, Target, TargetError};

use crate::{
    CallError, Feed, FileErrors, IdleStrategy, LoadError, LoadOptions, Scenario, Service, ServiceError,
    ServiceOptions,
};

/// Everything that should happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Title for people: the file's `name`, the file's name without extension, or the URL.
    pub name: String,
    /// What is tested.
    pub service: Service,
    /// What its users do; at least one.
    pub scenarios: Vec<Scenario>,
    /// Data that steps use; referred to by number.
    pub feeds: Vec<Feed>,
    /// Variables that every user has for itself; referred to by number.
    pub variables: Vec<Slot>,
    /// What the service must meet; never empty.
    pub targets: Vec<Target>,
    /// Length of the first part of the run that is kept out of all judged figures; part of the duration.
    pub warmup: Nanos,
    /// Seed of everything random.
    pub seed: u64,
    /// How workers wait for what is due next.
    pub idle: IdleStrategy,
}

/// A variable that steps extract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name, as in `${name}`.
    pub name: String,
    /// Value before anything was extracted.
    pub initial: String,
}

/// What flags say; they beat the file.
///
/// `load` replaces what `[load]` says (see [`LoadOptions::merged_over`]). Scenarios with a load of their own keep it,
/// except for the duration and the graceful stop, which apply to all. Header fields of `service` replace those of
/// `[service]`, not those of a step. `targets` replace all targets of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// The service.
    pub service: ServiceOptions,
    /// The load.
    pub load: LoadOptions,
    /// The targets, if any.
    pub targets: Vec<Target>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Mistakes in the scenario file or the files it names.
    #[error(transparent)]
    File(#[from] FileErrors),
    /// Flags, or flags and file together, that make no load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Flags that make no service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Flags that make no gRPC call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A target that is wrong; only the defaults can cause this, and a test sees to it that they do not.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// The rate above which a plan asks for throughput, in requests per second.
const THROUGHPUT_FROM: f64 = 100.0;

impl Plan {
    /// What a service must meet when nobody says: success above 99 %, average below 100 ms, 95th percentile below
    /// 200 ms, and more than 100 requests per second if the plan asks for more than that.
    pub fn default_targets(planned_rate: Option<f64>) -> Result<Vec<Target>, TargetError> {
        let throughput = planned_rate.is_some_and(|rate| rate > THROUGHPUT_FROM);
        ["success > 99%", "avg < 100ms", "p95 < 200ms", "throughput > 100/s"]
            .into_iter()
            .take(if throughput { 4 } else { 3 })
            .map(str::parse)
            .collect()
    }

    /// How long the load lasts, warm-up included: to the end of the last scenario. `None` when a count ends it.
    pub fn duration(&self) -> Option<Nanos> {
        let ends = self.scenarios.iter().map(|scenario| scenario.load.end().map(|end| scenario.start + end));
        ends.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Checks what concerns the whole, and fills in the default targets.
    pub(crate) fn complete(&mut self) -> Result<(), PlanError> {
        if let Some(duration) = self.duration().filter(|&duration| self.warmup >= duration)
            && self.warmup > Nanos::ZERO
        {
            return Err(LoadError::Warmup { warmup: self.warmup, duration }.into());
        }
        if self.targets.is_empty() {
            self.targets = Self::default_targets(self.planned_rate())?;
        }
        Ok(())
    }
}
