//! What is said about connections, in `[service.connection]` or by flags.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use pulse_model::Nanos;

use super::{
    ConnectTo, ConnectionError, HostAddresses, NoProxy, ProxyChoice, ProxyEnvironment, ProxyUrl, split_part,
};

/// Port of name servers.
const DNS_PORT: u16 = 53;
/// The longest path of a Unix socket, in bytes: the system's limit.
const MAX_SOCKET_PATH: usize = 107;

/// Which of a host's addresses a connection goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressOrder {
    /// The first that answers.
    First,
    /// All in turn.
    RoundRobin,
}

impl FromStr for AddressOrder {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        match text {
            "first" => Ok(Self::First),
            "round-robin" => Ok(Self::RoundRobin),
            _ => Err(ConnectionError::AddressOrder(text.to_owned())),
        }
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The address of a name server: `10.0.0.53`, `10.0.0.53:5353`, `fd00::53`, `[fd00::53]:5353`; port 53 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsServer(pub SocketAddr);

impl FromStr for DnsServer {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        let fail = || ConnectionError::DnsServer(text.to_owned());
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(SocketAddr::new(address, DNS_PORT)));
        }
        let (address, port) = split_part(text);
        let port = port.map_or(Some(DNS_PORT), super::port).ok_or_else(fail)?;
        Ok(Self(SocketAddr::new(address.parse().map_err(|_| fail())?, port)))
    }
}

/// The path of a Unix socket, 1 to 107 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket(pub String);

impl FromStr for UnixSocket {
    type Err = ConnectionError;

