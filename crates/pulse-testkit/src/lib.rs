//! Scripted servers and seeded databases for tests: what a peer does, byte by byte or by a law of service times, is known in
//! advance.
//!
//! **Main types**
//! - [`ScriptedServer`] plays a [`Script`] of [`Step`]s per connection, over TCP or TLS (with a [`TestAuthority`]),
//!   and records the requests it got;
//! - [`QueueServer`] answers HTTP/1.1 by a [`Law`]: a single-server queue or independent answers, with known
//!   service times, stalls and faults, exact to well below a millisecond; [`Schedule`] is the same law as a pure
//!   function, so that a test can compute what a client must have seen;
//! - [`Http2Server`] answers over HTTP/2 only and counts connections and requests;
//! - [`ProxyServer`] is a proxy (HTTP CONNECT, SOCKS5), [`NameServer`] answers for names;
//! - [`Http3Server`] answers HTTP/3 by the request's path, or with bytes that are no HTTP/3 at all;
//! - [`trading`], [`tpch`], [`adversarial`]: SQLite databases from a seed, with statements to ask them;
//! - [`refused_address`]: an address at which nobody listens; [`SilentAddress`]: one that does not even refuse.
//!
//! Every server listens at a free port of 127.0.0.1, runs on threads of its own, and stops when dropped. A panic
//! within a server is raised again in the test that drops it.
//!
//! ```
//! use pulse_testkit::{Discipline, Law, Schedule, ServiceLaw};
//! use std::time::Duration;
//! let ms = Duration::from_millis;
//! let law = Law::new(Discipline::Fifo, ServiceLaw::Fixed(ms(10)));
//! let mut schedule = Schedule::new(&law);
//! assert_eq!([0, 4, 30].map(|arrival| schedule.due(ms(arrival))), [ms(10), ms(20), ms(40)]);
//! ```
//!
//! **What it does not do:** it is no general HTTP server (no pipelining, no chunked requests), and it is for tests
//! only: where the machine fails it, it panics.

mod authority;
mod databases;
mod grpc_server;
mod http2_server;
mod http3_server;
mod law;
mod name_server;
mod precise_clock;
mod proxy_server;
mod queue_server;
mod request_reader;
mod schedule;
mod script;
mod scripted_server;
mod server_thread;
mod silent_address;
mod tls_rules;
mod websocket;

pub use authority::TestAuthority;
pub use databases::{
    ADVERSARIAL_STATEMENTS, TPCH_STATEMENTS, TRADING_STATEMENTS, adversarial, tpch, trading,
};
pub use grpc_server::{GrpcServer, GrpcStep, ReceivedCall};
pub use http2_server::Http2Server;
pub use http3_server::Http3Server;
pub use law::{Discipline, Fault, FaultKind, Law, ServiceLaw, Stall};
pub use name_server::{NameServer, NameServerManner};
pub use proxy_server::ProxyServer;
pub use queue_server::{QueueCounts, QueueServer};
pub use schedule::{Schedule, service_times};
pub use script::{Script, Step};
pub use scripted_server::ScriptedServer;
pub use silent_address::SilentAddress;
pub use tls_rules::{Handshake, TlsRules};
pub use websocket::server_frame;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address of this machine at which nobody listens: its port was free a moment ago.
///
/// # Panics
/// Where the machine has no free port.
pub fn refused_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of 127.0.0.1");
    listener.local_addr().expect("a bound socket has an address")
}
