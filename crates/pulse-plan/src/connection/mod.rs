//! How connections to a service are made, as a person says it: where to, from where, through which proxy.

mod cidr;
mod connect_to;
mod error;
mod host_addresses;
mod no_proxy;
mod options;
mod proxy;
mod source_addresses;
mod tls;

pub use cidr::Cidr;
pub use connect_to::ConnectTo;
pub use error::ConnectionError;
pub use host_addresses::HostAddresses;
pub use no_proxy::NoProxy;
pub use options::{AddressOrder, ConnectionOptions, DnsServer, IpVersion, UnixSocket};
pub use proxy::{ProxyChoice, ProxyEnvironment, ProxyScheme, ProxyUrl};
pub use source_addresses::SourceAddresses;
pub use tls::{ClientKey, TlsSettings, TlsVersion};

/// The first part of a text that is separated by colons, and the rest after the colon; an IPv6 address stands in brackets.
/// Without a colon there is no rest.
fn split_part(text: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']'))
        && (rest.is_empty() || rest.starts_with(':'))
    {
        return (address, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((part, rest)) => (part, Some(rest)),
        None => (text, None),
    }
}

/// Whether a text can be a host's name or address (without brackets).
fn is_host(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte) || !byte.is_ascii();
    let is_named = !text.is_empty() && text.len() <= 255 && text.bytes().all(is_name);
    is_named || text.parse::<std::net::IpAddr>().is_ok()
}

/// A host as URLs have it: international names in their ASCII form.
fn host(text: &str) -> Option<String> {
    if !is_host(text) {
        return None;
    }
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) => Some(name),
        Ok(url::Host::Ipv4(address)) => Some(address.to_string()),
        _ => text.parse::<std::net::IpAddr>().ok().map(|address| address.to_string()),
    }
}

/// A port other than 0.
fn port(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
        .filter(|port| *port > 0)
}
