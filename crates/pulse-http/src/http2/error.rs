//! What went wrong on a stream, and whether the peer has done anything about the request.

use crate::failure::{Cause, FailureClass};
use crate::response::ParseError;
use h2::Reason;
use std::borrow::Cow;

use super::socket::{Traffic, ended_without_reason};

/// Why a stream has no complete response.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{class}: {detail}")]
pub struct Http2Error {
    /// What to count it as.
    pub class: FailureClass,
    /// The cause in words; for people, not stable.
    pub detail: Cow<'static, str>,
    /// Whether the peer has said that it did not process the request, or never got it: asking again is safe for any
    /// method (RFC 9113 §8.7).
    pub unprocessed: bool,
    /// The error code with which the peer reset the stream, where it did (RFC 9113 §7).
    pub reset: Option<u32>,
}

impl Http2Error {
    pub(super) fn new(class: FailureClass, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { class, detail: detail.into(), unprocessed: false, reset: None }
    }

    /// The meaning of an error of the frames' library, on a connection with that socket.
    pub(super) fn of(error: &h2::Error, traffic: &Traffic) -> Self {
        let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
        if error.is_go_away() && error.is_remote() {
            let detail = match reason {
                Reason::NO_ERROR => {
                    Cow::Borrowed("the peer ended the connection (GOAWAY) before it looked at the request")
                }
                _ => Cow::Owned(format!("the peer ended the connection (GOAWAY {})", code(reason))),
            };
            return Self { unprocessed: true, ..Self::new(FailureClass::GoAway, detail) };
        }
        if error.is_reset() && error.is_remote() {
            let detail = match known(reason) {
                Some(sentence) => Cow::Borrowed(sentence),
                None => Cow::Owned(format!("the peer reset the stream ({})", code(reason))),
            };
            let unprocessed = reason == Reason::REFUSED_STREAM;
            let reset = Some(reason.into());
            return Self { unprocessed, reset, ..Self::new(FailureClass::StreamReset, detail) };
        }
        if error.is_reset() || error.is_go_away() {
            let detail = format!("the peer broke a rule of HTTP/2 ({})", code(reason));
            return Self::new(FailureClass::Protocol, detail);
        }
        if error.is_io() {
            return traffic.end().unwrap_or_else(ended_without_reason).into();
        }
        Self::new(FailureClass::Protocol, error.to_string())
    }
}

impl From<Cause> for Http2Error {
    fn from(cause: Cause) -> Self {
        Self::new(cause.class, cause.detail)
    }
}

impl From<ParseError> for Http2Error {
    fn from(error: ParseError) -> Self {
        Self::new(error.class(), error.to_string())
    }
}

impl From<Http2Error> for Cause {
    fn from(error: Http2Error) -> Self {
        Self::new(error.class, error.detail)
    }
}

/// The frequent ones are static: a service that resets everything must not make the generator allocate.
fn known(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::NO_ERROR => "the peer reset the stream (NO_ERROR) before the response was complete",
        Reason::PROTOCOL_ERROR => "the peer reset the stream (PROTOCOL_ERROR)",
        Reason::INTERNAL_ERROR => "the peer reset the stream (INTERNAL_ERROR)",
        Reason::REFUSED_STREAM => "the peer refused the stream (REFUSED_STREAM)",
        Reason::CANCEL => "the peer reset the stream (CANCEL)",
        Reason::ENHANCE_YOUR_CALM => "the peer reset the stream (ENHANCE_YOUR_CALM)",
        _ => return None,
    })
}

/// The registered name of an error code, and the number of one that has none.
fn code(reason: Reason) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        Reason::NO_ERROR => "NO_ERROR",
        Reason::PROTOCOL_ERROR => "PROTOCOL_ERROR",
        Reason::INTERNAL_ERROR => "INTERNAL_ERROR",
        Reason::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
        Reason::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
        Reason::STREAM_CLOSED => "STREAM_CLOSED",
        Reason::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
        Reason::REFUSED_STREAM => "REFUSED_STREAM",
        Reason::CANCEL => "CANCEL",
        Reason::COMPRESSION_ERROR => "COMPRESSION_ERROR",
        Reason::CONNECT_ERROR => "CONNECT_ERROR",
        Reason::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
        Reason::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
        Reason::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
        other => return Cow::Owned(format!("code {}", u32::from(other))),
    })
}
