//! The status at the end of a call, from header fields.

use super::code::GrpcCode;
use http::HeaderMap;

/// The longest message of a status that is kept, in bytes.
const MAX_MESSAGE: usize = 1024;

/// How a call ended, in the words of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcStatus {
    /// The code.
    pub code: GrpcCode,
    /// What the service says about it; usually empty for `OK`.
    pub message: String,
}

impl GrpcStatus {
    pub(crate) fn new(code: GrpcCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The status in trailers, or in the head of an answer that has nothing else; `None` when there is none.
    ///
    /// A status that is no number, or a number that gRPC does not define, is `UNKNOWN`, as the protocol asks.
    pub fn of_fields(fields: &HeaderMap) -> Option<Self> {
        let status = fields.get("grpc-status")?;
        let number = status.to_str().ok().and_then(|text| text.parse::<u64>().ok());
        let code = number.map_or(GrpcCode::Unknown, GrpcCode::of_number);
        let mut message =
            fields.get("grpc-message").map(|value| percent_decoded(value.as_bytes())).unwrap_or_default();
        let defined = number.is_some_and(|number| (number as usize) < GrpcCode::ALL.len());
        if !defined {
            let said = String::from_utf8_lossy(status.as_bytes());
            let said: String = said.chars().take(20).collect();
            message = format!("grpc-status `{said}` is not defined; {message}");
        }
        Some(Self { code, message })
    }
}

/// What `%XX` stands for; anything else as it is, and what is no UTF-8 replaced: a message is for people, and the
/// protocol asks not to fail over it.
fn percent_decoded(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len().min(MAX_MESSAGE));
    let mut rest = bytes;
    while let [byte, after @ ..] = rest
        && out.len() < MAX_MESSAGE
    {
        let escaped = match after {
            [high, low, ..] if *byte == b'%' => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        out.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn status(code: &'static str, message: &'static str) -> GrpcStatus {
        let mut fields = HeaderMap::new();
        fields.insert("grpc-status", HeaderValue::from_static(code));
        fields.insert("grpc-message", HeaderValue::from_static(message));
        GrpcStatus::of_fields(&fields).expect("there is one")
    }

    #[test]
    fn statuses_as_services_send_them() {
        for (number, sent, code, message) in [
            ("0", "", GrpcCode::Ok, ""),
            ("5", "no such symbol", GrpcCode::NotFound, "no such symbol"),
            ("3", "100%25 %C3%BC%0A", GrpcCode::InvalidArgument, "100% ü\n"),
            ("3", "100% %zz %4", GrpcCode::InvalidArgument, "100% %zz %4"),
            ("3", "%ff", GrpcCode::InvalidArgument, "\u{fffd}"),
            ("17", "x", GrpcCode::Unknown, "grpc-status `17` is not defined; x"),
            ("-1", "", GrpcCode::Unknown, "grpc-status `-1` is not defined; "),
            (
                "99999999999999999999999",
                "",
                GrpcCode::Unknown,
                "grpc-status `99999999999999999999` is not defined; ",
            ),
        ] {
            assert_eq!(status(number, sent), GrpcStatus::new(code, message), "{number} {sent}");
        }
        assert_eq!(GrpcStatus::of_fields(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn no_message_is_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert!(percent_decoded(&bytes).chars().count() <= MAX_MESSAGE);
        }
    }
}
