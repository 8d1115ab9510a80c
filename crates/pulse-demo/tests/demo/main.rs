//! The demo over real loopback connections.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod api;
mod client;
mod performance;
mod server;