    fn from_str(text: &str) -> Result<Self, ConnectionError> {
        if text.is_empty() || text.len() > MAX_SOCKET_PATH || text.contains('\0') {
            return Err(ConnectionError::UnixSocket(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What is said about connections; what is `None` or empty is left to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// The proxy, or that there is none; by default what the environment says.
    pub proxy: Option<ProxyChoice>,
    /// Who is reached without the proxy.
    pub no_proxy: Option<NoProxy>,
    /// What the environment says about proxies.
    pub environment: ProxyEnvironment,
    /// Addresses of hosts that the resolver is not asked for; the first that fits counts.
    pub resolve: Vec<HostAddresses>,
    /// Connections that go elsewhere; the first that fits counts.
    pub connect_to: Vec<ConnectTo>,
    /// Only addresses of this version.
    pub ip_version: Option<IpVersion>,
    /// Which address comes first; the first that answers by default.
    pub addresses: Option<AddressOrder>,
    /// The name server to ask; the system's resolver by default.
    pub dns_server: Option<DnsServer>,
    /// Age from which addresses are asked for again; never by default.
    pub dns_refresh: Option<Nanos>,
    /// The Unix socket to connect to, whatever host the URL names.
    pub unix_socket: Option<UnixSocket>,
    /// Addresses of this machine from which connections are made, in turn; the system chooses by default.
    pub source_addresses: Vec<IpAddr>,
    /// Whether small writes are sent at once (`TCP_NODELAY`); `true` by default.
    pub nodelay: Option<bool>,
}

impl ConnectionOptions {
    /// These options, completed by those of `base`. Lists are taken whole.
    #[must_use]
    pub fn merged_over(&self, base: &Self) -> Self {
        fn list<T: Clone>(own: &[T], base: &[T]) -> Vec<T> {
            if own.is_empty() { base.to_vec() } else { own.to_vec() }
        }
        // Who names a proxy, or a Unix socket, means it in place of the other.
        let is_own_way = self.proxy.is_some() || self.unix_socket.is_some();
        let way = if is_own_way { self } else { base };
        Self {
            proxy: way.proxy.clone(),
            no_proxy: self.no_proxy.clone().or_else(|| base.no_proxy.clone()),
            environment: if self.environment.is_empty() { &base.environment } else { &self.environment }
                .clone(),
            resolve: list(&self.resolve, &base.resolve),
            connect_to: list(&self.connect_to, &base.connect_to),
            ip_version: self.ip_version.or(base.ip_version),
            addresses: self.addresses.or(base.addresses),
            dns_server: self.dns_server.or(base.dns_server),
            dns_refresh: self.dns_refresh.or(base.dns_refresh),
            unix_socket: way.unix_socket.clone(),
            source_addresses: list(&self.source_addresses, &base.source_addresses),
            nodelay: self.nodelay.or(base.nodelay),
        }
    }

    /// The proxy for a service: the one that is named, else the environment's. `secure`: over TLS. What excludes hosts from
    /// the environment's proxies, this machine included, does not concern one that is named.
    pub fn proxy_for(
        &self,
        secure: bool,
        host: &str,
        port: u16,
    ) -> Result<Option<ProxyUrl>, ConnectionError> {
        if self.unix_socket.is_some() {
            return Ok(None);
        }
        match &self.proxy {
            Some(ProxyChoice::Direct) => Ok(None),
            Some(ProxyChoice::Through(proxy)) => {
                let is_direct = self.no_proxy.as_ref().is_some_and(|list| list.matches(host, port));
                Ok((!is_direct).then(|| proxy.clone()))
            }
            None => self.environment.choose(secure, host, port, self.no_proxy.as_ref()),
        }
    }

    /// Whether the options contradict each other, or the environment cannot be used for the service.
    pub(crate) fn check(&self, url: &str) -> Result<(), ConnectionError> {
        if self.unix_socket.is_some() && matches!(self.proxy, Some(ProxyChoice::Through(_))) {
            return Err(ConnectionError::UnixSocketAndProxy);
        }
        let Ok(url) = url::Url::parse(url) else { return Ok(()) };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or_default();
        self.proxy_for(matches!(url.scheme(), "https" | "wss" | "grpcs"), host, port).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_chooses_the_proxy() {
        let environment = ProxyEnvironment::read(&|name| (name == "all_proxy").then(|| "env".to_owned()));
        let base = ConnectionOptions { environment, ..ConnectionOptions::default() };
        let with = |proxy: &str, no_proxy: &str| ConnectionOptions {
            proxy: proxy.parse().ok(),
            no_proxy: Some(no_proxy).filter(|list| !list.is_empty()).map(|list| list.parse().unwrap()),
            ..base.clone()
        };
        let chosen = |options: &ConnectionOptions, host: &str| {
            options.proxy_for(false, host, 80).unwrap().map(|proxy| proxy.host)
        };
        assert_eq!(chosen(&base, "a.example").as_deref(), Some("env"));
        assert_eq!(chosen(&base, "localhost"), None);
        assert_eq!(chosen(&with("named", ""), "localhost").as_deref(), Some("named"));
        assert_eq!(chosen(&with("named", "localhost"), "localhost"), None);
        assert_eq!(chosen(&with("", ""), "a.example"), None);
        let unix_socket = "/run/a.sock".parse().ok();
        assert_eq!(chosen(&ConnectionOptions { unix_socket, ..base.clone() }, "a.example"), None);
    }

    #[test]
    fn a_flag_takes_the_place_of_the_other_way() {
        let proxied = ConnectionOptions { proxy: "named".parse().ok(), ..ConnectionOptions::default() };
        let local = ConnectionOptions { unix_socket: "/a".parse().ok(), ..ConnectionOptions::default() };
        assert_eq!(proxied.merged_over(&local), proxied);
        assert_eq!(local.merged_over(&proxied), local);
        let both = ConnectionOptions { proxy: proxied.proxy.clone(), ..local };
        assert_eq!(both.check("http://a"), Err(ConnectionError::UnixSocketAndProxy));
        assert_eq!(ConnectionOptions::default().merged_over(&proxied), proxied);
    }

    #[test]
    fn name_servers_and_sockets() {
        for (text, address) in [
            ("10.0.0.53", "10.0.0.53:53"),
            ("10.0.0.53:5353", "10.0.0.53:5353"),
            ("fd00::53", "[fd00::53]:53"),
            ("[fd00::53]", "[fd00::53]:53"),
            ("[fd00::53]:5353", "[fd00::53]:5353"),
        ] {
            assert_eq!(text.parse::<DnsServer>().unwrap().0.to_string(), address);
        }
        for text in ["", "ns.example", "10.0.0.53:0", "10.0.0.53:x", "10.0.0.53:"] {
            assert!(text.parse::<DnsServer>().is_err(), "{text}");
        }
        for text in ["", "a\0b", &"x".repeat(108)] {
            assert!(text.parse::<UnixSocket>().is_err(), "{text}");
        }
    }
}
