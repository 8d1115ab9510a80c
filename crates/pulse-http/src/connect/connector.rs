//! How connections to one origin are made: the way, TCP or a Unix socket, TLS. One per worker.

use super::address_order::{AddressOrder, Turn};
use super::dialer::{Dialer, SocketOptions};
use super::origin::{Origin, Scheme};
use super::proxy::{Destination, Host, Proxy, ProxyKind};
use super::redirection::{Redirection, redirected};
use super::resolver::{Resolver, ResolverOptions};
use super::tls::TlsOptions;
use crate::connection::{Socket, Stream};
use crate::exchange::ConnectTimes;
use crate::failure::{Cause, Failure, FailureClass};
use crate::http2::Groups;
#[cfg(feature = "http3")]
use crate::http3::QuicDialer;
#[cfg(feature = "http3")]
use crate::limits::Limits;
use crate::payload::PieceRoom;
use crate::recent_heads::RecentHeads;
use crate::version::HttpVersion;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The settings of a [`Connector`].
#[derive(Debug, Clone)]
pub struct ConnectorConfig {
    /// How connections are encrypted, for https.
    pub tls: TlsOptions,
    /// The version of HTTP to speak; HTTP/1.1 by default.
    pub http: HttpVersion,
    /// How many clients share a connection where it speaks HTTP/2; 1 by default.
    pub streams: usize,
    /// Longest time for a connection, from resolving the name to the end of the TLS handshake; 10 s by default.
    pub connect_timeout: Duration,
    /// A connection that was idle for longer is asked, with one system call, whether the peer has closed it before
    /// a request is sent on it; 1 s by default. What the reactor has noticed already is heeded at any age.
    pub idle_check_after: Duration,
    /// How names become addresses.
    pub resolver: ResolverOptions,
    /// Which of a host's addresses is tried first.
    pub address_order: AddressOrder,
    /// Hosts and ports whose connections go elsewhere; the first that fits counts.
    pub redirections: Vec<Redirection>,
    /// What is set on TCP sockets.
    pub socket: SocketOptions,
    /// The proxy through which connections are made.
    pub proxy: Option<Proxy>,
    /// The Unix socket to which every connection is made, whatever host the URL names; no proxy is used then.
    pub unix_socket: Option<PathBuf>,
}

impl Default for ConnectorConfig {
    fn default() -> Self {
        Self {
            tls: TlsOptions::default(),
            http: HttpVersion::default(),
            streams: 1,
            connect_timeout: Duration::from_secs(10),
            idle_check_after: Duration::from_secs(1),
            resolver: ResolverOptions::default(),
            address_order: AddressOrder::default(),
            redirections: Vec::new(),
            socket: SocketOptions::default(),
            proxy: None,
            unix_socket: None,
        }
    }
}

/// Why no connector can be made from the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The given authority is not PEM.
    #[error("the CA certificate cannot be read: {0}; it must be PEM (-----BEGIN CERTIFICATE-----)")]
    Pem(String),
    /// The given authority is no certificate that can sign others.
    #[error("the CA certificate cannot be used: {0}")]
    CaCertificate(#[source] rustls::Error),
    /// Neither the system nor the settings name an authority.
    #[error("no trusted certificate authority was found on this system; give one, or skip the check")]
    NoAuthorities,
    /// The client's certificate is not PEM.
    #[error("the client certificate cannot be read: {0}; it must be PEM (-----BEGIN CERTIFICATE-----)")]
    ClientPem(String),
    /// The client's key is not PEM.
    #[error(
        "the key of the client certificate cannot be read: {0}; it must be PEM (-----BEGIN PRIVATE KEY-----)"
    )]
    ClientKey(String),
    /// The client's key is encrypted.
    #[error(
        "the key of the client certificate is encrypted, and nobody can be asked for its password during a run; write it \
             without: openssl pkey -in key.pem -out plain.pem"
    )]
    EncryptedKey,
    /// The client's certificate and key cannot be used.
    #[error("the client certificate cannot be used: {0} (is the key the one of the certificate?)")]
    ClientCertificate(#[source] rustls::Error),
    /// TLS itself cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
    /// HTTP/3 to an `http://` URL.
    #[error("HTTP/3 is always encrypted; write the service's URL with https://")]
    NotEncrypted,
    /// HTTP/3 by a way that carries no datagrams.
    #[error("HTTP/3 goes over UDP, and neither through a proxy nor through a Unix socket; leave that out")]
    NoDatagrams,
    /// HTTP/3 in a build without the feature `http3`.
    #[error("this build cannot speak HTTP/3; build it with the feature `http3`, which is on by default")]
    NoHttp3,
    /// TLS is restricted to what QUIC cannot use.
    #[error("HTTP/3 needs TLS 1.3 with TLS13_AES_128_GCM_SHA256, which the TLS settings exclude")]
    Quic,
    /// The host is not a name that a certificate can hold.
    #[error("`{0}` is not a host name that TLS can check")]
    ServerName(String),
}

