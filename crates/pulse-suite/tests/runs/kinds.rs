//! Every kind of case, against the demo API: a limit that it meets and one that it misses. The services have a known
//! character, and the limits lie far from it on both sides: whether the verdict is right is what counts, not how fast
//! this machine is.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

use std::process::{Child, Command};
use std::time::Duration;

use pulse_demo::{Character, parse_error_rate, parse_leak};
use pulse_model::{Estimate, Series, Summary, Verdict, metric, tag};
use pulse_testkit::{Discipline, Law, QueueServer, Script, ScriptedServer, ServiceLaw, Step, TestAuthority};

use crate::bench::{run, run_on_demo, server, suite};
use crate::websocket::ForgetfulServer;

/// A case, its targets left out, with what it must meet and what it must miss.
#[expect(clippy::struct_field_names, reason = "a kind of case is called its kind")]
struct Kind<'a> {
    /// Its name after the run: what the file makes of it.
    kind: &'a str,
    case: &'a str,
    green: &'a [&'a str],
    red: &'a [&'a str],
}

impl Kind<'_> {
    /// The case twice: all of its green targets in one, and each of its red ones in another.
    fn cases(&self) -> String {
        let case = |name: String, targets: &[&str]| {
            // The tables of steps come last in a table.
            let (head, steps) = self
                .case
                .split_once("[[test.step]]")
                .map_or((self.case, ""), |(head, _)| (head, &self.case[head.len()..]));
            format!("[[test]]\nname = \"{name}\"\n{head}\ntargets = {targets:?}\n{steps}\n")
        };
        let green = (!self.green.is_empty()).then(|| case("green".to_owned(), self.green));
        let red = self.red.iter().enumerate().map(|(i, target)| case(format!("red {i}"), &[target]));
        green.into_iter().chain(red).collect()
    }

    #[track_caller]
    fn check(&self, summary: &Summary) {
        let told = told(summary);
        for child in &summary.children {
            let info = child.case.as_ref().unwrap();
            assert_eq!(info.kind, self.kind, "{told}");
            let expected = if info.name == "green" { Verdict::Pass } else { Verdict::Fail };
            assert_eq!(child.verdict, Some(expected), "{}:\n{told}", info.name);
            let all =
                child.targets.iter().all(|result| result.verdict == expected && result.measured.is_some());
            assert!(all, "{}:\n{told}", info.name);
        }
    }

    #[track_caller]
    fn on_demo(&self, character: Character) -> Summary {
        let summary = run_on_demo(character, &self.cases());
        self.check(&summary);
        summary
    }

    #[track_caller]
    fn at(&self, url: &str) -> Summary {
        let summary = run(&suite(&format!("[service]\nurl = \"URL\"\n{}", self.cases()), url));
        self.check(&summary);
        summary
    }
}

/// All results, for the message of a test that fails.
fn told(summary: &Summary) -> String {
    let of = |child: &Summary| {
        let head = format!("{} {:?} {:?}\n", child.run.name, child.verdict, child.findings);
        let results = child.targets.iter().map(|result| format!("  {} {result:?}\n", result.target));
        head + &results.collect::<String>()
    };
    summary.children.iter().map(of).collect()
}

fn slow(law: &str) -> Character {
    Character { latency: Some(law.parse().unwrap()), ..Character::default() }
}

#[test]
fn response_time() {
    let summary = Kind {
        kind: "response_time",
        case: "request = \"GET /health\"",
        green: &["p95 < 5s", "avg < 5s", "errors = 0"],
        red: &["p95 < 10ms", "avg < 10ms"],
    }
    .on_demo(slow("fixed:20ms"));
    assert!(summary.children[0].warmup_requests > 0);
    // A second is the least, and eight blocks of it are judged.
    assert!(summary.children[0].timeline.len() >= 8, "{}", summary.children[0].timeline.len());
}

#[test]
fn response_time_for_a_duration() {
    let summary = Kind {
        kind: "response_time",
        case: "request = \"GET /health\"\nduration = \"1500ms\"",
        green: &["p50 < 5s", "errors = 0"],
        red: &["p50 < 10ms"],
    }
    .on_demo(slow("fixed:20ms"));
    let elapsed = Duration::from(summary.children[0].elapsed);
    assert!(elapsed >= Duration::from_millis(1500), "what was asked for is the least: {elapsed:?}");
}

