//! The seam between when and what: the engine decides when an iteration starts, a behavior decides what it does.

use std::future::Future;
use std::time::Instant;

use crate::iteration::Iteration;

/// Makes the users of a worker. Built on the worker's own thread; need not be `Send`.
pub trait Behavior: 'static {
    /// One user.
    type User: VirtualUser + 'static;

    /// The user with the given number (over all workers, from 0) of the given scenario (by place in the plan).
    fn user(&self, scenario: usize, number: u64) -> Self::User;

    /// Ends what has taken longer than it may. The engine calls it at or soon after [`Behavior::next_deadline`].
    fn sweep(&self, now: Instant);

    /// A moment before which nothing times out; `None` when nothing can.
    fn next_deadline(&self) -> Option<Instant>;
}

/// A user who does the same thing over and over.
pub trait VirtualUser {
    /// Does it once. The future is dropped in the middle when the graceful stop is over.
    fn iterate(&mut self, iteration: &mut Iteration<'_>) -> impl Future<Output = Outcome>;
}

/// How an iteration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was done.
    Completed,
    /// The budget of requests ended in the middle of it.
    Cut,
    /// There is nothing more to do for this scenario: its data is used up.
    Exhausted,
}
