//! Load models: how many users, or how many arrivals per second, over time.

use std::str::FromStr;

use pulse_model::Nanos;
use serde::{Deserialize, Serialize};

use crate::Profile;

/// What drives the load. All executors known from other tools are combinations of these two with a profile and a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LoadModel {
    /// A number of users, each of whom waits for an answer before the next request.
    Closed(Closed),
    /// A rate of arrivals that does not depend on the answers.
    Open(Open),
}

/// Users who wait for their answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// Number of users over time: user `u` (from 0) is active while the profile is above `u`.
    pub users: Profile,
    /// Interval between the intended starts of a user's iterations; `None` = as fast as answers come.
    pub pacing: Option<Nanos>,
    /// What a user does who is late for the next intended start.
    pub missed: Missed,
    /// What ends the scenario.
    pub budget: Budget,
}

/// Arrivals that do not wait for answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// Iterations per second over time.
    pub rate: Profile,
    /// How arrivals are spread.
    pub arrivals: ArrivalLaw,
    /// Who serves the arrivals.
    pub users: UserPool,
    /// What ends the scenario.
    pub budget: Budget,
}

/// What a paced user does who is late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// Starts at once and keeps the intended start, so that the waiting counts as response time.
    #[default]
    CatchUp,
    /// Leaves the missed sends out, counts them, and re-bases the schedule.
    Skip,
}

/// How arrivals of an open model are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalLaw {
    /// Evenly: the n-th arrival is where the integral of the rate reaches n.
    #[default]
    Even,
    /// A Poisson process: independent exponential gaps, as from many independent callers.
    Poisson,
}

/// How a worker waits for the next moment of its schedule.
///
/// A sleeper is woken some tens of microseconds late. Spinning is exact to a few, and costs the CPU time that it lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdleStrategy {
    /// Spin where that costs at most a tenth of a core and takes it from nobody, else sleep.
    #[default]
    Auto,
    /// Sleep until the moment.
    Sleep,
    /// Sleep until just before the moment, then spin.
    Spin,
}

/// A text is none of the known words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not one of {known}")]
pub struct UnknownWord {
    /// The offending text.
    pub text: String,
    /// The words that are known.
    pub known: &'static str,
}

impl FromStr for Missed {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "catch-up" => Ok(Self::CatchUp),
            "skip" => Ok(Self::Skip),
            _ => Err(UnknownWord { text: text.to_owned(), known: "catch-up, skip" }),
        }
    }
}

impl FromStr for ArrivalLaw {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "even" => Ok(Self::Even),
            "poisson" => Ok(Self::Poisson),
            _ => Err(UnknownWord { text: text.to_owned(), known: "even, poisson" }),
        }
    }
}

impl FromStr for IdleStrategy {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "auto" => Ok(Self::Auto),
            "sleep" => Ok(Self::Sleep),
            "spin" => Ok(Self::Spin),
            _ => Err(UnknownWord { text: text.to_owned(), known: "auto, sleep, spin" }),
        }
    }
}

/// The users of an open model. The pool grows when an arrival finds no free user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPool {
    /// Users at the start.
    pub initial: u64,
    /// The most users; an arrival beyond is a dropped iteration.
    pub max: u64,
}

/// What ends a scenario; the first limit that is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Time since the scenario's start.
    pub duration: Option<Nanos>,
    /// Iterations over all users.
    pub iterations: Option<u64>,
    /// Requests over all users.
    pub requests: Option<u64>,
}

impl LoadModel {
    /// What ends the scenario.
    pub fn budget(&self) -> &Budget {
        match self {
            Self::Closed(closed) => &closed.budget,
            Self::Open(open) => &open.budget,
        }
    }

    /// When the last iteration may start, counted from the scenario's start; `None` when only a count ends it.
    pub fn end(&self) -> Option<Nanos> {
        let length = match self {
            Self::Closed(closed) => closed.users.length(),
            Self::Open(open) => open.rate.length(),
        };
        match (length, self.budget().duration) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The largest number of users.
    pub fn max_users(&self) -> u64 {
        match self {
            Self::Closed(closed) => closed.users.peak().ceil() as u64,
            Self::Open(open) => open.users.max,
        }
    }
}

impl LoadModel {
    /// Iterations that the plan asks for between two moments, counted from the scenario's start; `None` for unpaced
    /// users, whose number of iterations depends on the answers. A budget in iterations or requests is not considered.
    pub fn planned_iterations(&self, from: Nanos, to: Nanos) -> Option<f64> {
        let clip = |at: Nanos| self.end().map_or(at, |end| at.min(end));
        let between = |profile: &Profile| profile.integral(clip(to)) - profile.integral(clip(from));
        match self {
            Self::Open(open) => Some(between(&open.rate)),
            Self::Closed(closed) => {
                closed.pacing.map(|interval| between(&closed.users) / interval.as_secs_f64())
            }
        }
    }
}
