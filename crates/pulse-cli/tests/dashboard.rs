//! The HTML report, and the dashboard of a load while it runs.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use pulse_report::Html;
use serde_json::Value;
use support::{OK, Running, answering, pulse, run, run_in, steady};

/// The body of the answer to a request.
fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).expect("a body")
}

/// The data of a page.
fn data(html: &str) -> Value {
    let data = html.split_once("id=\"pulse-data\">").and_then(|(_, rest)| rest.split_once("</script>"));
    serde_json::from_str(data.expect("a page with data").0).expect("data as JSON")
}

#[test]
fn a_load_and_its_replay_write_the_same_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = answering(OK);
    let url = server.url();
    let arguments = [
        "load",
        url.as_str(),
        "-n",
        "50",
        "--pace",
        "0",
        "--out",
        "html=a.html",
        "--record",
        "a.pulse",
        "-q",
    ];
    let outcome = run_in(folder.path(), &arguments);
    if !Html::is_there() {
        outcome.expect(2).says(&["without its page", "PULSE_WEB=required"]);
        return;
    }
    assert!(matches!(outcome.code, Some(0 | 97 | 98 | 99)), "{outcome:?}");
    run_in(folder.path(), &["report", "a.pulse", "--out", "html=b.html"]);
    let [html, again] =
        ["a.html", "b.html"].map(|name| fs::read_to_string(folder.path().join(name)).expect("a page"));
    assert_eq!(html, again);
    let page = data(&html);
    // Compared with itself nothing has changed, and the page has both runs.
    run_in(folder.path(), &["compare", "a.pulse", "a.pulse", "--out", "html=c.html"]).expect(0);
    let compared = data(&fs::read_to_string(folder.path().join("c.html")).expect("a page"));
    assert_eq!(compared["report"]["requests"]["total"], 50);
    assert_eq!(compared["before"]["report"]["requests"]["total"], 50);
    assert_eq!(compared["comparison"]["names"], serde_json::json!(["a.pulse", "a.pulse"]));
    assert_ne!(compared["comparison"]["effect"], "regression");
    let changes = compared["report"]["changes"].as_array().expect("changes");
    assert!(changes.iter().any(|change| change["subject"] == "p50"), "{changes:?}");
    assert!(changes.iter().all(|change| change["effect"] != "regression"), "{changes:?}");
    assert_eq!(page["report"]["requests"]["total"], 50);
    let columns = page["courses"][0]["columns"].as_array().expect("columns").iter();
    let requests: u64 =
        columns.flat_map(|column| &column.as_array().expect("cells")[4..]).filter_map(Value::as_u64).sum();
    assert_eq!(requests, 50, "{}", page["courses"]);
}

