//! Why an exchange has no response, as a class that can be counted and a sentence that can be read.

use rustix::io::Errno;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Instant;

/// The kinds of failure that reports count apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureClass {
    /// The host name has no address, or resolving it took too long.
    Resolve,
    /// Nobody listens at the port.
    Refused,
    /// No connection within the connect timeout, TLS handshake included.
    ConnectTimeout,
    /// No route to the host or network.
    Unreachable,
    /// The TLS handshake or a TLS record failed: certificate, version, cipher.
    Tls,
    /// The proxy cannot be reached, refuses, or does not speak its protocol.
    Proxy,
    /// No complete response within the request's timeout.
    Timeout,
    /// The peer reset the connection.
    Reset,
    /// The peer closed the connection before a complete response.
    Closed,
    /// What came back is not a valid HTTP/1.x response.
    BadResponse,
    /// The peer reset the stream of a request over HTTP/2 or HTTP/3; the code is in the message.
    StreamReset,
    /// The peer ended the connection (GOAWAY of HTTP/2 and HTTP/3) without processing the request, also when asked again.
    GoAway,
    /// What came back breaks the rules of HTTP/2, HTTP/3, QUIC or WebSocket, or the peer does not speak it.
    Protocol,
    /// The response exceeds the [`Limits`](crate::Limits).
    TooLarge,
    /// This process or machine has no file descriptor left.
    Descriptors,
    /// This machine has no local port left for the address.
    Ports,
    /// Any other error of the operating system.
    Other,
}

impl FailureClass {
    /// Every class, in the order reports show them.
    pub const ALL: [Self; 17] = [
        Self::Resolve,
        Self::Refused,
        Self::ConnectTimeout,
        Self::Unreachable,
        Self::Tls,
        Self::Proxy,
        Self::Timeout,
        Self::Reset,
        Self::Closed,
        Self::BadResponse,
        Self::StreamReset,
        Self::GoAway,
        Self::Protocol,
        Self::TooLarge,
        Self::Descriptors,
        Self::Ports,
        Self::Other,
    ];

    /// The stable name in machine-readable reports, in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::BadResponse => "bad_response",
            Self::StreamReset => "stream_reset",
            Self::GoAway => "goaway",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
            Self::Descriptors => "descriptors",
            Self::Ports => "ports",
            Self::Other => "other",
        }
    }

    /// The class of an error of the operating system (or of TLS, which arrives wrapped in one).
    pub(crate) fn of(error: &io::Error) -> Self {
        if tls_reason(error).is_some() {
            return Self::Tls;
        }
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => return Self::Descriptors,
            Some(Errno::ADDRNOTAVAIL) => return Self::Ports,
            _ => {}
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::Unreachable,
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Self::Reset
            }
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Other,
        }
    }
}

/// The class in words, as a report's line starts.
impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "name not resolved",
            Self::Refused => "connection refused",
            Self::ConnectTimeout => "connect timeout",
            Self::Unreachable => "host unreachable",
            Self::Tls => "TLS failed",
            Self::Proxy => "proxy failed",
            Self::Timeout => "timeout",
            Self::Reset => "connection reset",
            Self::Closed => "connection closed early",
            Self::BadResponse => "bad response",
            Self::StreamReset => "stream reset",
            Self::GoAway => "connection ended by GOAWAY",
            Self::Protocol => "protocol violated",
            Self::TooLarge => "response too large",
            Self::Descriptors => "out of file descriptors",
            Self::Ports => "out of local ports",
            Self::Other => "I/O error",
        })
    }
}

/// An exchange (or a probe) that brought no complete response.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{class}: {detail}")]
pub struct Failure {
    /// What to count it as.
    pub class: FailureClass,
    /// The cause in words; for people, not stable.
    pub detail: Cow<'static, str>,
    /// When the exchange was asked for.
    pub started: Instant,
    /// When it was given up.
    pub finished: Instant,
    /// Bytes of HTTP written until then.
    pub bytes_sent: u64,
    /// Bytes of HTTP read until then.
    pub bytes_received: u64,
}

/// A failure before the moments and sizes are known that make it a [`Failure`].
#[derive(Debug)]
pub(crate) struct Cause {
    pub(crate) class: FailureClass,
    pub(crate) detail: Cow<'static, str>,
}

impl Cause {
    pub(crate) fn new(class: FailureClass, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { class, detail: detail.into() }
    }

    /// The same cause for another request that it concerns.
    pub(crate) fn same(&self) -> Self {
        Self { class: self.class, detail: self.detail.clone() }
    }

