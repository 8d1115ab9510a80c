//! What the tests have in common: a suite from its text, run against a server.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pulse_demo::{Character, DemoConfig, DemoServer};
use pulse_engine::StopHandle;
use pulse_model::{Summary, Verdict};
use pulse_plan::{Overrides, Suite, SuiteFile};
use pulse_suite::{RunOptions, SuiteError, SuiteEvent, run_suite};

/// A suite from its text; `URL` in it is replaced.
pub(crate) fn suite(text: &str, url: &str) -> Suite {
    let text = text.replace("URL", url);
    let file =
        SuiteFile::parse("suite.toml", &text, &|_| None).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    file.into_suite(&BTreeMap::new(), &Overrides::default(), None).expect("the file makes a suite")
}

/// A suite whose service is at the URL.
pub(crate) fn suite_at(url: &str, cases: &str) -> Suite {
    suite(&format!("name = \"tests\"\n[service]\nurl = \"URL\"\n{cases}"), url)
}

pub(crate) fn run_with(
    suite: &Suite,
    options: &RunOptions,
) -> Result<(Summary, Vec<SuiteEvent>), SuiteError> {
    let mut events = Vec::new();
    let summary = run_suite(std::slice::from_ref(suite), options, &StopHandle::default(), &mut |event| {
        events.push(event);
    })?;
    Ok((summary, events))
}

pub(crate) fn run(suite: &Suite) -> Summary {
    run_with(suite, &RunOptions::default()).expect("all cases are selected").0
}

/// Runs cases against a demo with a character.
pub(crate) fn run_on_demo(character: Character, cases: &str) -> Summary {
    let config =
        DemoConfig { listen: ([127, 0, 0, 1], 0).into(), trades: 100, character, ..DemoConfig::default() };
    let demo = DemoServer::start(config).expect("a demo at a free port");
    let summary = run(&suite_at(&format!("http://{}", demo.addr()), cases));
    demo.stop().expect("the demo stops");
    summary
}

/// `id: verdict` of every case, and for those that are not met the targets with their reason.
pub(crate) fn verdicts(summary: &Summary) -> Vec<(String, Verdict)> {
    let of = |child: &Summary| (child.case.clone().expect("a case").id, child.verdict.expect("a verdict"));
    summary.children.iter().map(of).collect()
}

/// Targets that are missed, or of which nothing is known. (A case ends with its first sure miss; others may be open then.)
pub(crate) fn missed(summary: &Summary) -> Vec<String> {
    let results = summary.children.iter().flat_map(|child| &child.targets);
    results
        .filter(|result| matches!(result.verdict, Verdict::Fail | Verdict::NoData))
        .map(|result| result.target.to_string())
        .collect()
}

/// A server that says what to answer to the n-th request, from 1: a status.
pub(crate) fn serve(
    listener: TcpListener,
    status: impl Fn(u64) -> u16 + Send + Sync + 'static,
) -> SocketAddr {
    let address = listener.local_addr().expect("a bound socket has an address");
    let status = Arc::new(status);
    let count = Arc::new(AtomicU64::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (status, count) = (Arc::clone(&status), Arc::clone(&count));
            std::thread::spawn(move || {
                let mut writer = stream.try_clone().expect("a second handle");
                let mut lines = BufReader::new(stream).lines();
                while let Some(Ok(line)) = lines.next() {
                    if line.is_empty() {
                        let status = status(count.fetch_add(1, Ordering::Relaxed) + 1);
                        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                        if writer.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

/// A server as [`serve`] has it, at a free port.
pub(crate) fn server(status: impl Fn(u64) -> u16 + Send + Sync + 'static) -> String {
    format!("http://{}", serve(TcpListener::bind("127.0.0.1:0").expect("a free port"), status))
}
