//! Servers that nobody here wrote: each kind of request that they take, over each version of HTTP that they speak, with
//! every answer counted.
//!
//! A server that is not installed is said to be skipped; with `CI=true` it is a failure. `./test` installs them.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod asks;
mod caddy;
mod nghttpd;
mod nginx;
mod node;
mod process;
mod python;
#[path = "../support/mod.rs"]
mod support;
