//! Connections through proxies: those that do their work, and those that do not.

mod session;

use pulse_http::{
    ConnectorConfig, FailureClass, Limits, Proxy, ProxyCredentials, ProxyKind, ResolverOptions, TlsOptions,
};
use pulse_testkit::{
    ProxyServer, Script, ScriptedServer, SilentAddress, Step, TestAuthority, refused_address,
};
use session::Session;
use std::net::SocketAddr;
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const KINDS: [ProxyKind; 3] = [ProxyKind::Http, ProxyKind::Socks5, ProxyKind::Socks5h];

fn always_ok() -> Script {
    Script::each(vec![Step::ReadRequest, Step::send(OK), Step::Loop])
}

fn through(kind: ProxyKind, address: SocketAddr, credentials: Option<(&str, &str)>) -> ConnectorConfig {
    let credentials = credentials
        .map(|(name, password)| ProxyCredentials { name: name.to_owned(), password: password.to_owned() });
    let proxy = Proxy { kind, host: address.ip().to_string(), port: address.port(), credentials };
    ConnectorConfig { proxy: Some(proxy), ..ConnectorConfig::default() }
}

fn session(url: &str, config: ConnectorConfig) -> Session {
    Session::with(url, config, Limits::default())
}

#[tokio::test]
async fn requests_go_through_the_proxy_and_connections_are_kept() {
    let authority = TestAuthority::for_names(&["service.invalid"]);
    for kind in KINDS {
        for credentials in [None, Some(("me", "s3cret:"))] {
            let proxy = ProxyServer::start(credentials.map(|_| "me:s3cret:"));
            let plain = ScriptedServer::start(always_ok());
            let secure = ScriptedServer::start_tls(always_ok(), &authority);
            for (server, scheme) in [(&plain, "http"), (&secure, "https")] {
                // Only the proxy knows this name; SOCKS5 without h asks here, so there it is given.
                let port = server.address().port();
                let resolver = ResolverOptions {
                    fixed: vec![pulse_http::FixedAddresses {
                        host: Some("service.invalid".to_owned()),
                        port,
                        addresses: vec![[127, 0, 0, 9].into()],
                    }],
                    ..ResolverOptions::default()
                };
                let tls = TlsOptions {
                    ca_certificate_pem: Some(authority.ca_pem().as_bytes().to_vec()),
                    ..TlsOptions::default()
                };
                let config = ConnectorConfig { resolver, tls, ..through(kind, proxy.address(), credentials) };
                let mut session = session(&format!("{scheme}://service.invalid:{port}"), config);
                for _ in 0..3 {
                    assert_eq!(session.get().await.expect("an answer").status, 200);
                }
                assert_eq!(session.client.counts().opened, 1);
                let host = if kind == ProxyKind::Socks5 { "127.0.0.9" } else { "service.invalid" };
                assert_eq!(proxy.destinations().pop(), Some(format!("{host}:{port}")), "{kind:?}");
                let request = String::from_utf8(server.requests().remove(0)).expect("text");
                assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
                assert!(!request.contains("Proxy-"), "the service sees the proxy's credentials: {request}");
            }
        }
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_not_the_service() {
    let locked = ProxyServer::start(Some("me:secret"));
    let open = ProxyServer::start(None);
    let nobody = refused_address();
    for kind in KINDS {
        let table = [
            (locked.address(), None, "wants a name and a password"),
            (locked.address(), Some(("me", "wrong")), "wants a name and a password"),
            (open.address(), None, if kind == ProxyKind::Http { "502" } else { "nobody listens" }),
            (nobody, None, "nobody listens at the proxy's address"),
        ];
        for (address, credentials, words) in table {
            let mut session = session(&format!("http://{nobody}"), through(kind, address, credentials));
            let failure = session.get().await.expect_err("no way");
            assert_eq!(failure.class, FailureClass::Proxy, "{kind:?} {failure}");
            let text = failure.to_string();
            assert!(text.contains(words) && text.contains(&address.to_string()), "{kind:?} {words}: {text}");
            assert!(!text.contains("wrong"), "{text}");
            assert_eq!((failure.bytes_sent, session.client.counts().opened), (0, 0));
        }
    }
}

#[tokio::test]
async fn what_hostile_proxies_answer() {
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20 << 10));
    let surplus = "HTTP/1.1 200 OK\r\n\r\nhello";
    let http: Vec<(Vec<Step>, &str)> = vec![
        (vec![Step::ReadSome, Step::send("\0\0\0\0nonsense\r\n\r\n"), Step::Hold], "no HTTP answer"),
        (vec![Step::ReadSome, Step::send(&endless), Step::Hold], "no end within 16 KiB"),
        (vec![Step::ReadSome, Step::SendForever(b"HTTP/1.1 200 OK\r\n".to_vec())], "no HTTP answer"),
        (vec![Step::ReadSome, Step::send("HTTP/1.1 200 O"), Step::Close], "closed the connection"),
        (vec![Step::Close], "the proxy"),
        (vec![Step::ReadSome, Step::Reset], "broke"),
        (vec![Step::ReadSome, Step::send("HTTP/1.1 403 No\r\n\r\n"), Step::Hold], "status 403"),
        (vec![Step::ReadSome, Step::send(surplus), Step::Hold], "bytes follow"),
    ];
    let greeting = || vec![Step::ReadSome, Step::send([5, 0]), Step::ReadSome];
    let after_greeting = |step: Step| [greeting(), vec![step, Step::Hold]].concat();
    let socks: Vec<(Vec<Step>, &str)> = vec![
        (vec![Step::ReadSome, Step::send("HTTP/1.1 400 Bad\r\n\r\n"), Step::Hold], "no SOCKS5 greeting"),
        (vec![Step::ReadSome, Step::send([4, 0]), Step::Hold], "no SOCKS5 greeting"),
        (vec![Step::ReadSome, Step::send([5]), Step::Close], "closed the connection"),
        (vec![Step::ReadSome, Step::send([5, 2]), Step::Hold], "wants a name and a password"),
        (vec![Step::ReadSome, Step::send([5, 0, 5]), Step::Hold], "bytes follow"),
        (after_greeting(Step::send([5, 2, 0, 1])), "its rules do not allow it"),
        (after_greeting(Step::send([5, 99, 0, 1])), "a reason that has no name"),
        (after_greeting(Step::send([5, 0, 0, 77])), "no SOCKS5 reply"),
        (after_greeting(Step::send([4, 0, 0, 1])), "no SOCKS5 reply"),
        (after_greeting(Step::send([5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])), "bytes follow"),
        ([greeting(), vec![Step::send([5, 0, 0, 3, 255]), Step::Close]].concat(), "closed the connection"),
    ];
    for (kind, cases) in [(ProxyKind::Http, http), (ProxyKind::Socks5h, socks)] {
        for (steps, words) in cases {
            let proxy = ScriptedServer::start(Script::each(steps.clone()));
            let config = through(kind, proxy.address(), None);
            let failure = session("http://service.invalid", config).get().await.expect_err("no way");
            assert_eq!(failure.class, FailureClass::Proxy, "{steps:?}: {failure}");
            assert!(failure.to_string().contains(words), "{words}: {failure}");
        }
    }
}

