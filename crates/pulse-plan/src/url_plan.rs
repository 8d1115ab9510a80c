//! A plan from a URL: one request, over and over.

use std::collections::BTreeMap;

use crate::service::{ServiceUrl, UrlKind, is_method};
use crate::{
    Action, Body, BodyFile, CallError, DEFAULT_GRACEFUL_STOP, DEFAULT_SEED, EventsUntil, FormPart, GrpcCall,
    Overrides, Plan, PlanError, ProtoSources, Receive, Scenario, ServiceError, Step, StepKind, Template,
    WebSocketScript,
};

/// The path of a base URL without one.
const DEFAULT_PATH: &str = "/health";

/// A request that is given by flags. Nothing in it is interpolated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlRequest {
    /// HTTP method; `GET` without a body and `POST` with one when it is `None`.
    pub method: Option<String>,
    /// Body.
    pub body: Option<Vec<u8>>,
    /// A file that is sent instead of it, and read meanwhile; of plain requests only.
    pub body_file: Option<BodyFile>,
    /// Fields of a form that is sent instead of a body, if any.
    pub form: Vec<FormPart>,
    /// Server-sent events that are read of each answer; the answer is one whole when there is no number.
    pub events: Option<u64>,
    /// `.proto` files with the types of a gRPC call; the service is asked when there are none.
    pub protos: ProtoSources,
    /// Content of these files and of what they import, by path.
    pub proto_files: BTreeMap<String, Vec<u8>>,
}

impl UrlRequest {
    /// An HTTP request.
    fn step(&self, url: &ServiceUrl) -> Result<Step, ServiceError> {
        let has_body = self.body.is_some() || self.body_file.is_some() || !self.form.is_empty();
        let default_method = if has_body { "POST" } else { "GET" };
        let method = self.method.as_deref().unwrap_or(default_method);
        if !is_method(method) {
            return Err(ServiceError::Method(method.to_owned()));
        }
        let path = match (url.path.as_str(), &url.query) {
            ("", None) => DEFAULT_PATH,
            ("", Some(_)) => "/",
            (path, _) => path,
        };
        let target = url.query.as_ref().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let name: String = format!("{method} {path}").chars().take(200).collect();
        let mut step = Step::new(method, &name, Template::literal(target));
        step.body = match (&self.body_file, &self.body) {
            (Some(file), _) => Body::File(file.clone()),
            (None, Some(bytes)) => Body::Bytes(bytes.as_slice().into()),
            (None, None) => Body::None,
        };
        if let Some(count) = self.events {
            step.headers.push(("Accept".into(), Template::literal("text/event-stream")));
            step.kind =
                StepKind::Events(Box::new(EventsUntil { count: Some(count), ..EventsUntil::default() }));
        }
        Ok(step)
    }

    /// A gRPC call.
    fn call(&self, url: &ServiceUrl) -> Result<Step, CallError> {
        if self.method.is_some() || self.events.is_some() || !self.form.is_empty() {
            return Err(CallError::HttpOnly);
        }
        let mut call = GrpcCall::of_url(&url.path, self.body.as_deref())?;
        if !self.protos.files.is_empty() {
            let types = self.protos.compile(&self.proto_files)?;
            call.set_types(types.method(&call.service, &call.method)?)?;
        }
        let name: String = url.path.trim_start_matches('/').chars().take(200).collect();
        let mut step = Step::new("POST", &name, Template::literal(url.path.as_str()));
        step.kind = StepKind::Grpc(Box::new(call));
        Ok(step)
    }

    /// A WebSocket: a message and its answer on a connection that is kept, or without a message the upgrade alone.
    fn talk(&self, url: &ServiceUrl) -> Result<Step, ServiceError> {
        for (option, given) in [
            ("method", self.method.is_some()),
            ("form", !self.form.is_empty()),
            ("events", self.events.is_some()),
        ] {
            if given {
                return Err(ServiceError::WebSocket(option));
            }
        }
        let path = if url.path.is_empty() { "/" } else { &url.path };
        let target = url.query.as_ref().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let name: String = format!("WS {path}").chars().take(200).collect();
        let mut step = Step::new("GET", &name, Template::literal(target));
        let send = self.body.as_deref().map(|bytes| match str::from_utf8(bytes) {
            Ok(text) => Action::Send(Template::literal(text)),
            Err(_) => Action::SendBinary(bytes.into()),
        });
        let script = match send {
            Some(send) => {
                WebSocketScript { actions: vec![send, Action::Receive(Receive::default())], keep: true }
            }
            None => WebSocketScript::default(),
        };
        step.kind = StepKind::WebSocket(Box::new(script));
        Ok(step)
    }
}

impl Plan {
    /// A plan of one scenario with one step that asks for the URL of `overrides.service`.
    ///
    /// A base URL without a path (`http://host:8000`) asks for `/health`; with a slash at its end it asks for `/`.
    /// The endpoint is named `METHOD /path`, without the query. `ws://host:port/path` (or `wss://`, over TLS) sends the body
    /// as a message and waits for one, and the endpoint is named `WS /path`. `grpc://host:port/package.Service/Method` (or
    /// `grpcs://`) calls that method with the body as its messages, and the endpoint is named `package.Service/Method`.
    pub fn for_url(request: &UrlRequest, overrides: &Overrides) -> Result<Self, PlanError> {
        let (mut service, url) = overrides.service.to_service()?;
        if url.kind != UrlKind::Grpc && !request.protos.files.is_empty() {
            return Err(CallError::NoCall.into());
        }
        if request.body_file.is_some() && (url.kind != UrlKind::Http || request.events.is_some()) {
            return Err(ServiceError::StreamedBody.into());
        }
        let mut step = match url.kind {
            UrlKind::Http => request.step(&url)?,
            UrlKind::WebSocket => request.talk(&url)?,
            UrlKind::Grpc => request.call(&url)?,
        };
        for (name, value) in overrides.service.default_headers(&url) {
            // The body of a WebSocket or a call is no body of its request.
            let is_of_body = url.kind != UrlKind::Http && name.eq_ignore_ascii_case("content-type");
            if !is_of_body {
                step.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(&name));
                step.headers.push((name, Template::literal(value)));
            }
        }
        if !request.form.is_empty() {
            let (body, content_type) = FormPart::join(&request.form);
            step.body = body;
            // Only the form itself knows where its parts end.
            step.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            step.headers.push(("Content-Type".into(), Template::literal(content_type)));
        }
        service.base_path.clear();
        let load = &overrides.load;
        let scenario = Scenario {
            name: "load".into(),
            load: load.to_model()?,
            start: pulse_model::Nanos::ZERO,
            graceful_stop: load.graceful_stop.unwrap_or(DEFAULT_GRACEFUL_STOP),
            tags: pulse_model::Tags::new(),
            cookies: false,
            steps: vec![step],
        };
        let mut plan = Self {
            name: service.url.clone(),
            service,
            scenarios: vec![scenario],
            feeds: Vec::new(),
            variables: Vec::new(),
            targets: overrides.targets.clone(),
            warmup: load.warmup.unwrap_or_default(),
            seed: load.seed.unwrap_or(DEFAULT_SEED),
            idle: load.idle.unwrap_or_default(),
        };
        plan.complete()?;
        Ok(plan)
    }
}
