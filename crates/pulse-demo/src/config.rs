//! [`DemoConfig`]: everything that can be set about a demo server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::character::Character;

/// The largest data set that can be asked for, in trades.
pub const MOST_TRADES: u64 = 10_000_000;

/// Settings of a demo server.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoConfig {
    /// Where to listen; port 0 takes a free one. [`serve`](crate::serve) is given a listener and ignores this.
    pub listen: SocketAddr,
    /// The SQLite file. It is created with the data set when it does not exist, and continued as it is when it does;
    /// `None` uses a private temporary file that is removed at the end.
    pub database: Option<PathBuf>,
    /// Trades in a new database's data set, at most [`MOST_TRADES`].
    pub trades: u64,
    /// Seed of the data set and of everything the character draws: the same seed gives the same rows and the same
    /// sequence of latencies and errors.
    pub seed: u64,
    /// Faults on demand.
    pub character: Character,
    /// The group with which the monitor shares its figures, for `pulse monitor shm:GROUP`; `None` shares with nobody and makes
    /// no shared memory.
    pub group: Option<String>,
    /// A new file that all statements of requests are written to, with their values, for an optimizer; `None` writes none.
    pub workload: Option<PathBuf>,
}

/// Port 8000 on loopback, a temporary database with 10 000 trades, no faults.
impl Default for DemoConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)),
            database: None,
            trades: 10_000,
            seed: 1,
            character: Character::default(),
            group: None,
            workload: None,
        }
    }
}
