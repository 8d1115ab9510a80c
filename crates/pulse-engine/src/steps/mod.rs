//! The steps of a plan as a behavior: what scenario files and plain URLs run on.

mod attachment;
mod data;
mod events;
mod grpc;
mod inspection;
mod jar;
mod pointers;
mod program;
mod redirect;
mod streams;
mod user;
mod values;
mod websocket;
mod wire;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use pulse_http::{Client, Connector, Limits, Timeouts};
use pulse_plan::{AnswerLimits, Plan, Segment, Service};

use crate::behavior::Behavior;
use crate::endpoints::Endpoints;

pub(crate) use data::FeedCursors;
use data::Feeds;
pub use jar::Jar;
pub use pointers::{Places, Pointers, equals, text_of};
use program::Program;
pub(crate) use program::endpoints;
pub use redirect::resolve;
use streams::{StreamConnectors, Streams};
use user::StepsUser;

/// Why the steps of a plan cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum StepsError {
    /// A pattern that the plan took for valid.
    #[error("the pattern `{pattern}` cannot be used: {source}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why not.
        source: Box<regex::Error>,
    },
    /// A gRPC call that cannot be made.
    #[error("the call of step `{step}` cannot be made: {reason}")]
    Call {
        /// Name of the step.
        step: String,
        /// Why not.
        reason: String,
    },
    /// A request that cannot be written.
    #[error("the request of step `{step}` cannot be sent: {source}")]
    Request {
        /// Name of the step.
        step: String,
        /// Why not.
        source: pulse_http::RequestError,
    },
}

/// Runs the steps of a plan against its service.
#[derive(Debug)]
pub(crate) struct Steps {
    connector: Rc<Connector>,
    /// For steps that are more than request and answer.
    stream_connector: Rc<Connector>,
    /// For gRPC; speaks HTTP/2.
    grpc_connector: Rc<Connector>,
    timeouts: Rc<Timeouts>,
    feeds: Rc<Feeds>,
    programs: Vec<Rc<Program>>,
    plan: Arc<Plan>,
}

impl Steps {
    /// The steps for the worker that owns `segment`.
    pub(crate) fn new(
        plan: &Arc<Plan>,
        endpoints: &Endpoints,
        connector: Connector,
        cursors: Arc<FeedCursors>,
        segment: Segment,
    ) -> Result<Self, StepsError> {
        let mut first = 0;
        let mut programs = Vec::new();
        for scenario in &plan.scenarios {
            programs.push(Rc::new(Program::compile(
                scenario,
                first,
                &plan.service,
                connector.origin(),
                endpoints,
            )?));
            first += scenario.steps.len() as u32;
        }
        Ok(Self {
            stream_connector: Rc::new(connector.for_http1()),
            grpc_connector: Rc::new(connector.for_http2()),
            connector: Rc::new(connector),
            timeouts: Rc::new(Timeouts::new()),
            feeds: Rc::new(Feeds::new(plan, cursors, segment)),
            programs,
            plan: Arc::clone(plan),
        })
    }
}

impl Behavior for Steps {
    type User = StepsUser;

    fn user(&self, scenario: usize, number: u64) -> StepsUser {
        let limits = limits(&self.plan.service);
        let client = Client::new(Rc::clone(&self.connector), &self.timeouts, limits);
        let program = Rc::clone(&self.programs[scenario]);
        let connectors = StreamConnectors { http1: &self.stream_connector, http2: &self.grpc_connector };
        let streams = Streams::of(&program, &connectors, &self.timeouts, limits);
        StepsUser::new(program, client, streams, Rc::clone(&self.feeds), &self.plan, (scenario, number))
    }

    fn sweep(&self, now: Instant) {
        self.timeouts.sweep(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.timeouts.next_deadline()
    }
}

fn limits(service: &Service) -> Limits {
    let AnswerLimits { head, body, kept_body } = service.limits;
    Limits {
        head_bytes: usize::try_from(head).unwrap_or(usize::MAX),
        body_bytes: body,
        kept_body_bytes: usize::try_from(kept_body).unwrap_or(usize::MAX),
    }
}
