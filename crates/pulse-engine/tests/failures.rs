//! Known errors in, the same errors out: by class, exactly.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use pulse_model::{Nanos, Series, Summary, metric, tag};
use pulse_testkit::{
    Discipline, Fault, FaultKind, Law, QueueServer, Script, ScriptedServer, ServiceLaw, SilentAddress, Step,
    refused_address,
};

use support::Run;

/// Requests by failure class.
fn failures(summary: &Summary) -> BTreeMap<&str, u64> {
    let classes = summary.totals.tag_values(metric::FAILURES, tag::CLASS);
    let count = |class| summary.totals.counter(&Series::new(metric::FAILURES).with(tag::CLASS, class));
    classes.into_iter().map(|class| (class, count(class))).collect()
}

fn responses(summary: &Summary) -> BTreeMap<&str, u64> {
    let statuses = summary.totals.tag_values(metric::RESPONSES, tag::STATUS);
    let count = |status| summary.totals.counter(&Series::new(metric::RESPONSES).with(tag::STATUS, status));
    statuses.into_iter().map(|status| (status, count(status))).collect()
}

fn count_of(summary: &Summary, name: &str, outcome: &str) -> u64 {
    summary.totals.trend(&Series::new(name).with(tag::OUTCOME, outcome)).count()
}

/// What holds whatever happens.
fn assert_consistent(summary: &Summary) {
    let by_class: u64 = failures(summary).values().sum();
    assert_eq!(by_class, summary.failed());
    for name in [metric::RESPONSE_TIME, metric::SERVICE_TIME] {
        assert_eq!(count_of(summary, name, "failed"), summary.failed());
        assert_eq!(count_of(summary, name, "ok"), summary.requests() - summary.failed());
    }
    let sightings = &summary.totals.sightings;
    let sighted: Vec<&str> = sightings.iter().map(|sighting| sighting.kind.class.as_str()).collect();
    assert_eq!(sighted, failures(summary).into_keys().collect::<Vec<_>>());
    for sighting in sightings {
        assert!(!sighting.message.is_empty() && sighting.kind.endpoint == "it", "{sighting:?}");
        assert!(sighting.first <= sighting.last && sighting.last <= summary.elapsed, "{sighting:?}");
    }
}

/// A file whose users send POST requests, which nobody may send a second time, as fast as answers come.
fn file(load: &str, service: &str) -> String {
    format!(
        "[load]\npace = 0\n{load}\n[service]\n{service}\n[[scenario]]\n[[scenario.step]]\nname = \"it\"\n\
         request = \"POST /\"\nbody = \"x\"\n"
    )
}

#[test]
fn every_fault_of_a_server_is_counted_in_its_class() {
    const REQUESTS: u64 = 1000;
    let mut law = Law::new(Discipline::Parallel, ServiceLaw::Fixed(Duration::ZERO));
    law.faults = [
        (7, FaultKind::Status(503)),
        (11, FaultKind::Reset),
        (13, FaultKind::Close),
        (17, FaultKind::Garbage),
        (19, FaultKind::Status(404)),
    ]
    .map(|(every, kind)| Fault { every, kind })
    .to_vec();
    let planned = |kind| (1..=REQUESTS).filter(|&n| law.fault(n) == kind).count() as u64;
    let [ok, unavailable, missing] =
        [None, Some(FaultKind::Status(503)), Some(FaultKind::Status(404))].map(planned);
    let [reset, closed, garbage] =
        [FaultKind::Reset, FaultKind::Close, FaultKind::Garbage].map(|kind| planned(Some(kind)));
    let server = QueueServer::start(law.clone());
    let text = file(&format!("users = 5\nrequests = {REQUESTS}"), "");
    let (summary, _) = Run { text: &text, url: server.url(), workers: 2, ..Run::default() }.make();

    let counts = server.counts();
    assert_eq!((counts.requests, counts.unsent), (REQUESTS, 0));
    assert_eq!((summary.requests(), summary.requests() - summary.failed()), (REQUESTS, ok));
    let expected =
        [("bad_response", garbage), ("closed", closed), ("reset", reset), ("status", unavailable + missing)];
    assert_eq!(failures(&summary), BTreeMap::from(expected));
    assert_eq!(responses(&summary), BTreeMap::from([("200", ok), ("404", missing), ("503", unavailable)]));
    assert_eq!(summary.counter(metric::CONNECTIONS_OPENED), counts.connections);
    assert_eq!(summary.counter(metric::RECONNECTS), 0);
    assert_consistent(&summary);
}

