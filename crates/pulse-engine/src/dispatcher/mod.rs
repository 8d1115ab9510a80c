//! Decides when an iteration starts and how many users there are: sans-IO, one per worker and scenario.
//!
//! `handle_*` changes the state, `poll_*` drains what follows from it. No clock, no runtime: the worker says what time it
//! is, and a test plays hours of load in microseconds. For every schedule: started + missed + dropped = due.

mod closed;
mod open;

use std::collections::VecDeque;

use pulse_model::Nanos;
use pulse_plan::{LoadModel, Segment};

use closed::ClosedUsers;
use open::OpenUsers;

/// A user of one dispatcher, numbered from 0 in order of first appearance or by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u32);

/// What a worker has to do. Times count from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A user becomes active.
    Spawn {
        /// The user.
        user: UserId,
        /// Its number over all workers, from 0.
        number: u64,
    },
    /// A user begins an iteration that should have started at `due`.
    Start {
        /// The user; idle until now.
        user: UserId,
        /// The intended start; never in the future.
        due: Nanos,
        /// Closed: the user's n-th iteration; open: the n-th arrival over all workers. From 0.
        number: u64,
    },
    /// An idle user leaves.
    Retire {
        /// The user.
        user: UserId,
    },
    /// A busy user is stopped in the middle of its iteration and leaves: the graceful stop is over.
    Cut {
        /// The user.
        user: UserId,
    },
    /// Iterations that were due and will not start: no free user (open), or the users were late until the end (closed).
    Drop {
        /// When the last of them was due.
        due: Nanos,
        /// How many.
        count: u64,
    },
    /// Sends that a late user leaves out (`--missed skip`).
    Miss {
        /// When the last of them was due.
        due: Nanos,
        /// How many.
        count: u64,
    },
    /// Nothing will follow; all users have left.
    Finish,
}

/// What can be told to a dispatcher from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Start nothing any more; let the running iterations end within the graceful stop.
    Stop,
    /// There is nothing left to do, for example no row of data: as if the budget of iterations were used up.
    Exhaust,
}

/// The schedule of one scenario's share on one worker.
#[derive(Debug)]
pub struct Dispatcher {
    users: Users,
    pending: Pending,
    graceful_stop: Nanos,
    /// The latest moment heard of.
    now: Nanos,
    finished: bool,
}

#[derive(Debug)]
enum Users {
    Closed(ClosedUsers),
    Open(OpenUsers),
}

/// What both kinds of schedule share: actions not yet polled, the cut-off, and who is busy.
#[derive(Debug)]
struct Pending {
    actions: VecDeque<Action>,
    /// Nothing starts at or after this moment.
    cutoff: Nanos,
    /// The budget of iterations is used up: what is due and not started was never asked for.
    exhausted: bool,
    iterations_left: Option<u64>,
    /// Users in the middle of an iteration, by their place in the list of users.
    busy: Vec<bool>,
    busy_count: usize,
}

impl Pending {
    /// Starts an iteration and takes it from the budget; callers have checked that the budget is not exhausted.
    fn start(&mut self, user: u32, due: Nanos, number: u64) {
        if let Some(left) = &mut self.iterations_left {
            *left -= 1;
            self.exhausted = *left == 0;
        }
        self.set_busy(user, true);
        self.actions.push_back(Action::Start { user: UserId(user), due, number });
    }

    fn set_busy(&mut self, user: u32, busy: bool) {
        let slot = &mut self.busy[user as usize];
        assert_ne!(*slot, busy, "user {user} is {} already", if busy { "busy" } else { "idle" });
        *slot = busy;
        self.busy_count = if busy { self.busy_count + 1 } else { self.busy_count - 1 };
    }

    /// Nothing may start any more.
    fn over(&self, now: Nanos) -> bool {
        self.exhausted || now >= self.cutoff
    }
}

