//! How long a statement takes on the database itself.

use pulse_model::Histogram;

/// How long a statement takes on the database itself, which is only read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// Times of calls in nanoseconds.
    pub warm: Histogram,
    /// The first call of a new connection, its preparation included.
    pub cold: Histogram,
    /// Why it was not timed.
    pub failure: Option<String>,
}