#[test]
fn an_idempotent_request_on_a_connection_that_was_closed_is_sent_again() {
    // Every connection serves one answer and then closes in the middle of the next request.
    let answer = Step::send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let server =
        ScriptedServer::start(Script::each(vec![Step::ReadRequest, answer, Step::ReadRequest, Step::Close]));
    let text =
        file("users = 1\nrequests = 6", "").replace("POST /", "GET /").replace("body = \"x\"", "repeat = 2");
    let (summary, _) = Run { text: &text, url: server.url(), ..Run::default() }.make();
    assert_eq!((summary.requests(), summary.failed()), (6, 0));
    assert_eq!(summary.counter(metric::RECONNECTS), 5);
    assert_eq!(server.request_count(), 11);
}

enum Service {
    Script(Vec<Step>),
    Refuses,
    Silent,
}

struct Case {
    name: &'static str,
    service: Service,
    scheme: &'static str,
    settings: &'static str,
    class: &'static str,
    /// The shortest time that such a failure can take.
    at_least: Nanos,
}

fn cases() -> Vec<Case> {
    let send = |text: &str| vec![Step::ReadRequest, Step::send(text), Step::Close];
    let case = |name, service, class| Case {
        name,
        service,
        scheme: "http",
        settings: "",
        class,
        at_least: Nanos::ZERO,
    };
    vec![
        case("nobody listens", Service::Refuses, "refused"),
        Case {
            settings: "connect_timeout = \"100ms\"",
            at_least: Nanos::from_millis(100),
            ..case("nobody even refuses", Service::Silent, "connect_timeout")
        },
        Case {
            settings: "timeout = \"120ms\"",
            at_least: Nanos::from_millis(120),
            ..case("no answer", Service::Script(vec![Step::ReadRequest, Step::Hold]), "timeout")
        },
        Case {
            settings: "timeout = \"120ms\"",
            at_least: Nanos::from_millis(120),
            ..case(
                "half an answer",
                Service::Script(vec![Step::ReadRequest, Step::send("HTTP/1.1 200 OK\r\nConte"), Step::Hold]),
                "timeout",
            )
        },
        Case {
            scheme: "https",
            ..case(
                "TLS to a plain port",
                Service::Script(vec![Step::ReadSome, Step::send("HTTP/1.1 400 Bad\r\n\r\n"), Step::Close]),
                "tls",
            )
        },
        case("not HTTP", Service::Script(send("SSH-2.0-OpenSSH_9.6\r\n\r\n")), "bad_response"),
        case(
            "a head without end",
            Service::Script(vec![
                Step::ReadRequest,
                Step::send("HTTP/1.1 200 OK\r\n"),
                Step::SendForever(b"X-Endless: and so on\r\n".to_vec()),
            ]),
            "too_large",
        ),
        case(
            "half a body",
            Service::Script(send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")),
            "closed",
        ),
        case("a reset", Service::Script(vec![Step::ReadRequest, Step::Reset]), "reset"),
        case(
            "an error",
            Service::Script(send("HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")),
            "status",
        ),
    ]
}

#[test]
fn failures_have_the_class_of_their_cause() {
    for Case { name, service, scheme, settings, class, at_least } in cases() {
        let (server, silent);
        let address = match service {
            Service::Script(steps) => {
                server = ScriptedServer::start(Script::each(steps));
                server.address()
            }
            Service::Refuses => refused_address(),
            Service::Silent => {
                silent = SilentAddress::open();
                silent.address()
            }
        };
        let text = file("users = 2\nrequests = 6", settings);
        let url = format!("{scheme}://{address}");
        let (summary, _) = Run { text: &text, url, workers: 2, ..Run::default() }.make();
        assert_eq!(
            failures(&summary),
            BTreeMap::from([(class, 6)]),
            "{name}: {:?}",
            summary.totals.sightings
        );
        assert_eq!(summary.requests(), 6, "{name}");
        assert_consistent(&summary);
        let shortest = Nanos(summary.response_time().min().expect("there are samples"));
        assert!(shortest >= at_least, "{name}: {shortest}");
    }
}
