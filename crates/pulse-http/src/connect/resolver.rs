//! From a host's name to its addresses, and how long they are good for.

use super::name_server;
use crate::failure::{Cause, FailureClass};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl IpFamily {
    const fn holds(self, address: IpAddr) -> bool {
        matches!((self, address), (Self::V4, IpAddr::V4(_)) | (Self::V6, IpAddr::V6(_)))
    }
}

impl fmt::Display for IpFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Addresses of a host that the resolver is not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedAddresses {
    /// The host's name; `None` is any.
    pub host: Option<String>,
    /// The port for which they hold.
    pub port: u16,
    /// The addresses; at least one.
    pub addresses: Vec<IpAddr>,
}

/// How names become addresses.
#[derive(Debug, Clone, Default)]
pub struct ResolverOptions {
    /// The name server to ask; `None` asks the system (`getaddrinfo`: its hosts file, its name servers).
    pub name_server: Option<SocketAddr>,
    /// Names whose addresses are given; the first that fits counts.
    pub fixed: Vec<FixedAddresses>,
    /// Only addresses of this family are used.
    pub family: Option<IpFamily>,
    /// Age from which addresses are asked for again when a connection is made; `None` keeps them for good, because a
    /// load must not measure the resolver.
    pub refresh: Option<Duration>,
}

/// The addresses of one host.
#[derive(Debug)]
pub(crate) struct Resolver {
    host: String,
    port: u16,
    options: ResolverOptions,
    known: RefCell<Arc<[SocketAddr]>>,
    /// When the known ones were found; `None` if they are given and never age.
    found_at: Cell<Option<Instant>>,
    /// Held by whoever asks, so that a thousand users who connect at once ask once.
    asking: Mutex<()>,
}

impl Resolver {
    pub(crate) fn new(host: &str, port: u16, options: &ResolverOptions) -> Self {
        let fits = |fixed: &&FixedAddresses| {
            fixed.port == port && fixed.host.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(host))
        };
        let given: Vec<IpAddr> = match (host.parse(), options.fixed.iter().find(fits)) {
            (_, Some(fixed)) => fixed.addresses.clone(),
            (Ok(literal), None) => vec![literal],
            (Err(_), None) => Vec::new(),
        };
        let known = given.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        Self {
            host: host.to_owned(),
            port,
            options: options.clone(),
            known: RefCell::new(known),
            found_at: Cell::new(None),
            asking: Mutex::new(()),
        }
    }

    /// `host:port`, as people write it.
    pub(crate) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The addresses, at least one, and how long it took to find them.
    pub(crate) async fn addresses(&self, budget: Duration) -> Result<(Arc<[SocketAddr]>, Duration), Cause> {
        if let Some(known) = self.fresh() {
            return Ok((self.of_family(known)?, Duration::ZERO));
        }
        let started = Instant::now();
        let asked = async {
            let _asking = self.asking.lock().await;
            match self.fresh() {
                Some(known) => Ok(known),
                None => self.ask().await,
            }
        };
        let found = match timeout(budget, asked).await {
            Ok(found) => found.map_err(|reason| self.failed(&reason))?,
            Err(_) => return Err(self.failed(&format_args!("no answer within {budget:?}"))),
        };
        Ok((self.of_family(found)?, started.elapsed()))
    }

    /// What is known and not too old.
    fn fresh(&self) -> Option<Arc<[SocketAddr]>> {
        let known = self.known.borrow();
        let too_old = match (self.found_at.get(), self.options.refresh) {
            (Some(found_at), Some(refresh)) => found_at.elapsed() >= refresh,
            _ => false,
        };
        (!known.is_empty() && !too_old).then(|| Arc::clone(&known))
    }

    async fn ask(&self) -> Result<Arc<[SocketAddr]>, String> {
        let (host, port) = (self.host.as_str(), self.port);
        let found: Arc<[SocketAddr]> = if let Some(server) = self.options.name_server {
            let found = name_server::look_up(server, host, self.options.family).await?;
            found.into_iter().map(|address| SocketAddr::new(address, port)).collect()
        } else {
            let found = tokio::net::lookup_host((host, port)).await;
            found.map_err(|error| error.to_string())?.collect()
        };
        if found.is_empty() {
            return Err("the resolver found none".to_owned());
        }
        *self.known.borrow_mut() = Arc::clone(&found);
        self.found_at.set(Some(Instant::now()));
        Ok(found)
    }

    fn of_family(&self, found: Arc<[SocketAddr]>) -> Result<Arc<[SocketAddr]>, Cause> {
        let Some(family) = self.options.family else { return Ok(found) };
        if found.iter().all(|address| family.holds(address.ip())) {
            return Ok(found);
        }
        let fitting: Arc<[SocketAddr]> =
            found.iter().copied().filter(|address| family.holds(address.ip())).collect();
        if fitting.is_empty() {
            return Err(self.failed(&format_args!("none of its addresses is {family}")));
        }
        Ok(fitting)
    }

    fn failed(&self, reason: &dyn fmt::Display) -> Cause {
        let detail = format!("the host `{}` has no address: {reason}", self.host);
        Cause::new(FailureClass::Resolve, detail)
    }
}
