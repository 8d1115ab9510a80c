//! A service with a known fault turns exactly those targets red that are about it.

use pulse_demo::{Character, parse_error_rate, parse_leak};
use pulse_model::{Estimate, Verdict};

use crate::bench::{missed, run_on_demo};

#[test]
fn latency_makes_response_times_red_and_nothing_else() {
    let character = Character { latency: Some("fixed:300ms".parse().unwrap()), ..Character::default() };
    let summary = run_on_demo(
        character,
        r#"
[defaults]
max_duration = "2s"

[[test]]
name = "quick"
request = "GET /health"
users = 20
pace = 0
duration = "4s"
max_duration = "4s"
targets = ["p50 < 150ms", "p50 < 20s", "errors = 0"]

[[test]]
name = "tool"
request = "POST /api/v1/execute"
json = { tool_id = 1, user_id = "perf" }
samples = 8
max_samples = 8
max_duration = "10s"
targets = ["duration < 150ms"]

[[test]]
name = "quotes"
websocket = "/ws/quotes"
connections = 2
messages = 10
targets = ["lost_messages = 0"]
"#,
    );
    assert_eq!(missed(&summary), ["p50 < 150ms", "duration < 150ms"], "{summary:#?}");
    let result = &summary.children[0].targets[0];
    assert_eq!(result.verdict, Verdict::Fail);
    assert!(result.measured.unwrap().lo >= 299e6, "{result:?}");
}

#[test]
fn errors_make_errors_red_and_nothing_else() {
    let character = Character { error_rate: parse_error_rate("30%").unwrap(), ..Character::default() };
    let summary = run_on_demo(
        character,
        r#"
[[test]]
name = "correct"
request = "GET /health"
targets = ["p50 < 5s", "errors < 1%", "success > 50%"]

[[test]]
name = "quotes"
websocket = "/ws/quotes"
connections = 40
messages = 5
targets = ["errors = 0", "p50 < 5s"]

[[test]]
name = "no service"
database = "sqlite::memory:"
statements = ["SELECT 1"]
rounds = 20
targets = ["errors = 0"]
"#,
    );
    assert_eq!(missed(&summary), ["errors < 1%", "errors = 0"], "{summary:#?}");
    let sightings = &summary.children[1].totals.sightings;
    assert!(sightings.iter().all(|sighting| sighting.kind.class == "upgrade"), "{sightings:?}");
}

#[test]
fn a_leak_makes_memory_red_and_nothing_else() {
    let leak_bytes_per_request = parse_leak("500KB/request").unwrap();
    let summary = run_on_demo(
        Character { leak_bytes_per_request, ..Character::default() },
        r#"
[[test]]
name = "memory"
request = "GET /health"
rate = 100
duration = "2s"
targets = ["memory_growth < 100MB per 1000 requests", "p50 < 5s", "errors = 0"]
"#,
    );
    assert_eq!(missed(&summary), ["memory_growth < 100000000B per 1000 requests"], "{summary:#?}");
    let growth = summary.children[0].estimates[&Estimate::MemoryGrowth];
    assert!((growth.value / 500e3 - 1.0).abs() < 0.3, "{growth:?}");
}

#[test]
fn stalls_make_the_tail_red_and_nothing_else() {
    let character = Character { stall: Some("400ms/1s".parse().unwrap()), ..Character::default() };
    let summary = run_on_demo(
        character,
        r#"
[[test]]
name = "steady"
request = "GET /health"
rate = 200
max_users = 200
duration = "4s"
max_duration = "4s"
targets = ["p90 < 100ms", "min < 100ms", "errors = 0", "dropped = 0"]
"#,
    );
    assert_eq!(missed(&summary), ["p90 < 100ms"], "{summary:#?}");
}
