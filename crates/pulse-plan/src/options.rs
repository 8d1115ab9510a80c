//! Load options: what the `[load]` table of a file and the flags of the command line have in common.

use pulse_model::Nanos;

use crate::{
    ArrivalLaw, Budget, Closed, IdleStrategy, LoadModel, Missed, Open, Profile, ProfileError, Stage, UserPool,
};

/// Users when nobody says.
pub const DEFAULT_USERS: u64 = 10;
/// Iterations per second of each user when nobody says.
pub const DEFAULT_PACE: f64 = 10.0;
/// Length of the load when nobody says.
pub const DEFAULT_DURATION: Nanos = Nanos::from_secs(30);
/// Time that iterations have to end when nobody says.
pub const DEFAULT_GRACEFUL_STOP: Nanos = Nanos::from_secs(5);
/// Seed of everything random when nobody says, so that a run can be repeated.
pub const DEFAULT_SEED: u64 = 1;
/// The most users of a scenario.
pub const MAX_USERS: u64 = 1_000_000;
/// The most iterations per second of a scenario.
pub const MAX_RATE: f64 = 1e7;

/// What is said about the load; what is `None` is left to a default.
///
/// With [`rate`](Self::rate) or [`arrivals`](Self::arrivals) the load is open, otherwise it is closed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadOptions {
    /// Closed: number of users, 1 to a million; 10 by default. Excludes stages.
    pub users: Option<u64>,
    /// Open: iterations per second, up to 10⁷; the value at the start when there are stages.
    pub rate: Option<f64>,
    /// Linear ramps, one after another. Their values are users (from 0), or iterations per second (from `rate`, or 0)
    /// when the load is open. They fix the duration, unless one is given: a longer one holds the last value, a shorter
    /// one cuts them off.
    pub stages: Option<Vec<Stage>>,
    /// Length of the load, warm-up included; 30 s by default, none by default when there is a budget.
    pub duration: Option<Nanos>,
    /// Length of the first part that is kept out of all judged figures; shorter than the duration.
    pub warmup: Option<Nanos>,
    /// Budget of iterations over all users.
    pub iterations: Option<u64>,
    /// Budget of requests over all users.
    pub requests: Option<u64>,
    /// Closed: iterations per second of each user; 10 by default, 0 for as fast as answers come.
    pub pace: Option<f64>,
    /// Closed: what a late user does; catch up by default.
    pub missed: Option<Missed>,
    /// Open: how arrivals are spread; evenly by default.
    pub arrivals: Option<ArrivalLaw>,
    /// Open: the most users; by default as many as start within 2 s at the peak rate, between 100 and 10 000.
    pub max_users: Option<u64>,
    /// Time that iterations have to end after the load; 5 s by default.
    pub graceful_stop: Option<Nanos>,
    /// Seed of everything random; 1 by default.
    pub seed: Option<u64>,
    /// How workers wait for what is due next; `auto` by default.
    pub idle: Option<IdleStrategy>,
}

/// Why load options make no load.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// Two options that mean different loads.
    #[error("`{one}` and `{other}` exclude each other: {help}")]
    Conflict {
        /// The option to point at.
        one: &'static str,
        /// The one it does not go with.
        other: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// An option of the open model without a rate.
    #[error("`{0}` is for an open load: give a `rate`")]
    NeedsRate(&'static str),
    /// A value that makes no sense or is beyond the limits.
    #[error("`{option}` must be {range}, not {value}")]
    OutOfRange {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is possible.
        range: &'static str,
    },
    /// Stages that make no profile.
    #[error("{0}")]
    Stages(#[from] ProfileError),
    /// A warm-up that leaves nothing to judge.
    #[error("a `warmup` of {warmup} leaves nothing of the {duration} that the load lasts; make it shorter")]
    Warmup {
        /// Length of the warm-up.
        warmup: Nanos,
        /// Length of the whole load.
        duration: Nanos,
    },
    /// A pace that the scenario's own pauses make impossible.
    #[error(
        "a `pace` of one iteration every {interval} cannot be kept: scenario `{scenario}` pauses for {pauses} in each; \
         lower it, or leave it out"
    )]
    Pace {
        /// Name of the scenario.
        scenario: String,
        /// Interval between its iterations.
        interval: Nanos,
        /// Mean pauses in one of them.
        pauses: Nanos,
    },
    /// Too little to share.
    #[error(
        "`{option}` = {total} cannot be shared by weight: the scenario number {starved} would get none; raise it, or \
         give that scenario a load of its own"
    )]
    TooFew {
        /// The option.
        option: &'static str,
        /// Its value.
        total: u64,
        /// The first scenario that gets nothing, from 1.
        starved: usize,
    },
    /// A shared load that no scenario takes part in.
    #[error("`{0}` would change nothing: every scenario has a load of its own")]
    NothingShared(&'static str),
}

