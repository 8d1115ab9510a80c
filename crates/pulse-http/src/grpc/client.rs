//! The client of one virtual user: calls methods, one after another, over a connection that it keeps.

use super::code::GrpcCode;
use super::compression::Encoding;
use super::frames::{FrameError, MessageReader};
use super::head::GrpcHead;
use super::kept::Kept;
use super::status::GrpcStatus;
use crate::client::Run;
use crate::connect::Connector;
use crate::counts::ConnectionCounts;
use crate::exchange::Exchange;
use crate::failure::{Cause, Failure, FailureClass};
use crate::http2::{Http2Connection, Http2Error, Http2Place, Http2Session, Http2Stream, Way};
use crate::limits::Limits;
use crate::session::Loan;
use crate::timeout::{Deadline, Timeouts};
use bytes::Bytes;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A call to be made.
#[derive(Debug, Clone, Copy)]
pub struct GrpcRequest<'a> {
    /// Path and metadata.
    pub head: &'a GrpcHead,
    /// The messages, each with its prefix (see [`append_message`](crate::append_message)), in the order in which they are
    /// sent: as fast as the peer takes them, without waiting for answers.
    pub messages: &'a [Bytes],
    /// Whether any number of messages may come back; otherwise success means exactly one.
    pub gives_stream: bool,
    /// The longest message that is taken, in bytes: as sent, and as it is without its compression.
    pub max_message_bytes: usize,
    /// Limit for all of it, connecting included.
    pub timeout: Duration,
    /// Whether what comes back is kept for [`GrpcClient::messages`].
    pub keep: bool,
}

/// A call that came to its end. Whether its status is a success is not decided here.
#[derive(Debug, Clone)]
pub struct GrpcAnswer {
    /// Moments and sizes; the status in it is HTTP's, the body are the messages as sent, without prefixes.
    pub exchange: Exchange,
    /// How the call ended.
    pub status: GrpcStatus,
    /// Messages received.
    pub messages_received: u64,
}

/// So many times a call is made at most, where the peer says of each that it has not looked at it.
const ATTEMPTS: u32 = 4;

/// One user's calls, over a connection that is opened when needed and kept while the peer allows; several users share it
/// where the connector says so.
///
/// A call whose future is dropped is taken back (`RST_STREAM` with CANCEL); the connection stays.
#[derive(Debug)]
pub struct GrpcClient {
    connector: Rc<Connector>,
    session: Http2Session,
    limits: Limits,
    deadline: Deadline,
    reader: MessageReader,
    counts: ConnectionCounts,
    messages_sent: u64,
    kept: Kept,
}

/// One call on one stream.
struct Talk {
    stream: Http2Stream,
    /// Messages handed over, and what is left of the next one.
    sent: usize,
    rest: Bytes,
    sending: bool,
    /// The peer may answer without listening to the end: a failed send counts only if no answer comes.
    send_error: Option<Http2Error>,
    http_status: u16,
    first_byte: Option<Instant>,
    encoding: Encoding,
    received: u64,
    body_bytes: u64,
    data_ended: bool,
}

impl GrpcClient {
    /// A client without a connection. The connector must speak [`HttpVersion::Http2`](crate::HttpVersion::Http2).
    pub fn new(connector: Rc<Connector>, timeouts: &Rc<Timeouts>, limits: Limits) -> Self {
        Self {
            session: Http2Session::new(&connector, limits),
            connector,
            limits,
            deadline: timeouts.register(),
            reader: MessageReader::new(false, 0),
            counts: ConnectionCounts::default(),
            messages_sent: 0,
            kept: Kept::default(),
        }
    }

    /// Makes a call. `heard` is told when messages arrive, one by one; several that came at once have the same moment.
    ///
    /// Where the peer says that it has not looked at the call, it is made again.
    pub async fn call(
        &mut self,
        request: &GrpcRequest<'_>,
        heard: &mut dyn FnMut(Instant),
    ) -> Result<GrpcAnswer, Failure> {
        let started = Instant::now();
        let mut run = Run::new(started, request.timeout);
        self.deadline.arm(started, request.timeout);
        let mut outcome = self.attempt(request, &mut run, heard).await;
        for _ in 1..ATTEMPTS {
            if !matches!(&outcome, Err(error) if error.unprocessed) {
                break;
            }
            self.counts.resent += 1;
            outcome = self.attempt(request, &mut run, heard).await;
        }
        self.deadline.disarm();
        outcome
            .map_err(|error| Cause::from(error).into_failure(run.started, run.bytes_sent, run.bytes_received))
    }

