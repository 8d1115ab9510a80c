//! Proxies: what their URLs mean, and which one the environment chooses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{ConnectionError, NoProxy};

/// The port of a proxy whose URL has none, as curl has it.
const DEFAULT_PORT: u16 = 1080;

/// How to speak to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP `CONNECT`.
    Http,
    /// SOCKS5; names are resolved on this machine.
    Socks5,
    /// SOCKS5; the proxy resolves names.
    Socks5h,
}

impl ProxyScheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }
}

/// A proxy: `[http|socks5|socks5h://][name:password@]host[:port]`.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    /// How to speak to it.
    pub scheme: ProxyScheme,
    /// Its name or address, an IPv6 address without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// Name and password.
    pub credentials: Option<(String, String)>,
}

impl FromStr for ProxyUrl {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let fail = |reason: &str| ConnectionError::Proxy(reason.to_owned());
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyScheme::Http,
            "socks5" => ProxyScheme::Socks5,
            "socks5h" => ProxyScheme::Socks5h,
            "https" => return Err(fail("TLS to the proxy itself is not supported (TLS through it is)")),
            _ => return Err(fail("it is neither an HTTP proxy nor one of SOCKS version 5")),
        };
        // A scheme without a port of its own, so that a port that is written is always seen.
        let url = url::Url::parse(&format!("proxy://{rest}")).map_err(|error| fail(&error.to_string()))?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(fail("after the host and the port nothing follows"));
        }
        let name = url.host_str().unwrap_or_default();
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let host = super::host(name).ok_or_else(|| fail("the host is missing, or no name"))?;
        let decoded =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials = (!url.username().is_empty() || url.password().is_some())
            .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
        if credentials.as_ref().is_some_and(|(name, _)| scheme == ProxyScheme::Http && name.contains(':')) {
            return Err(fail("a name must not hold a colon"));
        }
        Ok(Self { scheme, host, port: url.port().unwrap_or(DEFAULT_PORT), credentials })
    }
}

/// Credentials are masked.
impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = if self.credentials.is_some() { "***@" } else { "" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}://{mask}{open}{}{close}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

/// As it is shown.
impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

/// What is said about a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyChoice {
    /// None, whatever the environment says.
    Direct,
    /// This one.
    Through(ProxyUrl),
}

/// An empty text is no proxy.
impl FromStr for ProxyChoice {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        if text.trim().is_empty() { Ok(Self::Direct) } else { text.parse().map(Self::Through) }
    }
}

/// What the environment says about proxies; as it is written there, because a value that is not needed may be wrong.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyEnvironment {
    http: Option<String>,
    https: Option<String>,
    all: Option<String>,
    no_proxy: Option<String>,
}

/// Values may hold passwords.
impl fmt::Debug for ProxyEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyEnvironment").finish_non_exhaustive()
    }
}

