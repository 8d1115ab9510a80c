//! What goes wrong on QUIC, as the classes of all failures.

use super::connection::Life;
use super::socket::Socket;
use super::streams::TooLong;
use crate::failure::{CA_AS_ITS_OWN, Cause, FailureClass, UNKNOWN_ISSUER};
use h3::error::{Code, ConnectionError, LocalError, StreamError};
use std::io;
use std::time::Duration;

/// Why there is no connection.
pub(super) fn of_handshake(error: &quinn::ConnectionError, socket: &Socket, budget: Duration) -> Cause {
    if let Some(error) = socket.error() {
        return Cause::of(&error);
    }
    match error {
        quinn::ConnectionError::TimedOut => no_answer(budget),
        quinn::ConnectionError::VersionMismatch => {
            Cause::new(FailureClass::Tls, "the service speaks no version of QUIC that is known here")
        }
        other => Cause::new(FailureClass::Tls, format!("during the handshake: {}", sentence(other))),
    }
}

/// Nothing came back: neither an answer nor word that nobody listens.
pub(super) fn no_answer(budget: Duration) -> Cause {
    Cause::new(
        FailureClass::ConnectTimeout,
        format!("no QUIC connection within {budget:?} (does the service speak HTTP/3 at this UDP port?)"),
    )
}

/// Why there is no answer on an open connection.
pub(super) fn of_stream(error: StreamError, life: &Life) -> Cause {
    match error {
        StreamError::StreamError { code, reason, .. } => violated(code, &reason),
        StreamError::RemoteTerminate { code, .. } => {
            Cause::new(FailureClass::StreamReset, format!("the peer reset the stream ({code})"))
        }
        StreamError::HeaderTooBig { max_size, .. } => Cause::new(
            FailureClass::TooLarge,
            format!("a head is longer than the {max_size} bytes that are accepted"),
        ),
        StreamError::RemoteClosing => {
            Cause::new(FailureClass::GoAway, "the peer takes no more requests on the connection (GOAWAY)")
        }
        StreamError::ConnectionError(error) => of_connection(life.fault().unwrap_or(&error), life.end()),
        StreamError::Undefined(error) => match error.downcast_ref::<TooLong>() {
            Some(error) => Cause::new(FailureClass::TooLarge, error.to_string()),
            None => Cause::new(FailureClass::Other, error.to_string()),
        },
        // The library's enum is open.
        other => Cause::new(FailureClass::Other, other.to_string()),
    }
}

/// Why there is no connection any more: in the library's words, in QUIC's and in the system's.
pub(super) fn of_connection(
    error: &ConnectionError,
    end: (Option<quinn::ConnectionError>, Option<io::Error>),
) -> Cause {
    if let ConnectionError::Local { error: LocalError::Application { code, reason, .. }, .. } = error {
        return violated(*code, reason);
    }
    match end {
        (_, Some(_)) => Cause::new(FailureClass::Reset, "nobody listens at the service's UDP port any more"),
        (Some(error), None) => of_close(&error),
        (None, None) => Cause::new(FailureClass::Other, error.to_string()),
    }
}

fn of_close(error: &quinn::ConnectionError) -> Cause {
    use quinn::ConnectionError as Error;
    match error {
        Error::TimedOut => {
            Cause::new(FailureClass::Timeout, "nothing came from the peer within QUIC's idle timeout")
        }
        Error::Reset => Cause::new(FailureClass::Reset, "the peer does not know the connection any more"),
        Error::ApplicationClosed(close) => {
            let code = Code::from(close.error_code.into_inner());
            Cause::new(FailureClass::Closed, format!("the peer closed the connection: {code}"))
        }
        Error::ConnectionClosed(_) => {
            Cause::new(FailureClass::Closed, format!("the peer closed the connection: {error}"))
        }
        Error::TransportError(_) | Error::VersionMismatch => {
            Cause::new(FailureClass::Protocol, format!("the answer is not QUIC: {error}"))
        }
        Error::LocallyClosed | Error::CidsExhausted => {
            Cause::new(FailureClass::Closed, format!("the connection was closed here: {error}"))
        }
    }
}

fn violated(code: Code, reason: &str) -> Cause {
    Cause::new(FailureClass::Protocol, format!("the answer is not HTTP/3: {reason} ({code})"))
}

fn sentence(error: &quinn::ConnectionError) -> String {
    let quinn::ConnectionError::TransportError(transport) = error else { return error.to_string() };
    if transport.reason.contains("CaUsedAsEndEntity") {
        return CA_AS_ITS_OWN.to_owned();
    }
    let advice = if transport.reason.contains("UnknownIssuer") { UNKNOWN_ISSUER } else { "" };
    format!("{}{advice}", transport.reason)
}
