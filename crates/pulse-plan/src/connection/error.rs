//! Why connections cannot be made as described.

/// A mistake in what was said about connections.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// Not addresses of a host.
    #[error(
        "`{text}` gives no addresses: {reason}; write HOST:PORT:ADDRESS, for example api.example:443:10.0.0.7"
    )]
    HostAddresses {
        /// The offending text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not a redirection of connections.
    #[error(
        "`{text}` does not say where to connect to: {reason}; write HOST1:PORT1:HOST2:PORT2, for example \
         api.example:443:10.0.0.7:8443, where empty parts keep what they are"
    )]
    ConnectTo {
        /// The offending text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not an address or a range of addresses.
    #[error("`{text}` is not a range of addresses: {reason}; write for example 10.0.0.0/24 or 10.0.0.7")]
    Cidr {
        /// The offending text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not a proxy; the text is not repeated, as it may hold a password.
    #[error(
        "the proxy's URL cannot be used: {0}; write http://host:port, socks5://host:port or socks5h://host:port"
    )]
    Proxy(String),
    /// The same, in the environment.
    #[error("the environment variable {variable} cannot be used: {reason}; correct it, or unset it")]
    Environment {
        /// The variable's name in lower case.
        variable: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// Not a host that is reached without a proxy.
    #[error(
        "`{0}` cannot be excluded from the proxy; write host names, addresses, ranges such as 10.0.0.0/8, or *"
    )]
    NoProxy(String),
    /// Not the address of a name server.
    #[error("`{0}` is not the address of a name server; write for example 10.0.0.53 or [fd00::53]:5353")]
    DnsServer(String),
    /// Not a path of a Unix socket.
    #[error(
        "`{0}` cannot be the path of a Unix socket; it has 1 to 107 bytes, and none of them is a null byte"
    )]
    UnixSocket(String),
    /// Not an order of addresses.
    #[error("`{0}` is not an order of addresses; write first or round-robin")]
    AddressOrder(String),
    /// Not a version of TLS.
    #[error("`{0}` is not a version of TLS; write 1.2 or 1.3")]
    TlsVersion(String),
    /// The lowest version is above the highest.
    #[error(
        "no version of TLS is left: the lowest one is 1.3 and the highest one 1.2; write one of them only"
    )]
    NoTlsVersion,
    /// A key without a certificate.
    #[error("there is a client key without its certificate; name the file with the certificate, too")]
    KeyWithoutCertificate,
    /// A Unix socket and a proxy.
    #[error("a Unix socket is on this machine, and no proxy leads to it; leave one of them out")]
    UnixSocketAndProxy,
}
