//! Metrics that a service shows at a URL.

use std::rc::Rc;
use std::time::Duration;

use pulse_engine::{connection_notices, connector};
use pulse_export::{ACCEPT, Exposed};
use pulse_http::{Client, Keep, Limits, Origin, Request, RequestWriter, Timeouts};
use pulse_model::{Aggregate, Nanos, Series};
use pulse_plan::{LoadOptions, Overrides, Plan, ServiceOptions, UrlRequest};
use tokio::runtime::Runtime;

use super::{ReadError, Reading};
use crate::problem::Problem;
use crate::terminal::note;

/// The path of a URL without one.
const DEFAULT_PATH: &str = "/metrics";
/// When a process was started, as Prometheus' client libraries say it.
const STARTED: &str = "process_start_time_seconds";
/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Asks for the metrics of a service, over one connection that is kept.
pub(crate) struct HttpSource {
    url: String,
    request: Vec<u8>,
    timeout: Duration,
    client: Client,
    runtime: Runtime,
}

impl HttpSource {
    /// Prepares to ask; nothing is sent yet.
    pub(crate) fn new(options: &ServiceOptions, timeout: Nanos) -> Result<Self, Problem> {
        let plan = plan(options)?;
        let service = &plan.service;
        for notice in connection_notices(service) {
            note(&format!("note: {}", notice.message));
        }
        let origin = Origin::parse(&service.url).map_err(Problem::usage)?;
        let request = request(&plan, &origin)?;
        let connector = Rc::new(connector(service).map_err(Problem::usage)?);
        let limits = Limits {
            body_bytes: MAX_ANSWER_BYTES as u64,
            kept_body_bytes: MAX_ANSWER_BYTES,
            ..Limits::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|error| Problem::internal(format!("the system refused an event queue: {error}")))?;
        let client = Client::new(connector, &Rc::new(Timeouts::new()), limits);
        Ok(Self { url: service.url.clone(), request, timeout: timeout.into(), client, runtime })
    }

