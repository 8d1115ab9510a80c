//! The service: what is tested, and how it is reached.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pulse_model::Nanos;
use std::fmt;
use url::Url;

use crate::connection::{ConnectionError, ConnectionOptions, TlsSettings};
use crate::{AnswerLimits, ConnectionReuse, HttpVersion, LimitOptions, StatusSet};

/// Where a service is looked for when nobody says.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8000";

/// The most redirects of one request that can be followed: browsers follow 20.
pub const MAX_REDIRECTS: u32 = 50;
/// The encodings of bodies that can be decoded.
const ACCEPTED_ENCODINGS: &str = "gzip, deflate, br, zstd";

/// The most users that share a connection.
pub(crate) const MAX_STREAMS: u32 = 1000;

/// The thing under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Absolute `http` or `https` URL (`grpc` and `grpcs` stand for these), without user name, password and fragment.
    pub url: String,
    /// Path of the URL without the slash at its end, possibly empty. Already part of every step's target.
    pub base_path: String,
    /// Limit for one request, from its send to its last byte.
    pub timeout: Nanos,
    /// Limit for establishing a connection: name resolution, TCP and TLS.
    pub connect_timeout: Nanos,
    /// Accept any certificate.
    pub insecure: bool,
    /// Certificates to trust besides those of the system, PEM.
    pub ca_certificate: Option<Vec<u8>>,
    /// The version of HTTP to speak.
    pub http: HttpVersion,
    /// Users of one worker that share a connection, where it can carry several requests at a time; 1 to 1000.
    pub streams: u32,
    /// How connections are made.
    pub connection: ConnectionOptions,
    /// How they are encrypted.
    pub tls: TlsSettings,
    /// When a user's connection is closed.
    pub connections: ConnectionReuse,
    /// How many redirects of a request are followed.
    pub redirects: u32,
    /// Whether compressed answers are asked for, and decoded where a step looks at the body.
    pub compression: bool,
    /// How much of an answer is accepted.
    pub limits: AnswerLimits,
    /// Statuses that count as success.
    pub expect: StatusSet,
}

/// How a client says who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Name and password, joined by a colon.
    Basic(String),
    /// A token.
    Bearer(String),
}

impl Authorization {
    /// The value of the `Authorization` header field.
    pub fn header_value(&self) -> String {
        match self {
            Self::Basic(credentials) => format!("Basic {}", STANDARD.encode(credentials)),
            Self::Bearer(token) => format!("Bearer {token}"),
        }
    }
}

/// Secrets stay out of logs.
impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic(_) => "Basic(…)",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}

/// What is said about a service, in `[service]` or by flags; what is `None` is left to others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceOptions {
    /// Absolute `http` or `https` URL; `grpc` and `grpcs` stand for these over HTTP/2.
    pub url: Option<String>,
    /// Header fields of every request.
    pub headers: Vec<(String, String)>,
    /// Default for every request without an `Authorization` field of its own.
    pub authorization: Option<Authorization>,
    /// Limit for one request; 30 s by default.
    pub timeout: Option<Nanos>,
    /// Limit for establishing a connection; 5 s by default.
    pub connect_timeout: Option<Nanos>,
    /// Accept any certificate.
    pub insecure: Option<bool>,
    /// Certificates to trust besides those of the system, PEM.
    pub ca_certificate: Option<Vec<u8>>,
    /// The version of HTTP to speak; 1.1 by default.
    pub http: Option<HttpVersion>,
    /// Users of one worker that share a connection, 1 to 1000; 1 by default. More than one needs HTTP/2.
    pub streams: Option<u32>,
    /// How connections are made.
    pub connection: ConnectionOptions,
    /// How they are encrypted.
    pub tls: TlsSettings,
    /// When a user's connection is closed; with the user by default.
    pub connections: Option<ConnectionReuse>,
    /// How many redirects of a request are followed; 0 by default: an answer that redirects is the answer.
    pub redirects: Option<u32>,
    /// Ask for compressed answers; no by default.
    pub compression: Option<bool>,
    /// How much of an answer is accepted.
    pub limits: LimitOptions,
    /// Statuses that count as success.
    pub expect: Option<StatusSet>,
}