impl LoadError {
    /// The option to point at, as it is named in files.
    pub fn option(&self) -> &'static str {
        match self {
            Self::NeedsRate(option)
            | Self::NothingShared(option)
            | Self::Conflict { one: option, .. }
            | Self::OutOfRange { option, .. }
            | Self::TooFew { option, .. } => option,
            Self::Stages(_) => "stages",
            Self::Warmup { .. } => "warmup",
            Self::Pace { .. } => "pace",
        }
    }
}

impl LoadOptions {
    /// The load model for a scenario whose iterations pause for `pauses` on average. Pauses are a pace of their own:
    /// where none is given, the next iteration follows the last; one that leaves no room for the pauses is an error.
    pub(crate) fn to_model_for(&self, scenario: &str, pauses: Nanos) -> Result<LoadModel, LoadError> {
        if pauses == Nanos::ZERO || self.is_open() {
            return self.to_model();
        }
        let pace = self.pace.or_else(|| self.missed.is_none().then_some(0.0));
        let model = Self { pace, ..self.clone() }.to_model()?;
        match &model {
            LoadModel::Closed(Closed { pacing: Some(interval), .. }) if *interval <= pauses => {
                Err(LoadError::Pace { scenario: scenario.to_owned(), interval: *interval, pauses })
            }
            _ => Ok(model),
        }
    }

    /// Whether these options mean an open load.
    pub fn is_open(&self) -> bool {
        self.rate.is_some() || self.arrivals.is_some()
    }

    /// These options, completed by those of `base`.
    ///
    /// `users`, `rate` and `stages` are three ways to say how much: one of them here replaces all of them there, with
    /// the options that only go with the other model. Only `stages` keep the model and the starting rate of the base.
    /// Stages here also replace the duration there, since they bring their own.
    #[must_use]
    pub fn merged_over(&self, base: &Self) -> Self {
        let mut base = base.clone();
        if self.users.is_some() && !self.is_open() {
            (base.rate, base.arrivals, base.max_users) = (None, None, None);
        }
        let opened = self.is_open() && !base.is_open();
        if opened {
            (base.pace, base.missed) = (None, None);
        }
        if opened || self.users.is_some() || self.rate.is_some() {
            (base.users, base.stages) = (None, None);
        }
        if self.stages.is_some() {
            (base.users, base.stages, base.duration) = (None, None, None);
        }
        Self {
            users: self.users.or(base.users),
            rate: self.rate.or(base.rate),
            stages: self.stages.clone().or(base.stages),
            duration: self.duration.or(base.duration),
            warmup: self.warmup.or(base.warmup),
            iterations: self.iterations.or(base.iterations),
            requests: self.requests.or(base.requests),
            pace: self.pace.or(base.pace),
            missed: self.missed.or(base.missed),
            arrivals: self.arrivals.or(base.arrivals),
            max_users: self.max_users.or(base.max_users),
            graceful_stop: self.graceful_stop.or(base.graceful_stop),
            seed: self.seed.or(base.seed),
            idle: self.idle.or(base.idle),
        }
    }

    /// The load that these options mean.
    pub fn to_model(&self) -> Result<LoadModel, LoadError> {
        self.check_conflicts()?;
        self.check_ranges()?;
        let duration = self.effective_duration();
        let budget = Budget { duration, iterations: self.iterations, requests: self.requests };
        if let (Some(warmup), Some(duration)) = (self.warmup, duration)
            && warmup >= duration
        {
            return Err(LoadError::Warmup { warmup, duration });
        }
        if self.is_open() {
            let rate = self.profile(self.rate.unwrap_or(0.0), duration)?;
            positive(
                self.unless_staged("rate"),
                &rate,
                MAX_RATE,
                "above 0 and at most 10 million per second at its peak",
            )?;
            let max = self.max_users.unwrap_or_else(|| default_pool(rate.peak()));
            let users = UserPool { initial: max.min(100), max };
            return Ok(LoadModel::Open(Open {
                rate,
                arrivals: self.arrivals.unwrap_or_default(),
                users,
                budget,
            }));
        }
        let start = if self.stages.is_some() { 0.0 } else { self.users.unwrap_or(DEFAULT_USERS) as f64 };
        let users = self.profile(start, duration)?;
        positive(
            self.unless_staged("users"),
            &users,
            MAX_USERS as f64,
            "between 1 and a million at their peak",
        )?;
        let pace = self.pace.unwrap_or(DEFAULT_PACE);
        if users.peak() * pace > MAX_RATE {
            return Err(out_of_range("pace", &pace, "at most 10 million per second over all users"));
        }
        let pacing = (pace > 0.0).then(|| Nanos::from_secs_f64(1.0 / pace));
        Ok(LoadModel::Closed(Closed { users, pacing, missed: self.missed.unwrap_or_default(), budget }))
    }

