//! A plain service meets a case of every kind.

use pulse_demo::Character;
use pulse_model::{Estimate, Verdict};

use crate::bench::{missed, run_on_demo, verdicts};

/// Limits are generous: whether the verdict is right is what counts, not how fast this machine is.
const CASES: &str = r#"
[defaults]
max_duration = "3s"

[[test]]
name = "response time"
request = "GET /health"
targets = ["p95 < 1s", "errors = 0"]

[[test]]
name = "distribution"
request = "GET /health"
samples = 2000
targets = ["p50 < 500ms", "p95 < 1s", "p99 < 2s", "p99 / p50 < 5000"]

[[test]]
name = "five tools at once"
parallel = true
requests = ["POST /api/v1/execute", "POST /api/v1/execute", "POST /api/v1/execute"]
json = { tool_id = 1, user_id = "perf" }
targets = ["duration < 5s", "errors = 0"]

[[test]]
name = "users"
request = "GET /health"
users = 20
pace = 10
duration = "1500ms"
targets = ["success = 100%", "p95 < 1s", "throughput > 20/s"]

[[test]]
name = "few and many"
request = "GET /health"
compare_users = [5, 20]
pace = 50
duration = "1s"
targets = ["degradation < 1000", "errors = 0"]

[[test]]
name = "memory"
request = "GET /health"
rate = 200
duration = "2s"
targets = ["memory_growth < 200MB per 1000 requests", "cpu <= 100%", "cpu_per_request < 1s"]

[[test]]
name = "database"
database = "sqlite::memory:"
setup = ["CREATE TABLE t (x)", "INSERT INTO t VALUES (1), (2)"]
statements = ["SELECT sum(x) FROM t", "INSERT INTO t VALUES (3)"]
rounds = 20
targets = ["mean < 1s", "errors = 0"]

[[test]]
name = "cold database"
database = "sqlite:FILE"
cold = true
statements = ["SELECT count(*) FROM t"]
rounds = 20
targets = ["mean < 1s", "errors = 0"]

[[test]]
name = "websocket"
websocket = "/ws/quotes"
connections = 5
messages = 20
interval = "20ms"
targets = ["p50 < 1s", "lost_messages = 0", "errors = 0"]

[[test]]
name = "command"
command = "true"
rounds = 20
targets = ["median < 1s", "errors = 0"]
"#;

#[test]
fn a_plain_service_meets_every_kind_of_case() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cold.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let cases = CASES.replace("FILE", file.to_str().unwrap());
    let summary = run_on_demo(Character::default(), &cases);
    assert_eq!(missed(&summary), [""; 0], "{summary:#?}");
    assert_eq!(summary.verdict, Some(Verdict::Pass));
    let names: Vec<String> = verdicts(&summary).into_iter().map(|(id, _)| id).collect();
    assert_eq!(names.len(), 10);
    let child = |id: &str| {
        let found = summary.children.iter().find(|child| child.case.as_ref().unwrap().id == id);
        found.unwrap_or_else(|| panic!("{id} is not among {names:?}"))
    };
    for (id, estimates) in [
        ("memory", vec![Estimate::MemoryGrowth, Estimate::Cpu, Estimate::CpuPerRequest]),
        ("few-and-many", vec![Estimate::Degradation]),
        ("five-tools-at-once", vec![Estimate::Duration]),
        ("websocket", vec![Estimate::LostMessages]),
    ] {
        for estimate in estimates {
            assert!(child(id).estimates.contains_key(&estimate), "{id}: {:?}", child(id).estimates);
        }
    }
    assert_eq!(child("database").endpoints(), ["INSERT INTO t VALUES (3)", "SELECT sum(x) FROM t"]);
    assert_eq!(child("websocket").endpoints(), ["message"]);
    assert_eq!(child("websocket").estimates[&Estimate::LostMessages].samples % 100, 0);
    assert_eq!(child("command").requests() % 20, 0);
    assert!(child("response-time").warmup_requests > 0);
    assert!(child("users").timeline.len() >= 2);
}
