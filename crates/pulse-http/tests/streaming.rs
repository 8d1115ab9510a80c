//! Answers that are read while they come.

use pulse_http::{
    Connector, ConnectorConfig, EventParser, Failure, FailureClass, Limits, Origin, Piece, RequestWriter,
    StreamingClient, Timeouts,
};
use pulse_testkit::{Script, ScriptedServer, Step};
use std::rc::Rc;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);
/// The longest line and event of the tests.
const MOST: usize = 64 << 10;

/// Reads events until the body ends or fails; the data of the events and how it ended.
async fn events(steps: Vec<Step>, timeout: Duration, limits: Limits) -> (Vec<String>, Result<(), String>) {
    let mut all = vec![Step::ReadRequest];
    all.extend(steps);
    let server = ScriptedServer::start(Script::each(all));
    let origin = Origin::parse(&server.url()).expect("the server's URL");
    let mut request = Vec::new();
    RequestWriter::start(&mut request, "GET", "/stream", &origin.authority())
        .and_then(|writer| writer.finish(None))
        .expect("a valid request");
    let connector = Rc::new(Connector::new(origin, ConnectorConfig::default()).expect("a connector"));
    let timeouts = Rc::new(Timeouts::new());
    let mut client = StreamingClient::new(connector, &timeouts, limits);
    let mut seen = Vec::new();
    let reading = async {
        let word = |failure: Failure| failure.class.as_str().to_owned();
        client.open(&request, LONG).await.map_err(word)?;
        let mut parser = EventParser::new(MOST);
        loop {
            let piece = client.next(Instant::now(), timeout).await.map_err(word)?;
            let mut take = |event: pulse_http::Event<'_>| {
                seen.push(String::from_utf8_lossy(event.data).into_owned());
            };
            parser.feed(client.piece(), &mut take).map_err(|error| error.class().as_str().to_owned())?;
            if matches!(piece, Piece::End(_)) {
                return Ok(());
            }
        }
    };
    let sweeping = async {
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            timeouts.sweep(Instant::now());
        }
    };
    let result = tokio::select! {
        result = reading => result,
        () = sweeping => unreachable!("it sweeps for ever"),
    };
    (seen, result)
}

fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

#[tokio::test]
async fn events_of_every_framing_cut_anywhere() {
    let body = ["data: 1\n", "\nda", "ta: 2\n\nda", "ta: 3\n\n"];
    let chunks: String = body.into_iter().chain([""]).map(chunk).collect();
    let length = body.concat().len();
    let streams = [
        format!("{CHUNKED}{chunks}"),
        format!("{UNTIL_CLOSE}{}", body.concat()),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", body.concat()),
    ];
    for stream in streams {
        for pieces in [1, 3, usize::MAX] {
            let steps = vec![Step::SendSplit(stream.clone().into(), pieces), Step::Close];
            let (seen, result) = events(steps, LONG, Limits::default()).await;
            assert_eq!((seen.join(" "), result), ("1 2 3".to_owned(), Ok(())), "{stream}");
        }
    }
}

#[tokio::test]
async fn an_endless_stream_takes_no_more_memory_than_a_read() {
    // More than may be kept, and more than the usual limit of a body would let through here.
    let limits = Limits { kept_body_bytes: 128 << 10, body_bytes: 1 << 10, ..Limits::default() };
    let events_of_a_kibibyte = format!("data: {}\n\n", "x".repeat(1_016)).repeat(1_000);
    let mut steps = vec![Step::send(UNTIL_CLOSE)];
    steps.extend((0..4).map(|_| Step::send(&events_of_a_kibibyte)));
    steps.push(Step::Close);
    let (seen, result) = events(steps, LONG, limits).await;
    assert_eq!((seen.len(), result), (4_000, Ok(())));
}

#[tokio::test]
async fn streams_that_do_not_come_to_a_good_end() {
    let cut = format!("{CHUNKED}{}", chunk("data: 1\n\n"));
    let wrong = format!("{cut}oops\r\n");
    let table: [(&str, Vec<Step>, Duration, &str); 8] = [
        ("cut", vec![Step::send(&cut), Step::Close], LONG, "closed"),
        ("reset", vec![Step::send(UNTIL_CLOSE), Step::Reset], LONG, "reset"),
        ("no chunk", vec![Step::send(wrong), Step::Hold], LONG, "bad_response"),
        ("never an event", vec![Step::send(UNTIL_CLOSE), Step::Hold], SHORT, "timeout"),
        ("line", vec![Step::send(UNTIL_CLOSE), Step::SendForever(vec![b'x'; 1 << 10])], LONG, "too_large"),
        (
            "comment",
            vec![Step::send(UNTIL_CLOSE), Step::send(":"), Step::SendForever(vec![b' '; 1 << 10])],
            LONG,
            "too_large",
        ),
        (
            "event",
            vec![Step::send(UNTIL_CLOSE), Step::SendForever(b"data: and so on\n".repeat(99))],
            LONG,
            "too_large",
        ),
        ("no head", vec![Step::send("HTTP/1.1 200 OK\r\n"), Step::Close], LONG, "closed"),
    ];
    for (what, steps, timeout, class) in table {
        let (_, result) = events(steps, timeout, Limits::default()).await;
        assert_eq!(result, Err(class.to_owned()), "{what}");
    }
}

#[test]
fn classes_of_event_errors_are_those_of_exchanges() {
    let error = EventParser::new(1).feed(b"xx", &mut |_| {}).unwrap_err();
    assert_eq!(error.class(), FailureClass::TooLarge);
}
