//! Steps that call a method of gRPC: messages that are always the same are encoded once, answers are decoded only where
//! somebody looks at them.

use std::time::Instant;

use bytes::Bytes;
use pulse_http::{
    FailureClass, GrpcAnswer, GrpcClient, GrpcCode, GrpcHead, GrpcRequest, Origin, ResponseView,
    append_message, gzip,
};
use pulse_model::{Nanos, metric};
use pulse_plan::{GrpcCall, GrpcMethod, GrpcStatusSet, Service, Step, Template};

use super::StepsError;
use super::inspection::Answer;
use super::program::CompiledStep;
use super::user::{StepsUser, judge, unsent};
use crate::connections::Connections;
use crate::endpoints::EndpointId;
use crate::extras::{Extra, Extras};
use crate::iteration::{Iteration, Measurement};
use crate::recorder::RequestEnd;

/// Class of an answer whose bytes are no message of the type.
const BAD_RESPONSE: &str = "bad_response";

/// The longest JSON form of an answer that is looked at, in bytes; small messages can have long ones.
const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// Places of the further series of a call that streams.
const SENT: usize = 0;
const RECEIVED: usize = 1;
const FIRST_MESSAGE: usize = 0;
const GAP: usize = 1;

/// The further series of a call: its messages are counted where there may be several, and timed where several may come.
pub(super) fn extras(call: &GrpcCall) -> Extras {
    let of = |metrics: &[&'static str]| metrics.iter().copied().map(Extra::of).collect();
    match &call.types {
        Some(types) if types.gives_stream() => Extras {
            trends: of(&[metric::FIRST_MESSAGE_TIME, metric::MESSAGE_GAP]),
            counters: of(&[metric::MESSAGES_SENT, metric::MESSAGES_RECEIVED]),
        },
        Some(types) if types.takes_stream() => {
            Extras { trends: Vec::new(), counters: of(&[metric::MESSAGES_SENT, metric::MESSAGES_RECEIVED]) }
        }
        _ => Extras::default(),
    }
}

/// A call, ready to be made.
#[derive(Debug)]
pub(super) struct CompiledCall {
    types: GrpcMethod,
    head: GrpcHead,
    /// Metadata with variables, added to the head each time.
    metadata: Vec<(String, Template)>,
    messages: Messages,
    gzip: bool,
    expect: GrpcStatusSet,
    max_message_bytes: usize,
}

#[derive(Debug)]
enum Messages {
    /// Always the same: encoded once.
    Static(Vec<Bytes>),
    /// With variables: encoded anew each time.
    Dynamic(Vec<Template>),
}

impl CompiledCall {
    pub(super) fn compile(
        step: &Step,
        call: &GrpcCall,
        service: &Service,
        origin: &Origin,
    ) -> Result<Self, StepsError> {
        let wrong = |reason: String| StepsError::Call { step: step.name.to_string(), reason };
        let types = call.types.clone().ok_or_else(|| wrong("its types are not known".to_owned()))?;
        let timeout = step.timeout.unwrap_or(service.timeout).into();
        let path = step.target.as_static().unwrap_or_default();
        let unsendable = |error: pulse_http::RequestError| wrong(error.to_string());
        let mut head = GrpcHead::new(origin, path, timeout, call.gzip).map_err(unsendable)?;
        let mut metadata = Vec::new();
        for (name, value) in &step.headers {
            match value.as_static() {
                Some(text) => head.metadata(name, text).map_err(unsendable)?,
                None => metadata.push((name.clone(), value.clone())),
            }
        }
        let messages = if call.messages.iter().all(Template::is_static) {
            let texts = call.messages.iter().filter_map(Template::as_static);
            let encoded = texts.map(|text| encode(&types, text.as_bytes(), call.gzip));
            Messages::Static(encoded.collect::<Result<_, _>>().map_err(wrong)?)
        } else {
            Messages::Dynamic(call.messages.clone())
        };
        Ok(Self {
            types,
            head,
            metadata,
            messages,
            gzip: call.gzip,
            expect: call.expect,
            max_message_bytes: call.max_message_bytes as usize,
        })
    }

    /// Head and messages with the values that `render` fills in.
    fn prepare(&self, render: &dyn Fn(&Template) -> Vec<u8>) -> Result<Prepared<'_>, String> {
        let head = if self.metadata.is_empty() {
            Ready::Kept(&self.head)
        } else {
            let mut head = self.head.clone();
            for (name, value) in &self.metadata {
                let value = String::from_utf8_lossy(&render(value)).into_owned();
                head.metadata(name, &value).map_err(|error| error.to_string())?;
            }
            Ready::New(Box::new(head))
        };
        let messages = match &self.messages {
            Messages::Static(messages) => MessagesReady::Kept(messages),
            Messages::Dynamic(templates) => {
                let encoded =
                    templates.iter().map(|template| encode(&self.types, &render(template), self.gzip));
                MessagesReady::New(encoded.collect::<Result<_, _>>()?)
            }
        };
        Ok(Prepared { head, messages })
    }
}