/// Makes connections to one origin, for all clients of a worker: `Rc<Connector>`.
///
/// The name is resolved once (the first time, or by [`resolve`](Self::resolve)) and its addresses are kept for good
/// unless [`ResolverOptions::refresh`] says else. Addresses are tried in the order of [`AddressOrder`]; each gets its share
/// of the connect timeout.
pub struct Connector {
    origin: Origin,
    config: ConnectorConfig,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    way: Rc<Way>,
    turn: Rc<Turn>,
    dialer: Rc<Dialer>,
    recent_heads: Rc<RecentHeads>,
    piece_room: Rc<PieceRoom>,
    /// Clients that share HTTP/2 connections.
    groups: Groups,
    /// Where HTTP/3 is spoken.
    #[cfg(feature = "http3")]
    quic: Option<QuicDialer>,
}

/// Which way connections take.
#[derive(Debug)]
enum Way {
    /// To the service's host.
    Direct(Resolver),
    /// To a proxy, which connects to the service.
    Proxy(Box<Detour>),
    Unix(PathBuf),
}

#[derive(Debug)]
struct Detour {
    proxy: Proxy,
    resolver: Resolver,
    service: Service,
}

/// The service as the proxy gets to know it.
#[derive(Debug)]
enum Service {
    Named(Destination),
    /// Its name is resolved here; the proxy gets the address whose turn it is.
    Resolved(Resolver, Turn),
}

impl Way {
    fn new(origin: &Origin, config: &ConnectorConfig) -> Self {
        if let Some(path) = &config.unix_socket {
            return Self::Unix(path.clone());
        }
        let (host, port) = redirected(&config.redirections, &origin.host, origin.port);
        let Some(proxy) = &config.proxy else {
            return Self::Direct(Resolver::new(&host, port, &config.resolver));
        };
        let service = if proxy.kind == ProxyKind::Socks5 {
            Service::Resolved(Resolver::new(&host, port, &config.resolver), Turn::new(config.address_order))
        } else {
            Service::Named(Destination { host: Host::new(&host), port })
        };
        let resolver = Resolver::new(&proxy.host, proxy.port, &config.resolver);
        Self::Proxy(Box::new(Detour { proxy: proxy.clone(), resolver, service }))
    }

    /// What must be resolved before a connection can be made.
    fn resolver(&self) -> Option<&Resolver> {
        match self {
            Self::Direct(resolver) => Some(resolver),
            Self::Proxy(detour) => Some(&detour.resolver),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("origin", &self.origin)
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// Reads the trusted authorities where TLS is needed; does not touch the network.
    pub fn new(origin: Origin, config: ConnectorConfig) -> Result<Self, ConnectorError> {
        let tls = match origin.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let name = config.tls.server_name.clone().unwrap_or_else(|| origin.host.clone());
                let server =
                    ServerName::try_from(name.clone()).map_err(|_| ConnectorError::ServerName(name))?;
                Some((TlsConnector::from(config.tls.client_config(config.http.alpn())?), server))
            }
        };
        if config.http == HttpVersion::Http3 {
            if tls.is_none() {
                return Err(ConnectorError::NotEncrypted);
            }
            if config.proxy.is_some() || config.unix_socket.is_some() {
                return Err(ConnectorError::NoDatagrams);
            }
            #[cfg(not(feature = "http3"))]
            return Err(ConnectorError::NoHttp3);
        }
        let way = Rc::new(Way::new(&origin, &config));
        let turn = Rc::new(Turn::new(config.address_order));
        let dialer = Rc::new(Dialer::new(config.socket.clone()));
        Ok(Self {
            #[cfg(feature = "http3")]
            quic: QuicDialer::new(&config, &origin)?,
            origin,
            config,
            tls,
            way,
            turn,
            dialer,
            recent_heads: Rc::default(),
            piece_room: Rc::default(),
            groups: Groups::default(),
        })
    }

