//! A look at the last response, where it lies in the buffer.

use memchr::memchr;

/// Head and kept body of the last response. Before the first one, everything is empty.
#[derive(Debug, Clone, Copy)]
pub struct ResponseView<'a> {
    pub(crate) status: u16,
    /// Status line and header fields as received; httparse has accepted them.
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<'a> ResponseView<'a> {
    /// A response that came some other way. `head` has the form of HTTP/1.1: a first line, fields, an empty line.
    pub fn new(status: u16, head: &'a [u8], body: &'a [u8]) -> Self {
        Self { status, head, body }
    }

    /// Status code; 0 where there is no response.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body as sent (no content decoding); empty unless the exchange ran under [`Keep::Body`](crate::Keep::Body).
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Status line and header fields as received, up to and including the empty line.
    pub fn head(&self) -> &'a [u8] {
        self.head
    }

    /// The header fields in order, without trailers.
    pub fn headers(&self) -> Headers<'a> {
        let mut rest = self.head;
        // Empty lines may precede the status line (httparse skips them); the status line itself is no field.
        while let [b'\r' | b'\n', after @ ..] = rest {
            rest = after;
        }
        next_line(&mut rest);
        Headers { rest }
    }

    /// The value of the first header field of that name (in any case), without surrounding white space.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.header_all(name).next()
    }

    /// The values of all header fields of that name, such as `Set-Cookie`.
    pub fn header_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Names and values of the header fields of a [`ResponseView`].
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let line = next_line(&mut self.rest)?;
        let colon = memchr(b':', line)?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        Some((name, line[colon + 1..].trim_ascii()))
    }
}

/// Cuts one line off, without its end.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr(b'\n', rest)?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}