    /// The messages of the last answer, without their compression; none where they were not kept.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.kept.messages()
    }

    /// How many messages of the last call the connection took, whatever became of the call.
    pub fn messages_sent(&self) -> u64 {
        self.messages_sent
    }

    /// Appends header fields and trailers of the last answer in the form of HTTP/1.1, status line first.
    pub fn append_head(&self, status: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("HTTP/2 {status}\r\n").as_bytes());
        for (name, value) in self.kept.fields.iter().chain(&self.kept.trailers) {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// What the connections have seen so far.
    pub fn counts(&self) -> ConnectionCounts {
        self.counts
    }

    /// Leaves the connection; the next call opens a new one.
    pub fn close(&mut self) {
        self.session.close();
    }

    async fn attempt(
        &mut self,
        request: &GrpcRequest<'_>,
        run: &mut Run,
        heard: &mut dyn FnMut(Instant),
    ) -> Result<GrpcAnswer, Http2Error> {
        self.reader.begin(request.keep, request.max_message_bytes);
        self.messages_sent = 0;
        self.kept.clear();
        let (connection, place) = self.way(run).await?;
        self.counts.reused += u64::from(connection.opened() > 0);
        let result = self.talk(request, &connection, place, heard).await;
        let finished = Instant::now();
        run.count(connection.take_traffic());
        if !connection.is_open() {
            self.counts.closed_by_peer += u64::from(self.session.discard(&connection));
        }
        let (talk, status) = result?;
        Ok(GrpcAnswer {
            exchange: Exchange {
                status: talk.http_status,
                started: run.started,
                sent: run.sent,
                first_byte: talk.first_byte.unwrap_or(finished),
                finished,
                connect: run.connect,
                blocked: run.blocked,
                send: Duration::ZERO,
                bytes_sent: run.bytes_sent,
                bytes_received: run.bytes_received,
                body_bytes: talk.body_bytes,
            },
            status,
            messages_received: talk.received,
        })
    }

    /// A connection that takes a call now.
    async fn way(&mut self, run: &mut Run) -> Result<(Http2Connection, Http2Place), Cause> {
        let Self { connector, deadline, counts, session, .. } = self;
        match session.way(&mut Loan { connector, deadline, counts, run }).await? {
            Way::Open(connection, place) => Ok((connection, place)),
            Way::Http11(_) => {
                Err(Cause::new(FailureClass::Protocol, "gRPC needs HTTP/2, and the peer chose HTTP/1.1"))
            }
        }
    }

    async fn talk(
        &mut self,
        request: &GrpcRequest<'_>,
        connection: &Http2Connection,
        place: Http2Place,
        heard: &mut dyn FnMut(Instant),
    ) -> Result<(Talk, GrpcStatus), Http2Error> {
        let stream = connection.open(place, request.head.request(), request.messages.is_empty())?;
        let mut talk = Talk::new(stream, request);
        let status = poll_fn(|cx| self.poll_talk(cx, &mut talk, request, heard)).await?;
        Ok((talk, status))
    }

    /// Sends and receives as far as the connection allows; ready with the status or the cause of its absence.
    fn poll_talk(
        &mut self,
        cx: &mut Context<'_>,
        talk: &mut Talk,
        request: &GrpcRequest<'_>,
        heard: &mut dyn FnMut(Instant),
    ) -> Poll<Result<GrpcStatus, Http2Error>> {
        talk.poll_send(cx, request.messages);
        self.messages_sent = talk.sent as u64;
        let polled = match self.poll_receive(cx, talk, request, heard) {
            Ok(polled) => polled,
            Err(error) => return Poll::Ready(end_of(error, talk)),
        };
        match polled {
            Poll::Pending if self.deadline.has_fired(cx.waker()) => Poll::Ready(Err(late(talk).into())),
            other => other.map(Ok),
        }
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        talk: &mut Talk,
        request: &GrpcRequest<'_>,
        listener: &mut dyn FnMut(Instant),
    ) -> Result<Poll<GrpcStatus>, Http2Error> {
        if talk.first_byte.is_none() {
            let Poll::Ready(head) = talk.stream.poll_head(cx) else { return Ok(Poll::Pending) };
            if let Some(status) = self.take_head(head?, talk) {
                return Ok(Poll::Ready(status));
            }
        }
        let mut now = None;
        while !talk.data_ended {
            let Poll::Ready(data) = talk.stream.poll_data(cx) else { return Ok(Poll::Pending) };
            let Some(data) = data.transpose()? else {
                talk.data_ended = true;
                break;
            };
            let now = *now.get_or_insert_with(Instant::now);
            self.take_data(&data, talk, request, now, listener)?;
            // A peer that always has more to send must not outrun the deadline.
            if self.deadline.has_fired(cx.waker()) {
                return Err(late(talk).into());
            }
        }
        let Poll::Ready(trailers) = talk.stream.poll_trailers(cx) else { return Ok(Poll::Pending) };
        self.kept.trailers = trailers?.unwrap_or_default();
        self.ended(talk, request).map(Poll::Ready).map_err(Http2Error::from)
    }

    /// The status, where the head says it already: an answer without messages, or one that is none of gRPC.
    fn take_head(&mut self, head: http::response::Parts, talk: &mut Talk) -> Option<GrpcStatus> {
        talk.first_byte = Some(Instant::now());
        talk.http_status = head.status.as_u16();
        talk.encoding = Encoding::of(&head.headers);
        self.kept.fields = head.headers;
        if let Some(status) = GrpcStatus::of_fields(&self.kept.fields) {
            return Some(status);
        }
        if talk.http_status != 200 {
            let code = GrpcCode::of_http(talk.http_status);
            return Some(GrpcStatus::new(code, format!("HTTP status {}", talk.http_status)));
        }
        let kind = self.kept.fields.get(http::header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        if kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
            return None;
        }
        let kind: String = String::from_utf8_lossy(kind.unwrap_or(b"none")).chars().take(60).collect();
        let message = format!("the answer is no gRPC: its content type is {kind}");
        Some(GrpcStatus::new(GrpcCode::Unknown, message))
    }

    fn take_data(
        &mut self,
        data: &[u8],
        talk: &mut Talk,
        request: &GrpcRequest<'_>,
        now: Instant,
        listener: &mut dyn FnMut(Instant),
    ) -> Result<(), Cause> {
        let mut rest = data;
        while let Some(message) = self.reader.next(&mut rest).map_err(of_frames)? {
            talk.received += 1;
            talk.body_bytes += message.length as u64;
            listener(now);
            if message.compressed && talk.encoding != Encoding::Gzip {
                return Err(Cause::new(FailureClass::BadResponse, undecodable(&talk.encoding)));
            }
            if request.keep {
                let (payload, limit) = (self.reader.payload(), request.max_message_bytes);
                self.kept.push(message, payload, &talk.encoding, limit, self.limits.kept_body_bytes)?;
            }
        }
        if talk.body_bytes > self.limits.body_bytes {
            let reason = format!("the messages exceed the limit of {} bytes", self.limits.body_bytes);
            return Err(Cause::new(FailureClass::TooLarge, reason));
        }
        Ok(())
    }

    /// Everything has come: what the trailers say, and whether the messages agree with it.
    fn ended(&self, talk: &Talk, request: &GrpcRequest<'_>) -> Result<GrpcStatus, Cause> {
        let status = GrpcStatus::of_fields(&self.kept.trailers)
            .unwrap_or_else(|| GrpcStatus::new(GrpcCode::Unknown, "the answer ended without a grpc-status"));
        if status.code == GrpcCode::Ok {
            self.reader.end().map_err(of_frames)?;
            if !request.gives_stream && talk.received != 1 {
                let count = talk.received;
                let reason = format!("the service answered with {count} messages where exactly one was due");
                return Err(Cause::new(FailureClass::BadResponse, reason));
            }
        }
        Ok(status)
    }
}

