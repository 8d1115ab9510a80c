//! Types of gRPC calls that no file describes: the service is asked for them before the load starts.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use pulse_http::{Connector, GrpcClient, GrpcCode, GrpcHead, GrpcRequest, Limits, Timeouts, append_message};
use pulse_plan::{GrpcCall, Plan, ProtoTypes, Step, StepKind};
use tokio::task::LocalSet;

use crate::run::RunError;

/// The two names of the same protocol, the newer one first.
const METHODS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
/// The largest answer of a service about itself, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// The most files that describe a service.
const MAX_FILES: usize = 1_000;

/// `ServerReflectionRequest`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(string, optional, tag = "3")]
    file_by_filename: Option<String>,
    #[prost(string, optional, tag = "4")]
    file_containing_symbol: Option<String>,
}

/// `ServerReflectionResponse`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct Reply {
    #[prost(message, optional, tag = "4")]
    files: Option<Files>,
    #[prost(message, optional, tag = "7")]
    error: Option<Refusal>,
}

/// `FileDescriptorResponse`: encoded file descriptors.
#[derive(Clone, PartialEq, prost::Message)]
struct Files {
    #[prost(bytes = "vec", repeated, tag = "1")]
    descriptors: Vec<Vec<u8>>,
}

/// `ErrorResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Refusal {
    #[prost(string, tag = "2")]
    message: String,
}

/// The plan with the types of all its calls; the same one where they are there.
pub(crate) fn with_types(
    plan: &Arc<Plan>,
    connector: &dyn Fn(&Plan) -> Result<Connector, RunError>,
    runtime: &dyn Fn() -> std::io::Result<tokio::runtime::Runtime>,
) -> Result<Arc<Plan>, RunError> {
    let unknown = |step: &Step| matches!(&step.kind, StepKind::Grpc(call) if call.types.is_none());
    if !plan.scenarios.iter().flat_map(|scenario| &scenario.steps).any(unknown) {
        return Ok(Arc::clone(plan));
    }
    let mut complete = Plan::clone(plan);
    let connector = Rc::new(connector(plan)?);
    let timeout = plan.service.timeout.into();
    let mut known: Vec<(String, ProtoTypes)> = Vec::new();
    for step in complete.scenarios.iter_mut().flat_map(|scenario| &mut scenario.steps) {
        let metadata: Vec<(String, String)> = step
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_static()?.to_owned())))
            .collect();
        let StepKind::Grpc(call) = &mut step.kind else { continue };
        let reason =
            |reason: String| RunError::Types { call: format!("{}/{}", call.service, call.method), reason };
        if call.types.is_none() {
            let types = match known.iter().find(|(service, _)| *service == call.service) {
                Some((_, types)) => types.clone(),
                None => {
                    let ask = ask(&connector, &call.service, &metadata, timeout);
                    let types = LocalSet::new().block_on(&runtime()?, ask).map_err(reason)?;
                    known.push((call.service.clone(), types.clone()));
                    types
                }
            };
            give(call, &types)?;
        }
    }
    Ok(Arc::new(complete))
}

fn give(call: &mut GrpcCall, types: &ProtoTypes) -> Result<(), RunError> {
    let name = format!("{}/{}", call.service, call.method);
    let method = types.method(&call.service, &call.method).map_err(|error| error.to_string());
    let given = method.and_then(|method| call.set_types(method).map_err(|error| error.to_string()));
    given.map_err(|reason| RunError::Types { call: name, reason })
}

