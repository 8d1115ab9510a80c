//! The response parser: bytes in, a framed response out. It knows no socket and no clock.
//!
//! One buffer serves all responses of a connection. It holds `[head][kept body][room to read into]`: the head is
//! parsed where it lies and stays there for [`view`](ResponseParser::view), a body that is not kept is counted
//! and overwritten by the next read, a kept one grows in place. The buffer starts small, doubles when needed up to
//! the limits, and shrinks again when the last responses had no use for its size.

use crate::body::{Body, Chunks};
use crate::failure::FailureClass;
use crate::limits::Limits;
use crate::recent_heads::{Circumstances, RecentHeads};
use crate::view::ResponseView;
use std::rc::Rc;

/// What of a response the caller will look at. The head costs nothing to keep, so it always stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Status and header fields; the body is counted and skipped.
    #[default]
    Head,
    /// The body, too.
    Body,
}

/// How far the response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The final response's head is not complete.
    Head,
    /// The body is not complete.
    Body,
    /// The response is complete.
    Complete,
}

/// Why bytes are not a response that is acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not HTTP/1.x at all, or a malformed header field.
    #[error("the answer is not HTTP/1.x: {0}")]
    NotHttp(httparse::Error),
    /// A status below 100.
    #[error("the status {0} does not exist")]
    Status(u16),
    /// 101, although no upgrade was asked for.
    #[error("status 101 switches to another protocol although none was asked for")]
    Upgraded,
    /// Interim responses without end.
    #[error("more than {MAX_INTERIM} interim (1xx) responses before the final one")]
    Interim,
    /// A Content-Length that is not a number.
    #[error("the Content-Length is not a number of bytes")]
    BadLength,
    /// Several Content-Lengths that differ.
    #[error("the response has several Content-Lengths that differ")]
    ConflictingLengths,
    /// A malformed chunk.
    #[error("malformed chunk: {0}")]
    Chunk(&'static str),
    /// More header fields than are accepted.
    #[error("more than {MAX_HEADERS} header fields")]
    TooManyHeaders,
    /// A head or trailer section longer than the limit.
    #[error("the head is longer than {limit} bytes")]
    HeadTooLarge {
        /// [`Limits::head_bytes`].
        limit: usize,
    },
    /// A body longer than the limit.
    #[error("the body is longer than {limit} bytes")]
    BodyTooLarge {
        /// [`Limits::body_bytes`].
        limit: u64,
    },
    /// A body longer than what is kept.
    #[error("the body is longer than the {limit} bytes that are kept in memory")]
    KeptBodyTooLarge {
        /// [`Limits::kept_body_bytes`].
        limit: usize,
    },
    /// The connection ended before any byte of a response.
    #[error("the peer closed the connection without an answer")]
    NoAnswer,
    /// The connection ended within the head.
    #[error("the peer closed the connection within the head")]
    HeadCut,
    /// The connection ended within the body.
    #[error("the peer closed the connection before the end of the body")]
    BodyCut,
}

impl ParseError {
    /// What to count it as.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::NoAnswer | Self::HeadCut | Self::BodyCut => FailureClass::Closed,
            Self::TooManyHeaders
            | Self::HeadTooLarge { .. }
            | Self::BodyTooLarge { .. }
            | Self::KeptBodyTooLarge { .. } => FailureClass::TooLarge,
            _ => FailureClass::BadResponse,
        }
    }
}

/// Interim responses accepted before the final one; a server may send some 103, never dozens.
pub(crate) const MAX_INTERIM: u32 = 16;
/// Header fields parsed at first, and when these do not suffice.
const USUAL_HEADERS: usize = 64;
const MAX_HEADERS: usize = 128;
/// Size of a fresh buffer, and to which it shrinks. Ten thousand users are 80 MB.
const INITIAL_BUFFER: usize = 8 << 10;
/// Size for skipping long bodies: fewer, larger reads.
const SKIP_BUFFER: usize = 64 << 10;
/// Least room offered for a read.
const MIN_ROOM: usize = 1 << 10;
/// So many responses in a row must have needed less than a quarter of the buffer before it shrinks.
const CALM_RESPONSES: u32 = 8;

