//! A scenario: what one kind of user does, and how many of them there are.

use std::sync::Arc;

use pulse_model::{Nanos, Tags};

use crate::{LoadModel, Step};

/// What one kind of user does, over and over.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Name in the report; unique in the plan.
    pub name: Arc<str>,
    /// How many users or arrivals there are over time.
    pub load: LoadModel,
    /// When the load begins, counted from the start of the run; all times of the load count from there.
    pub start: Nanos,
    /// How long iterations may go on after the end of the load before they are cut off.
    pub graceful_stop: Nanos,
    /// Tags of everything the scenario records (already part of each step's tags).
    pub tags: Tags,
    /// Whether each user keeps the cookies that the service sets.
    pub cookies: bool,
    /// One iteration; at least one step.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Requests that one iteration makes.
    pub fn requests_per_iteration(&self) -> u64 {
        self.steps.iter().map(Step::requests).sum()
    }
}
