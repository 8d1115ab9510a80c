//! Who is reached without a proxy.

use std::net::IpAddr;
use std::str::FromStr;

use super::{Cidr, ConnectionError, port, split_part};

/// The most entries of a list.
const MAX_ENTRIES: usize = 10_000;

/// Hosts that are reached directly, separated by commas or blanks: `*` (all), a name (the host and everything below it; a
/// dot in front changes nothing), an address, a range such as `10.0.0.0/8`; names and addresses with a port mean that port
/// only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Everything,
    Range(Cidr, Option<u16>),
    Name(String, Option<u16>),
}

impl NoProxy {
    /// Whether the host (an IPv6 address without brackets) is reached directly.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let is_port = |wanted: Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        self.0.iter().any(|entry| match entry {
            Entry::Everything => true,
            Entry::Range(range, wanted) => {
                is_port(*wanted) && address.is_some_and(|address| range.contains(address))
            }
            Entry::Name(name, wanted) => {
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                is_port(*wanted) && address.is_none() && (host == *name || below)
            }
        })
    }
}

impl FromStr for NoProxy {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let entries = text.split([',', ' ', '\t']).map(str::trim).filter(|entry| !entry.is_empty());
        entries.take(MAX_ENTRIES).map(entry).collect::<Result<_, _>>().map(Self)
    }
}

fn entry(text: &str) -> Result<Entry, ConnectionError> {
    let fail = || ConnectionError::NoProxy(text.to_owned());
    if text == "*" {
        return Ok(Entry::Everything);
    }
    if let Ok(range) = text.parse() {
        return Ok(Entry::Range(range, None));
    }
    let (name, number) = split_part(text);
    let port = number.map(|number| port(number).ok_or_else(fail)).transpose()?;
    if let Ok(range) = name.parse() {
        return Ok(Entry::Range(range, port));
    }
    let name = name.strip_prefix('*').unwrap_or(name).trim_matches('.').to_ascii_lowercase();
    if super::is_host(&name) { Ok(Entry::Name(name, port)) } else { Err(fail()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_reached_directly() {
        let table = [
            ("*", "anything.example", 80, true),
            ("", "anything.example", 80, false),
            ("a.example", "a.example", 80, true),
            ("a.example", "A.Example.", 80, true),
            ("a.example", "b.a.example", 80, true),
            ("a.example", "ba.example", 80, false),
            (".a.example", "a.example", 80, true),
            ("*.a.example", "b.a.example", 80, true),
            ("x, a.example y", "a.example", 80, true),
            ("a.example:8080", "a.example", 8080, true),
            ("a.example:8080", "a.example", 80, false),
            ("10.0.0.0/8", "10.1.2.3", 80, true),
            ("10.0.0.0/8", "11.1.2.3", 80, false),
            ("10.1.2.3:81", "10.1.2.3", 81, true),
            ("10.1.2.3:81", "10.1.2.3", 80, false),
            ("[::1]:81", "::1", 81, true),
            ("::1", "::1", 80, true),
            ("[::1]", "::1", 80, true),
            ("1", "127.0.0.1", 80, false),
        ];
        for (list, host, port, expected) in table {
            let list: NoProxy = list.parse().unwrap_or_else(|error| panic!("{list}: {error}"));
            assert_eq!(list.matches(host, port), expected, "{list:?} {host}:{port}");
        }
        for text in ["10.0.0.0/99", "a.example:x", "http://a", "a.example:0"] {
            let error = text.parse::<NoProxy>().unwrap_err();
            assert!(error.to_string().contains("cannot be excluded"), "{text}: {error}");
        }
    }
}