/// Parses one response after the other; see the module's words on its buffer.
///
/// ```
/// use pulse_http::{Keep, Limits, Progress, ResponseParser};
/// let mut parser = ResponseParser::new(Limits::default());
/// parser.begin(false, Keep::Body);
/// assert_eq!(parser.feed(b"HTTP/1.1 200 OK\r\nContent-Le"), Ok(Progress::Head));
/// assert_eq!(parser.feed(b"ngth: 5\r\n\r\nhel"), Ok(Progress::Body));
/// assert_eq!(parser.feed(b"lo"), Ok(Progress::Complete));
/// assert_eq!(parser.view().body(), b"hello");
/// assert!(parser.is_reusable());
/// ```
#[derive(Debug)]
pub struct ResponseParser {
    limits: Limits,
    recent: Rc<RecentHeads>,
    /// Its length is what can be used; zero before the first response.
    buffer: Vec<u8>,
    /// Where the next read goes: behind the head and the kept body, or behind the part of the head that is there.
    filled: usize,
    /// How much of an incomplete head has been looked at.
    scanned: usize,
    head: usize,
    state: State,
    is_head: bool,
    keep: Keep,
    status: u16,
    persistent: bool,
    /// Bytes that came after the response; they lie behind its end.
    surplus: usize,
    /// Whether the request asked for another protocol, so that 101 is a final response.
    upgrade: bool,
    interim: u32,
    received: u64,
    body_bytes: u64,
    /// Most of the buffer that the current response used.
    peak: usize,
    calm: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Body(Body),
    Complete,
    Failed(ParseError),
}

impl ResponseParser {
    /// A parser that has not allocated yet. Call [`begin`](Self::begin) before each response.
    pub fn new(limits: Limits) -> Self {
        Self::sharing(limits, Rc::default())
    }

    /// A parser that knows the heads that others have parsed.
    pub(crate) fn sharing(limits: Limits, recent: Rc<RecentHeads>) -> Self {
        Self {
            limits,
            recent,
            buffer: Vec::new(),
            filled: 0,
            scanned: 0,
            head: 0,
            state: State::Head,
            is_head: false,
            keep: Keep::Head,
            status: 0,
            persistent: false,
            surplus: 0,
            upgrade: false,
            interim: 0,
            received: 0,
            body_bytes: 0,
            peak: 0,
            calm: 0,
        }
    }

    /// Forgets the last response and expects the answer to a new request. `is_head`: the request's method is HEAD.
    pub fn begin(&mut self, is_head: bool, keep: Keep) {
        self.shrink_when_calm();
        self.filled = 0;
        self.scanned = 0;
        self.head = 0;
        self.state = State::Head;
        self.is_head = is_head;
        self.keep = keep;
        self.status = 0;
        self.persistent = false;
        self.surplus = 0;
        self.upgrade = false;
        self.interim = 0;
        self.received = 0;
        self.body_bytes = 0;
        self.peak = 0;
    }

    /// Like [`begin`](Self::begin), for a request that asks for another protocol: 101 ends the response, and what comes
    /// after it is of that protocol.
    pub fn begin_upgrade(&mut self) {
        self.begin(false, Keep::Head);
        self.upgrade = true;
    }

    /// What came behind a response without a body.
    pub fn surplus(&self) -> &[u8] {
        &self.buffer[self.filled..self.filled + self.surplus]
    }

    /// The kept bytes of a body that need not be complete.
    pub(crate) fn body_so_far(&self) -> &[u8] {
        &self.buffer[self.head..self.filled]
    }

    /// Makes room for more of a body of which what is there has been looked at.
    pub(crate) fn discard_body(&mut self) {
        self.filled = self.head;
    }

