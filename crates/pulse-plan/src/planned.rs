//! What a plan asks for, in numbers: users, rate, iterations and requests.

use pulse_model::{Nanos, ScenarioInfo};

use crate::{ArrivalLaw, Closed, LoadModel, Missed, Open, Plan, Profile, Scenario};

impl Plan {
    /// The load of each scenario as planned, for the head of a report.
    pub fn scenario_info(&self) -> Vec<ScenarioInfo> {
        self.scenarios.iter().map(|scenario| scenario.info(self.warmup)).collect()
    }

    /// Requests per second on average over the run; `None` when it is not known how many or how long.
    pub fn planned_rate(&self) -> Option<f64> {
        let duration = self.duration()?.as_secs_f64();
        let requests: Option<u64> = self.scenarios.iter().map(Scenario::planned_requests).sum();
        requests.filter(|_| duration > 0.0).map(|requests| requests as f64 / duration)
    }
}

impl Scenario {
    /// The load as planned, in a run with this warm-up.
    pub fn info(&self, warmup: Nanos) -> ScenarioInfo {
        let profile = match &self.load {
            LoadModel::Closed(closed) => &closed.users,
            LoadModel::Open(open) => &open.rate,
        };
        ScenarioInfo {
            steady: self.start <= warmup && is_constant(profile, warmup.since(self.start)),
            name: self.name.to_string(),
            load: in_words(&self.load),
            users: self.load.max_users(),
            rate: match &self.load {
                LoadModel::Open(open) => Some(open.rate.peak()),
                LoadModel::Closed(_) => None,
            },
            planned_iterations: self.planned_iterations(),
            planned_requests: self.planned_requests(),
        }
    }

    /// Iterations that begin within the duration if the service keeps up: the integral of the rate, or of the users
    /// times their pace, or the budget if that is less. `None` for users who go as fast as answers come without a
    /// budget.
    pub fn planned_iterations(&self) -> Option<u64> {
        let budget = self.load.budget();
        let scheduled = match &self.load {
            LoadModel::Closed(closed) => scheduled_closed(closed, self.load.end()),
            LoadModel::Open(open) => self.load.end().map(|end| whole(open.rate.integral(end))),
        };
        let by_requests =
            budget.requests.map(|requests| requests.div_ceil(self.requests_per_iteration().max(1)));
        [scheduled, budget.iterations, by_requests].into_iter().flatten().min()
    }

    /// Requests of the planned iterations, or the budget of requests if that is less.
    pub fn planned_requests(&self) -> Option<u64> {
        let by_iterations =
            self.planned_iterations().map(|count| count.saturating_mul(self.requests_per_iteration()));
        [by_iterations, self.load.budget().requests].into_iter().flatten().min()
    }
}

fn scheduled_closed(closed: &Closed, end: Option<Nanos>) -> Option<u64> {
    let pacing = closed.pacing?.as_secs_f64();
    Some(whole(closed.users.integral(end?) / pacing))
}

/// The nearest whole number: sums of fractions miss it by rounding.
fn whole(count: f64) -> u64 {
    count.round() as u64
}

fn in_words(load: &LoadModel) -> String {
    match load {
        LoadModel::Closed(closed) => {
            let users = load.max_users();
            let (up_to, plural) = (up_to(&closed.users), if users == 1 { "" } else { "s" });
            let each = match closed.pacing {
                None => "as fast as answers come".to_owned(),
                Some(pacing) => {
                    let missed = if closed.missed == Missed::Skip { ", missed ones skipped" } else { "" };
                    format!("at {} iterations/s each{missed}", short(1.0 / pacing.as_secs_f64()))
                }
            };
            format!("closed, {up_to}{users} user{plural} {each}")
        }
        LoadModel::Open(Open { rate, arrivals, .. }) => {
            let law = match arrivals {
                ArrivalLaw::Even => "even",
                ArrivalLaw::Poisson => "Poisson",
            };
            format!("open, {}{} iterations/s, {law} arrivals", up_to(rate), short(rate.peak()))
        }
    }
}

fn up_to(profile: &Profile) -> &'static str {
    if is_constant(profile, Nanos::ZERO) { "" } else { "up to " }
}

/// Whether the profile stays at its peak from a moment on.
fn is_constant(profile: &Profile, from: Nanos) -> bool {
    let end = profile.length().unwrap_or(from + Nanos::from_secs(1));
    let constant = profile.peak() * end.since(from).as_secs_f64();
    let real = profile.integral(end) - profile.integral(from);
    (constant - real).abs() <= 1e-9 * profile.integral(end)
}

/// Without the noise of binary fractions.
fn short(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
