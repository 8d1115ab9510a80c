//! HTTP/3: the same exchange over QUIC. Experimental.
//!
//! A connection belongs to one user, with a UDP socket of its own. The library for HTTP/3 allocates for each request,
//! so that a user costs several times of what one over HTTP/1.1 does; what is measured is the same. 0-RTT is never
//! used: each connection pays for its handshake, which is transport and TLS at once.

mod answer;
mod connection;
mod conversation;
mod dialer;
mod failure;
mod frames;
mod session;
mod socket;
mod streams;

pub(crate) use dialer::QuicDialer;
pub use frames::{FrameTooLong, Frames};
pub(crate) use session::Http3Session;
