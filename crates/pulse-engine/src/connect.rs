//! From what a plan says about connections to what the client needs, and to what people should know about it.

use pulse_http::{
    AddressOrder, ClientIdentity, Connector, ConnectorConfig, FixedAddresses, IpFamily, Origin, Proxy,
    ProxyCredentials, ProxyKind, Redirection, ResolverOptions, SocketOptions, TlsOptions, TlsVersion,
};
use pulse_model::{Finding, Severity};
use pulse_plan::{
    ConnectionError, ConnectionOptions, HttpVersion, IpVersion, ProxyScheme, ProxyUrl, Service,
};

use crate::run::RunError;

/// How the service is reached.
pub fn connector(service: &Service) -> Result<Connector, RunError> {
    connector_to(service, Origin::parse(&service.url)?)
}

/// How another origin is reached with the settings of a service, for example after a redirect.
pub fn connector_to(service: &Service, origin: Origin) -> Result<Connector, RunError> {
    let config = ConnectorConfig {
        tls: tls(service),
        http: match service.http {
            HttpVersion::Http11 => pulse_http::HttpVersion::Http11,
            HttpVersion::Http2 => pulse_http::HttpVersion::Http2,
            HttpVersion::Http3 => pulse_http::HttpVersion::Http3,
            HttpVersion::Auto => pulse_http::HttpVersion::Auto,
        },
        streams: service.streams as usize,
        connect_timeout: service.connect_timeout.into(),
        resolver: resolver(&service.connection),
        address_order: match service.connection.addresses {
            None | Some(pulse_plan::AddressOrder::First) => AddressOrder::First,
            Some(pulse_plan::AddressOrder::RoundRobin) => AddressOrder::RoundRobin,
        },
        redirections: redirections(&service.connection),
        socket: SocketOptions {
            nodelay: service.connection.nodelay.unwrap_or(true),
            source_addresses: service.connection.source_addresses.clone(),
        },
        proxy: proxy_url(service, &origin)?.map(proxy),
        unix_socket: service.connection.unix_socket.as_ref().map(|socket| socket.0.clone().into()),
        ..ConnectorConfig::default()
    };
    Ok(Connector::new(origin, config)?)
}

/// What people should know about the way to a service: a proxy that is used, secrets that are written.
pub fn connection_notices(service: &Service) -> Vec<Finding> {
    let note = |code: &str, message: String, help: &str| Finding {
        code: code.to_owned(),
        severity: Severity::Note,
        subject: service.url.clone(),
        message,
        help: Some(help.to_owned()),
        ..Finding::default()
    };
    let origin = Origin::parse(&service.url).ok();
    let proxy = origin.as_ref().and_then(|origin| proxy_url(service, origin).ok().flatten());
    let proxy = proxy.map(|proxy| {
        let from = if service.connection.proxy.is_some() { "" } else { " (from the environment)" };
        let message = format!(
            "requests go through the proxy {proxy}{from}: its time and its limits are in all figures"
        );
        note(
            "proxy",
            message,
            "For the service alone: --proxy \"\", or measure from a place that needs no proxy.",
        )
    });
    let is_secure = origin.is_some_and(|origin| origin.scheme == pulse_http::Scheme::Https);
    let key_log = (is_secure && service.tls.key_log == Some(true)).then(|| {
        let message = "the secrets of all TLS connections are written to the file that SSLKEYLOGFILE names";
        let help =
            "Who has the file can read the traffic; writing it takes time. Unset SSLKEYLOGFILE to measure.";
        note("key_log", message.to_owned(), help)
    });
    proxy.into_iter().chain(key_log).collect()
}

fn proxy_url(service: &Service, origin: &Origin) -> Result<Option<ProxyUrl>, ConnectionError> {
    let secure = origin.scheme == pulse_http::Scheme::Https;
    service.connection.proxy_for(secure, &origin.host, origin.port)
}

fn tls(service: &Service) -> TlsOptions {
    let settings = &service.tls;
    let version = |version| match version {
        pulse_plan::TlsVersion::V1_2 => TlsVersion::V1_2,
        pulse_plan::TlsVersion::V1_3 => TlsVersion::V1_3,
    };
    let default = TlsOptions::default();
    TlsOptions {
        insecure: service.insecure,
        ca_certificate_pem: service.ca_certificate.clone(),
        min_version: settings.min_version.map_or(default.min_version, version),
        max_version: settings.max_version.map_or(default.max_version, version),
        identity: settings.client_certificate.as_ref().map(|certificate| ClientIdentity {
            certificate_pem: certificate.0.clone(),
            key_pem: settings.client_key.as_ref().map(|key| key.0.clone()),
        }),
        server_name: settings.server_name.clone(),
        resumption: settings.resumption.unwrap_or(default.resumption),
        key_log: settings.key_log.unwrap_or(default.key_log),
    }
}

fn resolver(options: &ConnectionOptions) -> ResolverOptions {
    let fixed = options.resolve.iter().map(|given| FixedAddresses {
        host: given.host.clone(),
        port: given.port,
        addresses: given.addresses.clone(),
    });
    ResolverOptions {
        name_server: options.dns_server.map(|server| server.0),
        fixed: fixed.collect(),
        family: options.ip_version.map(|version| match version {
            IpVersion::V4 => IpFamily::V4,
            IpVersion::V6 => IpFamily::V6,
        }),
        refresh: options.dns_refresh.map(Into::into),
    }
}

fn redirections(options: &ConnectionOptions) -> Vec<Redirection> {
    let redirections = options.connect_to.iter().map(|to| Redirection {
        from_host: to.from_host.clone(),
        from_port: to.from_port,
        to_host: to.to_host.clone(),
        to_port: to.to_port,
    });
    redirections.collect()
}

fn proxy(url: ProxyUrl) -> Proxy {
    Proxy {
        kind: match url.scheme {
            ProxyScheme::Http => ProxyKind::Http,
            ProxyScheme::Socks5 => ProxyKind::Socks5,
            ProxyScheme::Socks5h => ProxyKind::Socks5h,
        },
        host: url.host,
        port: url.port,
        credentials: url.credentials.map(|(name, password)| ProxyCredentials { name, password }),
    }
}
