//! Redirects: where the next request goes, and what it looks like.

use memchr::memmem;
use pulse_http::{Origin, Url};

/// Whether a status asks to go on elsewhere.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Path and query of the next request: what `location` means to one who asked `origin` for `target`. A load must not wander
/// to other servers, so that only the same origin will do.
pub fn resolve(origin: &Origin, target: &str, location: &[u8]) -> Result<String, String> {
    let broken = || format!("the redirect to `{}` leads nowhere", shown(location));
    let location_text = std::str::from_utf8(location).map_err(|_| broken())?;
    let base = Url::parse(&format!("{origin}{target}")).map_err(|_| broken())?;
    let next = base.join(location_text).map_err(|_| broken())?;
    if Origin::of(&next).ok().as_ref() != Some(origin) {
        return Err(format!(
            "the redirect to `{}` leaves {origin}, and a load must not wander to other servers; load that address itself, or \
             expect this status",
            shown(location)
        ));
    }
    Ok(match next.query() {
        Some(query) => format!("{}?{query}", next.path()),
        None => next.path().to_owned(),
    })
}

/// A location for messages: without what may be a secret, and not longer than a line.
fn shown(location: &[u8]) -> String {
    let text = String::from_utf8_lossy(location);
    text.split('?').next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A request to where a redirect leads.
#[derive(Debug)]
pub(super) struct Rewritten {
    pub(super) bytes: Vec<u8>,
    /// Whether what was attached to the request before is sent again.
    pub(super) keeps_body: bool,
}

/// The request that follows `request` after an answer of `status`, for `target`; `cookies` appends a line with the cookies
/// for it. 303 asks with GET, and so do 301 and 302 after a POST; everything else is sent again as it was (RFC 9110 §15.4).
pub(super) fn rewritten(
    request: &[u8],
    status: u16,
    target: &str,
    cookies: impl FnOnce(&mut Vec<u8>),
) -> Rewritten {
    let head_end = memmem::find(request, b"\r\n\r\n").map_or(request.len(), |at| at + 2);
    let (head, rest) = request.split_at(head_end);
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let method = first.split(|byte| *byte == b' ').next().unwrap_or_default();
    let becomes_get = match status {
        303 => method != b"HEAD",
        301 | 302 => method == b"POST",
        _ => false,
    } && method != b"GET";
    let mut next = Vec::with_capacity(request.len() + target.len());
    next.extend_from_slice(if becomes_get { b"GET" } else { method });
    next.extend_from_slice(format!(" {target} HTTP/1.1\r\n").as_bytes());
    for line in lines {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let of_body = is("content-length") || is("content-type") || is("content-encoding");
        // A user's cookies are chosen anew for the target.
        if !(is("cookie") || becomes_get && of_body) {
            next.extend_from_slice(line);
        }
    }
    cookies(&mut next);
    next.extend_from_slice(if becomes_get { b"\r\n" } else { rest });
    Rewritten { bytes: next, keeps_body: !becomes_get }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved_within_the_service() {
        let origin = Origin::parse("http://h:8000").unwrap();
        for (location, target) in [
            ("/b", Ok("/b")),
            ("c?x=1#top", Ok("/a/c?x=1")),
            ("?y", Ok("/a/b?y")),
            ("../d e", Ok("/d%20e")),
            ("http://h:8000", Ok("/")),
            ("//h:8000/x", Ok("/x")),
            ("http://h/b", Err("leaves http://h:8000")),
            ("https://h:8000/", Err("leaves http://h:8000")),
            ("//evil.example/x?token=secret", Err("leaves http://h:8000")),
            ("ftp://h:8000/", Err("leaves http://h:8000")),
            ("http://", Err("leads nowhere")),
        ] {
            match (resolve(&origin, "/a/b", location.as_bytes()), target) {
                (Ok(found), Ok(target)) => assert_eq!(found, target, "{location}"),
                (Err(message), Err(words)) => {
                    assert!(message.contains(words) && !message.contains("secret"), "{message}");
                }
                (found, _) => panic!("{location}: {found:?}"),
            }
        }
        assert!(resolve(&origin, "/", b"\xff").unwrap_err().contains("leads nowhere"));
    }

    #[test]
    fn the_method_follows_from_the_status() {
        let request = |method: &str| {
            format!(
                "{method} /a HTTP/1.1\r\nHost: h\r\nCookie: a=1\r\nContent-Type: t\r\nContent-Length: 2\r\n\r\nhi"
            )
        };
        let same = |method: &str| {
            format!(
                "{method} /n HTTP/1.1\r\nHost: h\r\nContent-Type: t\r\nContent-Length: 2\r\nCookie: b=2\r\n\r\nhi"
            )
        };
        let get = "GET /n HTTP/1.1\r\nHost: h\r\nCookie: b=2\r\n\r\n".to_owned();
        for (method, status, expected) in [
            ("POST", 301, get.clone()),
            ("POST", 302, get.clone()),
            ("POST", 303, get.clone()),
            ("PUT", 303, get.clone()),
            ("PUT", 302, same("PUT")),
            ("POST", 307, same("POST")),
            ("POST", 308, same("POST")),
            ("HEAD", 303, same("HEAD")),
            ("GET", 301, same("GET")),
        ] {
            let next = rewritten(request(method).as_bytes(), status, "/n", |out| {
                out.extend_from_slice(b"Cookie: b=2\r\n");
            });
            assert_eq!(next.keeps_body, expected != get, "{method} {status}");
            assert_eq!(String::from_utf8(next.bytes).unwrap(), expected, "{method} {status}");
        }
    }
}
