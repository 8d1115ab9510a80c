//! The steps of a scenario, compiled once per worker so that an iteration looks nothing up.

use std::sync::Arc;
use std::time::Duration;

use pulse_http::{Keep, Origin, Scheme, is_idempotent};
use pulse_model::Tags;
use pulse_plan::{
    AnswerLimits, ConnectionReuse, Plan, Scenario, Service, StatusSet, Step, StepKind, Template, Think,
    Variable,
};

use super::StepsError;
use super::grpc::CompiledCall;
use super::inspection::Inspection;
use super::streams;
use super::wire::Wire;
use crate::endpoints::{EndpointId, Endpoints};

/// The table of a plan's endpoints: one per step, in the order in which [`Program::compile`] numbers them.
pub(crate) fn endpoints(plan: &Plan) -> Endpoints {
    let mut endpoints = Endpoints::default();
    for scenario in &plan.scenarios {
        endpoints.scenarios.push(Arc::clone(&scenario.name));
        for step in &scenario.steps {
            let mut tags: Tags = step.tags.clone();
            if let Some(group) = &step.group {
                tags.insert(pulse_model::tag::GROUP.into(), Arc::clone(group));
            }
            let checks = step.checks.iter().map(|check| Arc::clone(&check.name));
            let extractions = step.extractions.iter().map(|extraction| Arc::clone(&extraction.name));
            let id = endpoints.add(&scenario.name, &step.name, tags, checks.chain(extractions).collect());
            endpoints.extend(id, streams::extras(&step.kind));
        }
    }
    endpoints
}

/// A scenario's iteration.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) steps: Vec<CompiledStep>,
    /// Feeds of which an iteration takes a row.
    pub(super) feeds: Vec<u16>,
    pub(super) cookies: bool,
    /// Where requests go.
    pub(super) origin: Origin,
    /// When a user's connection is closed.
    pub(super) connections: ConnectionReuse,
    pub(super) limits: AnswerLimits,
    /// Nothing is done after the answer to the last request: no look at it and no pause.
    pub(super) ends_with_request: bool,
}

#[derive(Debug)]
pub(super) struct CompiledStep {
    pub(super) endpoint: EndpointId,
    pub(super) wire: Wire,
    /// What is called instead of a request.
    pub(super) call: Option<Box<CompiledCall>>,
    pub(super) method: String,
    pub(super) idempotent: bool,
    pub(super) keep: Keep,
    pub(super) timeout: Duration,
    pub(super) expect: StatusSet,
    pub(super) inspection: Inspection,
    /// What is looked at in the messages that a script waits for, in its order.
    pub(super) messages: Vec<Inspection>,
    /// How many redirects are followed.
    pub(super) redirects: u32,
    /// Whether a compressed body is decoded, because the step looks at it.
    pub(super) decodes: bool,
    pub(super) think: Think,
    pub(super) repeat: u32,
    pub(super) kind: StepKind,
}

impl Program {
    /// Whether requests go over TLS, so that `Secure` cookies are sent.
    pub(super) fn is_secure(&self) -> bool {
        self.origin.scheme == Scheme::Https
    }

    /// Compiles a scenario whose first step has the number `first` in the table of endpoints.
    pub(super) fn compile(
        scenario: &Scenario,
        first: u32,
        service: &Service,
        origin: &Origin,
        endpoints: &Endpoints,
    ) -> Result<Self, StepsError> {
        let mut feeds = Vec::new();
        let mut steps = Vec::new();
        for (number, step) in (first..).zip(&scenario.steps) {
            debug_assert!((number as usize) < endpoints.endpoints.len(), "the table has every step");
            for variable in templates(step).flat_map(Template::variables) {
                if let Variable::Feed { feed, .. } = variable
                    && !feeds.contains(&feed)
                {
                    feeds.push(feed);
                }
            }
            steps.push(compile_step(step, EndpointId(number), service, origin)?);
        }
        Ok(Self {
            steps,
            feeds,
            cookies: scenario.cookies,
            origin: origin.clone(),
            connections: service.connections,
            limits: service.limits,
            ends_with_request: scenario.steps.last().is_some_and(|step| {
                step.checks.is_empty() && step.extractions.is_empty() && step.think == Think::None
            }),
        })
    }
}

fn compile_step(
    step: &Step,
    endpoint: EndpointId,
    service: &Service,
    origin: &Origin,
) -> Result<CompiledStep, StepsError> {
    Ok(CompiledStep {
        endpoint,
        wire: Wire::compile(step, service, origin)?,
        call: match &step.kind {
            StepKind::Request | StepKind::WebSocket(_) | StepKind::Events(_) => None,
            StepKind::Grpc(call) => Some(Box::new(CompiledCall::compile(step, call, service, origin)?)),
        },
        method: step.method.clone(),
        idempotent: is_idempotent(&step.method),
        keep: if step.needs_body() { Keep::Body } else { Keep::Head },
        timeout: step.timeout.unwrap_or(service.timeout).into(),
        expect: step.expect.clone().unwrap_or_else(|| service.expect.clone()),
        inspection: Inspection::compile(step)?,
        messages: Inspection::of_messages(step)?,
        redirects: step.redirects.unwrap_or(service.redirects),
        decodes: service.compression && step.needs_body(),
        think: step.think,
        repeat: step.repeat,
        kind: step.kind.clone(),
    })
}

/// Every template of a step.
fn templates(step: &Step) -> impl Iterator<Item = &Template> {
    let checks = step.checks.iter().flat_map(|check| check.condition.templates());
    [&step.target]
        .into_iter()
        .chain(step.headers.iter().map(|(_, value)| value))
        .chain(step.body.templates())
        .chain(checks)
        .chain(step.kind.templates())
}