/// Everything that describes a service.
async fn ask(
    connector: &Rc<Connector>,
    service: &str,
    metadata: &[(String, String)],
    timeout: Duration,
) -> Result<ProtoTypes, String> {
    // Nobody sweeps these deadlines; the whole has one instead.
    let timeouts = Rc::new(Timeouts::new());
    let mut client = GrpcClient::new(Rc::clone(connector), &timeouts, Limits::default());
    let asked = async {
        let first = Question { file_containing_symbol: Some(service.to_owned()), ..Question::default() };
        let (method, mut files) = first_answer(&mut client, connector, first, metadata, timeout).await?;
        let mut asked = BTreeSet::new();
        loop {
            let missing = ProtoTypes::missing_files(&files).map_err(|error| error.to_string())?;
            let names: Vec<&String> = missing.iter().filter(|name| asked.insert((*name).clone())).collect();
            if names.is_empty() {
                return ProtoTypes::of_descriptors(&files).map_err(|error| error.to_string());
            }
            if asked.len() > MAX_FILES {
                return Err(format!("it is described by more than {MAX_FILES} files"));
            }
            let by_name =
                |name: &&String| Question { file_by_filename: Some((*name).clone()), ..Question::default() };
            let questions: Vec<Question> = names.iter().map(by_name).collect();
            let head = head(connector, method, metadata, timeout)?;
            for file in
                answers(&mut client, &head, &questions, timeout).await.map_err(Refused::into_reason)?
            {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
    };
    tokio::time::timeout(timeout, asked)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {timeout:?}")))
}

/// The first answer says which of the two names the service knows.
async fn first_answer(
    client: &mut GrpcClient,
    connector: &Connector,
    question: Question,
    metadata: &[(String, String)],
    timeout: Duration,
) -> Result<(&'static str, Vec<Vec<u8>>), String> {
    for method in METHODS {
        let head = head(connector, method, metadata, timeout)?;
        match answers(client, &head, std::slice::from_ref(&question), timeout).await {
            Ok(files) => return Ok((method, files)),
            Err(Refused::Unimplemented) => {}
            Err(Refused::Because(reason)) => return Err(reason),
        }
    }
    Err(Refused::Unimplemented.into_reason())
}

fn head(
    connector: &Connector,
    method: &str,
    metadata: &[(String, String)],
    timeout: Duration,
) -> Result<GrpcHead, String> {
    let mut head =
        GrpcHead::new(connector.origin(), method, timeout, false).map_err(|error| error.to_string())?;
    for (name, value) in metadata {
        head.metadata(name, value).map_err(|error| error.to_string())?;
    }
    Ok(head)
}

enum Refused {
    Unimplemented,
    Because(String),
}

impl Refused {
    fn into_reason(self) -> String {
        match self {
            Self::Unimplemented => {
                "the service does not describe itself (it has no server reflection); give its .proto \
                                    files with `proto` in the scenario file, or with --proto"
                    .to_owned()
            }
            Self::Because(reason) => reason,
        }
    }
}

/// The files that answer the questions.
async fn answers(
    client: &mut GrpcClient,
    head: &GrpcHead,
    questions: &[Question],
    timeout: Duration,
) -> Result<Vec<Vec<u8>>, Refused> {
    let framed = |question: &Question| {
        let mut bytes = Vec::new();
        append_message(&mut bytes, &question.encode_to_vec(), false).then(|| Bytes::from(bytes))
    };
    let messages: Vec<Bytes> = questions.iter().filter_map(framed).collect();
    let request = GrpcRequest {
        head,
        messages: &messages,
        gives_stream: true,
        max_message_bytes: MAX_ANSWER_BYTES,
        timeout,
        keep: true,
    };
    let answer =
        client.call(&request, &mut |_| ()).await.map_err(|error| Refused::Because(error.to_string()))?;
    match answer.status.code {
        GrpcCode::Ok => {}
        GrpcCode::Unimplemented => return Err(Refused::Unimplemented),
        code => {
            let reason =
                format!("the service was asked for it, and answered {code}: {}", answer.status.message);
            return Err(Refused::Because(reason));
        }
    }
    let mut files = Vec::new();
    for message in client.messages() {
        let reply = Reply::decode(message).map_err(|error| {
            Refused::Because(format!("the service's description of itself is broken: {error}"))
        })?;
        if let Some(refusal) = reply.error {
            let reason = format!("the service does not describe it: {}", refusal.message);
            return Err(Refused::Because(reason));
        }
        files.extend(reply.files.unwrap_or_default().descriptors);
    }
    Ok(files)
}
