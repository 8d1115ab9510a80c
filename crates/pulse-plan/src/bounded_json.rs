//! JSON that is written about what a peer sent: neither longer nor deeper than its reader takes it.

use std::io::{self, Write};

use serde_json::Serializer;
use serde_json::ser::Formatter;

/// The deepest nesting that is written. Readers of JSON refuse more than 128 levels, and the writer of a message would
/// need as much of the stack as the peer has levels.
const MAX_DEPTH: u32 = 127;

/// A serializer that appends to `out` and fails when that would become longer than `limit` bytes, or the JSON too deep.
pub(crate) fn bounded_json(out: &mut Vec<u8>, limit: usize) -> Serializer<Bounded<'_>, Depth> {
    Serializer::with_formatter(Bounded { out, limit }, Depth(0))
}

/// The text, up to its limit.
pub(crate) struct Bounded<'o> {
    out: &'o mut Vec<u8>,
    limit: usize,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.len().saturating_add(bytes.len()) > self.limit {
            return Err(io::Error::other(format!("as JSON it is longer than {} bytes", self.limit)));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Levels that are open.
pub(crate) struct Depth(u32);

impl Depth {
    fn enter(&mut self) -> io::Result<()> {
        if self.0 == MAX_DEPTH {
            return Err(io::Error::other(format!("as JSON it is nested more than {MAX_DEPTH} levels deep")));
        }
        self.0 += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.0 -= 1;
    }
}

impl Formatter for Depth {
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.leave();
        writer.write_all(b"}")
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.leave();
        writer.write_all(b"]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize as _;
    use serde_json::{Value, json};

    fn written(value: &Value, limit: usize) -> Result<String, String> {
        let mut out = b"before".to_vec();
        value.serialize(&mut bounded_json(&mut out, limit)).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).expect("JSON is text"))
    }

    fn nested(levels: u32) -> Value {
        (0..levels)
            .fold(json!(1), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({"a": inner}) })
    }

    #[test]
    fn what_fits_is_written_and_what_does_not_is_refused() {
        let value = json!({"a": [1, {"b": []}, "\n"], "c": {}});
        let text = r#"before{"a":[1,{"b":[]},"\n"],"c":{}}"#;
        assert_eq!(written(&value, text.len()), Ok(text.to_owned()));
        let error = written(&value, text.len() - 1).unwrap_err();
        assert!(error.contains("as JSON it is longer than 35 bytes"), "{error}");
    }

    #[test]
    fn what_is_deeper_than_readers_take_is_refused() {
        let deepest = written(&nested(MAX_DEPTH), usize::MAX).unwrap();
        assert!(serde_json::from_str::<Value>(&deepest["before".len()..]).is_ok());
        let error = written(&nested(MAX_DEPTH + 1), usize::MAX).unwrap_err();
        assert!(error.contains("nested more than 127 levels deep"), "{error}");
        // Levels that are closed do not count.
        assert!(written(&json!(vec![json!([]); 200]), usize::MAX).is_ok());
    }
}
