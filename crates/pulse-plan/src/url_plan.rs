//! A plan from a URL: one request, over and over.

use crate::service::is_method;
use crate::{
    Body, DEFAULT_GRACEFUL_STOP, DEFAULT_SEED, FormPart, Overrides, Plan, PlanError, Scenario, ServiceError,
    Step, Template,
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
    /// Fields of a form that is sent instead of a body, if any.
    pub form: Vec<FormPart>,
}

impl Plan {
    /// A plan of one scenario with one step that asks for the URL of `overrides.service`.
    ///
    /// A base URL without a path (`http://host:8000`) asks for `/health`; with a slash at its end it asks for `/`.
    /// The endpoint is named `METHOD /path`, without the query.
    pub fn for_url(request: &UrlRequest, overrides: &Overrides) -> Result<Self, PlanError> {
        let (mut service, url) = overrides.service.to_service()?;
        let has_body = request.body.is_some() || !request.form.is_empty();
        let default_method = if has_body { "POST" } else { "GET" };
        let method = request.method.as_deref().unwrap_or(default_method);
        if !is_method(method) {
            return Err(ServiceError::Method(method.to_owned()).into());
        }
        let path = match (url.path.as_str(), &url.query) {
            ("", None) => DEFAULT_PATH,
            ("", Some(_)) => "/",
            (path, _) => path,
        };
        let target = url.query.as_ref().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let name: String = format!("{method} {path}").chars().take(200).collect();
        let mut step = Step::new(method, &name, Template::literal(target));
        let headers = overrides.service.default_headers(&url).into_iter();
        step.headers = headers.map(|(name, value)| (name, Template::literal(value))).collect();
        step.body = request.body.as_deref().map_or(Body::None, |bytes| Body::Bytes(bytes.into()));
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
        };
        plan.complete()?;
        Ok(plan)
    }
}