/// Why a service cannot be used as described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Not a URL, or not one of a web service.
    #[error("`{url}` is not the URL of a service: {reason}; write for example http://127.0.0.1:8000")]
    Url {
        /// The offending text.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header field that cannot be sent.
    #[error("the header `{name}` cannot be sent: {reason}")]
    Header {
        /// The field's name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A method that cannot be sent.
    #[error("`{0}` is not an HTTP method; write for example GET or POST")]
    Method(String),
    /// What a WebSocket has no use for.
    #[error("`{0}` does not go with a ws:// or wss:// URL, whose body (-d) is a message")]
    WebSocket(&'static str),
    /// A body that is read while it is sent, where it has to be known before.
    #[error("a body is streamed from its file for plain requests only; send it as bytes")]
    StreamedBody,
    /// What is said about connections.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A limit of no time at all.
    #[error("`{0}` must be longer than 0s")]
    NoTime(&'static str),
    /// Sharing connections over a version of HTTP that cannot.
    #[error("`streams` = {0} needs HTTP/2: otherwise each user has a connection; set `http` to 2 or auto")]
    Streams(u32),
    /// HTTP/3 without TLS.
    #[error("HTTP/3 is always encrypted: write the service's URL with https://, not `{0}`")]
    NotEncrypted(String),
    /// Too few or too many to share a connection.
    #[error("`streams` must be between 1 and {MAX_STREAMS}, not {0}")]
    StreamsRange(u32),
}

/// A service URL taken apart.
pub(crate) struct ServiceUrl {
    pub(crate) url: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    /// Name and password inside the URL.
    pub(crate) credentials: Option<String>,
    /// What is spoken after the connection.
    pub(crate) kind: UrlKind,
}

/// What the scheme of a URL says besides whether there is TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlKind {
    /// `http` and `https`.
    Http,
    /// `ws` and `wss`.
    WebSocket,
    /// `grpc` and `grpcs`: a method, over HTTP/2.
    Grpc,
}

impl UrlKind {
    /// The kind, and the URL as HTTP has it.
    fn take(given: &str) -> (Self, String) {
        let schemes = [
            ("ws", "http", Self::WebSocket),
            ("wss", "https", Self::WebSocket),
            ("grpc", "http", Self::Grpc),
            ("grpcs", "https", Self::Grpc),
        ];
        if let Some((scheme, rest)) = given.split_once("://")
            && let Some((_, http, kind)) =
                schemes.into_iter().find(|(name, ..)| scheme.eq_ignore_ascii_case(name))
        {
            return (kind, format!("{http}://{rest}"));
        }
        (Self::Http, given.to_owned())
    }
}

impl ServiceUrl {
    pub(crate) fn parse(given: &str) -> Result<Self, ServiceError> {
        let fail = |reason: String| ServiceError::Url { url: mask_credentials(given), reason };
        let (kind, text) = UrlKind::take(given.trim());
        let mut url = Url::parse(&text).map_err(|error| {
            fail(match error {
                url::ParseError::RelativeUrlWithoutBase => "the scheme is missing".into(),
                other => other.to_string(),
            })
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(fail(format!("the scheme is {}, not http or https", url.scheme())));
        }
        let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let decode =
                |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
            format!("{}:{}", decode(url.username()), decode(url.password().unwrap_or_default()))
        });
        // These fail only for URLs without a host, which the schemes above always have.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        let given_path = given_path(&text);
        let path = if given_path { url.path().to_owned() } else { String::new() };
        let query = url.query().map(str::to_owned);
        let shown = if given_path || query.is_some() {
            url.to_string()
        } else {
            url.as_str().trim_end_matches('/').to_owned()
        };
        Ok(Self { url: shown, path, query, credentials, kind })
    }
}

/// Whether anything follows the authority; parsing would turn nothing into `/`.
fn given_path(text: &str) -> bool {
    let after_scheme = text.find("://").map_or(text, |at| &text[at + 3..]);
    let authority_end = after_scheme.find(['/', '\\', '?', '#']).unwrap_or(after_scheme.len());
    after_scheme[authority_end..].starts_with(['/', '\\'])
}

/// A URL for messages: what stands before an `@` may be a password.
fn mask_credentials(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}***{}", &text[..scheme + 3], &text[at..]),
        (None, Some(at)) => format!("***{}", &text[at..]),
        _ => text.to_owned(),
    }
}

