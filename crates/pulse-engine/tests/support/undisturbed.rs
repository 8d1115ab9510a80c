//! Timing oracles on machines that are shared with others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pulse_model::{Nanos, Series, Summary, ValidityState, metric};

/// Runs that a disturbed machine may cost.
const ATTEMPTS: usize = 3;
/// The latest that one of a hundred iterations may start.
const LAG: Nanos = Nanos::from_millis(1);

static MACHINE: Mutex<()> = Mutex::new(());

/// Tests that measure time take turns: together they would be each other's disturbance.
pub(crate) fn machine() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a run until the generator itself says that nothing disturbed it, and at most three times. `also` tells what disturbs
/// this run beyond what disturbs any.
///
/// That does not pick the results one would like: whether a run is repeated depends only on signs that have nothing to do
/// with what is asserted (CPU time, steal, how late the generator was with what it alone decides), and a generator that
/// was disturbed says so in every report. When no run was undisturbed the last one has to stand the test all the same.
pub(crate) fn undisturbed<T>(
    also: impl Fn(&T) -> bool,
    mut run: impl FnMut() -> (Summary, T),
) -> (Summary, T) {
    let is_disturbed = |summary: &Summary| {
        let lag = summary.totals.trend(&Series::new(metric::DISPATCH_LAG)).quantile(0.99);
        summary.validity.state != ValidityState::Valid || lag.is_none_or(|lag| lag.estimate > LAG.0)
    };
    let mut made = run();
    for _ in 1..ATTEMPTS {
        if !is_disturbed(&made.0) && !also(&made.1) {
            break;
        }
        made = run();
    }
    made
}
