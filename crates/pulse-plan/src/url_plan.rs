//! A plan from a URL: one request, over and over.

use std::collections::BTreeMap;

use crate::service::{ServiceUrl, is_method};
use crate::{
    Body, CallError, DEFAULT_GRACEFUL_STOP, DEFAULT_SEED, GrpcCall, Overrides, Plan, PlanError, ProtoSources,
    Scenario, ServiceError, Step, StepKind, Template,
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
    /// `.proto` files with the types of a gRPC call; the service is asked when there are none.
    pub protos: ProtoSources,
    /// Content of these files and of what they import, by path.
    pub proto_files: BTreeMap<String, Vec<u8>>,
}

impl UrlRequest {
    /// An HTTP request.
    fn step(&self, url: &ServiceUrl) -> Result<Step, ServiceError> {
        let default_method = if self.body.is_some() { "POST" } else { "GET" };
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
        step.body = self.body.as_deref().map_or(Body::None, |bytes| Body::Bytes(bytes.into()));
        Ok(step)
    }

    /// A gRPC call.
    fn call(&self, url: &ServiceUrl) -> Result<Step, CallError> {
        if self.method.is_some() {
            return Err(CallError::HttpMethod);
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
}

impl Plan {
    /// A plan of one scenario with one step that asks for the URL of `overrides.service`.
    ///
    /// A base URL without a path (`http://host:8000`) asks for `/health`; with a slash at its end it asks for `/`.
    /// The endpoint is named `METHOD /path`, without the query. `grpc://host:port/package.Service/Method` (or `grpcs://`,
    /// over TLS) calls that method with the body as its messages, and the endpoint is named `package.Service/Method`.
    pub fn for_url(request: &UrlRequest, overrides: &Overrides) -> Result<Self, PlanError> {
        let (mut service, url) = overrides.service.to_service()?;
        if !url.is_grpc && !request.protos.files.is_empty() {
            return Err(CallError::NoCall.into());
        }
        let mut step = if url.is_grpc { request.call(&url)? } else { request.step(&url)? };
        let headers = overrides.service.default_headers(&url).into_iter();
        step.headers = headers.map(|(name, value)| (name, Template::literal(value))).collect();
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
        };
        plan.complete()?;
        Ok(plan)
    }
}
