//! Who may ask.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Uri, header};

/// Lengths that a token may have.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 8..=512;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It was meant for another name: a page of somebody else that had its name point here (DNS rebinding).
    Host,
    /// A page of somebody else sent it.
    Origin,
    /// It does not know the token.
    Token,
}

/// What a request must have. With a token, that; without one the server is for this machine only, and the request must
/// have been meant for it.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    token: Option<Arc<str>>,
}

impl Guard {
    /// `None` for a token that cannot be one.
    pub(super) fn new(token: Option<&str>) -> Option<Self> {
        let fits = |token: &str| {
            TOKEN_BYTES.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
        };
        token.is_none_or(fits).then(|| Self { token: token.map(Arc::from) })
    }

    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if headers.get_all(header::ORIGIN).iter().any(|origin| !is_own(origin, headers.get(header::HOST))) {
            return Err(Refusal::Origin);
        }
        let Some(token) = &self.token else {
            let meant = |host: &HeaderValue| host.to_str().is_ok_and(is_this_machine);
            let named = headers.contains_key(header::HOST);
            let all_meant = named && headers.get_all(header::HOST).iter().all(meant);
            return if all_meant { Ok(()) } else { Err(Refusal::Host) };
        };
        // Whether it is alive is asked by programs that know nothing else, and says nothing else.
        if uri.path() == "/healthz" {
            return Ok(());
        }
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
        let asked =
            uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")));
        let knows = [bearer, asked].into_iter().flatten().any(|given| is_same(given, token));
        if knows { Ok(()) } else { Err(Refusal::Token) }
    }
}

/// Whether a page of this server's says that it is the origin, directly or behind something that adds TLS.
fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let name = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, name)| name);
    name.is_some() && name == host.and_then(|host| host.to_str().ok())
}

/// Whether `Host` names the loopback interface, whatever the port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Takes as long for a token that is wrong at its end as for one that is wrong at its beginning.
fn is_same(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        token: Option<&str>,
        uri: &'static str,
        fields: &[(header::HeaderName, &str)],
    ) -> Result<(), Refusal> {
        let headers = fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Guard::new(token).unwrap().check(&Uri::from_static(uri), &headers)
    }

    #[test]
    fn without_a_token_only_this_machine_is_meant() {
        for (host, expected) in [
            ("localhost", Ok(())),
            ("LOCALHOST:9900", Ok(())),
            ("127.0.0.1:9900", Ok(())),
            ("127.3.2.1", Ok(())),
            ("[::1]:9900", Ok(())),
            ("[::1]", Ok(())),
            ("evil.example", Err(Refusal::Host)),
            ("localhost.evil.example:9900", Err(Refusal::Host)),
            ("127.0.0.1.evil.example", Err(Refusal::Host)),
            ("192.168.0.1:9900", Err(Refusal::Host)),
            ("", Err(Refusal::Host)),
            (":9900", Err(Refusal::Host)),
        ] {
            assert_eq!(check(None, "/metrics", &[(header::HOST, host)]), expected, "{host}");
        }
        assert_eq!(check(None, "/metrics", &[]), Err(Refusal::Host));
    }

    #[test]
    fn with_a_token_it_must_be_known() {
        let token = Some("s3cret-token");
        let bearer = |value| [(header::AUTHORIZATION, value), (header::HOST, "pulse.example")];
        assert_eq!(check(token, "/metrics", &bearer("Bearer s3cret-token")), Ok(()));
        assert_eq!(check(token, "/metrics?a=1&token=s3cret-token", &bearer("Basic eA==")), Ok(()));
        for wrong in ["Bearer s3cret-tokem", "Bearer s3cret-token1", "Bearer ", "s3cret-token", ""] {
            assert_eq!(check(token, "/metrics", &bearer(wrong)), Err(Refusal::Token), "{wrong}");
        }
        assert_eq!(check(token, "/healthz", &[]), Ok(()));
        assert_eq!(check(token, "/", &[(header::HOST, "localhost")]), Err(Refusal::Token));
    }

    #[test]
    fn other_pages_are_kept_out() {
        for (origin, expected) in [
            ("http://localhost:9900", Ok(())),
            ("https://localhost:9900", Ok(())),
            ("http://localhost:8000", Err(Refusal::Origin)),
            ("http://evil.example", Err(Refusal::Origin)),
            ("null", Err(Refusal::Origin)),
            ("", Err(Refusal::Origin)),
        ] {
            let fields = [(header::HOST, "localhost:9900"), (header::ORIGIN, origin)];
            assert_eq!(check(None, "/events", &fields), expected, "{origin}");
            assert_eq!(check(Some("s3cret-token"), "/?token=s3cret-token", &fields), expected, "{origin}");
        }
    }

    #[test]
    fn tokens_have_a_form() {
        for (token, good) in [
            ("short", false),
            ("long enough", false),
            ("long-enough", true),
            ("tokenä-long", false),
            ("", false),
        ] {
            assert_eq!(Guard::new(Some(token)).is_some(), good, "{token}");
        }
        assert!(Guard::new(Some(&"x".repeat(513))).is_none());
    }
}
