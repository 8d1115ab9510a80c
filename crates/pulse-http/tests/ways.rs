//! Where connections go to and come from: resolvers, addresses in turn, redirections, Unix sockets, source addresses.

mod session;

use pulse_http::{
    AddressOrder, Connector, ConnectorConfig, FailureClass, FixedAddresses, IpFamily, Limits, Origin,
    Redirection, ResolverOptions, SocketOptions, TlsOptions,
};
use pulse_testkit::{NameServer, NameServerManner, Script, ScriptedServer, Step, TestAuthority};
use session::Session;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn always_ok() -> Script {
    Script::each(vec![Step::ReadRequest, Step::send(OK), Step::Loop])
}

fn connector(url: &str, config: ConnectorConfig) -> Connector {
    Connector::new(Origin::parse(url).expect("a URL"), config).expect("settings that fit")
}

fn fixed(host: &str, port: u16, addresses: &[IpAddr]) -> ResolverOptions {
    let host = (host != "*").then(|| host.to_owned());
    ResolverOptions {
        fixed: vec![FixedAddresses { host, port, addresses: addresses.to_vec() }],
        ..ResolverOptions::default()
    }
}

fn resolving(resolver: ResolverOptions) -> ConnectorConfig {
    ConnectorConfig { resolver, ..ConnectorConfig::default() }
}

fn asking(server: &NameServer) -> ResolverOptions {
    ResolverOptions { name_server: Some(server.address()), ..ResolverOptions::default() }
}

/// Listeners at several addresses and the same port: connections wait in them to be counted.
struct Listeners(Vec<TcpListener>);

impl Listeners {
    fn at(addresses: &[Ipv4Addr]) -> Self {
        let bind_all = || {
            let first = TcpListener::bind((addresses[0], 0)).ok()?;
            let port = first.local_addr().ok()?.port();
            let rest = addresses[1..].iter().map(|address| TcpListener::bind((*address, port)));
            let listeners: Vec<_> = std::iter::once(Ok(first)).chain(rest).collect::<Result<_, _>>().ok()?;
            listeners.iter().for_each(|listener| listener.set_nonblocking(true).expect("a socket"));
            Some(Self(listeners))
        };
        (0..100).find_map(|_| bind_all()).expect("a port that is free at all addresses")
    }

    fn port(&self) -> u16 {
        self.0[0].local_addr().expect("a bound socket").port()
    }

    /// The peers of the next `total` connections, by listener. The client may know of a connection before the listener
    /// does.
    fn peers(&self, total: usize) -> Vec<Vec<SocketAddr>> {
        let mut peers = vec![Vec::new(); self.0.len()];
        let patience = Instant::now() + Duration::from_secs(20);
        while peers.iter().map(Vec::len).sum::<usize>() < total {
            assert!(Instant::now() < patience, "{total} connections expected: {peers:?}");
            for (listener, peers) in self.0.iter().zip(&mut peers) {
                match listener.accept() {
                    Ok((_, peer)) => peers.push(peer),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            std::thread::yield_now();
        }
        peers
    }
}

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];

#[tokio::test]
async fn all_addresses_in_turn_or_the_first_that_answers() {
    let listeners = Listeners::at(&HOSTS);
    let port = listeners.port();
    for (address_order, expected) in [(AddressOrder::RoundRobin, [3, 3]), (AddressOrder::First, [6, 0])] {
        let config =
            ConnectorConfig { address_order, ..resolving(fixed("a.invalid", port, &HOSTS.map(IpAddr::V4))) };
        let connector = connector(&format!("http://a.invalid:{port}"), config);
        for _ in 0..6 {
            assert_eq!(connector.probe().await.unwrap().resolve, Duration::ZERO);
        }
        let counts: Vec<_> = listeners.peers(6).iter().map(Vec::len).collect();
        assert_eq!(counts, expected, "{address_order:?}");
    }
}

#[tokio::test]
async fn an_address_that_refuses_is_passed_over() {
    let listeners = Listeners::at(&HOSTS[1..]);
    let port = listeners.port();
    for address_order in [AddressOrder::RoundRobin, AddressOrder::First] {
        // Nobody listens at this port of 127.0.0.1, unless another test got it, which then answers as well.
        let config = ConnectorConfig { address_order, ..resolving(fixed("*", port, &HOSTS.map(IpAddr::V4))) };
        let connector = connector(&format!("http://a.invalid:{port}"), config);
        for _ in 0..4 {
            connector.probe().await.unwrap();
        }
    }
}

#[tokio::test]
async fn given_addresses_hold_for_their_host_and_port_only() {
    let server = ScriptedServer::start(always_ok());
    let port = server.address().port();
    let config = || resolving(fixed("A.invalid", port, &[Ipv4Addr::LOCALHOST.into()]));
    let mut session = Session::with(&format!("http://a.INVALID:{port}"), config(), Limits::default());
    assert_eq!(session.get().await.unwrap().status, 200);
    let request = String::from_utf8(server.requests().remove(0)).unwrap();
    assert!(request.contains(&format!("\r\nHost: a.invalid:{port}\r\n")), "{request}");
    for url in [format!("http://a.invalid:{}", port ^ 1), format!("http://b.invalid:{port}")] {
        let failure = connector(&url, config()).probe().await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Resolve, "{url}: {failure}");
    }
}

