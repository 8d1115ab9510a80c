//! TLS: whom to trust, and what is said when the answer is nobody.

mod session;

use pulse_http::{Connector, ConnectorConfig, ConnectorError, FailureClass, Limits, Origin, TlsOptions};
use pulse_testkit::{Script, ScriptedServer, Step, TestAuthority};
use session::Session;
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn always_ok() -> Script {
    Script::each(vec![Step::ReadRequest, Step::send(OK), Step::Loop])
}

fn trusting(authority: &TestAuthority) -> ConnectorConfig {
    let ca_certificate_pem = Some(authority.ca_pem().as_bytes().to_vec());
    ConnectorConfig {
        tls: TlsOptions { ca_certificate_pem, ..TlsOptions::default() },
        ..ConnectorConfig::default()
    }
}

fn insecure() -> ConnectorConfig {
    ConnectorConfig {
        tls: TlsOptions { insecure: true, ..TlsOptions::default() },
        ..ConnectorConfig::default()
    }
}

fn session(url: &str, config: ConnectorConfig) -> Session {
    Session::with(url, config, Limits::default())
}

#[tokio::test]
async fn a_trusted_authority_is_enough_by_address_and_by_name() {
    let authority = TestAuthority::default();
    let server = ScriptedServer::start_tls(always_ok(), &authority);
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("https://{host}:{}", server.address().port());
        let mut session = session(&url, trusting(&authority));
        let first = session.get().await.unwrap_or_else(|failure| panic!("{host}: {failure}"));
        assert!(first.connect.is_some_and(|times| times.tls > Duration::ZERO));
        for _ in 0..10 {
            assert_eq!(session.post(b"x").await.unwrap().status, 200);
        }
        assert_eq!((session.client.counts().opened, session.client.counts().reused), (1, 10));
        assert_eq!(session.client.response().body(), b"ok");
    }
}

#[tokio::test]
async fn whom_not_to_trust() {
    let authority = TestAuthority::default();
    let elsewhere = TestAuthority::for_names(&["elsewhere.example"]);
    // The server's certificate, what the client trusts, and the words that must be in the failure.
    let table = [
        (&authority, trusting(&elsewhere), Err("UnknownIssuer")),
        (&elsewhere, trusting(&elsewhere), Err("not valid for")),
        (&authority, insecure(), Ok(())),
        (&elsewhere, insecure(), Ok(())),
    ];
    for (shown, config, expected) in table {
        let server = ScriptedServer::start_tls(always_ok(), shown);
        let result = session(&server.url(), config).get().await;
        match (result, expected) {
            (Ok(exchange), Ok(())) => assert_eq!(exchange.status, 200),
            (Err(failure), Err(words)) => {
                assert_eq!(failure.class, FailureClass::Tls);
                assert!(failure.to_string().contains(words), "{failure}");
            }
            (result, _) => panic!("{expected:?} expected: {result:?}"),
        }
    }
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls() {
    let table = [
        (vec![Step::ReadSome, Step::send("HTTP/1.1 400 Bad Request\r\n\r\n"), Step::Hold], FailureClass::Tls),
        (vec![Step::ReadSome, Step::Close], FailureClass::Tls),
        (vec![Step::ReadSome, Step::Reset], FailureClass::Tls),
        (vec![Step::Hold], FailureClass::ConnectTimeout),
    ];
    for (steps, class) in table {
        let server = ScriptedServer::start(Script::each(steps.clone()));
        let connect_timeout = Duration::from_millis(if class == FailureClass::Tls { 20_000 } else { 50 });
        let config = ConnectorConfig { connect_timeout, ..insecure() };
        let failure = session(&server.url().replace("http:", "https:"), config).get().await.unwrap_err();
        assert_eq!(failure.class, class, "{steps:?}: {failure}");
    }
}

#[tokio::test]
async fn plain_http_to_a_port_that_speaks_tls() {
    let server = ScriptedServer::start_tls(always_ok(), &TestAuthority::default());
    let failure = Session::new(&server.url().replace("https:", "http:")).get().await.unwrap_err();
    // An alert record, if it arrives before the end of the connection.
    let classes = [FailureClass::BadResponse, FailureClass::Closed, FailureClass::Reset];
    assert!(classes.contains(&failure.class), "{failure}");
}

#[tokio::test]
async fn keep_alive_and_its_end_work_under_tls() {
    let authority = TestAuthority::default();
    let closing = vec![Step::ReadRequest, Step::send(OK), Step::Gate, Step::Close];
    let server = ScriptedServer::start_tls(Script::each(closing), &authority);
    let config = ConnectorConfig { idle_check_after: Duration::ZERO, ..trusting(&authority) };
    let mut session = session(&server.url(), config);
    for connection in 0..3 {
        session.post(b"x").await.unwrap();
        server.open_gate();
        server.wait_for(connection, 4);
    }
    assert_eq!((server.connections(), session.client.counts().opened), (3, 3));
}

#[tokio::test]
async fn bodies_of_all_framings_arrive_under_tls() {
    let authority = TestAuthority::default();
    let long = "0123456789".repeat(50_000);
    let answers = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n{long}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7a120\r\n{long}\r\n0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
    ];
    for answer in answers {
        let server =
            ScriptedServer::start_tls(Script::each(vec![Step::ReadRequest, Step::send(answer)]), &authority);
        let mut session = session(&server.url(), trusting(&authority));
        session.post(&vec![b'x'; 1_000_000]).await.unwrap();
        assert!(session.client.response().body() == long.as_bytes());
    }
}

#[tokio::test]
async fn a_body_cut_without_a_farewell_is_not_complete() {
    let authority = TestAuthority::default();
    // A reset instead of close_notify: until-close bodies could have been cut by anybody.
    let steps = vec![Step::ReadRequest, Step::send("HTTP/1.1 200 OK\r\n\r\nhalf"), Step::Reset];
    let server = ScriptedServer::start_tls(Script::each(steps), &authority);
    let failure = session(&server.url(), trusting(&authority)).get().await.unwrap_err();
    assert!(matches!(failure.class, FailureClass::Reset | FailureClass::Closed), "{failure}");
}

#[test]
fn certificates_that_are_none() {
    let table: [(&[u8], &str); 3] = [
        (b"", "contains no certificate"),
        (b"not PEM at all", "contains no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be used"),
    ];
    for (pem, words) in table {
        let tls = TlsOptions { ca_certificate_pem: Some(pem.to_vec()), ..TlsOptions::default() };
        let config = ConnectorConfig { tls, ..ConnectorConfig::default() };
        let error: ConnectorError =
            Connector::new(Origin::parse("https://localhost").unwrap(), config).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[cfg(not(feature = "http3"))]
#[test]
fn a_build_without_http_3_says_so() {
    let config = ConnectorConfig { http: pulse_http::HttpVersion::Http3, ..insecure() };
    let error = Connector::new(Origin::parse("https://localhost").unwrap(), config).unwrap_err();
    assert!(error.to_string().contains("feature `http3`"), "{error}");
}
