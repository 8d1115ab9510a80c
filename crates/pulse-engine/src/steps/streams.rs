//! The connections of a user that are no request and answer: WebSockets and streams of events.

use std::rc::Rc;

use pulse_http::{Connector, GrpcClient, Limits, StreamingClient, Timeouts, WebSocketClient};
use pulse_model::metric;
use pulse_plan::StepKind;

use super::grpc;
use super::program::Program;
use super::websocket::Link;
use crate::extras::{Extra, Extras};

/// The longest line and the longest data of an event, in bytes.
pub(super) const EVENT_BYTES: usize = 1 << 20;

/// Places in [`extras`].
pub(super) const ECHO_TIME: usize = 0;
pub(super) const FIRST_MESSAGE_TIME: usize = 1;
pub(super) const MESSAGE_GAP: usize = 2;
pub(super) const MESSAGES_SENT: usize = 0;
pub(super) const MESSAGES_RECEIVED: usize = 1;

/// The further series of an endpoint of this kind.
pub(super) fn extras(kind: &StepKind) -> Extras {
    match kind {
        StepKind::Request => Extras::default(),
        StepKind::Grpc(call) => grpc::extras(call),
        StepKind::WebSocket(_) | StepKind::Events(_) => Extras {
            trends: [metric::ECHO_TIME, metric::FIRST_MESSAGE_TIME, metric::MESSAGE_GAP]
                .map(Extra::of)
                .into(),
            counters: [metric::MESSAGES_SENT, metric::MESSAGES_RECEIVED].map(Extra::of).into(),
        },
    }
}

/// What a user has for its steps of these kinds.
#[derive(Debug)]
pub(super) struct Streams {
    /// By place of the step in the program; `None` for steps without a WebSocket.
    pub(super) links: Vec<Option<Link>>,
    /// For one stream of events at a time.
    pub(super) reader: StreamingClient,
    /// For calls of gRPC.
    pub(super) caller: GrpcClient,
}

/// How these steps reach the service.
pub(super) struct StreamConnectors<'c> {
    /// Over HTTP/1.1.
    pub(super) http1: &'c Rc<Connector>,
    /// Over HTTP/2.
    pub(super) http2: &'c Rc<Connector>,
}

impl Streams {
    /// `None` for a program without such steps, whose users carry nothing of it.
    pub(super) fn of(
        program: &Program,
        connectors: &StreamConnectors<'_>,
        timeouts: &Rc<Timeouts>,
        limits: Limits,
    ) -> Option<Box<Self>> {
        if program.steps.iter().all(|step| step.kind == StepKind::Request) {
            return None;
        }
        let link = |kind: &StepKind| {
            matches!(kind, StepKind::WebSocket(_))
                .then(|| Link::new(WebSocketClient::new(Rc::clone(connectors.http1), timeouts, limits)))
        };
        Some(Box::new(Self {
            links: program.steps.iter().map(|step| link(&step.kind)).collect(),
            reader: StreamingClient::new(Rc::clone(connectors.http1), timeouts, limits),
            caller: GrpcClient::new(Rc::clone(connectors.http2), timeouts, limits),
        }))
    }
}