    /// The option that says how much.
    fn unless_staged(&self, option: &'static str) -> &'static str {
        if self.stages.is_some() { "stages" } else { option }
    }

    fn effective_duration(&self) -> Option<Nanos> {
        let staged = || self.stages.as_deref().map(length_of);
        let default = (self.iterations.is_none() && self.requests.is_none()).then_some(DEFAULT_DURATION);
        self.duration.or_else(staged).or(default)
    }

    fn profile(&self, start: f64, duration: Option<Nanos>) -> Result<Profile, ProfileError> {
        let Some(stages) = &self.stages else { return Ok(Profile::constant(start, duration)) };
        let mut stages = stages.clone();
        let rest = duration.map_or(Nanos::ZERO, |duration| duration.since(length_of(&stages)));
        if let (Some(last), true) = (stages.last(), rest > Nanos::ZERO) {
            stages.push(Stage { length: rest, value: last.value });
        }
        Profile::stages_from(start, &stages)
    }

    fn check_conflicts(&self) -> Result<(), LoadError> {
        let conflict = |one, other, help| Err(LoadError::Conflict { one, other, help });
        if self.users.is_some() && self.stages.is_some() {
            return conflict("users", "stages", "stages say how many users there are at which time");
        }
        if !self.is_open() {
            return if self.max_users.is_some() { Err(LoadError::NeedsRate("max_users")) } else { Ok(()) };
        }
        let open = if self.rate.is_some() { "rate" } else { "arrivals" };
        if self.users.is_some() {
            return conflict(
                "users",
                open,
                "an open load takes its users from a pool; `max_users` bounds it",
            );
        }
        if self.pace.is_some() {
            return conflict(
                "pace",
                open,
                "`pace` is per user of a closed load, `rate` is the whole of an open load",
            );
        }
        if self.missed.is_some() {
            return conflict("missed", open, "arrivals of an open load that find no free user are dropped");
        }
        if self.rate.is_none() && self.stages.is_none() {
            return Err(LoadError::NeedsRate("arrivals"));
        }
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), LoadError> {
        if let Some(users) = self.users.filter(|users| !(1..=MAX_USERS).contains(users)) {
            return Err(out_of_range("users", &users, "between 1 and a million"));
        }
        if let Some(users) = self.max_users.filter(|users| !(1..=MAX_USERS).contains(users)) {
            return Err(out_of_range("max_users", &users, "between 1 and a million"));
        }
        for (option, value) in [("rate", self.rate), ("pace", self.pace)] {
            if let Some(value) = value.filter(|value| !(0.0..=MAX_RATE).contains(value)) {
                return Err(out_of_range(option, &value, "between 0 and 10 million per second"));
            }
        }
        if let Some(pace) = self.pace.filter(|&pace| pace > 0.0 && pace < 1e-6) {
            return Err(out_of_range("pace", &pace, "0 or at least 0.000001 per second"));
        }
        for (option, value) in [("iterations", self.iterations), ("requests", self.requests)] {
            if value == Some(0) {
                return Err(out_of_range(option, &0, "at least 1"));
            }
        }
        if self.duration == Some(Nanos::ZERO) {
            return Err(out_of_range("duration", &"0s", "longer than 0s"));
        }
        for stage in self.stages.iter().flatten() {
            if !stage.value.is_finite() || stage.value < 0.0 {
                return Err(out_of_range("stages", &stage.value, "made of values that are not below 0"));
            }
        }
        Ok(())
    }

    /// The parts of this load that scenarios with these weights get.
    ///
    /// A rate is divided exactly. Users, budgets and the pool are whole numbers: each scenario gets its share rounded
    /// down, and what is left goes to the largest remainders, the earlier scenario first.
    pub fn shared(&self, weights: &[f64]) -> Result<Vec<Self>, LoadError> {
        // Mistakes are found in the whole, where the numbers are still those that were given.
        let pool = match self.to_model()? {
            LoadModel::Open(open) => Some(open.users.max),
            LoadModel::Closed(_) => None,
        };
        let sum: f64 = weights.iter().sum();
        let mut parts = vec![self.clone(); weights.len()];
        let rate = self.rate.map(|rate| weights.iter().map(|weight| rate * weight / sum).collect::<Vec<_>>());
        let users = (!self.is_open() && self.stages.is_none())
            .then(|| shares("users", self.users.unwrap_or(DEFAULT_USERS), weights))
            .transpose()?;
        let stages = self.stages.as_ref().map(|stages| self.shared_stages(stages, weights)).transpose()?;
        let pool = pool.map(|total| shares("max_users", total, weights)).transpose()?;
        let budget =
            |option, total: Option<u64>| total.map(|total| shares(option, total, weights)).transpose();
        let (iterations, requests) =
            (budget("iterations", self.iterations)?, budget("requests", self.requests)?);
        for (i, part) in parts.iter_mut().enumerate() {
            part.rate = rate.as_ref().map(|rate| rate[i]);
            part.users = users.as_ref().map(|users| users[i]);
            part.stages = stages.as_ref().map(|stages| stages[i].clone());
            part.max_users = pool.as_ref().map(|pool| pool[i]);
            part.iterations = iterations.as_ref().map(|iterations| iterations[i]);
            part.requests = requests.as_ref().map(|requests| requests[i]);
        }
        Ok(parts)
    }

    /// Ramps of users are scaled so that the peaks are whole numbers, ramps of a rate by weight.
    fn shared_stages(&self, stages: &[Stage], weights: &[f64]) -> Result<Vec<Vec<Stage>>, LoadError> {
        let (parts, whole): (Vec<f64>, f64) = if self.is_open() {
            (weights.to_vec(), weights.iter().sum())
        } else {
            let peak = stages.iter().map(|stage| stage.value).fold(0.0, f64::max).ceil() as u64;
            (shares("stages", peak, weights)?.into_iter().map(|part| part as f64).collect(), peak as f64)
        };
        // Multiplied first, so that a share that is a whole number stays one.
        let scaled = |part: f64| {
            let scale = |stage: &Stage| Stage { value: stage.value * part / whole, ..*stage };
            stages.iter().map(scale).collect()
        };
        Ok(parts.into_iter().map(scaled).collect())
    }
}

fn length_of(stages: &[Stage]) -> Nanos {
    stages.iter().fold(Nanos::ZERO, |sum, stage| sum + stage.length)
}

fn default_pool(peak_rate: f64) -> u64 {
    ((2.0 * peak_rate).ceil() as u64).clamp(100, 10_000)
}

fn out_of_range(option: &'static str, value: &impl ToString, range: &'static str) -> LoadError {
    LoadError::OutOfRange { option, value: value.to_string(), range }
}

fn positive(
    option: &'static str,
    profile: &Profile,
    most: f64,
    range: &'static str,
) -> Result<(), LoadError> {
    let peak = profile.peak();
    if peak > 0.0 && peak <= most { Ok(()) } else { Err(out_of_range(option, &peak, range)) }
}

fn shares(option: &'static str, total: u64, weights: &[f64]) -> Result<Vec<u64>, LoadError> {
    let parts = largest_remainder(total, weights);
    match parts.iter().position(|&part| part == 0) {
        Some(starved) => Err(LoadError::TooFew { option, total, starved: starved + 1 }),
        None => Ok(parts),
    }
}

/// Splits a whole number by weight; the parts sum up to it exactly.
pub(crate) fn largest_remainder(total: u64, weights: &[f64]) -> Vec<u64> {
    let sum: f64 = weights.iter().sum();
    let exact: Vec<f64> = weights.iter().map(|weight| total as f64 * weight / sum).collect();
    let mut parts: Vec<u64> = exact.iter().map(|share| share.floor() as u64).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    // Rounding of huge numbers can miss the total by more than one per part, in either direction.
    let mut missing = i128::from(total) - parts.iter().map(|&part| i128::from(part)).sum::<i128>();
    while missing != 0 && !parts.is_empty() {
        for &i in &order {
            let change = missing.signum();
            if change != 0 && (change > 0 || parts[i] > 0) {
                parts[i] = parts[i].saturating_add_signed(change as i64);
                missing -= change;
            }
        }
    }
    parts
}
