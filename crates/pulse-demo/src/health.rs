//! The pages about the service itself. They touch no database: `/health` is what load tests hammer first.

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use jiff::Timestamp;
use serde::Serialize;

use crate::clock::stamp;

/// The version answered by `/` and `/health`.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
pub(crate) struct Root {
    name: &'static str,
    version: &'static str,
    status: &'static str,
    docs: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
    timestamp: String,
    version: &'static str,
    environment: &'static str,
    security: Security,
}

#[derive(Serialize)]
pub(crate) struct Security {
    /// Whether every protection that this service has is on; not whether it is fit for the open internet.
    status: &'static str,
    checks: Checks,
}

#[derive(Serialize)]
struct Checks {
    body_limit: &'static str,
    input_validation: &'static str,
    sql_parameters: &'static str,
    authentication: &'static str,
    tls: &'static str,
}

/// A demo for loopback has no users to authenticate and no TLS, and says so instead of claiming otherwise.
const SECURITY: Security = Security {
    status: "ok",
    checks: Checks {
        body_limit: "on",
        input_validation: "on",
        sql_parameters: "on",
        authentication: "off",
        tls: "off",
    },
};

pub(crate) async fn root() -> Json<Root> {
    Json(Root { name: "Pulse demo trading API", version: VERSION, status: "running", docs: "/docs" })
}

pub(crate) async fn health() -> Json<Health> {
    Json(Health {
        status: "healthy",
        timestamp: stamp(Timestamp::now()),
        version: VERSION,
        environment: "demo",
        security: SECURITY,
    })
}

pub(crate) async fn security() -> Json<Security> {
    Json(SECURITY)
}

pub(crate) async fn docs() -> Html<&'static str> {
    Html(include_str!("assets/docs.html"))
}

pub(crate) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], include_str!("assets/openapi.json"))
}
