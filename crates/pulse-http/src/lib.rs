//! A fast measuring HTTP/1.1 client, over TCP, Unix sockets and TLS, with keep-alive.
//!
//! **For what:** a load generator asks the same few questions very often and wants to know, for each, when it was
//! sent, when the first byte came back, when the answer was complete, and if not, why. A general client spends
//! its time on comfort; this one spends nothing between the socket and the clock: the request is written from
//! bytes the caller prepared, the response is parsed in place in a buffer that is used again, bodies are counted
//! and skipped unless somebody wants to look at them, and no request allocates, spawns a task or sets a timer.
//!
//! **Main types**
//! - [`Origin`]: scheme, host and port of the service; [`Connector`]: how to reach it (resolver, proxy,
//!   socket options, TLS), one per worker;
//! - [`Client`]: the connection of one virtual user; [`Client::exchange`] sends a [`Request`] and returns an
//!   [`Exchange`] (the moments and sizes) or a [`Failure`] with its [`FailureClass`];
//! - [`Timeouts`]: the deadlines of all clients of a worker, swept by the worker every few milliseconds;
//! - [`RequestWriter`]: writes a valid request into bytes; [`Authorization`]: its credentials, masked;
//!   [`RequestBody`]: a body apart from them, shared or read from a file while it is sent;
//! - [`WebSocketClient`]: the WebSocket of one user, and [`StreamingClient`]: an answer that is read while it comes, whose
//!   events an [`EventParser`] finds;
//! - [`ResponseParser`]: the pure parser, which knows no socket. It never panics on any input and its memory is
//!   bounded by [`Limits`]; fuzz targets call [`ResponseParser::feed`].
//!
//! All of it lives on one current-thread tokio runtime; nothing here is `Send` on purpose. The runtime needs the
//! I/O and time drivers (connecting uses a timer, exchanges do not).
//!
//! ```
//! use pulse_http::{Client, Connector, ConnectorConfig, Keep, Limits, Origin, Request, RequestWriter, Timeouts};
//! use pulse_testkit::{Script, ScriptedServer, Step};
//! use std::{rc::Rc, time::Duration};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ScriptedServer::start(Script::each(vec![
//!     Step::ReadRequest,
//!     Step::send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
//! ]));
//! let origin = Origin::parse(&server.url())?;
//!
//! let mut bytes = Vec::new();
//! RequestWriter::start(&mut bytes, "GET", "/health", &origin.authority())?.finish(None)?;
//!
//! let connector = Rc::new(Connector::new(origin, ConnectorConfig::default())?);
//! let timeouts = Rc::new(Timeouts::new());
//! let mut client = Client::new(connector, &timeouts, Limits::default());
//! let exchange = client.exchange(Request::of("GET", &bytes), Duration::from_secs(5), Keep::Body).await?;
//! assert_eq!((exchange.status, client.response().body()), (200, &b"ok"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! **What it does not do:** no upgrade of a [`Client`] (status 101 is a [`FailureClass::BadResponse`]), no redirects, cookies
//! or content decoding, no pipelining, no pool of HTTP/1.1 connections.
//! What to ask, when, and what counts as success is the engine's business.

mod answer;
mod authorization;
mod body;
mod client;
mod connect;
mod connection;
mod counts;
mod decoding;
mod events;
mod exchange;
mod failure;
mod grpc;
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod limits;
mod opening;
mod parts;
mod payload;
mod recent_heads;
mod request;
mod response;
mod sending;
mod session;
mod streaming;
mod timeout;
mod version;
mod view;
mod websocket;

pub use authorization::Authorization;
pub use client::Client;
pub use connect::{
    AddressOrder, ClientIdentity, ConnectAnswer, Connector, ConnectorConfig, ConnectorError, FixedAddresses,
    IpFamily, NameServerAnswer, NameServerError, Origin, OriginError, Proxy, ProxyCredentials, ProxyError,
    ProxyKind, Redirection, ResolverOptions, Scheme, SocketOptions, Socks5Reply, TlsOptions, TlsVersion,
};
pub use counts::ConnectionCounts;
pub use decoding::{DecodeError, Decoder};
pub use events::{Event, EventError, EventParser};
pub use exchange::{ConnectTimes, Exchange};
pub use failure::{Failure, FailureClass};
pub use grpc::{
    FrameError, GrpcAnswer, GrpcClient, GrpcCode, GrpcHead, GrpcRequest, GrpcStatus, Message, MessageReader,
    append_message, gzip,
};
pub use http2::{Http2Connection, Http2Error, Http2Place, Http2Settings, Http2Stream};
#[cfg(feature = "http3")]
pub use http3::{FrameTooLong as Http3FrameTooLong, Frames as Http3Frames};
pub use limits::Limits;
pub use parts::RequestParts;
pub use payload::{BodySource, FileBody, RequestBody};
pub use request::{Request, RequestError, RequestWriter, is_idempotent};
pub use response::{Keep, ParseError, Progress, ResponseParser};
pub use streaming::{Piece, StreamingClient};
pub use timeout::Timeouts;
pub use url::Url;
pub use version::HttpVersion;
pub use view::{Headers, ResponseView};
pub use websocket::{Closed, Incoming, Outgoing, UpgradeAnswer, WebSocketClient};