/// What is sent: as compiled, or made for this call.
struct Prepared<'c> {
    head: Ready<'c>,
    messages: MessagesReady<'c>,
}

enum Ready<'c> {
    Kept(&'c GrpcHead),
    New(Box<GrpcHead>),
}

enum MessagesReady<'c> {
    Kept(&'c [Bytes]),
    New(Vec<Bytes>),
}

impl Prepared<'_> {
    fn head(&self) -> &GrpcHead {
        match &self.head {
            Ready::Kept(head) => head,
            Ready::New(head) => head,
        }
    }

    fn messages(&self) -> &[Bytes] {
        match &self.messages {
            MessagesReady::Kept(messages) => messages,
            MessagesReady::New(messages) => messages,
        }
    }
}

/// A message with its prefix, from its JSON form.
fn encode(types: &GrpcMethod, json: &[u8], compress: bool) -> Result<Bytes, String> {
    let message = types.encode(json).map_err(|error| format!("the message cannot be sent: {error}"))?;
    let mut bytes = Vec::new();
    let fits = if compress {
        append_message(&mut bytes, &gzip(&message), true)
    } else {
        append_message(&mut bytes, &message, false)
    };
    if fits { Ok(bytes.into()) } else { Err("the message is longer than 4 GiB".to_owned()) }
}

