//! What the service says about itself: the monitor's figures, for Prometheus and for people.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use pulse_monitor::{MonitorSummary, Rendered};

use crate::routes::App;

/// `/metrics` in the format that the scraper prefers.
pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let value = |name| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(",")
    };
    let (accept, encoding) = (value(header::ACCEPT), value(header::ACCEPT_ENCODING));
    let Rendered { content_type, content_encoding, body } = app.monitor.render(&accept, &encoding);
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

/// The last five minutes.
pub(crate) async fn summary(State(app): State<App>) -> Json<MonitorSummary> {
    Json(app.monitor.summary())
}