impl Dispatcher {
    /// The schedule for the part of `load` that `segment` owns, beginning at `start`.
    ///
    /// `iterations` is this segment's share of the scenario's budget, if it has one. `seed` matters for Poisson arrivals
    /// only and must be the same for all segments.
    pub fn new(
        load: &LoadModel,
        segment: Segment,
        start: Nanos,
        graceful_stop: Nanos,
        iterations: Option<u64>,
        seed: u64,
    ) -> Self {
        let cutoff = load.end().map_or(Nanos::MAX, |length| start + length);
        let mut pending = Pending {
            actions: VecDeque::new(),
            cutoff,
            exhausted: iterations == Some(0),
            iterations_left: iterations,
            busy: Vec::new(),
            busy_count: 0,
        };
        let users = match load {
            LoadModel::Closed(closed) => {
                Users::Closed(ClosedUsers::new(closed, segment, start, &mut pending))
            }
            LoadModel::Open(open) => Users::Open(OpenUsers::new(open, segment, start, seed)),
        };
        Self { users, pending, graceful_stop, now: Nanos::ZERO, finished: false }
    }

    /// The same schedule as number `place` of `places` that run beside each other; before any time has passed.
    ///
    /// Paced users of one schedule start spread over their interval. Those of several take turns: without it the first of
    /// each would always be due at the same moment, and a service would be asked in bursts that nobody has asked for.
    #[must_use]
    pub fn interleaved(mut self, place: u32, places: u32) -> Self {
        if let Users::Closed(users) = &mut self.users {
            users.interleave(place, places);
        }
        self
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Nanos) {
        if self.finished {
            return;
        }
        self.advance(now);
        self.settle(now);
    }

    /// A user has ended its iteration.
    pub fn handle_idle(&mut self, user: UserId, now: Nanos) {
        if self.finished {
            return;
        }
        self.pending.set_busy(user.0, false);
        match &mut self.users {
            Users::Closed(users) => users.idle(user.0, now, &mut self.pending),
            Users::Open(users) => users.idle(user.0, now, &mut self.pending),
        }
        if self.pending.over(now) {
            // The timeout of what was due meanwhile may be late: the schedule must not take itself for finished.
            self.advance(now);
        }
        self.settle(now);
    }

    /// Something was decided outside.
    pub fn handle_control(&mut self, control: Control, now: Nanos) {
        match control {
            Control::Stop => self.pending.cutoff = self.pending.cutoff.min(now),
            Control::Exhaust => self.pending.exhausted = true,
        }
        self.handle_timeout(now);
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.pending.actions.pop_front()
    }

    /// When [`Self::handle_timeout`] has to be called next, if at all.
    pub fn poll_timeout(&self) -> Option<Nanos> {
        if self.finished {
            return None;
        }
        let next = match &self.users {
            Users::Closed(users) => users.next(),
            Users::Open(users) => users.next(&self.pending),
        };
        // Never is the end of time: this is asked after every iteration, and a list of options would cost as much as the rest.
        let Pending { cutoff, busy_count, .. } = self.pending;
        let mut earliest = next.unwrap_or(Nanos::MAX);
        if cutoff > self.now {
            earliest = earliest.min(cutoff);
        }
        if busy_count > 0 {
            earliest = earliest.min(cutoff + self.graceful_stop);
        }
        (earliest < Nanos::MAX).then_some(earliest)
    }

    /// True once [`Action::Finish`] was decided.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    fn advance(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        match &mut self.users {
            Users::Closed(users) => users.advance(now, &mut self.pending),
            Users::Open(users) => users.advance(now, &mut self.pending),
        }
    }

    /// Ends the schedule when nobody is left, or when the graceful stop is over.
    fn settle(&mut self, now: Nanos) {
        if self.pending.exhausted {
            // The last iteration of the budget has started: nobody waits for a turn any more.
            self.advance(now);
        }
        if self.pending.busy_count > 0 && now >= self.pending.cutoff + self.graceful_stop {
            let busy: Vec<u32> =
                (0..).zip(&self.pending.busy).filter_map(|(user, &busy)| busy.then_some(user)).collect();
            for user in busy {
                self.pending.set_busy(user, false);
                self.pending.actions.push_back(Action::Cut { user: UserId(user) });
                match &mut self.users {
                    Users::Closed(users) => users.cut(user, &mut self.pending),
                    Users::Open(users) => users.cut(),
                }
            }
        }
        let gone = match &self.users {
            // Whoever left for good does not come back, and a part without users has nothing to wait for.
            Users::Closed(users) => users.all_gone(),
            Users::Open(users) => users.all_gone() && self.pending.over(now),
        };
        if gone && self.pending.busy_count == 0 {
            self.finished = true;
            self.pending.actions.push_back(Action::Finish);
        }
    }
}
