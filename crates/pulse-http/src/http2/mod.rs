//! HTTP/2 over the connector's streams: connections that several users can share, and the exchange over them.
//!
//! Frames, header compression and flow control are the `h2` crate's. A connection is driven by one local task, so that
//! many users' frames leave in one write and arrive in one read, and so that a peer's PING and SETTINGS are answered
//! while nobody asks anything. No request spawns a task.

mod connection;
mod error;
mod exchange;
mod group;
mod socket;
mod stream;

pub use connection::{Http2Connection, Http2Place, Http2Settings};
pub use error::Http2Error;
pub(crate) use exchange::{Http2Session, Way};
pub(crate) use group::Groups;
pub use stream::Http2Stream;
