//! The cookies of a user.

use cookie::Cookie;
use cookie::time::OffsetDateTime;

/// The most cookies of a user; further ones are ignored.
const MAX_COOKIES: usize = 100;
/// The longest cookie that is kept, name and value in bytes (RFC 6265 §6.1).
const MAX_COOKIE_BYTES: usize = 4096;

/// Cookies that one service has set, kept as RFC 6265 says for a single host: path, `Secure`, `Max-Age` and `Expires`
/// count, `Domain` does not.
#[derive(Debug, Default)]
pub struct Jar {
    cookies: Vec<Cookie<'static>>,
}

impl Jar {
    /// Keeps, replaces or removes a cookie as a `Set-Cookie` field says. What is no cookie is ignored, as browsers do.
    pub fn set(&mut self, field: &[u8]) {
        let Some(cookie) = parse(field) else { return };
        let same = |known: &Cookie<'_>| known.name() == cookie.name() && known.path() == cookie.path();
        self.cookies.retain(|known| !same(known));
        let expired = cookie.max_age().is_some_and(|age| !age.is_positive())
            || cookie.max_age().is_none()
                && cookie.expires_datetime().is_some_and(|at| at <= OffsetDateTime::now_utc());
        if !expired && self.cookies.len() < MAX_COOKIES {
            self.cookies.push(cookie);
        }
    }

    /// Appends a `Cookie` line for a request to `target`, if there are cookies for it.
    pub fn write(&self, target: &str, secure: bool, out: &mut Vec<u8>) {
        let path = target.split(['?', '#']).next().unwrap_or(target);
        let mut separator: &[u8] = b"Cookie: ";
        let start = out.len();
        for cookie in &self.cookies {
            if covers(cookie.path().unwrap_or("/"), path) && (secure || !cookie.secure().unwrap_or(false)) {
                out.extend_from_slice(separator);
                out.extend_from_slice(cookie.name().as_bytes());
                out.push(b'=');
                out.extend_from_slice(cookie.value().as_bytes());
                separator = b"; ";
            }
        }
        if out.len() > start {
            out.extend_from_slice(b"\r\n");
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }
}

/// The value of the cookie `name` that a `Set-Cookie` field sets.
pub(super) fn value_of(field: &[u8], name: &str) -> Option<String> {
    parse(field).filter(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

fn parse(field: &[u8]) -> Option<Cookie<'static>> {
    let text = std::str::from_utf8(field).ok()?;
    let cookie = Cookie::parse(text).ok()?.into_owned();
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let fits = cookie.name().len() + cookie.value().len() <= MAX_COOKIE_BYTES;
    (fits && plain(cookie.name()) && plain(cookie.value())).then_some(cookie)
}

/// RFC 6265 §5.1.4.
fn covers(cookie_path: &str, path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(fields: &[&str], target: &str, secure: bool) -> String {
        let mut jar = Jar::default();
        for field in fields {
            jar.set(field.as_bytes());
        }
        let mut out = Vec::new();
        jar.write(target, secure, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cookies_are_sent_where_they_belong() {
        for (fields, target, secure, expected) in [
            (vec!["a=1"], "/x?y", false, "Cookie: a=1\r\n"),
            (vec!["a=1", "b=2; Path=/"], "/", false, "Cookie: a=1; b=2\r\n"),
            (vec!["a=1", "a=2"], "/", false, "Cookie: a=2\r\n"),
            (vec!["a=1; Path=/api"], "/api/v1", false, "Cookie: a=1\r\n"),
            (vec!["a=1; Path=/api"], "/apis", false, ""),
            (vec!["a=1; Secure"], "/", false, ""),
            (vec!["a=1; Secure"], "/", true, "Cookie: a=1\r\n"),
            (vec!["a=1", "a=; Max-Age=0"], "/", false, ""),
            (vec!["a=1", "a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "/", false, ""),
            (vec!["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"], "/", false, "Cookie: a=1\r\n"),
            (vec!["", "=", "nonsense", "a=\u{1}"], "/", false, ""),
        ] {
            assert_eq!(sent(&fields, target, secure), expected, "{fields:?} {target}");
        }
    }

    #[test]
    fn a_jar_is_bounded() {
        let mut jar = Jar::default();
        (0..1000).for_each(|i| jar.set(format!("c{i}=1").as_bytes()));
        assert_eq!(jar.cookies.len(), MAX_COOKIES);
        jar.set(format!("long={}", "x".repeat(5000)).as_bytes());
        assert!(!jar.cookies.iter().any(|cookie| cookie.name() == "long"));
    }
}
