//! What a monitor is told when it is made.

use std::time::Duration;

/// Settings of a [`Monitor`](crate::Monitor). Values out of their range are moved to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The span of [`summary`](crate::Monitor::summary), from 1 s to 1 h. 300 s by default.
    pub window: Duration,
    /// Queries that take at least this long are kept with their text. 50 ms by default.
    pub slow_query: Duration,
    /// Series that are kept apart, from 16 to 60 000; what comes later is recorded under the name `_other`. 2 000 by default.
    /// The first process of a group decides.
    pub max_series: usize,
    /// The lowest status that counts as an error. 400 by default.
    pub error_status: u16,
    /// Which processes count together.
    pub group: Group,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            window: Duration::from_mins(5),
            slow_query: Duration::from_millis(50),
            max_series: 2000,
            error_status: 400,
            group: Group::Private,
        }
    }
}

/// Which processes count together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// This process alone. A child that it forks begins at zero.
    #[default]
    Private,
    /// All processes of this user on this machine that say the same name. The totals begin at zero when none of them is left
    /// and a new start of the service (another parent process, or another `INVOCATION_ID`) comes.
    Named(String),
    /// All processes that have the process with this id as their supervisor, itself included: for worker processes that know
    /// who started them.
    Supervised(u32),
    /// [`Group::Named`] with the value of the environment variable `PULSE_GROUP`, or [`Group::Private`] without it.
    FromEnvironment,
}
