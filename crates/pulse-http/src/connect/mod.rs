//! How connections to one origin are made: where to, from where, by which way, and how they are encrypted.

mod address_order;
mod connector;
mod dialer;
mod http_proxy;
mod name_server;
mod origin;
mod proxy;
mod redirection;
mod resolver;
mod socks5;
mod tls;

pub use address_order::AddressOrder;
pub use connector::{Connector, ConnectorConfig, ConnectorError};
pub use dialer::SocketOptions;
pub use http_proxy::ConnectAnswer;
pub use name_server::{NameServerAnswer, NameServerError};
pub use origin::{Origin, OriginError, Scheme};
pub use proxy::{Proxy, ProxyCredentials, ProxyError, ProxyKind};
pub use redirection::Redirection;
pub use resolver::{FixedAddresses, IpFamily, ResolverOptions};
pub use socks5::Socks5Reply;
pub use tls::{ClientIdentity, TlsOptions, TlsVersion};
