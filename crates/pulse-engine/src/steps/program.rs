//! The steps of a scenario, compiled once per worker so that an iteration looks nothing up.

use std::sync::Arc;
use std::time::Duration;

use pulse_http::{Keep, Origin, RequestParts, RequestWriter, Scheme, is_idempotent};
use pulse_model::Tags;
use pulse_plan::{
    Body, Condition, Plan, Scenario, Service, StatusSet, Step, StepKind, Template, Think, Variable,
};

use super::StepsError;
use super::grpc::CompiledCall;
use super::inspection::Source;
use super::streams;
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
    /// Requests go over TLS, so that `Secure` cookies are sent.
    pub(super) secure: bool,
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
    pub(super) conditions: Vec<Condition>,
    pub(super) extractions: Vec<(u16, Source)>,
    pub(super) think: Think,
    pub(super) repeat: u32,
    pub(super) kind: StepKind,
}

/// The request as it goes over the wire.
#[derive(Debug)]
pub(super) enum Wire {
    /// Always the same: written once.
    Static {
        target: String,
        bytes: Vec<u8>,
        /// Where a further header line can be inserted.
        head_end: usize,
        /// Taken apart, where HTTP/2 may be spoken.
        parts: Option<Box<RequestParts>>,
    },
    /// With variables: written anew each time.
    Dynamic(Box<DynamicWire>),
}

#[derive(Debug)]
pub(super) struct DynamicWire {
    pub(super) authority: String,
    pub(super) target: Template,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) body: Body,
}

impl Program {
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
        Ok(Self { steps, feeds, cookies: scenario.cookies, secure: origin.scheme == Scheme::Https })
    }
}

fn compile_step(
    step: &Step,
    endpoint: EndpointId,
    service: &Service,
    origin: &Origin,
) -> Result<CompiledStep, StepsError> {
    let extractions =
        step.extractions.iter().map(|extraction| Ok((extraction.slot, Source::compile(&extraction.source)?)));
    Ok(CompiledStep {
        endpoint,
        wire: compile_wire(step, service, origin)?,
        call: match &step.kind {
            StepKind::Request | StepKind::WebSocket(_) | StepKind::Events(_) => None,
            StepKind::Grpc(call) => Some(Box::new(CompiledCall::compile(step, call, service, origin)?)),
        },
        method: step.method.clone(),
        idempotent: is_idempotent(&step.method),
        keep: if step.needs_body() { Keep::Body } else { Keep::Head },
        timeout: step.timeout.unwrap_or(service.timeout).into(),
        expect: step.expect.clone().unwrap_or_else(|| service.expect.clone()),
        conditions: step.checks.iter().map(|check| check.condition.clone()).collect(),
        extractions: extractions.collect::<Result<_, StepsError>>()?,
        think: step.think,
        repeat: step.repeat,
        kind: step.kind.clone(),
    })
}

fn compile_wire(step: &Step, service: &Service, origin: &Origin) -> Result<Wire, StepsError> {
    let dynamic = DynamicWire {
        authority: origin.authority(),
        target: step.target.clone(),
        headers: step.headers.clone(),
        body: step.body.clone(),
    };
    let is_static = dynamic.target.is_static()
        && dynamic.headers.iter().all(|(_, value)| value.is_static())
        && !matches!(&dynamic.body, Body::Text(text) if !text.is_static());
    if !is_static {
        return Ok(Wire::Dynamic(Box::new(dynamic)));
    }
    let mut bytes = Vec::new();
    let no_variables = |template: &Template| template.as_static().unwrap_or_default().as_bytes().to_vec();
    let failed = |source| StepsError::Request { step: step.name.to_string(), source };
    let head_end = dynamic.write(&step.method, &mut bytes, &no_variables).map_err(failed)?;
    let parts = service.http.has_frames().then(|| RequestParts::parse(&bytes, origin.scheme));
    let parts = parts.transpose().map_err(failed)?.map(Box::new);
    Ok(Wire::Static {
        target: step.target.as_static().unwrap_or_default().to_owned(),
        bytes,
        head_end,
        parts,
    })
}

impl DynamicWire {
    /// Writes the request with the values that `render` fills in; returns where a further header line can be inserted.
    pub(super) fn write(
        &self,
        method: &str,
        out: &mut Vec<u8>,
        render: &dyn Fn(&Template) -> Vec<u8>,
    ) -> Result<usize, pulse_http::RequestError> {
        let text = |template: &Template| String::from_utf8(render(template)).unwrap_or_default();
        let mut writer = RequestWriter::start(out, method, &text(&self.target), &self.authority)?;
        for (name, value) in &self.headers {
            writer = writer.header(name, &text(value))?;
        }
        let rendered = match &self.body {
            Body::None => None,
            Body::Text(template) => Some(render(template)),
            Body::Bytes(bytes) => Some(bytes.to_vec()),
        };
        writer.finish(rendered.as_deref())?;
        let body_len = rendered.map_or(0, |body| body.len());
        // The head ends with an empty line; a further field goes before it.
        Ok(out.len() - body_len - 2)
    }
}

/// Every template of a step.
fn templates(step: &Step) -> impl Iterator<Item = &Template> {
    let body = if let Body::Text(text) = &step.body { Some(text) } else { None };
    let checks = step.checks.iter().flat_map(|check| check.condition.templates());
    [&step.target]
        .into_iter()
        .chain(step.headers.iter().map(|(_, value)| value))
        .chain(body)
        .chain(checks)
        .chain(step.kind.templates())
}
