//! What goes wrong on the way, as classes and words.

mod session;

use pulse_http::{Connector, ConnectorConfig, FailureClass, Keep, Limits, Origin};
use pulse_testkit::{
    Discipline, Fault, FaultKind, Law, QueueServer, Script, ScriptedServer, ServiceLaw, Step,
};
use pulse_testkit::{SilentAddress, refused_address};
use session::{LONG, Session};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_service_that_is_not_there() {
    let origin = Origin::parse(&format!("http://{}", refused_address())).unwrap();
    let mut session = Session::new(&origin.to_string());
    let failure = session.get().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Refused);
    assert_eq!(failure.to_string(), "connection refused: nobody listens at the service's address");
    assert_eq!((failure.bytes_sent, failure.bytes_received, session.client.counts().opened), (0, 0, 0));

    let connector = Connector::new(origin, ConnectorConfig::default()).unwrap();
    assert_eq!(connector.probe().await.unwrap_err().class, FailureClass::Refused);
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let origin = Origin::parse("http://nobody.invalid:8000").unwrap();
    let connector = Connector::new(origin, ConnectorConfig::default()).unwrap();
    let failure = connector.resolve().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Resolve);
    assert!(failure.to_string().contains("`nobody.invalid`"), "{failure}");
    assert_eq!(connector.probe().await.unwrap_err().class, FailureClass::Resolve);
}

#[tokio::test]
async fn names_and_addresses_resolve() {
    let server = ScriptedServer::start(Script::each(vec![Step::Hold]));
    for host in ["127.0.0.1", "localhost"] {
        let origin = Origin::parse(&format!("http://{host}:{}", server.address().port())).unwrap();
        let connector = Connector::new(origin, ConnectorConfig::default()).unwrap();
        assert!(connector.resolve().await.unwrap().contains(&server.address()));
        // Where localhost is ::1 first, the second address is the one that answers.
        connector.probe().await.unwrap();
    }
}

#[tokio::test]
async fn a_host_that_does_not_answer() {
    let silent = SilentAddress::open();
    let url = format!("http://{}", silent.address());
    // Whichever ends first, the connect timeout or the request's: it is connecting that took too long.
    let short = Duration::from_millis(30);
    for (connect_timeout, timeout) in [(short, LONG), (LONG, short)] {
        let config = ConnectorConfig { connect_timeout, ..ConnectorConfig::default() };
        let mut session = Session::with(&url, config, Limits::default());
        let failure = session.ask("GET", None, timeout, Keep::Head).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::ConnectTimeout, "{failure}");
        assert!(failure.finished.duration_since(failure.started) >= short);
        assert_eq!(session.client.counts().opened, 0);
    }
}

#[tokio::test]
async fn timeouts_end_whatever_is_pending() {
    let huge = vec![b'x'; 32 << 20];
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no";
    // What the server sends before it falls silent has to be there in time.
    let [short, long] = [30, 300].map(Duration::from_millis);
    let table = [
        (vec![Step::ReadRequest, Step::Hold], b"".as_slice(), short, "no answer in time"),
        (vec![Step::ReadRequest, Step::send(half), Step::Hold], b"", long, "the answer was not complete"),
        (
            vec![Step::ReadRequest, Step::send(&half[..9]), Step::Hold],
            b"",
            long,
            "the answer was not complete",
        ),
        (
            vec![
                Step::ReadRequest,
                Step::send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"),
                Step::SendForever(vec![0; 1000]),
            ],
            b"",
            short,
            "the answer was not complete",
        ),
        (vec![Step::Gate], &huge, short, "did not take the whole request"),
    ];
    for (steps, body, timeout, words) in table {
        let server = ScriptedServer::start(Script::each(steps.clone()));
        let mut session = Session::new(&server.url());
        let failure = session.ask("POST", Some(body), timeout, Keep::Head).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
        assert!(failure.finished - failure.started >= timeout);
        assert!(!session.client.is_connected());
    }
}

#[tokio::test]
async fn resets_at_every_stage() {
    let stages = [
        vec![Step::ReadRequest, Step::Reset],
        vec![Step::ReadRequest, Step::send("HTTP/1.1 200 OK\r\n"), Step::Reset],
        vec![Step::ReadRequest, Step::send("HTTP/1.1 200 OK\r\n\r\nuntil"), Step::Reset],
    ];
    for steps in stages {
        let server = ScriptedServer::start(Script::each(steps.clone()));
        let mut session = Session::new(&server.url());
        let failure = session.get().await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Reset, "{steps:?}: {failure}");
        assert_eq!(session.client.counts().closed_by_peer, 1);
    }
}

#[tokio::test]
async fn the_next_request_after_a_failure_works() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let server = ScriptedServer::start(Script::in_turn(vec![
        vec![Step::ReadRequest, Step::send("nonsense")],
        vec![Step::ReadRequest, Step::Hold],
        vec![Step::ReadRequest, Step::send(ok), Step::Loop],
    ]));
    let mut session = Session::new(&server.url());
    assert_eq!(session.get().await.unwrap_err().class, FailureClass::BadResponse);
    let late = session.ask("GET", None, Duration::from_millis(20), Keep::Head).await.unwrap_err();
    assert_eq!(late.class, FailureClass::Timeout);
    assert_eq!(session.get().await.unwrap().status, 200);
    assert_eq!(session.client.counts().reused, 0);
}

#[tokio::test]
async fn known_errors_in_the_same_errors_out() {
    let mut law = Law::new(Discipline::Fifo, ServiceLaw::Fixed(Duration::ZERO));
    law.faults = vec![
        Fault { every: 11, kind: FaultKind::Reset },
        Fault { every: 7, kind: FaultKind::Close },
        Fault { every: 5, kind: FaultKind::Garbage },
        Fault { every: 3, kind: FaultKind::Status(503) },
    ];
    let server = QueueServer::start(law);
    let mut session = Session::new(&server.url());
    let (mut ok, mut unavailable, mut failures) = (0, 0, [0; FailureClass::ALL.len()]);
    for _ in 0..500 {
        match session.post(b"x").await {
            Ok(exchange) if exchange.status == 503 => unavailable += 1,
            Ok(_) => ok += 1,
            Err(failure) => failures[failure.class as usize] += 1,
        }
    }
    let counts = server.counts();
    assert_eq!((counts.requests, counts.unsent), (500, 0));
    assert_eq!((ok, unavailable), (counts.ok, counts.statuses));
    let of = |class: FailureClass| failures[class as usize];
    let seen = [FailureClass::Reset, FailureClass::Closed, FailureClass::BadResponse].map(of);
    assert_eq!(seen, [counts.resets, counts.closes, counts.garbage]);
    assert_eq!(failures.iter().sum::<u64>(), seen.iter().sum::<u64>());
    assert_eq!(session.client.counts().opened, counts.connections);
}

#[tokio::test]
async fn service_times_are_those_of_the_law() {
    let times: Vec<_> = [3, 1, 7, 0, 2].map(Duration::from_millis).to_vec();
    let server = QueueServer::start(Law::new(Discipline::Fifo, ServiceLaw::Table(times.clone())));
    let mut session = Session::new(&server.url());
    for time in times {
        let exchange = session.get().await.unwrap();
        // Never shorter; how much longer is the machine's affair.
        assert!(exchange.service_time() >= time, "{:?} < {time:?}", exchange.service_time());
        assert!(exchange.finished <= Instant::now());
    }
}
