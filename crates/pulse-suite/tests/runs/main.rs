//! Suites against real servers: every kind of case is met by a plain service, and turns red for its own reason.

mod bench;
mod faults;
mod kinds;
mod precision;
mod service;
mod verdicts;
mod websocket;
