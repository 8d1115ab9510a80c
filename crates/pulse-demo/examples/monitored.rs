//! A small service with the monitor: the one in docs/monitor.md and README.md.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;
use pulse_monitor::{Config, Group, Monitor, MonitorLayer};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let monitor = Monitor::new(Config { group: Group::FromEnvironment, ..Config::default() });
    let app = Router::new()
        .route("/orders/{id}", get(order))
        .route("/metrics", get(metrics))
        .with_state(monitor.clone())
        // After the routes: it records each request under its route, with method and status.
        .layer(MonitorLayer::new(monitor));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app).await
}

async fn order(State(monitor): State<Monitor>) -> &'static str {
    // Databases, caches, pools and whatever else matters are told to the monitor by hand.
    monitor.record_db_statement("SELECT * FROM orders WHERE id = 17", Duration::from_micros(850));
    monitor.cache("prices").hit();
    "an order"
}

async fn metrics(State(monitor): State<Monitor>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answer = monitor.render(accept, "");
    ([(header::CONTENT_TYPE, answer.content_type.into_owned())], answer.body)
}
