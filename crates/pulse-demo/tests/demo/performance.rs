//! What the demo says about itself.

use std::path::Path;

use pulse_demo::{Character, DemoConfig, DemoServer};
use serde_json::Value;

use crate::client::{Answer, ask, config, send, start};

fn get(server: &DemoServer, path: &str, accept: &str) -> Answer {
    let fields = format!("host: demo\r\nconnection: close\r\naccept: {accept}\r\n");
    send(server.addr(), &format!("GET {path} HTTP/1.1\r\n{fields}\r\n"))
}

/// Some requests of every kind: 3 healthy ones, 2 that read and 1 that write the database, 1 that no route matches.
fn requests(server: &DemoServer) {
    for (method, path, body) in [
        ("GET", "/health", ""),
        ("GET", "/health", ""),
        ("GET", "/health", ""),
        ("GET", "/api/v1/paper/anna/account", ""),
        ("GET", "/api/v1/paper/bert/account", ""),
        ("POST", "/api/v1/paper/anna/positions", r#"{"side":"buy","quantity":1}"#),
        ("GET", "/wp-login.php", ""),
    ] {
        ask(server.addr(), method, path, body);
    }
}

#[test]
fn metrics_count_by_route_and_status() {
    let server = start(Character::default());
    requests(&server);
    let text = get(&server, "/metrics", "text/plain");
    assert!(text.head.contains("content-type: text/plain; version=0.0.4"), "{}", text.head);
    assert!(text.head.contains("vary: accept, accept-encoding"), "{}", text.head);
    let count = |labels: &str| {
        let line = text.body.lines().find(|line| line.starts_with(&format!("{COUNT}{{{labels}}} ")));
        line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
    };
    for (labels, expected) in [
        (r#"http_request_method="GET",http_response_status_code="200",http_route="/health""#, "3"),
        (
            r#"http_request_method="GET",http_response_status_code="200",http_route="/api/v1/paper/{user}/account""#,
            "2",
        ),
        (
            r#"http_request_method="POST",http_response_status_code="201",http_route="/api/v1/paper/{user}/positions""#,
            "1",
        ),
        (
            r#"error_type="404",http_request_method="GET",http_response_status_code="404",http_route="_unmatched""#,
            "1",
        ),
    ] {
        assert_eq!(count(labels).as_deref(), Some(expected), "{labels} in\n{}", text.body);
    }
    for part in ["db_client_operation_duration_seconds_count{db_operation_name=\"select\"}", "sqlite_readers"]
    {
        assert!(text.body.contains(part), "{part} in\n{}", text.body);
    }
    assert!(!text.body.contains("anna") && !text.body.contains("wp-login"), "no raw path becomes a label");
}

const COUNT: &str = "http_server_request_duration_seconds_count";

#[test]
fn metrics_come_in_the_format_that_is_asked_for() {
    let server = start(Character::default());
    requests(&server);
    let open = get(&server, "/metrics", "application/openmetrics-text; version=1.0.0");
    assert!(open.body.ends_with("# EOF\n") && open.head.contains("application/openmetrics-text"), "{open:?}");
    let json = get(&server, "/metrics", "application/json").json();
    assert_eq!(json["format"], "pulse-snapshot");
    let health = json["series"].as_array().unwrap().iter().find(|one| one["tags"]["endpoint"] == "/health");
    assert_eq!(health.unwrap()["trend"]["count"], 3);
}

#[test]
fn the_summary_has_the_documented_keys() {
    let server = start(Character::default());
    requests(&server);
    let summary = get(&server, "/api/v1/performance/summary", "*/*").json();
    let document: Value = serde_json::from_str(include_str!("../../src/assets/openapi.json")).unwrap();
    assert_documented(&summary, &document["components"]["schemas"]["PerformanceSummary"]);
    assert_eq!(summary["endpoints"]["/health"]["count"], 3);
    assert_eq!(summary["requests"]["total"], 7);
    assert_eq!(summary["requests"]["error_count"], 1);
    assert!(summary["database"]["total_queries"].as_u64().unwrap() > 5, "{summary}");
}

/// Whatever the document requires is there and of the type that it says.
fn assert_documented(value: &Value, schema: &Value) {
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        let (field, schema) = (&value[name], &schema["properties"][name]);
        let fits = match schema["type"].as_str().unwrap() {
            "integer" => field.is_u64(),
            "number" => field.is_number(),
            "object" => field.is_object(),
            other => panic!("{other}"),
        };
        assert!(fits, "{name} is {field}");
        assert_documented(field, schema);
    }
}

#[test]
fn faults_are_the_services_doing() {
    let character =
        Character { latency: Some("fixed:20ms".parse().unwrap()), error_rate: 1.0, ..Character::default() };
    let server = start(character);
    ask(server.addr(), "GET", "/health", "");
    let summary = server.monitor().summary();
    assert_eq!((summary.requests.total, summary.requests.error_count), (1, 1));
    assert!(summary.response_times.min >= 20.0, "{:?}", summary.response_times);
}

#[test]
fn memory_is_shared_only_where_a_group_is_named() {
    let group = format!("demo-test-{}", std::process::id());
    let is_there = || pulse_monitor::SharedReader::groups().contains(&group);
    let alone = start(Character::default());
    assert!(!is_there(), "{group}");
    drop(alone);
    let named = DemoConfig { group: Some(group.clone()), ..config(Character::default()) };
    let server = DemoServer::start(named).unwrap();
    requests(&server);
    let mut reader = pulse_monitor::SharedReader::open(&group).unwrap();
    assert!(reader.totals().series.len() > 5);
    let path = reader.path().to_owned();
    drop((server, reader));
    assert!(Path::new(&path).is_file(), "a group outlives its processes, so that their successors count on");
    std::fs::remove_file(path).unwrap();
}
