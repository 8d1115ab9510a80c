//! A request allocates nothing once its user is under way: counted, with everything on that a scenario can ask of it.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

#[path = "support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use pulse_model::Nanos;

use support::Run;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 51\r\n\r\n\
    {\"id\":471,\"status\":\"ready\",\"symbol\":\"PULSE\",\"n\":12}";
/// How many requests are looked at, once so many have warmed the run up.
const REQUESTS: u64 = 4_000;
const WARM_UP: u64 = 100;
/// Allocations that may come in between besides: pages of histograms for times that were not seen before.
const BESIDES: u64 = REQUESTS / 20;

/// A server in this process that itself allocates nothing for a request, and counts: it sends the blocks that the process had
/// allocated as the first and as the last of the requests that are looked at came in. Only what requests cost lies between the
/// two, not what it costs to begin a run and to end it, which depends on how widely the times were spread.
fn server() -> (String, Receiver<[u64; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut room) = (stream.unwrap(), [0_u8; 4096]);
            let (mut count, mut first) = (0, 0);
            // Each request comes in one piece, and the next only after the answer.
            while stream.read(&mut room).is_ok_and(|read| read > 0) {
                count += 1;
                if count == WARM_UP {
                    first = dhat::HeapStats::get().total_blocks;
                }
                if count == WARM_UP + REQUESTS {
                    sender.send([first, dhat::HeapStats::get().total_blocks]).unwrap();
                }
                if stream.write_all(ANSWER).is_err() {
                    break;
                }
            }
        }
    });
    (url, receiver)
}

#[test]
fn a_request_allocates_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let (url, blocks) = server();
    let plain = "request = \"GET /\"\n";
    let full = "request = \"GET /?venue=${venue}&id=${id}\"\nheaders = { X-Venue = \"${venue}\" }\n\
        checks = [{ status = 200 }, { body_contains = \"PULSE\" }, { json = \"/status\", equals = \"ready\" }]\n\
        extract = { id = { json = \"/id\" } }\n";
    for step in [plain, full] {
        let requests = WARM_UP + REQUESTS;
        let text = format!(
            "[load]\nusers = 1\npace = 0\niterations = {requests}\n[variables]\nvenue = \"XPLS\"\nid = \"0\"\n\
             [[scenario]]\n[[scenario.step]]\nname = \"quote\"\n{step}"
        );
        let interval = Nanos::from_secs(3_600);
        let (summary, _) = Run { text: &text, url: url.clone(), interval, ..Run::default() }.make();
        assert_eq!((summary.requests(), summary.response_time().count()), (requests, requests));
        assert_eq!(summary.failed(), 0, "{:?}", summary.totals);
        let [first, last] = blocks.try_recv().unwrap();
        let allocated = last - first;
        assert!(allocated < BESIDES, "{allocated} allocations for {REQUESTS} requests: {step}");
    }
}
