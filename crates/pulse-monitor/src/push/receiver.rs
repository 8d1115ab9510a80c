//! Sending one request and understanding the answer.

use std::sync::Arc;
use std::time::Duration;

use pulse_model::Nanos;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::{HeaderMap, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::PushError;

/// The part of an answer that is read.
const MAX_ANSWER_BYTES: u64 = 64 << 10;
/// The part of an answer that is shown.
const MAX_SHOWN_CHARS: usize = 200;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it; the answer's body.
    Taken(Vec<u8>),
    /// The receiver will never take it, and why.
    Refused(String),
    /// It may be taken later, and why not now; with the wait that the receiver asks for.
    Failed(String, Option<Nanos>),
}

/// Where requests are sent to.
#[derive(Debug)]
pub(super) struct Receiver {
    agent: Agent,
    url: String,
    headers: Vec<(String, String)>,
}

impl Receiver {
    pub(super) fn new(
        url: &str,
        proxy: Option<&str>,
        headers: Vec<(String, String)>,
    ) -> Result<Self, PushError> {
        let refuse = |reason: String| PushError::Url { reason };
        let uri: Uri = url.parse().map_err(|error| refuse(format!("{error}")))?;
        let scheme = uri.scheme_str().unwrap_or_default();
        if !matches!(scheme, "http" | "https") || uri.host().is_none_or(str::is_empty) {
            return Err(refuse("it must begin with http:// or https:// and a host".to_owned()));
        }
        for (name, value) in &headers {
            let is_valid = name.parse::<ureq::http::HeaderName>().is_ok()
                && value.parse::<ureq::http::HeaderValue>().is_ok();
            if !is_valid {
                return Err(PushError::Header { name: name.clone() });
            }
        }
        let proxy = match proxy {
            Some(proxy) => Some(
                ureq::Proxy::new(proxy).map_err(|error| PushError::Proxy { reason: error.to_string() })?,
            ),
            None => None,
        };
        // A redirect of a push is a mistake in the URL: what was sent to be kept would be fetched instead.
        let mut config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .user_agent(concat!("pulse-monitor/", env!("CARGO_PKG_VERSION")));
        if scheme == "https" {
            config = config.tls_config(tls()?);
        }
        Ok(Self { agent: config.build().new_agent(), url: url.to_owned(), headers })
    }

    /// Sends a request and waits for the answer, no longer than `timeout`.
    pub(super) fn send(&self, body: &[u8], timeout: Duration) -> Outcome {
        let mut request = self.agent.post(&self.url).config().timeout_global(Some(timeout)).build();
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match request.send(body) {
            Err(error) => Outcome::Failed(error.to_string(), None),
            Ok(mut answer) => {
                let (status, wish) = (answer.status(), wish(answer.headers()));
                let body = answer.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
                outcome(status, wish, body.unwrap_or_default())
            }
        }
    }
}

/// Certificates are those that the system trusts.
fn tls() -> Result<TlsConfig, PushError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reason = found.errors.first().map_or("there are none".to_owned(), ToString::to_string);
        return Err(PushError::Certificates { reason });
    }
    let certificates: Vec<Certificate<'static>> =
        found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::from(certificates))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

/// `Retry-After` in seconds. (A date is left out: the clocks of both sides would have to agree.)
fn wish(headers: &HeaderMap) -> Option<Nanos> {
    headers.get("retry-after")?.to_str().ok()?.trim().parse().ok().map(Nanos::from_secs)
}

/// Receivers of both protocols take what is answered with 2xx, may take it later after 429 and 5xx, and never after any
/// other status.
fn outcome(status: StatusCode, wish: Option<Nanos>, body: Vec<u8>) -> Outcome {
    let said = || {
        let text = String::from_utf8_lossy(&body);
        let shown: String = text.trim().chars().take(MAX_SHOWN_CHARS).filter(|c| !c.is_control()).collect();
        let colon = if shown.is_empty() { "" } else { ": " };
        format!("HTTP {}{colon}{shown}", status.as_u16())
    };
    match status.as_u16() {
        200..=299 => Outcome::Taken(body),
        408 | 429 | 500..=599 => Outcome::Failed(said(), wish),
        _ => Outcome::Refused(said()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let of = |status: u16, body: &str| {
            outcome(StatusCode::from_u16(status).unwrap(), Some(Nanos(9)), body.as_bytes().to_vec())
        };
        for status in [200, 202, 204] {
            assert_eq!(of(status, "ok"), Outcome::Taken(b"ok".to_vec()));
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(of(status, ""), Outcome::Failed(format!("HTTP {status}"), Some(Nanos(9))));
        }
        for status in [301, 307, 400, 401, 404, 413, 415] {
            assert_eq!(of(status, " no\u{1b}\n"), Outcome::Refused(format!("HTTP {status}: no")));
        }
        assert!(matches!(of(400, &"x".repeat(9000)), Outcome::Refused(text) if text.len() < 300));
    }

    #[test]
    fn wishes() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            wish(&headers)
        };
        assert_eq!(of("7"), Some(Nanos::from_secs(7)));
        assert_eq!(of("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(wish(&HeaderMap::new()), None);
    }

    #[test]
    fn places_that_are_none() {
        let new = |url: &str| Receiver::new(url, None, Vec::new()).map(drop);
        assert!(new("http://localhost:9090/api/v1/write").is_ok());
        for url in ["", "localhost:9090", "ftp://x/", "http://", "http:///x", "http://a b/"] {
            assert!(matches!(new(url), Err(PushError::Url { .. })), "{url}");
        }
        let header = |name: &str, value: &str| {
            Receiver::new("http://x/", None, vec![(name.to_owned(), value.to_owned())]).map(drop)
        };
        assert!(header("authorization", "Bearer x").is_ok());
        assert!(matches!(header("a b", "x"), Err(PushError::Header { .. })));
        assert!(matches!(header("a", "x\ny"), Err(PushError::Header { .. })));
        assert!(matches!(
            Receiver::new("http://x/", Some("nonsense://"), Vec::new()),
            Err(PushError::Proxy { .. })
        ));
    }
}
