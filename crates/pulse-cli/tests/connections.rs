//! How connections are made: what each flag and each variable of the environment does, seen from the other side.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod support;

use std::fs;
use std::net::SocketAddr;

use pulse_testkit::{
    NameServer, NameServerManner, ProxyServer, Script, ScriptedServer, Step, TestAuthority, TlsRules,
    refused_address,
};
use serde_json::Value;
use support::{OK, Outcome, Running, answering, pulse, requests};

const ONCE: [&str; 8] = ["load", "--quiet", "--users", "1", "--requests", "1", "--out", "json=-"];
/// What would change where connections go.
const VARIABLES: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// One request, with flags and variables.
fn once(url: &str, flags: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = pulse(&[&ONCE[..], flags, &[url]].concat());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    Running::start(command.envs(variables.iter().copied())).finish()
}

#[track_caller]
fn answered(outcome: &Outcome) -> Value {
    let report = outcome.json();
    assert_eq!(report["requests"]["successful"], 1, "{report:#}\n{}", outcome.stderr);
    report
}

fn finding(report: &Value, code: &str) -> Option<String> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["code"] == code).map(|finding| finding["message"].to_string())
}

#[test]
fn proxies_by_flag_and_by_environment() {
    let server = answering(OK);
    let port = server.address().port();
    let proxy = ProxyServer::start(Some("me:s3cret"));
    let (http, socks) =
        (format!("http://me:s3cret@{}", proxy.address()), format!("socks5h://me:s3cret@{}", proxy.address()));
    let url = format!("http://service.invalid:{port}");
    let cases: [(&[&str], &[(&str, &str)]); 4] = [
        (&["--proxy", &http], &[]),
        (&["-x", &socks], &[("http_proxy", "http://127.0.0.1:1")]),
        (&[], &[("http_proxy", &http)]),
        (&[], &[("ALL_PROXY", &socks), ("NO_PROXY", "other.invalid")]),
    ];
    for (flags, variables) in cases {
        let before = proxy.destinations().len();
        let outcome = once(&url, flags, variables);
        let report = answered(&outcome);
        assert!(proxy.destinations().len() > before);
        let told = finding(&report, "proxy").expect("the report says so");
        assert!(told.contains("***@127.0.0.1"), "{told}");
        assert_eq!(told.contains("from the environment"), flags.is_empty(), "{told}");
        assert!(outcome.stderr.contains("requests go through the proxy"), "{}", outcome.stderr);
        assert!(!outcome.stdout.contains("s3cret") && !outcome.stderr.contains("s3cret"));
    }
    // This machine is never reached through a proxy of the environment; one that is named is used.
    let here = format!("http://127.0.0.1:{port}");
    let before = proxy.destinations().len();
    let report = answered(&once(&here, &[], &[("http_proxy", &http)]));
    assert_eq!(finding(&report, "proxy"), None);
    answered(&once(&here, &["--proxy", &http, "--noproxy", "127.0.0.0/8"], &[]));
    assert_eq!(proxy.destinations().len(), before);
    answered(&once(&here, &["--proxy", &http], &[]));
    assert!(proxy.destinations().len() > before);
}

#[test]
fn a_proxy_that_fails_is_unreachable_and_its_password_is_not_shown() {
    let url = format!("http://me:s3cret@{}", refused_address());
    let outcome = once("http://service.invalid", &["--proxy", &url], &[]);
    assert!(outcome.code != Some(0) && outcome.stderr.contains("proxy failed"), "{outcome:?}");
    let outcome = once("http://service.invalid", &["--proxy", "https://me:s3cret@h"], &[]);
    assert!(outcome.stderr.contains("TLS to the proxy itself is not supported"), "{outcome:?}");
    assert!(!outcome.stderr.contains("s3cret"), "{outcome:?}");
}

