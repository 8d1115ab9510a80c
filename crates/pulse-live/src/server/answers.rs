//! What there is to be asked.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use percent_encoding::percent_decode_str;
use pulse_export::Rendered;
use pulse_model::{Nanos, Summary};
use pulse_report::{Json, Page, Reporter as _, SeriesQuery, ServedPage, served_page};

use super::Feed;
use super::guard::{Guard, Refusal};
use super::stream::Viewers;
use crate::Windows;

/// The largest body that a request may have; none needs any.
const MAX_BODY_BYTES: usize = 1 << 10;
/// What every answer says: nothing here is to be kept, guessed at, framed or run.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
];
const TEXT: &str = "text/plain; charset=utf-8";
const INDEX: &str = "Pulse watches here.\n\n/             the dashboard, where the program was built with it\n/metrics      Prometheus, OpenMetrics, protobuf or JSON, by Accept\n\
                     /api/summary  the summary so far as JSON\n/api/series   a metric over time as JSON: ?metric=requests\n/healthz      whether this server is alive\n";

/// What answers are made of.
#[derive(Clone)]
struct Source {
    feed: Feed,
    viewers: Viewers,
    page: Option<Arc<ServedPage>>,
}

/// Everything there is.
pub(super) fn router(guard: Guard, feed: Feed, viewers: Viewers) -> Router {
    let source = Source { feed, viewers, page: served_page().map(Arc::new) };
    Router::new()
        .route("/", get(index))
        .route("/events", get(events))
        .route("/api/page", get(page))
        .route("/metrics", get(metrics))
        .route("/api/summary", get(summary))
        .route("/api/series", get(series))
        .route("/healthz", get(async || text(StatusCode::OK, "ok\n")))
        .fallback(async || text(StatusCode::NOT_FOUND, INDEX))
        .method_not_allowed_fallback(async || {
            text(StatusCode::METHOD_NOT_ALLOWED, "there is only something to read here: GET or HEAD\n")
        })
        .with_state(source)
        .layer(from_fn_with_state(guard, admit))
        .layer(from_fn(say_what_holds_for_all))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// Lets those in who may.
async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(Refusal::Host) => text(
            StatusCode::MISDIRECTED_REQUEST,
            "this server is for the machine it runs on: ask it as localhost or 127.0.0.1\n",
        ),
        Err(Refusal::Origin) => text(StatusCode::FORBIDDEN, "pages of other servers have no business here\n"),
        Err(Refusal::Token) => {
            let mut response = text(
                StatusCode::UNAUTHORIZED,
                "this needs the token: the header `Authorization: Bearer TOKEN`, or `?token=TOKEN`\n",
            );
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    }
}

async fn say_what_holds_for_all(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        // The page has a policy of its own.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The dashboard, or what there is without it.
async fn index(State(source): State<Source>, headers: HeaderMap) -> Response {
    let Some(page) = source.page else { return text(StatusCode::OK, INDEX) };
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let compressed = accepts.is_some_and(|accepts| accepts.contains("gzip"));
    let body = if compressed { Body::from(page.gzip) } else { Body::from(page.html.clone()) };
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", body);
    let headers = response.headers_mut();
    if compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(policy) = HeaderValue::from_str(&format!("{}; frame-ancestors 'none'", page.policy)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The page's data as a stream of events. Whoever lost it says up to when it knows, and whoever has asked before, too.
async fn events(State(source): State<Source>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let known = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let until = known.and_then(moment).or_else(|| since(query.as_deref()));
    answer(StatusCode::OK, "text/event-stream", Body::from_stream(source.viewers.stream(until)))
}

/// The page's data, whole or with `?since=MILLISECONDS`, for browsers and proxies that do not pass events on.
async fn page(State(Source { feed, .. }): State<Source>, RawQuery(query): RawQuery) -> Response {
    let since = since(query.as_deref());
    let summary = (feed.summary)(Page::cases_known(since));
    match (Page { summary: &summary, running: true, since }).to_json() {
        Ok(json) => answer(StatusCode::OK, "application/json", json),
        Err(error) => {
            text(StatusCode::INTERNAL_SERVER_ERROR, &format!("the page's data cannot be written: {error}\n"))
        }
    }
}

/// A number of milliseconds as a moment; a number that is none of this world is none.
fn moment(millis: &str) -> Option<Nanos> {
    millis.parse::<u64>().ok()?.checked_mul(1_000_000).map(Nanos)
}

/// What `since=MILLISECONDS` in a query says.
fn since(query: Option<&str>) -> Option<Nanos> {
    query?.split('&').find_map(|pair| pair.strip_prefix("since=")).and_then(moment)
}

/// A metric over time.
async fn series(State(Source { feed, .. }): State<Source>, RawQuery(query): RawQuery) -> Response {
    let parameters = parameters(query.as_deref().unwrap_or_default());
    let answered = SeriesQuery::read(&parameters).and_then(|question| question.answer(&(feed.summary)(0)));
    match answered {
        Ok(json) => answer(StatusCode::OK, "application/json", json),
        Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
    }
}

/// Names and values of a query without its token, which is the guard's.
fn parameters(query: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(name, _)| *name != "token").map(|(name, value)| (decoded(name), decoded(value))).collect()
}

async fn metrics(State(Source { feed, .. }): State<Source>, headers: HeaderMap) -> Response {
    let value = |name| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(",")
    };
    let (accept, encoding) = (value(header::ACCEPT), value(header::ACCEPT_ENCODING));
    let Rendered { content_type, content_encoding, body } =
        pulse_export::render(&(feed.totals)(), &accept, &encoding);
    let mut response = Response::new(Body::from(body));
    let answer = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&content_type) {
        answer.insert(header::CONTENT_TYPE, content_type);
    }
    if let Some(encoding) = content_encoding {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    answer.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

/// The report so far, or that of a window that ends now.
async fn summary(State(Source { feed, .. }): State<Source>, RawQuery(query): RawQuery) -> Response {
    let parameters = parameters(query.as_deref().unwrap_or_default());
    let window = parameters.iter().find(|(name, _)| name == "window");
    let summary = match window {
        None => Ok((feed.summary)(0)),
        Some((_, span)) => window_of(&feed, span),
    };
    let summary = match summary {
        Ok(summary) => summary,
        Err(why) => return text(StatusCode::BAD_REQUEST, &format!("{why}\n")),
    };
    let mut bytes = Vec::new();
    match Json.render(&summary, &mut bytes) {
        Ok(()) => answer(StatusCode::OK, "application/json", bytes),
        Err(error) => {
            text(StatusCode::INTERNAL_SERVER_ERROR, &format!("the summary cannot be written: {error}\n"))
        }
    }
}

fn window_of(feed: &Feed, span: &str) -> Result<Summary, String> {
    let window = feed.window.as_ref();
    let window = window.ok_or("this job keeps no windows, `pulse monitor` does: leave out window=")?;
    let span = span.parse::<Nanos>().map_err(|error| format!("window: {error}"))?;
    window(span).ok_or_else(|| {
        let spans = Windows::SPANS.map(|span| span.to_string()).join(", ");
        format!("window: {span} is not kept; there are: {spans}; without window= it is everything")
    })
}

fn text(status: StatusCode, text: &str) -> Response {
    answer(status, TEXT, text.to_owned())
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
