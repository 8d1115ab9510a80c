//! Connections that go elsewhere than the URL says.

use std::str::FromStr;

use super::{ConnectionError, host, port, split_part};

/// `HOST1:PORT1:HOST2:PORT2`, as curl's `--connect-to` has it: an empty HOST1 or PORT1 is any, an empty HOST2 or PORT2 keeps
/// that of the URL; IPv6 addresses stand in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// Host of the URL; `None` is any.
    pub from_host: Option<String>,
    /// Port of the URL; `None` is any.
    pub from_port: Option<u16>,
    /// Host to connect to; `None` is that of the URL.
    pub to_host: Option<String>,
    /// Port to connect to; `None` is that of the URL.
    pub to_port: Option<u16>,
}

impl FromStr for ConnectTo {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let fail = |reason| ConnectionError::ConnectTo { text: text.to_owned(), reason };
        let mut parts = Vec::with_capacity(4);
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (part, after) = split_part(text);
            parts.push(part);
            rest = after.filter(|_| parts.len() <= 4);
        }
        let [from_host, from_port, to_host, to_port] = parts[..] else {
            return Err(fail("it does not have four parts"));
        };
        let host = |text: &str| match text {
            "" => Ok(None),
            text => host(text).map(Some).ok_or_else(|| fail("a host is no name")),
        };
        let port = |text: &str| match text {
            "" => Ok(None),
            text => port(text).map(Some).ok_or_else(|| fail("a port is no number from 1 to 65535")),
        };
        Ok(Self {
            from_host: host(from_host)?,
            from_port: port(from_port)?,
            to_host: host(to_host)?,
            to_port: port(to_port)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curl_takes() {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        for (text, expected) in [
            ("a:80:b:81", ("a", 80, "b", 81)),
            ("::b:", ("", 0, "b", 0)),
            (":::81", ("", 0, "", 81)),
            (":::", ("", 0, "", 0)),
            ("a::[::1]:", ("a", 0, "::1", 0)),
            ("[fd00::1]:443:[::1]:8443", ("fd00::1", 443, "::1", 8443)),
        ] {
            let port = |number| Some(number).filter(|number| *number != 0);
            let (from_host, from_port, to_host, to_port) = expected;
            let expected = ConnectTo {
                from_host: some(from_host),
                from_port: port(from_port),
                to_host: some(to_host),
                to_port: port(to_port),
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_it_does_not_take() {
        for (text, reason) in [
            ("", "four parts"),
            ("a:80:b", "four parts"),
            ("a:80:b:81:c", "four parts"),
            ("::1:80:b:81", "four parts"),
            ("a:x:b:81", "a port is no number"),
            ("a:80:b:65536", "a port is no number"),
            ("a/:80:b:81", "a host is no name"),
        ] {
            let error = text.parse::<ConnectTo>().unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("write HOST1:PORT1"), "{text}: {error}");
        }
    }
}
