//! One question to a service: does it answer, and how?

use std::sync::Arc;

use pulse_engine::{INTERVAL, Job, StopHandle, probe, run};
use pulse_model::{Nanos, RunInfo, metric, tag};
use pulse_plan::{LoadOptions, Overrides, Plan, Segment, ServiceOptions, SuiteService, UrlRequest};

/// Limit for one question.
const TIMEOUT: Nanos = Nanos::from_secs(2);
/// Statuses of a service that is ready.
const READY: &str = "200-399";
/// Any status: whatever a service answers, it is there.
const ANY: &str = "100-599";

/// What is asked to find out whether a service is ready.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Address that is asked.
    pub(crate) url: String,
    /// One request to it, or why there is none.
    plan: Result<Plan, String>,
    /// Whether a request is sent; else a connection says it all.
    is_request: bool,
}

impl Question {
    /// What the suite says: `ready` must answer with a status from 200 to 399; without it the port must accept
    /// connections.
    pub(crate) fn whether_ready(service: &SuiteService) -> Self {
        Self::to(service, READY, service.ready.is_some())
    }

    /// A request to `ready`, or to the service's URL, that may be answered in any way.
    pub(crate) fn what_it_answers(service: &SuiteService) -> Self {
        Self::to(service, ANY, true)
    }

    fn to(service: &SuiteService, expect: &str, is_request: bool) -> Self {
        let path = service.ready.as_deref().unwrap_or("");
        let base = service.url.trim_end_matches('/');
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        // Without a path the root is meant, and not what `pulse load` asks for by default.
        let is_bare = !base.split("://").last().unwrap_or(base).contains('/');
        let slash = if path.is_empty() && is_bare { "/" } else { slash };
        let url = format!("{base}{slash}{path}");
        let overrides = Overrides {
            service: ServiceOptions {
                url: Some(url.clone()),
                timeout: Some(TIMEOUT),
                connect_timeout: Some(TIMEOUT),
                insecure: Some(service.plan.insecure),
                ca_certificate: service.plan.ca_certificate.clone(),
                http: Some(service.plan.http),
                connection: service.plan.connection.clone(),
                tls: service.plan.tls.clone(),
                expect: expect.parse().ok(),
                ..ServiceOptions::default()
            },
            load: LoadOptions { users: Some(1), iterations: Some(1), ..LoadOptions::default() },
            targets: Vec::new(),
        };
        let plan = Plan::for_url(&UrlRequest::default(), &overrides).map_err(|error| error.to_string());
        Self { url, plan, is_request }
    }

    /// Asks. The status of the answer, where a request was sent; else why the answer is no.
    pub(crate) fn ask(&self) -> Result<Option<String>, String> {
        let plan = self.plan.as_ref().map_err(String::clone)?;
        if !self.is_request {
            return probe(plan).map(|()| None).map_err(|error| error.to_string());
        }
        let job = Job {
            plan: Arc::new(plan.clone()),
            workers: 1,
            segment: Segment::WHOLE,
            interval: INTERVAL,
            info: RunInfo { workers: 1, ..RunInfo::default() },
        };
        let summary = run(&job, &StopHandle::default(), &mut |_| {}).map_err(|error| error.to_string())?;
        if summary.requests() > summary.failed() {
            let statuses = summary.totals.tag_values(metric::RESPONSES, tag::STATUS);
            return Ok(statuses.first().map(|&status| status.to_owned()));
        }
        let seen = summary.totals.sightings.first().map(|sighting| sighting.message.clone());
        Err(seen.unwrap_or_else(|| "it did not answer".to_owned()))
    }
}