/// When the messages of an answer came.
#[derive(Default)]
struct Arrivals {
    count: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl StepsUser {
    /// One call with everything that belongs to it; `false` when the iteration has to end.
    pub(super) async fn call(&mut self, step: &CompiledStep, iteration: &mut Iteration<'_>) -> bool {
        // Both are there in a program with such a step.
        let Self { streams: Some(streams), feeds, values, desk, .. } = self else { return false };
        let Some(call) = &step.call else { return false };
        let client = &mut streams.caller;
        if !iteration.take_request() {
            return false;
        }
        let prepared = match call.prepare(&|template| values.rendered(template, feeds)) {
            Ok(prepared) => prepared,
            Err(reason) => {
                let now = iteration.clock().now();
                iteration.record(step.endpoint, unsent(now, &reason));
                return true;
            }
        };
        let keep = step.keep == pulse_http::Keep::Body;
        let request = GrpcRequest {
            head: prepared.head(),
            messages: prepared.messages(),
            gives_stream: call.types.gives_stream(),
            max_message_bytes: call.max_message_bytes,
            timeout: step.timeout,
            keep,
        };
        let before = client.counts();
        let mut arrivals = Arrivals::default();
        let result = client.call(&request, &mut |at| arrivals.note(at, step.endpoint, call, iteration)).await;
        let counts = client.counts();
        let connections = Connections::between(&before, &counts);
        let opened = Opened { connections, reconnects: counts.resent - before.resent };
        count_messages(call, step.endpoint, client.messages_sent(), &arrivals, iteration);
        let answer = match result {
            Ok(answer) => answer,
            Err(failure) => {
                iteration.record(step.endpoint, failed(&failure, &failure.to_string(), opened, iteration));
                return true;
            }
        };
        if let (Some(first), true) = (arrivals.first, call.types.gives_stream()) {
            let time = first.saturating_duration_since(answer.exchange.sent).as_nanos() as u64;
            iteration.trend(step.endpoint, FIRST_MESSAGE, time);
        }
        let mut document = Vec::new();
        let decoded = if keep { write_document(client, call, &mut document) } else { Ok(()) };
        let service_time = record(step, call, &answer, &decoded, opened, iteration);
        if step.inspection.is_empty() {
            return true;
        }
        let mut head = Vec::new();
        client.append_head(answer.exchange.status, &mut head);
        let view = ResponseView::new(answer.exchange.status, &head, &document);
        let body_bytes = answer.exchange.body_bytes;
        let mut seen = Answer::new(&step.inspection, view, &document, body_bytes, service_time, desk);
        seen.grpc_status = Some(answer.status.code.number());
        judge(step, &mut seen, values, feeds, iteration);
        true
    }
}

impl Arrivals {
    fn note(&mut self, at: Instant, endpoint: EndpointId, call: &CompiledCall, iteration: &Iteration<'_>) {
        self.count += 1;
        self.first.get_or_insert(at);
        if let (Some(last), true) = (self.last.replace(at), call.types.gives_stream()) {
            iteration.trend(endpoint, GAP, at.saturating_duration_since(last).as_nanos() as u64);
        }
    }
}

#[derive(Clone, Copy)]
struct Opened {
    connections: Connections,
    reconnects: u64,
}

fn count_messages(
    call: &CompiledCall,
    endpoint: EndpointId,
    sent: u64,
    arrivals: &Arrivals,
    iteration: &Iteration<'_>,
) {
    if call.types.gives_stream() || call.types.takes_stream() {
        iteration.count(endpoint, SENT, sent);
        iteration.count(endpoint, RECEIVED, arrivals.count);
    }
}

/// Writes a call down that came to its end; returns its service time.
fn record(
    step: &CompiledStep,
    call: &CompiledCall,
    answer: &GrpcAnswer,
    decoded: &Result<(), String>,
    opened: Opened,
    iteration: &mut Iteration<'_>,
) -> Nanos {
    let GrpcAnswer { exchange, status, .. } = answer;
    let clock = iteration.clock();
    let (started, finished) = (clock.at(exchange.started), clock.at(exchange.finished));
    let message;
    let end = if !call.expect.contains(status.code.number()) {
        message = said(status.code, &status.message);
        RequestEnd::Failed { class: status.code.class(), message: &message }
    } else if let Err(reason) = decoded {
        RequestEnd::Failed { class: BAD_RESPONSE, message: reason }
    } else {
        RequestEnd::Ok
    };
    let measured = Measurement {
        started,
        finished,
        end,
        status: exchange.status,
        bytes_sent: exchange.bytes_sent,
        bytes_received: exchange.bytes_received,
        connections: opened.connections,
        connect: exchange.connect.map(|times| times.total().into()),
        phases: Some(exchange.into()),
        reconnects: opened.reconnects,
        redirects: 0,
    };
    iteration.record(step.endpoint, measured);
    finished.since(started)
}

/// A call without an end. The deadline is the client's here, and the service's where it keeps it: one class for both,
/// since which of the two notices first is chance.
fn failed<'m>(
    failure: &pulse_http::Failure,
    message: &'m str,
    opened: Opened,
    iteration: &Iteration<'_>,
) -> Measurement<'m> {
    let class = match failure.class {
        FailureClass::Timeout => GrpcCode::DeadlineExceeded.class(),
        other => other.as_str(),
    };
    let clock = iteration.clock();
    Measurement {
        bytes_sent: failure.bytes_sent,
        bytes_received: failure.bytes_received,
        connections: opened.connections,
        reconnects: opened.reconnects,
        ..Measurement::failed(clock.at(failure.started), clock.at(failure.finished), class, message)
    }
}

fn said(code: GrpcCode, message: &str) -> String {
    if message.is_empty() { format!("gRPC status {code}") } else { format!("gRPC status {code}: {message}") }
}

/// The messages as JSON: the one of a plain answer, a list of those of a stream.
fn write_document(client: &GrpcClient, call: &CompiledCall, out: &mut Vec<u8>) -> Result<(), String> {
    let streamed = call.types.gives_stream();
    for (i, message) in client.messages().enumerate() {
        if streamed {
            out.push(if i == 0 { b'[' } else { b',' });
        }
        call.types.decode(message, out, MAX_DOCUMENT_BYTES).map_err(|error| error.to_string())?;
    }
    if streamed {
        out.extend_from_slice(if out.is_empty() { b"[]" } else { b"]" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::GrpcCode;
    use pulse_plan::GRPC_STATUSES;

    #[test]
    fn plan_and_client_mean_the_same_statuses() {
        assert_eq!(GrpcCode::ALL.map(GrpcCode::name), GRPC_STATUSES);
    }
}
