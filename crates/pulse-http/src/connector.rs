//! How connections to one origin are made: addresses, TCP, TLS. One per worker.

use crate::connection::Stream;
use crate::exchange::ConnectTimes;
use crate::failure::{Cause, Failure, FailureClass};
use crate::http2::Groups;
use crate::origin::{Origin, Scheme};
use crate::recent_heads::RecentHeads;
use crate::tls::TlsOptions;
use crate::version::HttpVersion;
use rustls_pki_types::ServerName;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The settings of a [`Connector`].
#[derive(Debug, Clone)]
pub struct ConnectorConfig {
    /// What to trust, for https.
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
}

impl Default for ConnectorConfig {
    fn default() -> Self {
        Self {
            tls: TlsOptions::default(),
            http: HttpVersion::default(),
            streams: 1,
            connect_timeout: Duration::from_secs(10),
            idle_check_after: Duration::from_secs(1),
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
    /// TLS itself cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
    /// The host is not a name that a certificate can hold.
    #[error("`{0}` is not a host name that TLS can check")]
    ServerName(String),
}

/// Makes connections to one origin, for all clients of a worker: `Rc<Connector>`.
///
/// The name is resolved once (the first time, or by [`resolve`](Self::resolve)) and its addresses are kept for good,
/// because a load must not measure the resolver. Addresses are tried in the resolver's order, starting with the one
/// that answered last; each gets its share of the connect timeout. `TCP_NODELAY` is set.
pub struct Connector {
    origin: Origin,
    config: ConnectorConfig,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    addresses: RefCell<Vec<SocketAddr>>,
    preferred: Cell<usize>,
    recent_heads: Rc<RecentHeads>,
    /// Clients that share HTTP/2 connections.
    groups: Groups,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("origin", &self.origin)
            .field("addresses", &self.addresses.borrow())
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// Reads the trusted authorities where TLS is needed; does not touch the network.
    pub fn new(origin: Origin, config: ConnectorConfig) -> Result<Self, ConnectorError> {
        let tls = match origin.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let name = ServerName::try_from(origin.host.clone())
                    .map_err(|_| ConnectorError::ServerName(origin.host.clone()))?;
                Some((TlsConnector::from(config.tls.client_config(config.http)?), name))
            }
        };
        let addresses = RefCell::new(literal_address(&origin).into_iter().collect());
        Ok(Self {
            origin,
            config,
            tls,
            addresses,
            preferred: Cell::new(0),
            recent_heads: Rc::default(),
            groups: Groups::default(),
        })
    }

    /// Whom it connects to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The addresses in use; resolves the name if that has not happened yet.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let started = Instant::now();
        match self.resolved(self.config.connect_timeout).await {
            Ok(()) => Ok(self.addresses.borrow().clone()),
            Err(cause) => Err(cause.into_failure(started, 0, 0)),
        }
    }

    /// Makes one connection, TLS handshake included, and closes it again: is the service there at all?
    pub async fn probe(&self) -> Result<ConnectTimes, Failure> {
        let started = Instant::now();
        match Box::pin(self.connect(self.config.connect_timeout)).await {
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
            HttpVersion::Http11 => false,
            HttpVersion::Http2 => true,
            HttpVersion::Auto => self.tls.is_some(),
        }
    }

    pub(crate) fn config(&self) -> &ConnectorConfig {
        &self.config
    }

    /// The heads that its clients have parsed lately: one origin answers all of them alike.
    pub(crate) fn recent_heads(&self) -> &Rc<RecentHeads> {
        &self.recent_heads
    }

    /// A connection within the connect timeout or `budget`, whichever is shorter.
    pub(crate) async fn connect(&self, budget: Duration) -> Result<(Stream, ConnectTimes), Cause> {
        let budget = budget.min(self.config.connect_timeout);
        let started = Instant::now();
        let mut times = ConnectTimes::default();
        if self.addresses.borrow().is_empty() {
            self.resolved(budget).await?;
            times.resolve = started.elapsed();
        }
        let tcp_started = Instant::now();
        let tcp = self.connect_tcp(budget.saturating_sub(times.resolve)).await?;
        tcp.set_nodelay(true).map_err(|error| Cause::of(&error))?;
        times.tcp = tcp_started.elapsed();
        let Some((connector, name)) = &self.tls else { return Ok((Stream::Plain(tcp), times)) };
        let tls_started = Instant::now();
        let handshake = connector.connect(name.clone(), tcp);
        let stream = match timeout(budget.saturating_sub(started.elapsed()), handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Cause::of_handshake(&error)),
            Err(_) => return Err(too_late("the TLS handshake was not finished", budget)),
        };
        times.tls = tls_started.elapsed();
        Ok((Stream::Tls(Box::new(stream)), times))
    }

    async fn resolved(&self, budget: Duration) -> Result<(), Cause> {
        if !self.addresses.borrow().is_empty() {
            return Ok(());
        }
        let Origin { host, port, .. } = &self.origin;
        let failed = |reason: &dyn fmt::Display| {
            Cause::new(FailureClass::Resolve, format!("the host `{host}` has no address: {reason}"))
        };
        let found: Vec<SocketAddr> =
            match timeout(budget, tokio::net::lookup_host((host.as_str(), *port))).await {
                Ok(Ok(found)) => found.collect(),
                Ok(Err(error)) => return Err(failed(&error)),
                Err(_) => return Err(failed(&format_args!("no answer within {budget:?}"))),
            };
        if found.is_empty() {
            return Err(failed(&"the resolver found none"));
        }
        *self.addresses.borrow_mut() = found;
        Ok(())
    }

    async fn connect_tcp(&self, budget: Duration) -> Result<TcpStream, Cause> {
        let deadline = Instant::now() + budget;
        let count = self.addresses.borrow().len();
        let first = self.preferred.get();
        let mut last = Cause::new(FailureClass::Resolve, "the host has no address");
        for attempt in 0..count {
            let index = (first + attempt) % count;
            let address = self.addresses.borrow()[index];
            // What an address leaves unused goes to those after it.
            let share = deadline.saturating_duration_since(Instant::now()) / (count - attempt) as u32;
            last = match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    self.preferred.set(index);
                    return Ok(stream);
                }
                Ok(Err(error)) => of_connect(&error, budget),
                Err(_) => too_late("no answer from the host", budget),
            };
            if matches!(last.class, FailureClass::Descriptors | FailureClass::Ports) {
                break; // This machine's shortage; another address does not help.
            }
        }
        Err(last)
    }
}

fn literal_address(origin: &Origin) -> Option<SocketAddr> {
    let ip: IpAddr = origin.host.parse().ok()?;
    Some(SocketAddr::new(ip, origin.port))
}

fn of_connect(error: &io::Error, budget: Duration) -> Cause {
    let cause = Cause::of(error);
    match cause.class {
        // The kernel's own patience ended first.
        FailureClass::Timeout => too_late("no answer from the host", budget),
        _ => cause,
    }
}

fn too_late(what: &str, budget: Duration) -> Cause {
    Cause::new(FailureClass::ConnectTimeout, format!("{what} within {budget:?}"))
}