#[tokio::test]
async fn connections_are_redirected_and_the_request_is_not() {
    let authority = TestAuthority::for_names(&["a.invalid"]);
    let server = ScriptedServer::start_tls(always_ok(), &authority);
    let redirection = Redirection {
        from_host: Some("a.invalid".to_owned()),
        from_port: None,
        to_host: Some("127.0.0.1".to_owned()),
        to_port: Some(server.address().port()),
    };
    let ca_certificate_pem = Some(authority.ca_pem().as_bytes().to_vec());
    let config = ConnectorConfig {
        redirections: vec![redirection],
        tls: TlsOptions { ca_certificate_pem, ..TlsOptions::default() },
        ..ConnectorConfig::default()
    };
    let mut session = Session::with("https://a.invalid:7777", config, Limits::default());
    assert_eq!(session.get().await.unwrap().status, 200);
    let request = String::from_utf8(server.requests().remove(0)).unwrap();
    assert!(request.contains("\r\nHost: a.invalid:7777\r\n"), "{request}");
    assert_eq!(server.handshakes()[0].server_name.as_deref(), Some("a.invalid"));
}

#[tokio::test]
async fn only_one_family() {
    let listeners = Listeners::at(&HOSTS[..1]);
    let port = listeners.port();
    let both = [IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), IpAddr::V4(HOSTS[0])];
    let of = |family, addresses: &[IpAddr]| {
        let resolver = ResolverOptions { family: Some(family), ..fixed("*", port, addresses) };
        connector(&format!("http://a.invalid:{port}"), resolving(resolver))
    };
    assert_eq!(of(IpFamily::V4, &both).resolve().await.unwrap(), [SocketAddr::new(both[1], port)]);
    assert_eq!(of(IpFamily::V6, &both).resolve().await.unwrap(), [SocketAddr::new(both[0], port)]);
    of(IpFamily::V4, &both).probe().await.unwrap();
    let failure = of(IpFamily::V6, &both[1..]).probe().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Resolve);
    assert!(failure.to_string().contains("none of its addresses is IPv6"), "{failure}");
    let literal = ResolverOptions { family: Some(IpFamily::V6), ..ResolverOptions::default() };
    let failure = connector("http://127.0.0.1:9", resolving(literal)).probe().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Resolve);
}

#[tokio::test]
async fn a_name_server_is_asked_once_and_its_time_is_measured() {
    let listeners = Listeners::at(&HOSTS[..1]);
    let url = format!("http://service.test:{}", listeners.port());
    for manner in [NameServerManner::Plain, NameServerManner::Truncates, NameServerManner::LosesTheFirst] {
        let names = NameServer::start(&[("service.test", "127.0.0.1"), ("service.test", "::1")], manner);
        let connector = connector(&url, resolving(asking(&names)));
        // At the same time: the second waits for the answer to the first.
        let (first, second) = tokio::join!(connector.probe(), connector.probe());
        assert!(first.unwrap().resolve > Duration::ZERO && second.unwrap().resolve > Duration::ZERO);
        assert_eq!(connector.probe().await.unwrap().resolve, Duration::ZERO);
        let addresses: Vec<_> = connector.resolve().await.unwrap().iter().map(SocketAddr::ip).collect();
        assert_eq!(addresses, ["127.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
        let mut questions = names.questions();
        questions.dedup();
        assert_eq!(questions, ["A service.test", "AAAA service.test"], "{manner:?}");
    }
}

#[tokio::test]
async fn a_name_server_is_asked_for_one_family_only_where_one_is_wanted() {
    let names = NameServer::start(&[("service.test", "::1")], NameServerManner::Plain);
    let resolver = ResolverOptions { family: Some(IpFamily::V6), ..asking(&names) };
    let found = connector("http://service.test:9", resolving(resolver)).resolve().await.unwrap();
    assert_eq!(found, ["[::1]:9".parse().unwrap()]);
    assert_eq!(names.questions(), ["AAAA service.test"]);
}

#[tokio::test]
async fn what_name_servers_answer_instead() {
    let plain = NameServer::start(&[("v6.test", "::1")], NameServerManner::Plain);
    let garbage = NameServer::start(&[], NameServerManner::Garbage);
    let v4 = ResolverOptions { family: Some(IpFamily::V4), ..asking(&plain) };
    let closed =
        ResolverOptions { name_server: Some(pulse_testkit::refused_address()), ..ResolverOptions::default() };
    let table = [
        ("http://unknown.test", asking(&plain), "does not know the name"),
        ("http://v6.test", v4, "knows none"),
        ("http://v6.test", asking(&garbage), "what is no answer"),
        ("http://v6.test", closed, "cannot be asked"),
    ];
    for (url, resolver, words) in table {
        let failure = connector(url, resolving(resolver)).probe().await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Resolve, "{failure}");
        assert!(failure.to_string().contains(words), "{words}: {failure}");
    }
}

#[tokio::test]
async fn a_silent_name_server_ends_with_the_connect_timeout() {
    let silent = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let resolver = ResolverOptions { name_server: silent.local_addr().ok(), ..ResolverOptions::default() };
    let config = ConnectorConfig { connect_timeout: Duration::from_millis(50), ..resolving(resolver) };
    let failure = connector("http://service.test", config).probe().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Resolve);
    assert!(failure.to_string().contains("no answer within 50ms"), "{failure}");
}