    /// Where to read into; never empty. Follow with [`advance`](Self::advance).
    pub fn room(&mut self) -> &mut [u8] {
        let wanted = match self.state {
            // A long body that is skipped deserves large reads.
            State::Body(Body::Length(left)) if self.keep == Keep::Head && left > INITIAL_BUFFER as u64 => {
                SKIP_BUFFER.max(self.filled + MIN_ROOM)
            }
            _ => self.filled + MIN_ROOM,
        };
        if self.buffer.len() < wanted {
            // Doubling, so that a long kept body is not copied too often. The limits end the growth: past them
            // `advance` fails before more room is asked for.
            let length = wanted.max(self.buffer.len() * 2).max(INITIAL_BUFFER);
            self.buffer.resize(length, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Takes the `count` bytes that were read into [`room`](Self::room) (more than there is room for counts as all of it).
    pub fn advance(&mut self, count: usize) -> Result<Progress, ParseError> {
        let end = self.filled.saturating_add(count).min(self.buffer.len());
        self.received += (end - self.filled) as u64;
        self.peak = self.peak.max(end);
        let result = match self.state {
            State::Head => self.parse_head(end),
            State::Body(body) => self.parse_body(body, self.filled..end),
            State::Complete => {
                self.surplus = end - self.filled;
                Ok(Progress::Complete)
            }
            State::Failed(error) => Err(error),
        };
        self.remember(result)
    }

    /// Takes bytes from elsewhere, by copying them: for tests and fuzzing.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Progress, ParseError> {
        let mut progress = self.advance(0)?;
        while !bytes.is_empty() {
            let room = self.room();
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            progress = self.advance(count)?;
        }
        Ok(progress)
    }

    /// The peer has closed its side: the end of a body that is delimited by it, an error for any other response
    /// that is not complete.
    pub fn end(&mut self) -> Result<(), ParseError> {
        self.persistent = false;
        let result = match self.state {
            State::Complete | State::Body(Body::UntilClose) => Ok(Progress::Complete),
            State::Body(_) => Err(ParseError::BodyCut),
            State::Head if self.received == 0 => Err(ParseError::NoAnswer),
            // A part may be wrong without having been looked at, see `may_end_head`.
            State::Head => {
                let part = &self.buffer[..self.filled];
                Head::parse(part, self.circumstances()).and(Err(ParseError::HeadCut))
            }
            State::Failed(error) => Err(error),
        };
        self.remember(result).map(|_| ())
    }

    /// Head and kept body of a response that is complete; empty while it is not.
    pub fn view(&self) -> ResponseView<'_> {
        if self.state != State::Complete {
            return ResponseView { status: 0, head: &[], body: &[] };
        }
        ResponseView {
            status: self.status,
            head: &self.buffer[..self.head],
            body: &self.buffer[self.head..self.filled],
        }
    }

    /// The head of a response whose body need not be complete, without the body.
    pub fn head_view(&self) -> ResponseView<'_> {
        ResponseView { status: self.status, head: &self.buffer[..self.head], body: &[] }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Status code of the final response, 0 while its head is not complete.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All bytes taken since [`begin`](Self::begin).
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes of the body without framing so far.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether the peer sent bytes after the response. They answer nothing that was asked.
    pub fn has_surplus(&self) -> bool {
        self.surplus > 0
    }

    /// Whether another request may be sent on the connection: the response is complete, nothing follows it, and
    /// the peer did not announce to close.
    pub fn is_reusable(&self) -> bool {
        self.state == State::Complete && self.persistent && self.surplus == 0
    }

    /// Whether the peer announced (or the framing implies) that it closes the connection.
    pub(crate) fn peer_closes(&self) -> bool {
        !self.persistent
    }

    fn remember(&mut self, result: Result<Progress, ParseError>) -> Result<Progress, ParseError> {
        match result {
            Ok(Progress::Complete) => self.state = State::Complete,
            Ok(_) => {}
            Err(error) => self.state = State::Failed(error),
        }
        result
    }

    fn parse_head(&mut self, mut end: usize) -> Result<Progress, ParseError> {
        loop {
            self.filled = end;
            if end == 0 || !self.may_end_head(end) {
                return self.await_head(end);
            }
            let Some(head) = self.recognise_head(end)? else {
                return self.await_head(end);
            };
            if head.length > self.limits.head_bytes {
                return Err(ParseError::HeadTooLarge { limit: self.limits.head_bytes });
            }
            if head.status >= 200 || (head.status == 101 && self.upgrade) {
                return self.start_body(head, end);
            }
            if head.status == 101 {
                return Err(ParseError::Upgraded);
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(ParseError::Interim);
            }
            self.buffer.copy_within(head.length..end, 0);
            end -= head.length;
            self.scanned = 0;
        }
    }

    fn circumstances(&self) -> Circumstances {
        Circumstances { is_head: self.is_head, trailer_limit: self.limits.head_bytes }
    }

    /// The head at the start of `buffer[..end]`, if it is complete: known from before, or parsed.
    fn recognise_head(&self, end: usize) -> Result<Option<Head>, ParseError> {
        let bytes = &self.buffer[..end];
        let request = self.circumstances();
        if let Some(head) = self.recent.find(bytes, request) {
            return Ok(Some(head));
        }
        let head = Head::parse(bytes, request)?;
        if let Some(head) = head {
            self.recent.remember(&bytes[..head.length], request, head);
        }
        Ok(head)
    }

    fn await_head(&mut self, end: usize) -> Result<Progress, ParseError> {
        if end > self.limits.head_bytes {
            return Err(ParseError::HeadTooLarge { limit: self.limits.head_bytes });
        }
        self.scanned = end;
        Ok(Progress::Head)
    }

    /// Whether parsing is worth while: at the first look, and when an empty line has come since. A head that
    /// trickles in would otherwise be parsed from its start for each of its bytes.
    fn may_end_head(&self, end: usize) -> bool {
        if self.scanned == 0 {
            return true;
        }
        memchr::memchr_iter(b'\n', &self.buffer[self.scanned..end]).any(|offset| {
            let before = &self.buffer[..self.scanned + offset];
            before.ends_with(b"\n") || before.ends_with(b"\n\r")
        })
    }

    fn start_body(&mut self, head: Head, end: usize) -> Result<Progress, ParseError> {
        self.status = head.status;
        self.persistent = head.persistent;
        self.head = head.length;
        self.filled = head.length;
        if let Body::Length(length) = head.body
            && length > self.limits.body_bytes
        {
            return Err(ParseError::BodyTooLarge { limit: self.limits.body_bytes });
        }
        if head.body.is_complete() {
            self.surplus = end - head.length;
            return Ok(Progress::Complete);
        }
        self.parse_body(head.body, head.length..end)
    }

    fn parse_body(&mut self, mut body: Body, input: std::ops::Range<usize>) -> Result<Progress, ParseError> {
        let keep_at = (self.keep == Keep::Body).then_some(self.filled);
        let end = input.end;
        let decoded = body.decode(&mut self.buffer, input, keep_at)?;
        self.state = State::Body(body);
        self.body_bytes += decoded.body as u64;
        if self.body_bytes > self.limits.body_bytes {
            return Err(ParseError::BodyTooLarge { limit: self.limits.body_bytes });
        }
        if self.keep == Keep::Body {
            self.filled += decoded.body;
            if self.filled - self.head > self.limits.kept_body_bytes {
                return Err(ParseError::KeptBodyTooLarge { limit: self.limits.kept_body_bytes });
            }
        }
        if decoded.complete {
            self.surplus = end - decoded.next;
            return Ok(Progress::Complete);
        }
        Ok(Progress::Body)
    }

    fn shrink_when_calm(&mut self) {
        if self.buffer.len() <= INITIAL_BUFFER || self.peak > self.buffer.len() / 4 {
            self.calm = 0;
            return;
        }
        self.calm += 1;
        if self.calm >= CALM_RESPONSES {
            self.calm = 0;
            self.buffer.truncate(self.peak.next_power_of_two().max(INITIAL_BUFFER));
            self.buffer.shrink_to_fit();
        }
    }
}

/// What the head says about the rest of the message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    length: usize,
    status: u16,
    persistent: bool,
    body: Body,
}

