//! A step: one request with its checks, extractions and think time.

use std::sync::Arc;

use pulse_model::{Nanos, Tags};

use crate::{BodyFile, Check, EventsUntil, Extraction, GrpcCall, StatusSet, Template, WebSocketScript};

/// One request of an iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Name of the endpoint in the report; `METHOD /path` when none is given.
    pub name: Arc<str>,
    /// Group in the report.
    pub group: Option<Arc<str>>,
    /// Tags of this step, those of the scenario included.
    pub tags: Tags,
    /// HTTP method.
    pub method: String,
    /// Request target: path and query, the base path of the service included; starts with `/`.
    pub target: Template,
    /// Header fields, those of the service, the authorization and a derived content type included. Names keep their
    /// case. `Host` is here only when it is given; `Content-Length` and `Connection` are left to the client.
    pub headers: Vec<(String, Template)>,
    /// Request body.
    pub body: Body,
    /// Limit for one request, from its send to its last byte; that of the service when there is none.
    pub timeout: Option<Nanos>,
    /// Statuses that count as success; those of the service when there are none.
    pub expect: Option<StatusSet>,
    /// How many redirects are followed; as the service says when there is none.
    pub redirects: Option<u32>,
    /// What the answer must fulfil.
    pub checks: Vec<Check>,
    /// What is taken from the answer.
    pub extractions: Vec<Extraction>,
    /// Pause after each request of this step.
    pub think: Think,
    /// How often the request is made, one after another; at least 1.
    pub repeat: u32,
    /// What kind of conversation the request begins.
    pub kind: StepKind,
}

impl Step {
    /// A plain request, once.
    pub fn new(method: &str, name: &str, target: Template) -> Self {
        Self {
            name: name.into(),
            group: None,
            tags: Tags::new(),
            method: method.to_owned(),
            target,
            headers: Vec::new(),
            body: Body::None,
            timeout: None,
            expect: None,
            redirects: None,
            checks: Vec::new(),
            extractions: Vec::new(),
            think: Think::None,
            repeat: 1,
            kind: StepKind::Request,
        }
    }

    /// Requests that the step makes each time: of a WebSocket those are the messages that it waits for, or its upgrade when
    /// it waits for none.
    pub fn requests(&self) -> u64 {
        let each = match &self.kind {
            StepKind::WebSocket(script) => script.receives().max(1),
            _ => 1,
        };
        u64::from(self.repeat) * each
    }

    /// Whether any check or extraction looks at the body of the answer; otherwise it may be skipped.
    pub fn needs_body(&self) -> bool {
        self.checks.iter().any(|check| check.condition.needs_body())
            || self.extractions.iter().any(|extraction| extraction.source.needs_body())
    }
}

/// What follows a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum StepKind {
    /// One answer.
    #[default]
    Request,
    /// Messages in both directions.
    WebSocket(Box<WebSocketScript>),
    /// Events of the service.
    Events(Box<EventsUntil>),
    /// A gRPC call and its messages.
    Grpc(Box<GrpcCall>),
}

impl StepKind {
    /// What it sends or looks for besides the request, with variables.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Request => Vec::new(),
            Self::WebSocket(script) => script.templates(),
            Self::Events(until) => until.text.iter().collect(),
            Self::Grpc(call) => call.messages.iter().collect(),
        }
    }
}

/// The body of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// None.
    #[default]
    None,
    /// Text with variables.
    Text(Template),
    /// Bytes that are sent as they are.
    Bytes(Arc<[u8]>),
    /// Texts and bytes one after another, as in a form.
    Parts(Arc<[BodyPart]>),
    /// The content of a file that is read while it is sent; of plain requests only.
    File(BodyFile),
}

/// A piece of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPart {
    /// Text with variables.
    Text(Template),
    /// Bytes that are sent as they are.
    Bytes(Arc<[u8]>),
}

impl Body {
    /// Every text in it.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let (text, parts) = match self {
            Self::Text(text) => (Some(text), &[][..]),
            Self::Parts(parts) => (None, &parts[..]),
            Self::None | Self::Bytes(_) | Self::File(_) => (None, &[][..]),
        };
        let of_parts = parts.iter().filter_map(|part| match part {
            BodyPart::Text(text) => Some(text),
            BodyPart::Bytes(_) => None,
        });
        text.into_iter().chain(of_parts)
    }
}

impl Think {
    /// The mean length.
    pub fn mean(self) -> Nanos {
        match self {
            Self::None => Nanos::ZERO,
            Self::Fixed(length) => length,
            Self::Uniform { from, to } => Nanos(from.0.midpoint(to.0)),
            Self::Normal { mean, .. } => mean,
        }
    }
}

/// A pause, as a person makes before the next click.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Think {
    /// None.
    #[default]
    None,
    /// Always the same.
    Fixed(Nanos),
    /// Any length between two, all equally likely.
    Uniform {
        /// Shortest.
        from: Nanos,
        /// Longest.
        to: Nanos,
    },
    /// Normally distributed; what falls below zero is zero.
    Normal {
        /// Mean.
        mean: Nanos,
        /// Standard deviation.
        stddev: Nanos,
    },
}