#[tokio::test]
async fn addresses_that_are_too_old_are_asked_for_again() {
    let listeners = Listeners::at(&HOSTS);
    let url = format!("http://service.test:{}", listeners.port());
    for (refresh, expected) in [(Some(Duration::ZERO), [1, 1]), (None, [2, 0])] {
        let names = NameServer::start(&[("service.test", "127.0.0.1")], NameServerManner::Plain);
        let resolver = ResolverOptions { refresh, family: Some(IpFamily::V4), ..asking(&names) };
        let connector = connector(&url, resolving(resolver));
        connector.probe().await.unwrap();
        names.set(&[("service.test", "127.0.0.2")]);
        connector.probe().await.unwrap();
        let counts: Vec<_> = listeners.peers(2).iter().map(Vec::len).collect();
        assert_eq!(counts, expected, "{refresh:?}");
    }
}

#[tokio::test]
async fn connections_come_from_the_source_addresses_in_turn() {
    let listeners = Listeners::at(&HOSTS[..1]);
    let sources = ["127.0.0.3", "::1", "127.0.0.4"].map(|text| text.parse::<IpAddr>().unwrap());
    let socket = SocketOptions { source_addresses: sources.to_vec(), ..SocketOptions::default() };
    let config = ConnectorConfig { socket, ..ConnectorConfig::default() };
    let connector = connector(&format!("http://127.0.0.1:{}", listeners.port()), config);
    for _ in 0..4 {
        connector.probe().await.unwrap();
    }
    let peers: Vec<_> = listeners.peers(4)[0].iter().map(SocketAddr::ip).collect();
    assert_eq!(peers, [sources[0], sources[2], sources[0], sources[2]]);
}

#[tokio::test]
async fn source_addresses_that_cannot_be_used() {
    let listeners = Listeners::at(&HOSTS[..1]);
    // 192.0.2.0/24 is for documentation: no machine has it.
    for (source, class, words) in [
        ("192.0.2.1", FailureClass::Other, "192.0.2.1 is not one of this machine"),
        ("::1", FailureClass::Unreachable, "no source address is of the same family"),
    ] {
        let source_addresses = vec![source.parse().unwrap()];
        let socket = SocketOptions { source_addresses, ..SocketOptions::default() };
        let config = ConnectorConfig { socket, ..ConnectorConfig::default() };
        let connector = connector(&format!("http://127.0.0.1:{}", listeners.port()), config);
        let failure = connector.probe().await.unwrap_err();
        assert_eq!(failure.class, class, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
    }
}

#[tokio::test]
async fn without_nodelay_requests_work_as_well() {
    let server = ScriptedServer::start(always_ok());
    let socket = SocketOptions { nodelay: false, ..SocketOptions::default() };
    let config = ConnectorConfig { socket, ..ConnectorConfig::default() };
    let mut session = Session::with(&server.url(), config, Limits::default());
    assert_eq!(session.post(b"body").await.unwrap().status, 200);
}

/// A path for a socket that nobody else uses.
fn socket_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("pulse-{}-{name}.sock", std::process::id()))
}

#[tokio::test]
async fn a_unix_socket_serves_any_host() {
    let path = socket_path("serves");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serve = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..2 {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            seen.push(String::from_utf8(request[..length].to_vec()).unwrap());
            stream.write_all(OK.as_bytes()).await.unwrap();
        }
        seen
    };
    let server = tokio::spawn(serve);
    // Long idle or not, the kernel can be asked about a Unix socket as well.
    let config = ConnectorConfig {
        unix_socket: Some(path.clone()),
        idle_check_after: Duration::ZERO,
        ..ConnectorConfig::default()
    };
    let mut session = Session::with("http://any.invalid", config, Limits::default());
    let first = session.get().await.unwrap();
    assert!(first.connect.is_some_and(|times| times.resolve == Duration::ZERO));
    assert_eq!(session.get().await.unwrap().status, 200);
    assert_eq!((session.client.counts().opened, session.client.counts().reused), (1, 1));
    let requests = server.await.unwrap();
    assert!(requests[0].contains("\r\nHost: any.invalid\r\n"), "{requests:?}");
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn unix_sockets_that_are_not_there() {
    let (absent, deserted) = (socket_path("absent"), socket_path("deserted"));
    drop(std::os::unix::net::UnixListener::bind(&deserted).unwrap());
    for (path, words) in
        [(&absent, "there is no Unix socket"), (&deserted, "nobody listens at the Unix socket")]
    {
        let config = ConnectorConfig { unix_socket: Some(path.clone()), ..ConnectorConfig::default() };
        let failure = connector("http://any.invalid", config).probe().await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Refused, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
    }
    std::fs::remove_file(deserted).unwrap();
}
