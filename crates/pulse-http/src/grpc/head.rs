//! The head of a call: everything that is sent before its messages.

use crate::connect::{Origin, Scheme};
use crate::request::{RequestError, USER_AGENT};
use http::header::{CONTENT_TYPE, HOST, TE, USER_AGENT as USER_AGENT_FIELD};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use std::time::Duration;

/// The largest number in `grpc-timeout`: eight digits.
const MAX_TIMEOUT: u128 = 99_999_999;

/// Path and header fields of a call, written once and sent any number of times.
#[derive(Debug, Clone)]
pub struct GrpcHead {
    uri: Uri,
    fields: HeaderMap,
}

impl GrpcHead {
    /// The head of a call of `path` (such as `/trading.v1.Quotes/Get`), with its deadline, and with the compression of
    /// its messages where they are compressed. Answers may be compressed with gzip.
    pub fn new(origin: &Origin, path: &str, timeout: Duration, gzip: bool) -> Result<Self, RequestError> {
        let authority = origin.authority();
        let target = PathAndQuery::try_from(path).map_err(|_| RequestError::Target(path.to_owned()))?;
        let scheme = if origin.scheme == Scheme::Https { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(authority.as_str()).path_and_query(target);
        let uri = uri.build().map_err(|_| RequestError::Host(authority.clone()))?;
        let mut fields = HeaderMap::new();
        fields.insert(TE, HeaderValue::from_static("trailers"));
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        fields.insert(USER_AGENT_FIELD, HeaderValue::from_static(USER_AGENT));
        fields.insert("grpc-timeout", written(timeout));
        fields.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip"));
        if gzip {
            fields.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        }
        Ok(Self { uri, fields })
    }

    /// Adds metadata. `Host` replaces the authority; a name that ends in `-bin` has a value in base64. Fields that the
    /// protocol sets itself (`content-type`, `te`, `content-length`) are left as they are.
    pub fn metadata(&mut self, name: &str, value: &str) -> Result<(), RequestError> {
        let field =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| RequestError::HeaderName(name.to_owned()))?;
        if [CONTENT_TYPE, TE, http::header::CONTENT_LENGTH].contains(&field) {
            return Ok(());
        }
        if field == HOST {
            let host = || RequestError::Host(value.to_owned());
            let mut parts = self.uri.clone().into_parts();
            parts.authority = Some(Authority::try_from(value).map_err(|_| host())?);
            self.uri = Uri::from_parts(parts).map_err(|_| host())?;
            return Ok(());
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| RequestError::HeaderValue(name.to_owned()))?;
        if field == USER_AGENT_FIELD {
            self.fields.insert(field, value);
        } else {
            self.fields.append(field, value);
        }
        Ok(())
    }

    pub(super) fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.fields.clone();
        request
    }
}

/// A time as `grpc-timeout` has it: up to eight digits and a unit. Rounded up, so that the client gives up first only when
/// the service is late.
fn written(timeout: Duration) -> HeaderValue {
    let (count, unit) =
        [(1, 'n'), (1_000, 'u'), (1_000_000, 'm'), (1_000_000_000, 'S'), (60_000_000_000, 'M')]
            .into_iter()
            .map(|(nanos, unit)| (timeout.as_nanos().div_ceil(nanos), unit))
            .find(|(count, _)| *count <= MAX_TIMEOUT)
            .unwrap_or((MAX_TIMEOUT, 'H'));
    HeaderValue::try_from(format!("{count}{unit}")).unwrap_or(HeaderValue::from_static("30S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_at_most_eight_digits() {
        for (timeout, expected) in [
            (Duration::from_nanos(1), "1n"),
            (Duration::from_millis(100), "100000u"),
            (Duration::from_secs(30), "30000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::new(100_000, 1), "100001S"),
            (Duration::from_secs(600_000_000), "10000000M"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(written(timeout), expected, "{timeout:?}");
        }
    }

    #[test]
    fn metadata_become_fields() {
        let origin = Origin::parse("http://127.0.0.1:50051").unwrap();
        let mut head = GrpcHead::new(&origin, "/a.B/C", Duration::from_secs(2), true).unwrap();
        for (name, value) in [
            ("X-Stage", "test"),
            ("x-stage", "again"),
            ("Content-Type", "text/plain"),
            ("Host", "other.example"),
            ("User-Agent", "me"),
            ("trace-bin", "AAEC"),
        ] {
            head.metadata(name, value).unwrap();
        }
        let request = head.request();
        assert_eq!(request.uri(), "http://other.example/a.B/C");
        let mut fields: Vec<String> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        fields.sort();
        assert_eq!(
            fields,
            [
                "content-type: application/grpc",
                "grpc-accept-encoding: identity,gzip",
                "grpc-encoding: gzip",
                "grpc-timeout: 2000000u",
                "te: trailers",
                "trace-bin: AAEC",
                "user-agent: me",
                "x-stage: again",
                "x-stage: test",
            ]
        );
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_a_reason() {
        let origin = Origin::parse("http://h").unwrap();
        assert!(GrpcHead::new(&origin, "/a b", Duration::MAX, false).is_err());
        let mut head = GrpcHead::new(&origin, "/a.B/C", Duration::MAX, false).unwrap();
        for (name, value) in [("a b", "x"), ("a", "x\ny"), ("host", "a b")] {
            assert!(head.metadata(name, value).is_err(), "{name}");
        }
        let secret = head.metadata("authorization", "s3cret\n").unwrap_err();
        assert!(!format!("{secret} {secret:?}").contains("s3cret"));
    }
}