    pub(crate) fn name(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn read(&mut self) -> Result<Reading, ReadError> {
        let Self { client, runtime, request, timeout, url } = self;
        let exchange = client.exchange(Request::of("GET", request), *timeout, Keep::Body);
        let answer = runtime.block_on(async { tokio::time::timeout(*timeout, exchange).await });
        let exchange = match answer {
            Ok(Ok(exchange)) => exchange,
            Ok(Err(failure)) if failure.class == pulse_http::FailureClass::TooLarge => {
                return Err(ReadError::Unusable(format!(
                    "{url} answers with more than {} MiB: {failure}",
                    MAX_ANSWER_BYTES >> 20
                )));
            }
            Ok(Err(failure)) => {
                return Err(ReadError::Unreachable(format!("{url} is not reachable: {failure}")));
            }
            Err(_) => {
                return Err(ReadError::Unreachable(format!(
                    "{url} did not answer completely within {timeout:?}"
                )));
            }
        };
        if exchange.status != 200 {
            return Err(ReadError::Unusable(refused(url, exchange.status)));
        }
        let response = client.response();
        let header = |name| response.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        read_answer(url, &header("content-type").unwrap_or_default(), response.body())
    }
}

/// The same arguments as for a load, whose rules for URLs and header fields apply.
fn plan(options: &ServiceOptions) -> Result<Plan, Problem> {
    let plan_of = |service: ServiceOptions| {
        let load = LoadOptions { users: Some(1), iterations: Some(1), ..LoadOptions::default() };
        let overrides = Overrides { service, load, targets: Vec::new() };
        Plan::for_url(&UrlRequest::default(), &overrides).map_err(Problem::usage)
    };
    let plan = plan_of(options.clone())?;
    let rest = plan.service.url.split_once("://").map_or("", |(_, rest)| rest);
    let given = options.url.as_deref().unwrap_or_default().trim();
    if rest.contains('/') {
        return Ok(plan);
    }
    plan_of(ServiceOptions { url: Some(format!("{given}{DEFAULT_PATH}")), ..options.clone() })
}

fn request(plan: &Plan, origin: &Origin) -> Result<Vec<u8>, Problem> {
    // A plan for a URL has one step, without variables.
    let step = plan.scenarios.iter().flat_map(|scenario| &scenario.steps).next();
    let step = step.ok_or_else(|| Problem::internal("a URL gave no request"))?;
    let text = |template: &pulse_plan::Template| template.as_static().unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    let mut writer = RequestWriter::start(&mut bytes, "GET", &text(&step.target), &origin.authority())
        .map_err(Problem::usage)?;
    for (name, value) in &step.headers {
        writer = writer.header(name, &text(value)).map_err(Problem::usage)?;
    }
    let accepts = step.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept"));
    if !accepts {
        writer = writer.header("Accept", ACCEPT).map_err(Problem::usage)?;
    }
    writer.finish(None).map_err(Problem::usage)?;
    Ok(bytes)
}

fn refused(url: &str, status: u16) -> String {
    let next = match status {
        401 | 403 => "give what it wants with --bearer, --user or --header",
        404 => "name the path of its metrics, for example http://127.0.0.1:8000/metrics",
        300..=399 => "name the URL that it leads to",
        _ => "it must answer with 200",
    };
    format!("{url} answers with status {status}; {next}")
}

/// What an answer says, by what it calls itself.
fn read_answer(url: &str, content_type: &str, body: &[u8]) -> Result<Reading, ReadError> {
    let Exposed { totals, bounds, left_out } = Exposed::read(content_type, body).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        ReadError::Unusable(format!("the answer of {url} cannot be used: {error}{cause}"))
    })?;
    // The convention of Prometheus' client libraries: another start is another process.
    let started = totals.series.get(&Series::new(STARTED));
    let counter = started.and_then(|aggregate| match aggregate {
        Aggregate::Gauge(gauge) => Some(gauge.last.to_string()),
        _ => None,
    });
    Ok(Reading { totals, counter, bounds, left_out })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::metric;

    fn options(url: &str) -> ServiceOptions {
        ServiceOptions { url: Some(url.to_owned()), ..ServiceOptions::default() }
    }

    fn asked(url: &str) -> (String, String) {
        let source = HttpSource::new(&options(url), Nanos::from_secs(5)).unwrap();
        let request = String::from_utf8(source.request.clone()).unwrap();
        (source.name(), request)
    }

    #[test]
    fn a_url_without_a_path_asks_for_metrics() {
        for (url, name, target) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/metrics", "/metrics"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/", "/"),
            (
                "http://127.0.0.1:8000/internal/stats?a=b",
                "http://127.0.0.1:8000/internal/stats?a=b",
                "/internal/stats?a=b",
            ),
            ("http://ada:s3cr3t@127.0.0.1:8000", "http://127.0.0.1:8000/metrics", "/metrics"),
        ] {
            let (shown, request) = asked(url);
            assert_eq!(shown, name);
            assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{request}");
            assert!(request.contains("Accept: application/vnd.pulse.snapshot+json"), "{request}");
            assert_eq!(request.contains("Authorization: Basic"), url.contains("s3cr3t"), "{request}");
        }
    }

    #[test]
    fn another_start_is_another_counter() {
        let text = "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.7e9\n";
        let reading = read_answer("http://a/metrics", "text/plain", text.as_bytes()).unwrap();
        assert_eq!(reading.counter.as_deref(), Some("1700000000"));
        let text = "# TYPE http_server_request_duration_seconds histogram\n\
                    http_server_request_duration_seconds_bucket{le=\"1\"} 2\n\
                    http_server_request_duration_seconds_bucket{le=\"+Inf\"} 2\n";
        let reading = read_answer("http://a/metrics", "", text.as_bytes()).unwrap();
        assert_eq!((reading.counter, reading.bounds.len()), (None, 1));
        assert_eq!(reading.totals.trend(&Series::new(metric::RESPONSE_TIME)).count(), 2);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (kind, body, why) in [
            ("text/html", "<html>", "the answer is `text/html`"),
            ("application/json", "{\"a\": 1}", "not a snapshot of Pulse: "),
            ("text/plain", "requests{a=b} 1", "line 1, column 12: a label's value stands in quotes"),
        ] {
            let error = read_answer("http://a/metrics", kind, body.as_bytes()).unwrap_err();
            assert!(error.text().contains(why), "{}", error.text());
        }
    }
}
