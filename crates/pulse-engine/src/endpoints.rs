//! The table of everything that has figures of its own: known before the load starts, so that recording needs no
//! look-up.

use std::sync::Arc;

use pulse_model::{Series, Tags, metric, tag};

use crate::extras::Extras;

/// A step of the plan in the recorder: an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointId(pub u32);

/// What identifies a step's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Tags of all its series: endpoint, scenario, group and the user's own.
    pub tags: Tags,
    /// Names of its checks.
    pub checks: Vec<Arc<str>>,
    /// What is recorded of it besides what every endpoint has.
    pub extras: Extras,
}

/// All endpoints, and the scenarios they belong to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoints {
    /// In order of [`EndpointId`].
    pub endpoints: Vec<Endpoint>,
    /// Scenario names in the plan's order.
    pub scenarios: Vec<Arc<str>>,
}

impl Endpoints {
    /// Adds an endpoint of a scenario.
    pub fn add(
        &mut self,
        scenario: &Arc<str>,
        name: &Arc<str>,
        mut tags: Tags,
        checks: Vec<Arc<str>>,
    ) -> EndpointId {
        tags.insert(tag::ENDPOINT.into(), Arc::clone(name));
        tags.insert(tag::SCENARIO.into(), Arc::clone(scenario));
        self.endpoints.push(Endpoint { tags, checks, extras: Extras::default() });
        EndpointId(self.endpoints.len() as u32 - 1)
    }

    /// Gives an endpoint further series.
    pub fn extend(&mut self, id: EndpointId, extras: Extras) {
        self.endpoints[id.0 as usize].extras = extras;
    }

    /// The name of an endpoint.
    pub(crate) fn name(&self, id: EndpointId) -> &str {
        self.endpoints[id.0 as usize].tags.get(tag::ENDPOINT).map_or("", AsRef::as_ref)
    }
}

impl Endpoint {
    /// A series of this endpoint.
    pub(crate) fn series(&self, metric: &str) -> Series {
        Series { metric: metric.into(), tags: self.tags.clone() }
    }
}

/// A series of a scenario.
pub(crate) fn scenario_series(scenario: &Arc<str>, metric: &str) -> Series {
    let mut series = Series::new(metric);
    series.tags.insert(tag::SCENARIO.into(), Arc::clone(scenario));
    series
}

/// Metrics of a scenario that are plain counters, in the order in which the recorder keeps them.
pub(crate) const SCENARIO_COUNTERS: [&str; 7] = [
    metric::ITERATIONS,
    metric::DUE_ITERATIONS,
    metric::DROPPED_ITERATIONS,
    metric::MISSED_ITERATIONS,
    metric::CUT_ITERATIONS,
    metric::USERS_STARTED,
    metric::USERS_STOPPED,
];