#[tokio::test]
async fn answers_in_pieces_are_put_together() {
    let answer = "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n";
    let steps = vec![
        Step::ReadSome,
        Step::SendSplit(answer.as_bytes().to_vec(), 1),
        Step::ReadRequest,
        Step::send(OK),
    ];
    let proxy = ScriptedServer::start(Script::each(steps));
    let mut session = session("http://service.invalid", through(ProxyKind::Http, proxy.address(), None));
    assert_eq!(session.get().await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_slow_proxy_is_a_connect_timeout() {
    let silent = SilentAddress::open();
    let holding = ScriptedServer::start(Script::each(vec![Step::Hold]));
    let half = ScriptedServer::start(Script::each(vec![
        Step::ReadSome,
        Step::send("HTTP/1.1 200 OK\r\n"),
        Step::Hold,
    ]));
    for address in [silent.address(), holding.address(), half.address()] {
        for kind in KINDS {
            // What is half an answer for one is none for the others, which say so at once.
            if kind != ProxyKind::Http && address == half.address() {
                continue;
            }
            let connect_timeout = Duration::from_millis(50);
            let config = ConnectorConfig { connect_timeout, ..through(kind, address, None) };
            let failure = session("http://127.0.0.1:9", config).get().await.expect_err("no way");
            assert_eq!(failure.class, FailureClass::ConnectTimeout, "{kind:?} {failure}");
        }
    }
}

#[tokio::test]
async fn a_name_too_long_for_socks_is_said_to_be() {
    let proxy = ProxyServer::start(Some("a:b"));
    let long = "x".repeat(256);
    let config = through(ProxyKind::Socks5h, proxy.address(), Some(("a", &long)));
    let failure = session("http://127.0.0.1:9", config).get().await.expect_err("no way");
    assert_eq!(failure.class, FailureClass::Proxy);
    assert!(failure.to_string().contains("1 to 255 bytes"), "{failure}");
}