impl Head {
    /// `None` while the head is not complete.
    pub(crate) fn parse(bytes: &[u8], request: Circumstances) -> Result<Option<Self>, ParseError> {
        let mut headers = [httparse::EMPTY_HEADER; USUAL_HEADERS];
        match Self::parse_into(bytes, &mut headers, request) {
            Err(ParseError::TooManyHeaders) => {
                let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
                Self::parse_into(bytes, &mut headers, request)
            }
            result => result,
        }
    }

    fn parse_into<'b>(
        bytes: &'b [u8],
        headers: &mut [httparse::Header<'b>],
        request: Circumstances,
    ) -> Result<Option<Self>, ParseError> {
        let mut response = httparse::Response::new(headers);
        let length = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(ParseError::TooManyHeaders),
            Err(error) => return Err(ParseError::NotHttp(error)),
        };
        let (status, minor) = (response.code.unwrap_or_default(), response.version.unwrap_or_default());
        if status < 100 {
            return Err(ParseError::Status(status));
        }
        let mut framing = Framing::default();
        for header in response.headers.iter() {
            framing.take(header)?;
        }
        let bodiless = request.is_head || status < 200 || status == 204 || status == 304;
        let (body, delimited) = framing.body(bodiless, minor, request.trailer_limit);
        let wants_to_persist = if minor == 0 { framing.keep_alive && !framing.close } else { !framing.close };
        Ok(Some(Self { length, status, persistent: wants_to_persist && delimited, body }))
    }
}

