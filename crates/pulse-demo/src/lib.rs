//! The demo trading API: a small, real HTTP service with a known character.
//!
//! It is what the documentation, the tests and a newcomer's first minute are pointed at: a mock tool executor, paper
//! trading on SQLite, queries that are slow on purpose (there is no index beyond the keys), a WebSocket of quotes, and
//! faults on demand, so that what a tool reports can be compared with what was put in.
//!
//! - [`DemoServer`] runs it on a thread of its own; [`serve`] runs it inside an existing runtime.
//! - [`DemoConfig`] says where, with how much data, and with which [`Character`]: [`LatencyLaw`], [`Stall`],
//!   [`parse_error_rate`], [`parse_leak`].
//! - [`execute_tool`] is the mock executor as a plain function.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use pulse_demo::{Character, DemoConfig, DemoServer};
//!
//! let server = DemoServer::start(DemoConfig {
//!     listen: ([127, 0, 0, 1], 0).into(),
//!     trades: 100,
//!     character: Character { latency: Some("fixed:2ms".parse()?), ..Character::default() },
//!     ..DemoConfig::default()
//! })?;
//! let mut connection = TcpStream::connect(server.addr())?;
//! connection.write_all(b"GET /health HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! connection.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK"));
//! server.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does not do: no TLS, no authentication, no limit on the number of connections or on the time a client
//! takes; it belongs on a loopback or test network. It is watched by the monitor (`/metrics`) like any other service; what
//! others measure of it is compared with what it was told to do, not with that.

mod answer;
mod character;
mod clock;
mod config;
mod data_set;
mod duration;
mod error;
mod extract;
mod health;
mod history;
mod injector;
mod latency;
mod leak;
mod money;
mod names;
mod paper;
mod performance;
mod quotes;
mod routes;
mod server;
mod socket;
mod stall;
mod statements;
mod store;
mod stream;
mod tools;
mod trading;
mod turns;

pub use character::{Character, CharacterError, LARGEST_LEAK_BYTES, parse_error_rate, parse_leak};
pub use config::{DemoConfig, MOST_TRADES};
pub use error::DemoError;
pub use latency::{LONGEST_LATENCY, LatencyLaw};
pub use leak::LEAK_CAP_BYTES;
pub use server::{DemoServer, serve};
pub use stall::Stall;
pub use store::DataSet;
pub use tools::{SignalMetadata, TOOLS, ToolSignal, UnknownTool, execute_tool, tool_name};