    /// The same for what needs HTTP/1.1, as the upgrade to a WebSocket does, whatever version other clients speak. Both know
    /// the same addresses.
    #[must_use]
    pub fn for_http1(&self) -> Self {
        self.speaking(ConnectorConfig { http: HttpVersion::Http11, streams: 1, ..self.config.clone() })
    }

    /// The same for what needs HTTP/2, as gRPC does.
    #[must_use]
    pub fn for_http2(&self) -> Self {
        self.speaking(ConnectorConfig { http: HttpVersion::Http2, ..self.config.clone() })
    }

    fn speaking(&self, config: ConnectorConfig) -> Self {
        let tls = self.tls.as_ref().map(|(connector, name)| {
            let mut options = ClientConfig::clone(connector.config());
            options.alpn_protocols = config.http.alpn();
            (TlsConnector::from(Arc::new(options)), name.clone())
        });
        Self {
            origin: self.origin.clone(),
            config,
            tls,
            way: Rc::clone(&self.way),
            turn: Rc::clone(&self.turn),
            dialer: Rc::clone(&self.dialer),
            recent_heads: Rc::clone(&self.recent_heads),
            piece_room: Rc::clone(&self.piece_room),
            #[cfg(feature = "http3")]
            quic: None,
            groups: Groups::default(),
        }
    }

