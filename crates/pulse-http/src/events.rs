//! The parser of `text/event-stream` (WHATWG HTML, §9.2 server-sent events): bytes in, events out. It knows no socket and no
//! clock.

use crate::failure::FailureClass;
use memchr::{memchr, memchr2};

/// An event, while the parser hands it out. Texts are as sent; the standard replaces what is not UTF-8 in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its type; `message` where none was given.
    pub kind: &'a [u8],
    /// Its data: the values of its `data` fields with line feeds between them.
    pub data: &'a [u8],
    /// The last id that was given, by this event or one before it; empty where none was.
    pub id: &'a [u8],
}

/// Why bytes are not a stream of events that is acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A line without end, comments included.
    #[error("a line of the event stream is longer than {limit} bytes")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// An event without end.
    #[error("an event has more than {limit} bytes of data")]
    EventTooLarge {
        /// The limit.
        limit: usize,
    },
}

impl EventError {
    /// What to count it as.
    pub const fn class(self) -> FailureClass {
        FailureClass::TooLarge
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const DEFAULT_KIND: &[u8] = b"message";

/// Parses one stream.
///
/// ```
/// # use pulse_http::EventParser;
/// let mut parser = EventParser::new(1 << 20);
/// let mut seen = Vec::new();
/// for part in [&b": hello\ndata: 1\nda"[..], b"ta: 2\n", b"\ndata: cut"] {
///     parser.feed(part, &mut |event| seen.push(String::from_utf8_lossy(event.data).into_owned()))?;
/// }
/// assert_eq!(seen, ["1\n2"]);
/// # Ok::<(), pulse_http::EventError>(())
/// ```
#[derive(Debug)]
pub struct EventParser {
    limit: usize,
    /// The part of a line whose end has not come.
    line: Vec<u8>,
    kind: Vec<u8>,
    data: Vec<u8>,
    id: Vec<u8>,
    /// Reconnection time that the stream asked for, in milliseconds.
    retry_ms: Option<u64>,
    /// The last line ended with a carriage return, of which a line feed may be a part.
    after_return: bool,
    /// The first line, which may begin with a byte order mark.
    first: bool,
    /// What ended the stream; nothing is read after it.
    failed: Option<EventError>,
}

impl EventParser {
    /// A parser that has seen nothing. `limit`, in bytes, is for a line and for the data of an event, each.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            kind: Vec::new(),
            data: Vec::new(),
            id: Vec::new(),
            retry_ms: None,
            after_return: false,
            first: true,
            failed: None,
        }
    }

    /// Takes the next bytes, however they are cut, and hands out the events that are complete with them.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) -> Result<(), EventError> {
        match self.failed {
            Some(error) => Err(error),
            None => self.take(bytes, sink).inspect_err(|error| self.failed = Some(*error)),
        }
    }

    /// The reconnection time that the stream asked for last, in milliseconds.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn take(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) -> Result<(), EventError> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = memchr2(b'\r', b'\n', bytes) else {
                self.check_line(self.line.len() + bytes.len())?;
                self.line.extend_from_slice(bytes);
                return Ok(());
            };
            self.check_line(self.line.len() + end)?;
            self.after_return = bytes[end] == b'\r';
            if self.line.is_empty() {
                self.take_line(&bytes[..end], sink)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&bytes[..end]);
                self.take_line(&line, sink)?;
                line.clear();
                self.line = line;
            }
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    fn check_line(&self, length: usize) -> Result<(), EventError> {
        if length > self.limit { Err(EventError::LineTooLong { limit: self.limit }) } else { Ok(()) }
    }

    fn take_line(&mut self, mut line: &[u8], sink: &mut dyn FnMut(Event<'_>)) -> Result<(), EventError> {
        if std::mem::take(&mut self.first) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(sink);
            return Ok(());
        }
        let (name, value) = match memchr(b':', line) {
            // A comment.
            Some(0) => return Ok(()),
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match name {
            b"data" => {
                if self.data.len() + value.len() >= self.limit {
                    return Err(EventError::EventTooLarge { limit: self.limit });
                }
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => replace(&mut self.kind, value),
            b"id" if !value.contains(&0) => replace(&mut self.id, value),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                self.retry_ms =
                    str::from_utf8(value).ok().and_then(|text| text.parse().ok()).or(self.retry_ms);
            }
            _ => {}
        }
        Ok(())
    }

    /// An empty line: the end of an event, which is one only if it has data.
    fn dispatch(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if let Some(data) = self.data.strip_suffix(b"\n") {
            let kind = if self.kind.is_empty() { DEFAULT_KIND } else { &self.kind };
            sink(Event { kind, data, id: &self.id });
        }
        self.data.clear();
        self.kind.clear();
    }
}

