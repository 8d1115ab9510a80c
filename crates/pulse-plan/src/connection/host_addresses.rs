//! Addresses of a host that the resolver is not asked for.

use std::net::IpAddr;
use std::str::FromStr;

use super::{ConnectionError, host, port, split_part};

/// The most addresses of one host.
const MAX_ADDRESSES: usize = 1000;

/// `HOST:PORT:ADDRESS[,ADDRESS]…`, as curl's `--resolve` has it: `*` is any host, an IPv6 address may stand in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddresses {
    /// The host's name; `None` is any.
    pub host: Option<String>,
    /// The port for which the addresses hold.
    pub port: u16,
    /// At least one.
    pub addresses: Vec<IpAddr>,
}

impl FromStr for HostAddresses {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let fail = |reason| ConnectionError::HostAddresses { text: text.to_owned(), reason };
        if text.starts_with(['+', '-']) {
            return Err(fail("entries are neither removed (-) nor do they time out (+) here"));
        }
        let (name, rest) = split_part(text);
        let (number, rest) = rest.map(split_part).ok_or_else(|| fail("the port is missing"))?;
        let list = rest.filter(|list| !list.is_empty()).ok_or_else(|| fail("the address is missing"))?;
        let name = match name {
            "*" => None,
            name => Some(host(name).ok_or_else(|| fail("the host is no name"))?),
        };
        let port = port(number).ok_or_else(|| fail("the port is no number from 1 to 65535"))?;
        let address = |text: &str| {
            let text = text.trim();
            text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse().ok()
        };
        let addresses: Option<Vec<IpAddr>> = list.split(',').map(address).collect();
        let addresses = addresses.ok_or_else(|| fail("an address is no IP address"))?;
        if addresses.len() > MAX_ADDRESSES {
            return Err(fail("there are more than 1000 addresses"));
        }
        Ok(Self { host: name, port, addresses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curl_takes() {
        for (text, host, port, addresses) in [
            ("a.example:80:127.0.0.1", Some("a.example"), 80, &["127.0.0.1"][..]),
            ("*:443:::1", None, 443, &["::1"]),
            ("[fd00::1]:443:[::1],10.0.0.1", Some("fd00::1"), 443, &["::1", "10.0.0.1"]),
            ("BÜCHER.example:1:1.2.3.4", Some("xn--bcher-kva.example"), 1, &["1.2.3.4"]),
        ] {
            let parsed: HostAddresses = text.parse().unwrap();
            assert_eq!((parsed.host.as_deref(), parsed.port), (host, port), "{text}");
            let shown: Vec<_> = parsed.addresses.iter().map(ToString::to_string).collect();
            assert_eq!(shown, addresses, "{text}");
        }
    }

    #[test]
    fn what_it_does_not_take() {
        for (text, reason) in [
            ("", "the port is missing"),
            ("a", "the port is missing"),
            ("a:80", "the address is missing"),
            ("a:80:", "the address is missing"),
            ("a:0:1.2.3.4", "the port is no number"),
            ("a:x:1.2.3.4", "the port is no number"),
            (":80:1.2.3.4", "the host is no name"),
            ("a b:80:1.2.3.4", "the host is no name"),
            ("a:80:b", "no IP address"),
            ("a:80:1.2.3.4,", "no IP address"),
            ("-a:80", "neither removed"),
        ] {
            let error = text.parse::<HostAddresses>().unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("write HOST:PORT:ADDRESS"), "{text}: {error}");
        }
    }
}
