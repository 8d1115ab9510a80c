//! What the client says in a TLS handshake: versions, certificate, name, sessions; and the log of secrets.

mod session;

use pulse_http::{
    ClientIdentity, Connector, ConnectorConfig, FailureClass, Keep, Limits, Origin, TlsOptions, TlsVersion,
};
use pulse_testkit::{Script, ScriptedServer, Step, TestAuthority, TlsRules};
use session::{LONG, Session};

const CLOSING: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn answering(authority: &TestAuthority, rules: TlsRules) -> ScriptedServer {
    let steps = vec![Step::ReadRequest, Step::send(CLOSING)];
    ScriptedServer::start_tls_with(Script::each(steps), authority, rules)
}

fn trusting(authority: &TestAuthority) -> TlsOptions {
    TlsOptions { ca_certificate_pem: Some(authority.ca_pem().as_bytes().to_vec()), ..TlsOptions::default() }
}

fn session(server: &ScriptedServer, tls: TlsOptions) -> Session {
    let config = ConnectorConfig { tls, ..ConnectorConfig::default() };
    Session::with(&server.url(), config, Limits::default())
}

fn identity(authority: &TestAuthority) -> ClientIdentity {
    ClientIdentity {
        certificate_pem: authority.client_pem().as_bytes().to_vec(),
        key_pem: Some(authority.client_key_pem().as_bytes().to_vec()),
    }
}

#[tokio::test]
async fn the_highest_version_that_both_speak() {
    use TlsVersion::{V1_2, V1_3};
    let authority = TestAuthority::default();
    // The server's only version (0: both), what the client offers, and what they speak.
    let table = [
        (0, V1_2, V1_3, Some(13)),
        (0, V1_2, V1_2, Some(12)),
        (12, V1_2, V1_3, Some(12)),
        (13, V1_3, V1_3, Some(13)),
        (12, V1_3, V1_3, None),
        (13, V1_2, V1_2, None),
    ];
    for (only_version, min_version, max_version, expected) in table {
        let server = answering(&authority, TlsRules { only_version, ..TlsRules::default() });
        let tls = TlsOptions { min_version, max_version, ..trusting(&authority) };
        let result = session(&server, tls).get().await;
        let spoken = server.handshakes().first().map(|handshake| handshake.version);
        assert_eq!((result.is_ok(), spoken), (expected.is_some(), expected), "{result:?}");
        if let Err(failure) = result {
            assert_eq!(failure.class, FailureClass::Tls, "{failure}");
        }
    }
}

#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    let authority = TestAuthority::default();
    let rules =
        |only_version| TlsRules { wants_client_certificate: true, only_version, ..TlsRules::default() };
    let together = ClientIdentity {
        certificate_pem: [authority.client_pem(), authority.client_key_pem()].concat().into_bytes(),
        key_pem: None,
    };
    for only_version in [12, 13] {
        for identity in [identity(&authority), together.clone()] {
            let server = answering(&authority, rules(only_version));
            let tls = TlsOptions { identity: Some(identity), ..trusting(&authority) };
            assert_eq!(session(&server, tls).get().await.unwrap().status, 200);
            assert!(server.handshakes()[0].client_certificate);
        }
        let stranger = TestAuthority::for_names(&["stranger.example"]);
        for identity in [None, Some(identity(&stranger))] {
            let server = answering(&authority, rules(only_version));
            let failure =
                session(&server, TlsOptions { identity, ..trusting(&authority) }).get().await.unwrap_err();
            // With TLS 1.3 the refusal comes after the client's part of the handshake, with the first bytes read; the
            // server may be gone before.
            let classes = [FailureClass::Tls, FailureClass::Reset, FailureClass::Closed];
            assert!(classes[..if only_version == 12 { 1 } else { 3 }].contains(&failure.class), "{failure}");
        }
    }
}

#[test]
fn client_certificates_that_cannot_be_used() {
    let (authority, other) = (TestAuthority::default(), TestAuthority::default());
    let pem = |text: &str| text.as_bytes().to_vec();
    let (certificate, key) = (authority.client_pem(), authority.client_key_pem());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let table = [
        ("nonsense", Some(key), "contains no certificate"),
        (certificate, Some("nonsense"), "cannot be read: there is none"),
        (certificate, None, "cannot be read: there is none"),
        (certificate, Some(encrypted), "openssl pkey -in key.pem -out plain.pem"),
        (certificate, Some(old), "is encrypted"),
        (certificate, Some(other.client_key_pem()), "is the key the one of the certificate?"),
    ];
    for (certificate, key, words) in table {
        let identity = ClientIdentity { certificate_pem: pem(certificate), key_pem: key.map(pem) };
        assert_eq!(format!("{identity:?}"), "ClientIdentity(***)");
        let tls = TlsOptions { identity: Some(identity), ..trusting(&authority) };
        let config = ConnectorConfig { tls, ..ConnectorConfig::default() };
        let error = Connector::new(Origin::parse("https://localhost").unwrap(), config).unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}

#[tokio::test]
async fn the_name_that_is_asked_for_and_checked() {
    let authority = TestAuthority::for_names(&["inner.example"]);
    let server = answering(&authority, TlsRules::default());
    let named = |name: &str| TlsOptions { server_name: Some(name.to_owned()), ..trusting(&authority) };
    assert_eq!(session(&server, named("inner.example")).get().await.unwrap().status, 200);
    assert_eq!(server.handshakes()[0].server_name.as_deref(), Some("inner.example"));
    let request = String::from_utf8(server.requests().remove(0)).unwrap();
    assert!(request.contains(&format!("\r\nHost: {}\r\n", server.address())), "{request}");
    let failure = session(&server, named("other.example")).get().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Tls);
    assert!(failure.to_string().contains("not valid for"), "{failure}");
    let config = ConnectorConfig { tls: named("no name"), ..ConnectorConfig::default() };
    let error = Connector::new(Origin::parse("https://localhost").unwrap(), config).unwrap_err();
    assert!(error.to_string().contains("`no name`"), "{error}");
}

#[tokio::test]
async fn sessions_are_resumed_where_that_is_wanted() {
    let authority = TestAuthority::default();
    for only_version in [12, 13] {
        // Whether the client may, whether the server can, and whether it happens.
        for (resumption, forgets_sessions, resumed) in [(false, false, 0), (true, false, 2), (true, true, 0)]
        {
            let server =
                answering(&authority, TlsRules { only_version, forgets_sessions, ..TlsRules::default() });
            let mut session = session(&server, TlsOptions { resumption, ..trusting(&authority) });
            for _ in 0..3 {
                session.ask("GET", None, LONG, Keep::Body).await.unwrap();
            }
            let counts = session.client.counts();
            assert_eq!((counts.opened, counts.resumed), (3, resumed), "TLS {only_version}");
            let seen = server.handshakes().iter().filter(|handshake| handshake.resumed).count();
            assert_eq!(seen as u64, resumed);
        }
    }
}
