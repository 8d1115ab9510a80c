//! What there is to be asked.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use pulse_export::Rendered;
use pulse_report::{Json, Reporter as _};

use super::Feed;
use super::guard::{Guard, Refusal};

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
const INDEX: &str = "Pulse watches here.\n\n/metrics      Prometheus, OpenMetrics, protobuf or JSON, by Accept\n\
                     /api/summary  the summary so far as JSON\n/healthz      whether this server is alive\n";

/// Everything there is. A dashboard adds its pages here.
pub(super) fn router(guard: Guard, feed: Feed) -> Router {
    Router::new()
        .route("/", get(async || text(StatusCode::OK, INDEX)))
        .route("/metrics", get(metrics))
        .route("/api/summary", get(summary))
        .route("/healthz", get(async || text(StatusCode::OK, "ok\n")))
        .fallback(async || text(StatusCode::NOT_FOUND, INDEX))
        .method_not_allowed_fallback(async || {
            text(StatusCode::METHOD_NOT_ALLOWED, "there is only something to read here: GET or HEAD\n")
        })
        .with_state(feed)
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
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn metrics(State(feed): State<Feed>, headers: HeaderMap) -> Response {
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

async fn summary(State(feed): State<Feed>) -> Response {
    let mut bytes = Vec::new();
    match Json.render(&(feed.summary)(), &mut bytes) {
        Ok(()) => answer(StatusCode::OK, "application/json", bytes),
        Err(error) => {
            text(StatusCode::INTERNAL_SERVER_ERROR, &format!("the summary cannot be written: {error}\n"))
        }
    }
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