#[test]
fn where_connections_go_and_come_from() {
    let server = answering(OK);
    let port = server.address().port();
    let names = NameServer::start(&[("service.test", "127.0.0.1")], NameServerManner::Plain);
    let name_server = names.address().to_string();
    let (named, other) = (format!("http://service.test:{port}"), "http://service.test:1".to_owned());
    let resolve = format!("service.test:{port}:127.0.0.1");
    let connect_to = format!("service.test:1:127.0.0.1:{port}");
    let cases: [(&str, &[&str]); 4] = [
        (&named, &["--resolve", &resolve]),
        (&other, &["--connect-to", &connect_to]),
        (
            &named,
            &["--dns-server", &name_server, "--ipv4", "--dns-order", "round-robin", "--dns-refresh", "5s"],
        ),
        (&named, &["--resolve", &resolve, "--source-address", "127.0.0.2", "--no-nodelay"]),
    ];
    for (url, flags) in cases {
        answered(&once(url, flags, &[]));
    }
    assert_eq!(names.questions().first().map(String::as_str), Some("A service.test"));
    assert!(requests(&server).iter().all(|request| request.contains("\r\nHost: service.test:")));
    let outcome = once(&named, &["--resolve", &resolve, "--ipv6"], &[]);
    assert!(outcome.stderr.contains("none of its addresses is IPv6"), "{outcome:?}");
}

#[test]
fn mistakes_are_explained() {
    for (flags, words) in [
        (&["--resolve", "a:80"][..], "the address is missing"),
        (&["--connect-to", "a"], "four parts"),
        (&["--source-address", "10.0.0.0/8"], "more than 65536"),
        (&["--tls-min", "1.3", "--tls-max", "1.2"], "no version of TLS is left"),
        (&["--key", "key.pem"], "--cert"),
        (&["--ipv4", "--ipv6"], "cannot be used with"),
        (&["--unix-socket", "/a", "--proxy", "h"], "cannot be used with"),
        (&["--dns-refresh", "0"], "longer than 0s"),
    ] {
        let outcome = once("http://127.0.0.1:9", flags, &[]);
        assert!(outcome.code != Some(0) && outcome.stderr.contains(words), "{words}: {outcome:?}");
    }
}

#[test]
fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = answering(OK);
    // Whatever comes to the socket is passed on to a server at a port: once for the probe, once for the request.
    let address: SocketAddr = server.address();
    let passing = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut client, _) = listener.accept().unwrap();
            let mut service = std::net::TcpStream::connect(address).unwrap();
            let (mut from_service, mut to_client) =
                (service.try_clone().unwrap(), client.try_clone().unwrap());
            let back = std::thread::spawn(move || std::io::copy(&mut from_service, &mut to_client).ok());
            std::io::copy(&mut client, &mut service).ok();
            service.shutdown(std::net::Shutdown::Both).ok();
            back.join().unwrap();
        }
    });
    answered(&once("http://any.invalid", &["--unix-socket", path.to_str().unwrap()], &[]));
    passing.join().unwrap();
    assert!(requests(&server)[0].contains("\r\nHost: any.invalid\r\n"));
}

#[test]
fn tls_by_flags_and_environment() {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::for_names(&["inner.example"]);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, cert, key) = (
        file("ca.pem", authority.ca_pem()),
        file("cert.pem", authority.client_pem()),
        file("key.pem", authority.client_key_pem()),
    );
    let log = folder.path().join("keys.log");
    let rules = TlsRules { wants_client_certificate: true, ..TlsRules::default() };
    let script = Script::each(vec![Step::ReadRequest, Step::send(OK), Step::Loop]);
    let server = ScriptedServer::start_tls_with(script, &authority, rules);
    let flags = [
        "--cert",
        &cert,
        "--key",
        &key,
        "--server-name",
        "inner.example",
        "--tls-max",
        "1.2",
        "--tls-resumption",
    ];
    // The authority is trusted because the environment says so.
    let variables = [("SSL_CERT_FILE", ca.as_str()), ("SSLKEYLOGFILE", log.to_str().unwrap())];
    let outcome = once(&server.url(), &flags, &variables);
    assert!(finding(&answered(&outcome), "key_log").is_some());
    assert!(outcome.stderr.contains("SSLKEYLOGFILE"), "{}", outcome.stderr);
    assert!(fs::read_to_string(&log).unwrap().contains("CLIENT_RANDOM "));
    let handshakes = server.handshakes();
    let handshake = handshakes.last().unwrap();
    assert_eq!((handshake.server_name.as_deref(), handshake.version), (Some("inner.example"), 12));
    assert!(handshake.client_certificate);
    let outcome = once(&server.url(), &["--cacert", &ca, "--server-name", "inner.example"], &[]);
    assert!(outcome.code != Some(0) || outcome.json()["requests"]["failed"] == 1, "{outcome:?}");
}