fn replace(text: &mut Vec<u8>, value: &[u8]) {
    text.clear();
    text.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Seen = Vec<(String, String, String)>;

    fn parse<'b>(parts: impl IntoIterator<Item = &'b [u8]>, limit: usize) -> (Seen, Result<(), EventError>) {
        let mut parser = EventParser::new(limit);
        let mut seen = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut take = |event: Event<'_>| seen.push((text(event.kind), text(event.data), text(event.id)));
        let result = parts.into_iter().try_for_each(|part| parser.feed(part, &mut take));
        (seen, result)
    }

    #[test]
    fn streams_of_the_standard() {
        let table: &[(&str, &[(&str, &str, &str)])] = &[
            ("data: YHOO\ndata: +2\ndata: 10\n\n", &[("message", "YHOO\n+2\n10", "")]),
            (
                ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
                &[("message", "first event", "1"), ("message", "second event", "")],
            ),
            ("data\n\ndata\ndata\n\ndata:", &[("message", "", ""), ("message", "\n", "")]),
            ("data:test\n\ndata: test\n\n", &[("message", "test", ""), ("message", "test", "")]),
            ("event: add\ndata: 7\n\ndata: 8\n\n", &[("add", "7", ""), ("message", "8", "")]),
            ("event: lost\n\ndata: 8\n\n", &[("message", "8", "")]),
            (
                "\u{FEFF}data: bom\r\rdata: cr\r\n\r\ndata: lf\n\n",
                &[("message", "bom", ""), ("message", "cr", ""), ("message", "lf", "")],
            ),
            ("\u{FEFF}\u{FEFF}data: no\n\n\u{FEFF}data: no\n\n", &[]),
            ("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", &[("message", "a", "1"), ("message", "b", "1")]),
            ("Data: a\nunknown: b\n data: c\n\n", &[]),
            ("data: a:b: c\n\n", &[("message", "a:b: c", "")]),
        ];
        for (stream, expected) in table {
            let (seen, result) = parse([stream.as_bytes()], 1 << 10);
            let seen: Vec<_> = seen.iter().map(|(k, d, i)| (k.as_str(), d.as_str(), i.as_str())).collect();
            assert_eq!((seen.as_slice(), result), (*expected, Ok(())), "{stream:?}");
            let bytes = stream.as_bytes().chunks(1);
            assert_eq!(parse(bytes, 1 << 10).0.len(), expected.len(), "{stream:?} byte by byte");
        }
    }

    #[test]
    fn reconnection_times_are_whole_numbers() {
        let mut parser = EventParser::new(100);
        for (line, expected) in [
            ("retry: 10\n", Some(10)),
            ("retry: 1s\n", Some(10)),
            ("retry\n", Some(10)),
            ("retry:7\n", Some(7)),
        ] {
            parser.feed(line.as_bytes(), &mut |_| {}).unwrap();
            assert_eq!(parser.retry_ms(), expected, "{line}");
        }
    }

    #[test]
    fn what_never_ends_is_ended() {
        let long = EventError::LineTooLong { limit: 64 };
        let large = EventError::EventTooLarge { limit: 64 };
        let endless: [(&[u8], EventError); 3] =
            [(b":", long), (b"data: ", long), (b"data: some more of it\n", large)];
        for (start, error) in endless {
            let parts = std::iter::once(start)
                .chain(std::iter::repeat_n(if error == long { &b"x"[..] } else { start }, 1_000));
            assert_eq!(parse(parts, 64), (Vec::new(), Err(error)));
        }
        let mut parser = EventParser::new(4);
        assert!(parser.feed(b"12345", &mut |_| {}).is_err());
        assert!(parser.feed(b"\n\ndata: 1\n\n", &mut |_| panic!("nothing is read after a failure")).is_err());
        assert!(parser.line.capacity() + parser.data.capacity() < 64);
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(
            lines in prop::collection::vec("(data|id|event|retry|:|x)?:? ?[a-z\u{FEFF}]{0,3}(\r|\n|\r\n)", 0..20),
            cuts in prop::collection::vec(0.0..1.0, 0..8),
        ) {
            let stream = lines.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| (cut * stream.len() as f64) as usize).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|ends| &stream[ends[0]..ends[1]]);
            prop_assert_eq!(parse(parts, 1 << 10), parse([stream.as_slice()], 1 << 10));
        }

        #[test]
        fn no_input_panics_and_memory_is_bounded(stream in prop::collection::vec(any::<u8>(), 0..500)) {
            let mut parser = EventParser::new(32);
            for part in stream.chunks(7) {
                let _ = parser.feed(part, &mut |event| assert!(event.data.len() < 32));
            }
            prop_assert!(parser.line.len() <= 32 && parser.data.len() <= 32);
        }
    }
}
