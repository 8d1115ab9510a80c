//! A server in between: connections go to it, and it makes those to the service.

use super::http_proxy::{self, ConnectAnswer};
use super::socks5::{self, Socks5Reply};
use crate::failure::{Cause, FailureClass};
use std::fmt;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest answer of a proxy, in bytes.
pub(crate) const MAX_ANSWER: usize = 16 << 10;

/// How to speak to a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP `CONNECT` (RFC 9110, 9.3.6), for plain services as well as for TLS.
    Http,
    /// SOCKS version 5 (RFC 1928); the service's name is resolved here.
    Socks5,
    /// The same; the proxy resolves the service's name.
    Socks5h,
}

/// A name and a password. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyCredentials {
    /// The name; for HTTP without a colon.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for ProxyCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyCredentials(***)")
    }
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its language.
    pub kind: ProxyKind,
    /// Its name or address, an IPv6 address without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// What it wants to know of its clients.
    pub credentials: Option<ProxyCredentials>,
}

/// Whom the proxy is to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    Name(String),
}

impl Host {
    pub(crate) fn new(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Address)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Why a proxy's answer does not open the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Not an answer in the proxy's language.
    #[error("it answers with what is no {0} (is it a proxy of this kind?)")]
    NotUnderstood(&'static str),
    /// An HTTP status other than 2xx.
    #[error("it answers with status {0}{hint}", hint = http_proxy::hint(*.0))]
    Status(u16),
    /// A SOCKS reply other than "succeeded".
    #[error("it could not connect: {0}")]
    Reply(&'static str),
    /// None of the offered ways to authenticate is good enough.
    #[error(
        "it wants a name and a password, or other ones; write them into the proxy's URL: socks5://name:password@host:port"
    )]
    Credentials,
    /// The end has not come within 16 KiB.
    #[error("its answer has no end within 16 KiB")]
    TooLong,
    /// Bytes after the answer. A service never speaks first.
    #[error("bytes follow its answer although nothing was sent yet")]
    Surplus,
    /// A name or a password that does not fit into the message.
    #[error("a name and a password have 1 to 255 bytes each in SOCKS, and so has the service's name")]
    Length,
}

impl Proxy {
    /// Makes the connection to the proxy one to the destination. Ends only with an answer; the caller sets the limit.
    pub(crate) async fn open(&self, stream: &mut TcpStream, destination: &Destination) -> Result<(), Cause> {
        let mut talk = Talk { stream, proxy: self };
        let credentials = self.credentials.as_ref();
        if self.kind == ProxyKind::Http {
            return talk.ask(&http_proxy::request(destination, credentials), ConnectAnswer::parse).await;
        }
        if talk.ask(&socks5::greeting(credentials), socks5::chosen_method).await? == socks5::Method::Password
        {
            let login = credentials.ok_or(ProxyError::Credentials).and_then(socks5::login);
            talk.ask(&login.map_err(|error| talk.failed(&error))?, socks5::login_answer).await?;
        }
        let request = socks5::request(destination).map_err(|error| talk.failed(&error))?;
        talk.ask(&request, Socks5Reply::parse).await
    }
}

/// `host:port`, without credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Destination { host: Host::new(&self.host), port: self.port })
    }
}

/// What the proxy means, and in how many bytes it says so; `None`: more is to come.
pub(crate) type Answer<T> = Result<Option<(T, usize)>, ProxyError>;

struct Talk<'a> {
    stream: &'a mut TcpStream,
    proxy: &'a Proxy,
}

impl Talk<'_> {
    /// Sends a message and reads the one answer to it.
    async fn ask<T>(&mut self, message: &[u8], parse: impl Fn(&[u8]) -> Answer<T>) -> Result<T, Cause> {
        self.stream.write_all(message).await.map_err(|error| self.proxy.broken(&error))?;
        let mut answer = Vec::with_capacity(512);
        loop {
            let room = (MAX_ANSWER - answer.len()) as u64;
            let read = (&mut *self.stream).take(room).read_buf(&mut answer).await;
            if read.map_err(|error| self.proxy.broken(&error))? == 0 {
                let detail = format!("the proxy {} closed the connection without an answer", self.proxy);
                return Err(Cause::new(FailureClass::Proxy, detail));
            }
            match parse(&answer) {
                Ok(Some((meaning, length))) if length == answer.len() => return Ok(meaning),
                Ok(Some(_)) => return Err(self.failed(&ProxyError::Surplus)),
                Ok(None) if answer.len() >= MAX_ANSWER => return Err(self.failed(&ProxyError::TooLong)),
                Ok(None) => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    fn failed(&self, error: &ProxyError) -> Cause {
        Cause::new(FailureClass::Proxy, format!("the proxy {} does not open the way: {error}", self.proxy))
    }
}

impl Proxy {
    fn broken(&self, error: &std::io::Error) -> Cause {
        Cause::new(FailureClass::Proxy, format!("the connection to the proxy {self} broke: {error}"))
    }

    /// A failure to reach the proxy itself, which must not be taken for one of the service.
    pub(crate) fn unreached(&self, cause: Cause) -> Cause {
        match cause.class {
            FailureClass::Refused => {
                Cause::new(FailureClass::Proxy, format!("nobody listens at the proxy's address {self}"))
            }
            FailureClass::Unreachable | FailureClass::Reset | FailureClass::Closed => {
                let detail = format!("the proxy {self} cannot be reached: {}", cause.detail);
                Cause::new(FailureClass::Proxy, detail)
            }
            _ => cause,
        }
    }
}