/// The header fields that decide where the message ends and what follows it (RFC 9112 §6, §9.3).
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    /// Whether there is a transfer coding, and if so, whether `chunked` is the last one.
    chunked: Option<bool>,
    close: bool,
    keep_alive: bool,
}

impl Framing {
    fn take(&mut self, header: &httparse::Header<'_>) -> Result<(), ParseError> {
        // The length of the name tells most fields apart before any comparison.
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => self.take_length(header.value),
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                let last = list(header.value).last().unwrap_or_default();
                self.chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
                Ok(())
            }
            10 if header.name.eq_ignore_ascii_case("connection") => {
                for option in list(header.value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One field, or several that were joined to a list; all must say the same.
    fn take_length(&mut self, value: &[u8]) -> Result<(), ParseError> {
        for text in value.split(|&b| b == b',') {
            let length = parse_length(text.trim_ascii()).ok_or(ParseError::BadLength)?;
            if self.length.is_some_and(|known| known != length) {
                return Err(ParseError::ConflictingLengths);
            }
            self.length = Some(length);
        }
        Ok(())
    }

    /// The body, and whether its end leaves the connection in a known state.
    ///
    /// A Transfer-Encoding overrides a Content-Length (RFC 9112 §6.3); because the two together are also the sign
    /// of a tampered message, and because in HTTP/1.0 the former is faulty in itself (§6.1), the connection is
    /// closed after such a response. A coding that is not `chunked` at its end lasts until the peer closes.
    fn body(&self, bodiless: bool, minor: u8, trailer_limit: usize) -> (Body, bool) {
        match (self.chunked, self.length) {
            _ if bodiless => (Body::Length(0), true),
            (Some(false), _) | (None, None) => (Body::UntilClose, false),
            (Some(true), length) => {
                (Body::Chunked(Chunks::new(trailer_limit)), length.is_none() && minor > 0)
            }
            (None, Some(length)) => (Body::Length(length), true),
        }
    }
}

/// Digits only: Rust's own parser would take a plus sign.
fn parse_length(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}