#[test]
fn a_running_load_is_served_and_its_server_ends_with_it() {
    let service = steady(5);
    let flags = ["--users", "2", "--duration", "4", "--dashboard", "--listen", "127.0.0.1:0"];
    let url = service.url();
    let arguments = [&["load", url.as_str()], &flags[..]].concat();
    let running = Running::start_until(&mut pulse(&arguments), "/api/summary\n");
    let (said, address) = (running.so_far(), served_at(&running));
    assert_eq!(said.contains("Dashboard: http://"), Html::is_there(), "{said}");
    // The first interval has ended when there is a point.
    let page = loop {
        let page: Value = serde_json::from_str(&ask(address, "/api/page")).expect("JSON");
        if page["timeline"]["from_ms"].as_array().is_some_and(|points| !points.is_empty()) {
            break page;
        }
        std::thread::yield_now();
    };
    assert_eq!((&page["running"], &page["report"]["run"]["kind"]), (&Value::Bool(true), &"load".into()));
    assert!(ask(address, "/metrics").contains("# TYPE "), "the metrics of the load");
    let report: Value = serde_json::from_str(&ask(address, "/api/summary")).expect("JSON");
    assert_eq!(report["format"], "pulse-report");
    let received = ask(address, "/api/series?metric=bytes_received&step=1m");
    let received: Value = serde_json::from_str(&received).expect("JSON");
    assert!(received["points"][0]["value"].as_u64().is_some_and(|bytes| bytes > 0), "{received}");
    let outcome = running.finish();
    assert!(matches!(outcome.code, Some(0 | 97 | 98 | 99)), "{outcome:?}");
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

/// Where a program serves that has said so.
fn served_at(running: &Running) -> SocketAddr {
    let said = running.so_far();
    let address = said.split("Serving http://").nth(1).and_then(|rest| rest.split('/').next());
    address.expect("it says where").parse().expect("an address")
}

#[test]
fn suites_are_served_case_by_case_while_they_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = steady(5);
    let url = service.url();
    fs::write(
        folder.path().join("suite.toml"),
        format!(
            "[service]\nurl = \"{url}\"\n\
             [[test]]\nname = \"never this fast\"\nrequest = \"GET /\"\nsamples = 30\ntargets = [\"p50 < 1us\"]\n\
             [[test]]\nname = \"takes its time\"\nrequest = \"GET /\"\nstages = [\"6s:2\"]\ntargets = [\"p50 < 9s\"]\n"
        ),
    )
    .expect("a suite");
    let flags = ["test", "suite.toml", "--no-history", "--dashboard", "--listen", "127.0.0.1:0"];
    let running = Running::start_until(pulse(&flags).current_dir(folder.path()), "/api/summary\n");
    let address = served_at(&running);
    // The first case is over and the second one has figures.
    let page = loop {
        let page: Value = serde_json::from_str(&ask(address, "/api/page")).expect("JSON");
        if page["cases"][1]["timeline"]["from_ms"].as_array().is_some_and(|points| !points.is_empty()) {
            break page;
        }
        std::thread::yield_now();
    };
    let [first, second] = [0, 1].map(|case| &page["cases"][case]);
    assert_eq!((&page["running"], &first["running"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!((&first["report"]["verdict"], &page["report"]["verdict"]), (&"fail".into(), &"fail".into()));
    assert_eq!((&second["running"], &second["report"]["verdict"]), (&Value::Bool(true), &Value::Null));
    let since: Value = serde_json::from_str(&ask(address, "/api/page?since=1")).expect("JSON");
    assert_eq!(
        since["cases"][0]["report"]["case"]["id"], "takes-its-time",
        "what is known is not told again"
    );
    let series = ask(address, "/api/series?metric=requests&case=takes-its-time");
    let series: Value = serde_json::from_str(&series).expect("JSON");
    assert!(!series["points"].as_array().expect("points").is_empty());
    assert!(ask(address, "/api/series?metric=requests").contains("add case=ID; there are: never-this-fast"));
    assert!(ask(address, "/metrics").contains("# TYPE "), "the metrics of the suites");
    let outcome = running.finish();
    assert!(matches!(outcome.code, Some(1 | 98 | 99)), "{outcome:?}");
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn suites_that_cannot_be_shown_are_not_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let server = answering(OK);
    let suite = format!(
        "[service]\nurl = \"{}\"\n[[test]]\nname = \"a\"\nrequest = \"GET /\"\ntargets = [\"p50 < 9s\"]\n",
        server.url()
    );
    fs::write(folder.path().join("suite.toml"), suite).expect("a suite");
    run_in(folder.path(), &["test", "suite.toml", "--dashboard", "--listen", &address])
        .expect(2)
        .says(&["is in use already; serve at another, or at port 0"]);
    run_in(folder.path(), &["test", "suite.toml", "--listen", "9900"]).expect(2).says(&["--dashboard"]);
    run_in(folder.path(), &["test", "--ab", "a", "b", "--dashboard"]).expect(2).says(&["--dashboard"]);
    assert_eq!(server.request_count(), 0, "nothing was sent");
}

#[test]
fn what_cannot_be_shown_is_known_before_the_load() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let server = answering(OK);
    let url = server.url();
    for (flags, words) in [
        (&["--dashboard", "--listen", address.as_str()][..], "is in use already"),
        (&["--listen", "9900"], "--dashboard"),
        (&["--token", "s3cret-token"], "--dashboard"),
        (&["--dashboard", "--listen", "here"], "127.0.0.1:9900"),
        (&["--dashboard", "--listen", "127.0.0.1:0", "--token", "short"], "a token has 8 to 512"),
    ] {
        run(&[&["load", url.as_str()], flags].concat()).expect(2).says(&[words]);
    }
    assert_eq!(server.request_count(), 0, "nothing was sent");
}
