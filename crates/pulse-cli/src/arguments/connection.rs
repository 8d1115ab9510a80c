//! How connections are made: the same for every command that asks a service.

use std::path::PathBuf;

use clap::Args;
use pulse_model::Nanos;
use pulse_plan::{
    AddressOrder, ClientKey, ConnectTo, ConnectionOptions, DnsServer, HostAddresses, IpVersion, NoProxy,
    ProxyChoice, ProxyEnvironment, ServiceOptions, SourceAddresses, TlsSettings, TlsVersion, UnixSocket,
};

use crate::problem::Problem;
use crate::source::read_file_of;

/// The largest file with a certificate or a key.
const MAX_PEM_BYTES: usize = 4 << 20;

/// How connections are made.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionFlags {
    /// Proxy: [http|socks5|socks5h://][NAME:PASSWORD@]HOST[:PORT]; empty = none [default: that of the environment, never for
    /// this machine].
    #[arg(short = 'x', long, value_name = "URL")]
    proxy: Option<String>,
    /// Hosts that are reached without the proxy, separated by commas: names, addresses, ranges, *.
    #[arg(long, value_name = "HOSTS")]
    noproxy: Option<NoProxy>,
    /// Addresses of a host: HOST:PORT:ADDRESS[,ADDRESS]…; repeatable.
    #[arg(long, value_name = "ENTRY")]
    resolve: Vec<HostAddresses>,
    /// Connect to another host and port: HOST1:PORT1:HOST2:PORT2; repeatable.
    #[arg(long, value_name = "ENTRY")]
    connect_to: Vec<ConnectTo>,
    /// Only IPv4.
    #[arg(long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Only IPv6.
    #[arg(long)]
    ipv6: bool,
    /// Name server to ask in place of the system's resolver: ADDRESS[:PORT].
    #[arg(long, value_name = "ADDRESS")]
    dns_server: Option<DnsServer>,
    /// Ask for the addresses again when they are older [default: never].
    #[arg(long, value_name = "D")]
    dns_refresh: Option<Nanos>,
    /// Which of several addresses: first (that answers) or round-robin [default: first].
    #[arg(long, value_name = "ORDER")]
    dns_order: Option<AddressOrder>,
    /// Connect to a Unix socket, whatever host the URL names.
    #[arg(long, value_name = "PATH", conflicts_with = "proxy")]
    unix_socket: Option<UnixSocket>,
    /// Address of this machine to connect from, or a range such as 10.0.0.0/28: in turn; repeatable.
    #[arg(long, value_name = "ADDRESS")]
    source_address: Vec<SourceAddresses>,
    /// Let the system hold back small writes (Nagle's algorithm).
    #[arg(long)]
    no_nodelay: bool,
    /// Lowest version of TLS: 1.2 or 1.3 [default: 1.2].
    #[arg(long, value_name = "VERSION")]
    tls_min: Option<TlsVersion>,
    /// Highest version of TLS: 1.2 or 1.3 [default: 1.3].
    #[arg(long, value_name = "VERSION")]
    tls_max: Option<TlsVersion>,
    /// Certificate of the client (PEM), with its key or with --key.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Key of the client's certificate (PEM, not encrypted).
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Name that is sent to the service (SNI) and that its certificate must hold [default: the URL's host].
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Resume TLS sessions where the service offers it.
    #[arg(long)]
    tls_resumption: bool,
}

impl ConnectionFlags {
    /// What the flags and the environment say of the service.
    pub(crate) fn options(&self) -> Result<ServiceOptions, Problem> {
        let proxy = self.proxy.as_deref().map(str::parse::<ProxyChoice>).transpose();
        let proxy = proxy.map_err(|error| Problem::usage(format!("--proxy: {error}")))?;
        if self.dns_refresh == Some(Nanos::ZERO) {
            return Err(Problem::usage("--dns-refresh must be longer than 0s"));
        }
        let base = of_environment();
        let ip_version = match (self.ipv4, self.ipv6) {
            (true, _) => Some(IpVersion::V4),
            (_, true) => Some(IpVersion::V6),
            _ => None,
        };
        let connection = ConnectionOptions {
            proxy,
            no_proxy: self.noproxy.clone(),
            resolve: self.resolve.clone(),
            connect_to: self.connect_to.clone(),
            ip_version,
            addresses: self.dns_order,
            dns_server: self.dns_server,
            dns_refresh: self.dns_refresh,
            unix_socket: self.unix_socket.clone(),
            source_addresses: self.source_address.iter().flat_map(|range| range.0.iter().copied()).collect(),
            nodelay: self.no_nodelay.then_some(false),
            ..base.connection.clone()
        };
        let pem = |flag: &str, path: &Option<PathBuf>| {
            let bytes = path.as_deref().map(|path| read_file_of(flag, path, MAX_PEM_BYTES)).transpose();
            bytes.map(|bytes| bytes.map(ClientKey))
        };
        let tls = TlsSettings {
            min_version: self.tls_min,
            max_version: self.tls_max,
            client_certificate: pem("--cert", &self.cert)?,
            client_key: pem("--key", &self.key)?,
            server_name: self.server_name.clone(),
            resumption: self.tls_resumption.then_some(true),
            ..base.tls.clone()
        };
        Ok(ServiceOptions { connection, tls, ..base })
    }

    /// Whether anything was said.
    pub(crate) fn is_given(&self) -> bool {
        *self != Self::default()
    }
}

/// What the environment says of how services are reached: its proxies, and whether secrets of TLS are logged.
pub(crate) fn of_environment() -> ServiceOptions {
    let variable = |name: &str| std::env::var(name).ok();
    let key_log = std::env::var_os("SSLKEYLOGFILE").filter(|path| !path.is_empty()).map(|_| true);
    ServiceOptions {
        connection: ConnectionOptions {
            environment: ProxyEnvironment::read(&variable),
            ..ConnectionOptions::default()
        },
        tls: TlsSettings { key_log, ..TlsSettings::default() },
        ..ServiceOptions::default()
    }
}