impl ServiceOptions {
    /// These options, completed by those of `base`. Header fields of the same name are replaced, others added.
    #[must_use]
    pub fn merged_over(&self, base: &Self) -> Self {
        let mut headers = base.headers.clone();
        headers.retain(|(name, _)| !self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)));
        headers.extend(self.headers.iter().cloned());
        Self {
            url: self.url.clone().or_else(|| base.url.clone()),
            headers,
            authorization: self.authorization.clone().or_else(|| base.authorization.clone()),
            timeout: self.timeout.or(base.timeout),
            connect_timeout: self.connect_timeout.or(base.connect_timeout),
            insecure: self.insecure.or(base.insecure),
            ca_certificate: self.ca_certificate.clone().or_else(|| base.ca_certificate.clone()),
            http: self.http.or(base.http),
            streams: self.streams.or(base.streams),
            connection: self.connection.merged_over(&base.connection),
            tls: self.tls.merged_over(&base.tls),
            connections: self.connections.or(base.connections),
            redirects: self.redirects.or(base.redirects),
            compression: self.compression.or(base.compression),
            limits: self.limits.merged_over(&base.limits),
            expect: self.expect.clone().or_else(|| base.expect.clone()),
        }
    }

    /// The service that these options describe, and what its URL says of the request.
    pub(crate) fn to_service(&self) -> Result<(Service, ServiceUrl), ServiceError> {
        let url = ServiceUrl::parse(self.url.as_deref().unwrap_or(DEFAULT_URL))?;
        for (name, value) in &self.headers {
            check_header_name(name)
                .and_then(|()| check_header_value(value))
                .map_err(|reason| ServiceError::Header { name: name.clone(), reason })?;
        }
        for (name, limit) in [("timeout", self.timeout), ("connect_timeout", self.connect_timeout)] {
            if limit == Some(Nanos::ZERO) {
                return Err(ServiceError::NoTime(name));
            }
        }
        let usual = if url.kind == UrlKind::Grpc { HttpVersion::Http2 } else { HttpVersion::default() };
        let (http, streams) = (self.http.unwrap_or(usual), self.streams.unwrap_or(1));
        if !(1..=MAX_STREAMS).contains(&streams) {
            return Err(ServiceError::StreamsRange(streams));
        }
        if streams > 1 && !http.multiplexes() {
            return Err(ServiceError::Streams(streams));
        }
        if http == HttpVersion::Http3 && !url.url.starts_with("https:") {
            return Err(ServiceError::NotEncrypted(url.url.clone()));
        }
        self.connection.check(&url.url)?;
        self.tls.check()?;
        let service = Service {
            url: url.url.clone(),
            base_path: url.path.trim_end_matches('/').to_owned(),
            timeout: self.timeout.unwrap_or(Nanos::from_secs(30)),
            connect_timeout: self.connect_timeout.unwrap_or(Nanos::from_secs(5)),
            insecure: self.insecure.unwrap_or(false),
            ca_certificate: self.ca_certificate.clone(),
            http,
            streams,
            connection: self.connection.clone(),
            tls: self.tls.clone(),
            connections: self.connections.unwrap_or_default(),
            redirects: self.redirects.unwrap_or(0),
            compression: self.compression.unwrap_or(false),
            limits: self.limits.to_limits(),
            expect: self.expect.clone().unwrap_or_default(),
        };
        Ok((service, url))
    }

    /// Header fields of every request that has none of the same name.
    pub(crate) fn default_headers(&self, url: &ServiceUrl) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        let in_url = || url.credentials.clone().map(Authorization::Basic);
        if let Some(authorization) = self.authorization.clone().or_else(in_url)
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            headers.push(("Authorization".into(), authorization.header_value()));
        }
        if self.compression == Some(true)
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"))
        {
            headers.push(("Accept-Encoding".into(), ACCEPTED_ENCODINGS.into()));
        }
        headers
    }
}