    /// Whom it connects to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The addresses in use: the service's or the proxy's, none for a Unix socket. Resolves the name if that has not
    /// happened yet.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let started = Instant::now();
        let Some(resolver) = self.way.resolver() else { return Ok(Vec::new()) };
        match resolver.addresses(self.config.connect_timeout).await {
            Ok((found, _)) => Ok(found.to_vec()),
            Err(cause) => Err(cause.into_failure(started, 0, 0)),
        }
    }

    /// Makes one connection, TLS handshake included, and closes it again: is the service there at all?
    pub async fn probe(&self) -> Result<ConnectTimes, Failure> {
        let started = Instant::now();
        let budget = self.config.connect_timeout;
        #[cfg(feature = "http3")]
        if let Some(dialer) = &self.quic {
            let dialed = Box::pin(dialer.dial(self, Limits::default(), budget)).await;
            return dialed.map(|(_, times)| times).map_err(|cause| cause.into_failure(started, 0, 0));
        }
        match Box::pin(self.connect(budget)).await {
            Ok((_, times)) => Ok(times),
            Err(cause) => Err(cause.into_failure(started, 0, 0)),
        }
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Whether clients begin with HTTP/2.
    pub(crate) fn tries_http2(&self) -> bool {
        match self.config.http {
            HttpVersion::Http11 | HttpVersion::Http3 => false,
            HttpVersion::Http2 => true,
            HttpVersion::Auto => self.tls.is_some(),
        }
    }

    /// The heads that its clients have parsed lately: one origin answers all of them alike.
    pub(crate) fn recent_heads(&self) -> &Rc<RecentHeads> {
        &self.recent_heads
    }

    /// Where its clients hold what they have just read of a streamed body.
    pub(crate) fn piece_room(&self) -> &PieceRoom {
        &self.piece_room
    }

    /// How to connect where HTTP/3 is spoken.
    #[cfg(feature = "http3")]
    pub(crate) fn quic(&self) -> Option<&QuicDialer> {
        self.quic.as_ref()
    }

    /// The addresses in use, found within `budget`, and the time that it took if it had not been done before.
    #[cfg(feature = "http3")]
    pub(crate) async fn addresses(&self, budget: Duration) -> Result<(Arc<[SocketAddr]>, Duration), Cause> {
        match self.way.resolver() {
            Some(resolver) => resolver.addresses(budget).await,
            None => Err(Cause::new(FailureClass::Resolve, "a Unix socket has no address")),
        }
    }

    pub(crate) fn config(&self) -> &ConnectorConfig {
        &self.config
    }

    /// A connection within the connect timeout or `budget`, whichever is shorter.
    pub(crate) async fn connect(&self, budget: Duration) -> Result<(Stream, ConnectTimes), Cause> {
        let budget = budget.min(self.config.connect_timeout);
        let started = Instant::now();
        let mut times = ConnectTimes::default();
        let socket = self.open(budget, &mut times).await?;
        let opened = Instant::now();
        times.tcp = (opened - started).saturating_sub(times.resolve);
        let Some((connector, name)) = &self.tls else {
            return Ok((Stream::plain(socket), times));
        };
        let handshake = async {
            match socket {
                Socket::Tcp(socket) => {
                    connector.connect(name.clone(), socket).await.map(|stream| Stream::Tls(Box::new(stream)))
                }
                Socket::Unix(socket) => {
                    let stream = connector.connect(name.clone(), socket).await;
                    stream.map(|stream| Stream::UnixTls(Box::new(stream)))
                }
            }
        };
        let stream = match timeout(budget.saturating_sub(opened - started), handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Cause::of_handshake(&error)),
            Err(_) => return Err(too_late("the TLS handshake was not finished", budget)),
        };
        times.tls = opened.elapsed();
        Ok((stream, times))
    }

    /// Everything below TLS. The time for resolving names goes into `times`.
    async fn open(&self, budget: Duration, times: &mut ConnectTimes) -> Result<Socket, Cause> {
        match &*self.way {
            Way::Direct(resolver) => Ok(Socket::Tcp(self.reach(resolver, budget, times).await?)),
            Way::Proxy(detour) => Ok(Socket::Tcp(self.reach_through(detour, budget, times).await?)),
            Way::Unix(path) => match timeout(budget, UnixStream::connect(path)).await {
                Ok(Ok(socket)) => Ok(Socket::Unix(socket)),
                Ok(Err(error)) => Err(Cause::of_unix(&error, path)),
                Err(_) => Err(too_late("no answer at the Unix socket", budget)),
            },
        }
    }

    async fn reach(
        &self,
        resolver: &Resolver,
        budget: Duration,
        times: &mut ConnectTimes,
    ) -> Result<TcpStream, Cause> {
        let (addresses, took) = resolver.addresses(budget).await?;
        times.resolve += took;
        self.connect_tcp(&addresses, budget.saturating_sub(took), resolver).await
    }

    async fn reach_through(
        &self,
        detour: &Detour,
        budget: Duration,
        times: &mut ConnectTimes,
    ) -> Result<TcpStream, Cause> {
        let Detour { proxy, resolver, service } = detour;
        let started = Instant::now();
        let reached = self.reach(resolver, budget, times).await;
        let mut stream = reached.map_err(|cause| proxy.unreached(cause))?;
        let left = budget.saturating_sub(started.elapsed());
        let found;
        let destination = match service {
            Service::Named(destination) => destination,
            Service::Resolved(resolver, turn) => {
                let (addresses, took) = resolver.addresses(left).await?;
                times.resolve += took;
                // One address only: which of several answers cannot be seen through a proxy.
                let index = turn.attempts(addresses.len()).next().unwrap_or_default();
                found =
                    Destination { host: Host::Address(addresses[index].ip()), port: addresses[index].port() };
                &found
            }
        };
        let left = budget.saturating_sub(started.elapsed());
        match timeout(left, proxy.open(&mut stream, destination)).await {
            Ok(opened) => opened.map(|()| stream),
            Err(_) => Err(too_late("the proxy did not answer", budget)),
        }
    }

    async fn connect_tcp(
        &self,
        addresses: &[SocketAddr],
        budget: Duration,
        resolver: &Resolver,
    ) -> Result<TcpStream, Cause> {
        let deadline = Instant::now() + budget;
        let count = addresses.len();
        let mut last = Cause::new(FailureClass::Resolve, "the host has no address");
        for (attempt, index) in self.turn.attempts(count).enumerate() {
            // What an address leaves unused goes to those after it.
            let share = deadline.saturating_duration_since(Instant::now()) / (count - attempt) as u32;
            last = match timeout(share, self.dialer.dial(addresses[index])).await {
                Ok(Ok(stream)) => {
                    self.turn.answered(index);
                    return Ok(stream);
                }
                Ok(Err(cause)) => of_connect(cause, budget, resolver),
                Err(_) => no_answer(budget, resolver),
            };
            if matches!(last.class, FailureClass::Descriptors | FailureClass::Ports) {
                break; // This machine's shortage; another address does not help.
            }
        }
        Err(last)
    }
}

fn of_connect(cause: Cause, budget: Duration, resolver: &Resolver) -> Cause {
    match cause.class {
        // The kernel's own patience ended first.
        FailureClass::Timeout => no_answer(budget, resolver),
        _ => cause,
    }
}

fn no_answer(budget: Duration, resolver: &Resolver) -> Cause {
    too_late(&format!("no answer from {}", resolver.place()), budget)
}

fn too_late(what: &str, budget: Duration) -> Cause {
    Cause::new(FailureClass::ConnectTimeout, format!("{what} within {budget:?}"))
}