    pub(crate) fn of(error: &io::Error) -> Self {
        let class = FailureClass::of(error);
        // The frequent ones are static: a refused or resetting service must not make the generator allocate.
        let detail = match class {
            FailureClass::Refused => Cow::Borrowed("nobody listens at the service's address"),
            FailureClass::Reset => Cow::Borrowed("the peer reset the connection"),
            FailureClass::Closed => {
                Cow::Borrowed("the peer closed the connection before the response was complete")
            }
            FailureClass::Descriptors => Cow::Borrowed(
                "no file descriptor left for a socket; raise the limit (ulimit -n) or use fewer users",
            ),
            FailureClass::Ports => Cow::Borrowed(
                "no local port left; keep connections alive or widen net.ipv4.ip_local_port_range",
            ),
            FailureClass::Tls => Cow::Owned(tls_sentence(error)),
            _ => Cow::Owned(error.to_string()),
        };
        Self { class, detail }
    }

    /// Whatever goes wrong inside a handshake is counted as TLS, except what this machine lacks.
    pub(crate) fn of_handshake(error: &io::Error) -> Self {
        let cause = Self::of(error);
        match cause.class {
            FailureClass::Tls | FailureClass::Descriptors => cause,
            _ => Self::new(FailureClass::Tls, format!("during the handshake: {}", cause.detail)),
        }
    }

    /// A Unix socket has a path in place of an address.
    pub(crate) fn of_unix(error: &io::Error, path: &Path) -> Self {
        let path = path.display();
        match (FailureClass::of(error), error.kind()) {
            (FailureClass::Refused, _) => {
                Self::new(FailureClass::Refused, format!("nobody listens at the Unix socket {path}"))
            }
            (_, io::ErrorKind::NotFound) => {
                Self::new(FailureClass::Refused, format!("there is no Unix socket {path}"))
            }
            (FailureClass::Descriptors, _) => Self::of(error),
            (class, _) => Self::new(class, format!("the Unix socket {path}: {error}")),
        }
    }

    pub(crate) fn into_failure(self, started: Instant, bytes_sent: u64, bytes_received: u64) -> Failure {
        let Self { class, detail } = self;
        Failure { class, detail, started, finished: Instant::now(), bytes_sent, bytes_received }
    }
}

/// What to do where nobody who is trusted signed the certificate.
pub(crate) const UNKNOWN_ISSUER: &str = " (no trusted authority signed the certificate; give its CA certificate with \
                                          --cacert, or skip the check with --insecure)";

/// For an error that the library names only in its debug form.
pub(crate) const CA_AS_ITS_OWN: &str = "the service shows a CA certificate as its own, which is not allowed (a self-signed \
                                        one must not be marked as a CA; skip the check with --insecure)";

fn tls_reason(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn tls_sentence(error: &io::Error) -> String {
    use rustls::{CertificateError, Error};
    match tls_reason(error) {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            format!("{error}{UNKNOWN_ISSUER}")
        }
        // The library that checks certificates names this case only in its debug form.
        Some(Error::InvalidCertificate(CertificateError::Other(other)))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            CA_AS_ITS_OWN.to_owned()
        }
        Some(Error::InvalidMessage(_)) => format!("{error} (does the port speak TLS at all?)"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_and_snake_case() {
        let names: BTreeSet<_> = FailureClass::ALL.iter().map(|class| class.as_str()).collect();
        assert_eq!(names.len(), FailureClass::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        let words: BTreeSet<_> = FailureClass::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), FailureClass::ALL.len());
    }

    #[test]
    fn a_ca_certificate_as_its_own_is_explained() {
        use rustls::{CertificateError, Error, OtherError};
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Reason(&'static str);
        let other = |text| CertificateError::Other(OtherError(std::sync::Arc::new(Reason(text))));
        let sentence = |text| tls_sentence(&io::Error::other(Error::InvalidCertificate(other(text))));
        assert!(sentence("CaUsedAsEndEntity").contains("shows a CA certificate as its own"));
        assert!(!sentence("something else").contains("CA certificate"));
    }

    #[test]
    fn errors_of_the_system_have_their_class() {
        let table = [
            (Errno::MFILE, FailureClass::Descriptors),
            (Errno::NFILE, FailureClass::Descriptors),
            (Errno::ADDRNOTAVAIL, FailureClass::Ports),
            (Errno::CONNREFUSED, FailureClass::Refused),
            (Errno::HOSTUNREACH, FailureClass::Unreachable),
            (Errno::NETUNREACH, FailureClass::Unreachable),
            (Errno::CONNRESET, FailureClass::Reset),
            (Errno::PIPE, FailureClass::Reset),
            (Errno::TIMEDOUT, FailureClass::Timeout),
            (Errno::NOMEM, FailureClass::Other),
        ];
        for (errno, class) in table {
            let cause = Cause::of(&io::Error::from(errno));
            assert_eq!(cause.class, class, "{errno:?}");
            assert!(!cause.detail.is_empty());
        }
    }

    #[test]
    fn a_handshake_that_breaks_is_tls_unless_this_machine_is_short() {
        assert_eq!(Cause::of_handshake(&Errno::CONNRESET.into()).class, FailureClass::Tls);
        assert_eq!(Cause::of_handshake(&io::ErrorKind::UnexpectedEof.into()).class, FailureClass::Tls);
        assert_eq!(Cause::of_handshake(&Errno::MFILE.into()).class, FailureClass::Descriptors);
    }
}