impl Talk {
    fn new(stream: Http2Stream, request: &GrpcRequest<'_>) -> Self {
        Self {
            stream,
            sent: 0,
            rest: request.messages.first().cloned().unwrap_or_default(),
            sending: !request.messages.is_empty(),
            send_error: None,
            http_status: 0,
            first_byte: None,
            encoding: Encoding::Identity,
            received: 0,
            body_bytes: 0,
            data_ended: false,
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, messages: &[Bytes]) {
        while self.sending {
            let last = self.sent + 1 == messages.len();
            match self.stream.poll_send(cx, &mut self.rest, last) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {
                    self.sent += 1;
                    self.rest = messages.get(self.sent).cloned().unwrap_or_default();
                    self.sending = !last;
                }
                Poll::Ready(Err(error)) => {
                    self.send_error = Some(error);
                    self.sending = false;
                }
            }
        }
    }
}

/// A stream that the peer reset has a status all the same, unless the peer never looked at the call.
fn end_of(error: Http2Error, talk: &mut Talk) -> Result<GrpcStatus, Http2Error> {
    let error = match talk.send_error.take() {
        Some(first) if error.reset.is_none() => first,
        _ => error,
    };
    match error.reset {
        Some(reason) if !error.unprocessed => {
            let code = GrpcCode::of_reset(reason);
            Ok(GrpcStatus::new(code, error.detail))
        }
        _ => Err(error),
    }
}

fn of_frames(error: FrameError) -> Cause {
    let class = match error {
        FrameError::TooLarge { .. } => FailureClass::TooLarge,
        FrameError::Flag(_) | FrameError::Truncated => FailureClass::BadResponse,
    };
    Cause::new(class, error.to_string())
}

fn undecodable(encoding: &Encoding) -> String {
    match encoding {
        Encoding::Unknown(name) => format!("a message is compressed in an unknown way: {name}"),
        _ => "a message is marked as compressed, but the answer names no compression".to_owned(),
    }
}

fn late(talk: &Talk) -> Cause {
    let detail = match (talk.sending, talk.first_byte) {
        (true, _) => "the peer did not take all messages in time",
        (false, None) => "no answer in time",
        (false, Some(_)) => "the answer was not complete in time",
    };
    Cause::new(FailureClass::Timeout, detail)
}
