//! A request allocates nothing once its user is under way: counted, with everything on that a scenario can ask of it.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

#[path = "support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use pulse_model::Nanos;

use support::Run;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 51\r\n\r\n\
    {\"id\":471,\"status\":\"ready\",\"symbol\":\"PULSE\",\"n\":12}";
/// Requests by which the longer of two runs is longer.
const MORE: u64 = 4_000;
/// Allocations that may come in between besides: the runs' threads and intervals are not the same to the last one.
const BESIDES: u64 = MORE / 20;

/// A server in this process that itself allocates nothing for a request; one after the other has a connection.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut room) = (stream.unwrap(), [0_u8; 4096]);
            // Each request comes in one piece, and the next only after the answer.
            while stream.read(&mut room).is_ok_and(|count| count > 0) {
                if stream.write_all(ANSWER).is_err() {
                    break;
                }
            }
        }
    });
    url
}

/// Allocations of a run of so many requests.
fn allocations(url: &str, step: &str, requests: u64) -> u64 {
    let text = format!(
        "[load]\nusers = 1\npace = 0\niterations = {requests}\n[variables]\nvenue = \"XPLS\"\nid = \"0\"\n\
         [[scenario]]\n[[scenario.step]]\nname = \"quote\"\n{step}"
    );
    let interval = Nanos::from_secs(3_600);
    let before = dhat::HeapStats::get().total_blocks;
    let (summary, _) = Run { text: &text, url: url.to_owned(), interval, ..Run::default() }.make();
    assert_eq!((summary.requests(), summary.response_time().count()), (requests, requests));
    assert_eq!(summary.failed(), 0, "{:?}", summary.totals);
    dhat::HeapStats::get().total_blocks - before
}

#[test]
fn a_request_allocates_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let url = server();
    let plain = "request = \"GET /\"\n";
    let full = "request = \"GET /?venue=${venue}&id=${id}\"\nheaders = { X-Venue = \"${venue}\" }\n\
        checks = [{ status = 200 }, { body_contains = \"PULSE\" }, { json = \"/status\", equals = \"ready\" }]\n\
        extract = { id = { json = \"/id\" } }\n";
    for step in [plain, full] {
        let short = allocations(&url, step, 100);
        let long = allocations(&url, step, 100 + MORE);
        assert!(
            long < short + BESIDES,
            "{} allocations for {MORE} requests: {step}",
            long.saturating_sub(short)
        );
    }
}