impl ProxyEnvironment {
    /// Reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`; the same in capitals where those are not set. Empty
    /// is not set. `HTTP_PROXY` is left alone in a CGI program, whose clients can set it by a header field.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let either = |lower: &str, upper: &str| get(lower).or_else(|| get(upper));
        let is_cgi = variable("REQUEST_METHOD").is_some();
        Self {
            http: get("http_proxy").or_else(|| get("HTTP_PROXY").filter(|_| !is_cgi)),
            https: either("https_proxy", "HTTPS_PROXY"),
            all: either("all_proxy", "ALL_PROXY"),
            no_proxy: either("no_proxy", "NO_PROXY"),
        }
    }

    /// Whether it says anything.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The proxy for a service. Never one for this machine: a load of localhost must not take the way through a proxy that
    /// somebody set for the web.
    pub(super) fn choose(
        &self,
        secure: bool,
        host: &str,
        port: u16,
        no_proxy: Option<&NoProxy>,
    ) -> Result<Option<ProxyUrl>, ConnectionError> {
        let own = if secure { (&self.https, "https_proxy") } else { (&self.http, "http_proxy") };
        let all = (&self.all, "all_proxy");
        let chosen = [own, all].into_iter().find_map(|(value, name)| Some((value.as_deref()?, name)));
        let Some((value, variable)) = chosen.filter(|_| !is_loopback(host)) else { return Ok(None) };
        let failed = |variable| {
            move |error: ConnectionError| ConnectionError::Environment { variable, reason: error.to_string() }
        };
        let excluded = match (no_proxy, &self.no_proxy) {
            (Some(list), _) => list.matches(host, port),
            (None, Some(list)) => list.parse::<NoProxy>().map_err(failed("no_proxy"))?.matches(host, port),
            (None, None) => false,
        };
        if excluded {
            return Ok(None);
        }
        value.parse().map(Some).map_err(failed(variable))
    }
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_proxies() {
        for (text, shown) in [
            ("proxy.example", "http://proxy.example:1080"),
            ("http://proxy.example:80/", "http://proxy.example:80"),
            ("HTTP://10.0.0.1:3128", "http://10.0.0.1:3128"),
            ("socks5://[::1]:9", "socks5://[::1]:9"),
            ("socks5h://me:p%40ss@proxy.example", "socks5h://***@proxy.example:1080"),
        ] {
            let proxy: ProxyUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(proxy.to_string(), shown);
            assert_eq!(format!("{proxy:?}"), format!("ProxyUrl({shown})"));
        }
        let proxy: ProxyUrl = "socks5h://me:p%40ss@h".parse().unwrap();
        assert_eq!(proxy.credentials, Some(("me".to_owned(), "p@ss".to_owned())));
        assert_eq!("".parse(), Ok(ProxyChoice::Direct));
    }

    #[test]
    fn what_is_no_proxy_hides_its_password() {
        for (text, reason) in [
            ("https://me:s3cret@h:1", "TLS to the proxy itself"),
            ("socks4://me:s3cret@h:1", "neither an HTTP proxy"),
            ("http://me:s3cret@h:99999", "invalid port"),
            ("http://me:s3cret@", "empty host"),
            ("http://me:s3cret@h/path", "nothing follows"),
            ("http://", "host"),
            ("http://a%3Ab:s3cret@h", "a name must not hold a colon"),
        ] {
            let error = text.parse::<ProxyUrl>().unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("write http://"), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    fn environment(values: &[(&str, &str)]) -> ProxyEnvironment {
        let find = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        ProxyEnvironment::read(&|name| find(name).map(str::to_owned))
    }

    #[test]
    fn the_environment_chooses() {
        type Case<'a> = (&'a [(&'a str, &'a str)], bool, &'a str, Option<&'a str>);
        let all = [("http_proxy", "h"), ("HTTP_PROXY", "H"), ("HTTPS_PROXY", "s"), ("all_proxy", "a")];
        let table: [Case<'_>; 14] = [
            (&all, false, "x.example", Some("h")),
            (&all, true, "x.example", Some("s")),
            (&all[1..], false, "x.example", Some("h")), // capitals: names of hosts are in lower case
            (&all[3..], false, "x.example", Some("a")),
            (&all[3..], true, "x.example", Some("a")),
            (&[("http_proxy", " "), ("HTTP_PROXY", "b")], false, "x.example", Some("b")),
            (&[("HTTP_PROXY", "b"), ("REQUEST_METHOD", "GET")], false, "x.example", None),
            (&[("all_proxy", "a"), ("no_proxy", "x.example")], true, "x.example", None),
            (&[("all_proxy", "a"), ("NO_PROXY", "*")], true, "x.example", None),
            (&[("all_proxy", "a")], false, "localhost", None),
            (&[("all_proxy", "a")], false, "api.localhost", None),
            (&[("all_proxy", "a")], false, "127.8.9.10", None),
            (&[("all_proxy", "a")], true, "::1", None),
            (&[], false, "x.example", None),
        ];
        for (values, secure, host, expected) in table {
            let chosen = environment(values).choose(secure, host, 80, None).unwrap();
            assert_eq!(chosen.map(|proxy| proxy.host).as_deref(), expected, "{values:?} {host}");
        }
        let direct: NoProxy = "x.example".parse().unwrap();
        assert_eq!(environment(&all).choose(true, "x.example", 1, Some(&direct)), Ok(None));
    }

    #[test]
    fn a_wrong_value_matters_only_where_it_is_needed() {
        let wrong = environment(&[("https_proxy", "https://me:s3cret@h"), ("no_proxy", "10.0.0.0/99")]);
        assert_eq!(wrong.choose(true, "localhost", 443, None), Ok(None));
        assert_eq!(wrong.choose(false, "x.example", 80, None), Ok(None));
        let error = wrong.choose(true, "x.example", 443, None).unwrap_err().to_string();
        assert!(error.contains("variable no_proxy"), "{error}");
        let none = NoProxy::default();
        let error = wrong.choose(true, "x.example", 443, Some(&none)).unwrap_err().to_string();
        assert!(error.contains("variable https_proxy") && !error.contains("s3cret"), "{error}");
        assert!(!format!("{wrong:?}").contains("s3cret"));
    }
}