#[test]
fn distribution() {
    // Every twentieth answer takes thirty times as long.
    let times = (1..=20).map(|n| Duration::from_millis(if n == 20 { 60 } else { 2 }));
    let server = QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Table(times.collect())));
    Kind {
        kind: "distribution",
        case: "request = \"GET /\"\nsamples = 1000\nkind = \"distribution\"",
        green: &["p99 / p50 < 1000", "p50 < 50ms", "p98 < 5s"],
        red: &["p98 / p50 < 3", "p98 < 30ms"],
    }
    .at(&server.url());
}

#[test]
fn concurrency() {
    let character = Character { error_rate: parse_error_rate("30%").unwrap(), ..slow("fixed:20ms") };
    Kind {
        kind: "concurrency",
        case: "users = 20\npace = 10\nwarmup = \"200ms\"\nduration = \"1500ms\"\n\
               [[test.step]]\nrequest = \"GET /health\"\n[[test.step]]\nrequest = \"GET /\"\n",
        green: &["p90 < 5s", "success > 30%", "throughput > 20/s"],
        red: &["p90 < 10ms", "success = 100%", "errors < 5%", "throughput > 5000/s"],
    }
    .on_demo(character);
}

#[test]
fn a_rate() {
    Kind {
        kind: "concurrency",
        case: "request = \"GET /health\"\nrate = 200\nmax_users = 5\nduration = \"1500ms\"",
        green: &["throughput > 20/s"],
        // Five users with 100 ms each are good for fifty per second.
        red: &["dropped = 0", "dropped < 10%", "throughput > 100/s"],
    }
    .on_demo(slow("fixed:100ms"));
}

#[test]
fn degradation() {
    let case = "request = \"GET /\"\ncompare_users = [1, 20]\npace = 0\nduration = \"2s\"";
    let law = |discipline| Law::new(discipline, ServiceLaw::Fixed(Duration::from_millis(5)));
    // As many servers as users, and one for all of them.
    let (many, one) =
        (QueueServer::start(law(Discipline::Parallel)), QueueServer::start(law(Discipline::Fifo)));
    let kind = "degradation";
    let summary = Kind { kind, case, green: &["degradation < 8", "errors = 0"], red: &[] }.at(&many.url());
    assert!(summary.children[0].estimates.contains_key(&Estimate::Degradation));
    let summary = Kind { kind, case, green: &[], red: &["degradation < 4"] }.at(&one.url());
    let found = summary.children[0].estimates[&Estimate::Degradation];
    assert!(found.value > 8.0, "{found:?}");
}

#[test]
fn tool_execution() {
    let requests = "requests = [\"POST /api/v1/execute\", \"POST /api/v1/execute\", \"POST /api/v1/execute\"]\n\
                    json = { tool_id = 1, user_id = \"perf\" }\n";
    for (case, red) in [
        // One after another they take three times as long as all at once.
        (requests.to_owned(), "duration < 120ms"),
        (format!("{requests}parallel = true\n"), "duration < 40ms"),
    ] {
        let summary = Kind {
            kind: "tool_execution",
            case: &format!("{case}kind = \"tool_execution\""),
            green: &["duration < 10s", "errors = 0"],
            red: &[red, "p50 < 25ms"],
        }
        .on_demo(slow("fixed:50ms"));
        assert!(summary.children[0].estimates[&Estimate::Duration].value >= 50e6, "{}", told(&summary));
    }
}

#[test]
fn command() {
    Kind {
        kind: "command",
        case: "command = \"sleep 0.05\"\nrounds = 20",
        green: &["median < 5s", "errors = 0"],
        red: &["median < 20ms", "avg < 20ms"],
    }
    .on_demo(Character::default());
}

#[test]
fn memory() {
    let leak_bytes_per_request = parse_leak("200KB/request").unwrap();
    let case = "request = \"GET /health\"\nrate = 100\nduration = \"2s\"";
    let kind = "memory";
    // The demo runs in this process, together with what other tests take.
    let green = &["memory_growth < 1GB per 1000 requests"];
    Kind { kind, case, green, red: &[] }.on_demo(Character::default());
    let leaking = Character { leak_bytes_per_request, ..Character::default() };
    let red = &["memory_growth < 50MB per 1000 requests"];
    let summary = Kind { kind, case, green: &[], red }.on_demo(leaking);
    let growth = summary.children[0].estimates[&Estimate::MemoryGrowth];
    assert!((growth.value / 200e3 - 1.0).abs() < 0.5, "{growth:?}");
}

/// A process that is ended with the test.
struct Running(Child);

