//! Every format read by the program it was made for: Prometheus scrapes and receives, Python's Prometheus client parses, and
//! a collector stub built from the official OTLP messages decodes. The demo API, which is watched by the monitor, is scraped as it stands.
//!
//! Where a reader is missing a test says that it was skipped; with `CI=true` a missing reader is a failure. `./test` installs
//! what is needed.
#![expect(
    clippy::disallowed_methods,
    reason = "tests at the rim: processes, sockets, files and their own clock"
)]
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]
#![expect(clippy::float_cmp, reason = "numbers that are to arrive exactly")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod data;
mod demo;
mod http;
mod otlp;
mod prometheus;
mod prometheus_server;
mod python;
mod service;
mod tools;