/// Whether a field name may stand in a request, and if not, why not.
pub(crate) fn check_header_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("a name is made of letters, digits and -_.!#$%&'*+^`|~");
    }
    match name.to_ascii_lowercase().as_str() {
        "content-length" | "transfer-encoding" | "connection" | "upgrade" | "te" | "trailer" => {
            Err("the client sets this field itself")
        }
        _ => Ok(()),
    }
}

/// Whether a value may stand in a header field, and if not, why not.
pub(crate) fn check_header_value(value: &str) -> Result<(), &'static str> {
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err("a value must not contain line breaks or other control characters");
    }
    Ok(())
}

/// Whether a text is an HTTP method as it is sent.
pub(crate) fn is_method(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| is_token(byte) && !byte.is_ascii_lowercase())
}

/// The characters of an RFC 9110 token.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, url, path, credentials) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "", None),
            ("http://h:80", "http://h", "", None),
            ("http://h/", "http://h/", "/", None),
            ("https://h/a/b/#top", "https://h/a/b/", "/a/b/", None),
            ("http://h?x=1", "http://h/?x=1", "", None),
            ("http://me:p%40ss@h/a", "http://h/a", "/a", Some("me:p@ss")),
            ("grpc://h:80/a.B/C", "http://h/a.B/C", "/a.B/C", None),
            (" GRPCS://me:x@h", "https://h", "", Some("me:x")),
            ("WSS://me:x@h/ws", "https://h/ws", "/ws", Some("me:x")),
            (" ws://h:80", "http://h", "", None),
        ] {
            let parsed = ServiceUrl::parse(text).unwrap();
            assert_eq!((parsed.url.as_str(), parsed.path.as_str()), (url, path), "{text}");
            assert_eq!(parsed.credentials.as_deref(), credentials);
            let is_websocket = text.trim().to_ascii_lowercase().starts_with("ws");
            assert_eq!(parsed.kind == UrlKind::WebSocket, is_websocket, "{text}");
        }
    }

    #[test]
    fn what_is_no_url_says_why_and_hides_passwords() {
        for (text, reason) in [
            ("", "the scheme is missing"),
            ("localhost", "the scheme is missing"),
            ("localhost:8000", "the scheme is localhost, not http or https"),
            ("ftp://h", "the scheme is ftp, not http or https"),
            ("http://", "empty host"),
            ("http://h:99999", "invalid port number"),
        ] {
            let Err(ServiceError::Url { reason: found, .. }) = ServiceUrl::parse(text) else {
                panic!("{text}")
            };
            assert_eq!(found, reason, "{text}");
        }
        let Err(error) = ServiceUrl::parse("ftp://me:secret@h") else { panic!("ftp was taken") };
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(format!("{:?}", Authorization::Bearer("secret".into())), "Bearer(…)");
    }

    #[test]
    fn names_that_cannot_be_sent() {
        for (name, fine) in
            [("X-A", true), ("", false), ("a b", false), ("é", false), ("Content-length", false)]
        {
            assert_eq!(check_header_name(name).is_ok(), fine, "{name}");
        }
        assert!(check_header_value("a\tb ü").is_ok() && check_header_value("a\r\nb").is_err());
        assert!(is_method("GET") && is_method("M-SEARCH") && !is_method("get") && !is_method("GET /"));
    }
}