impl Running {
    fn shell(script: &str) -> Self {
        Self(Command::new("sh").args(["-c", script]).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// CPU time of the process that `pid` and `pid_file` name: one that never rests, and one that does nothing else.
#[test]
fn cpu_of_a_named_process() {
    let server =
        QueueServer::start(Law::new(Discipline::Parallel, ServiceLaw::Fixed(Duration::from_millis(1))));
    let (busy, idle) = (Running::shell("while :; do :; done"), Running::shell("exec sleep 600"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.pid");
    std::fs::write(&file, format!("{}\n", busy.0.id())).unwrap();
    let case = "request = \"GET /\"\nrate = 20\nduration = \"2s\"";
    let limits = &["cpu < 3%", "cpu_per_request < 1ms"];
    for (process, green, red) in [
        (format!("pid = {}", idle.0.id()), &limits[..], &[][..]),
        (format!("pid_file = {:?}", file.display().to_string()), &[], limits),
    ] {
        let kind = Kind { kind: "memory", case, green, red };
        let text = format!("[service]\nurl = \"URL\"\n{process}\n{}", kind.cases());
        kind.check(&run(&suite(&text, &server.url())));
    }
}

#[test]
fn database() {
    // The sum over twenty thousand rows takes far more than twenty microseconds.
    let rows = "CREATE TABLE t AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000) \
                SELECT x FROM n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cold.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch(rows).unwrap();
    for head in [
        format!("database = \"sqlite::memory:\"\nsetup = [{rows:?}]\n"),
        format!("database = \"sqlite:{}\"\ncold = true\n", file.display()),
    ] {
        let summary = Kind {
            kind: "database",
            case: &format!("{head}statements = [\"SELECT sum(x) FROM t\", \"SELECT 1\"]\nrounds = 20"),
            green: &["mean < 5s", "errors = 0"],
            red: &["max < 20us", "p50{endpoint=\"SELECT sum(x) FROM t\"} < 20us"],
        }
        .on_demo(Character::default());
        assert_eq!(summary.children[0].endpoints(), ["SELECT 1", "SELECT sum(x) FROM t"]);
    }
}

#[test]
fn websocket() {
    let case = "websocket = \"/ws/quotes\"\nconnections = 5\nmessages = 20\ninterval = \"20ms\"";
    let kind = "websocket";
    let green = &["p50 < 5s", "lost_messages = 0", "errors = 0"];
    let summary = Kind { kind, case, green, red: &["p50 < 1ns"] }.on_demo(Character::default());
    let child = &summary.children[0];
    assert_eq!(
        (child.endpoints(), child.estimates[&Estimate::LostMessages].samples % 100),
        (vec!["message"], 0)
    );
    // A server that leaves every fifth message without an answer; who waits for it in vain has time for the next one.
    let server = ForgetfulServer::start(5);
    let case = "websocket = \"/ws/quotes\"\nconnections = 5\nmessages = 20\ninterval = \"100ms\"\ntimeout = \"150ms\"";
    let red = &["lost_messages = 0", "errors = 0", "success > 95%"];
    Kind { kind, case, green: &["success > 30%"], red }.at(&server.url());
}

#[test]
fn websocket_over_tls() {
    let echo = vec![Step::AcceptWebSocket, Step::Echo(usize::MAX)];
    let secure = ScriptedServer::start_tls(Script::each(echo), &TestAuthority::default());
    let plain = server(|_| 200);
    let own = format!("{}/ws", secure.url().replacen("https", "wss", 1));
    // The service with what is trusted, the address, and whether the certificate is accepted.
    for (url, trust, address, accepted) in [
        (secure.url().as_str(), "insecure = true", "/ws", true),
        (&plain, "insecure = true", &own, true),
        (&plain, "", &own, false),
    ] {
        let text = format!(
            "[service]\nurl = \"URL\"\n{trust}\n[[test]]\nname = \"messages\"\nwebsocket = \"{address}\"\n\
             connections = 2\nmessages = 20\ntargets = [\"p50 < 5s\", \"errors = 0\"]\n"
        );
        let summary = run(&suite(&text, url));
        let child = &summary.children[0];
        assert_eq!(child.verdict == Some(Verdict::Pass), accepted, "{}", told(&summary));
        assert_eq!(child.counter(metric::TLS_HANDSHAKES) > 0, accepted, "{}", told(&summary));
        let refused = child.totals.counter(&Series::new(metric::FAILURES).with(tag::CLASS, "tls"));
        assert_eq!(refused == 0, accepted, "{refused}");
    }
}
