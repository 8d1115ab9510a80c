//! The open model: arrivals that do not wait, served by a pool of users.

use std::ops::Range;

use pulse_model::Nanos;
use pulse_plan::{Arrivals, Open, Segment};

use super::{Action, Pending, UserId};

#[derive(Debug)]
pub(super) struct OpenUsers {
    arrivals: Arrivals,
    segment: Segment,
    start: Nanos,
    next_number: u64,
    next_due: Option<Nanos>,
    /// Numbers of the users that this segment may have.
    pool: Range<u64>,
    initial: u32,
    spawned: u32,
    retired: u32,
    /// Free users; the one that came back last goes first, so that few connections stay warm instead of many cold.
    free: Vec<u32>,
}

impl OpenUsers {
    pub(super) fn new(open: &Open, segment: Segment, start: Nanos, seed: u64) -> Self {
        let pool = segment.block(open.users.max);
        let initial = segment.block(open.users.initial.min(open.users.max));
        let mut this = Self {
            arrivals: Arrivals::new(open.rate.clone(), open.arrivals, seed),
            segment,
            start,
            next_number: segment.next(0),
            next_due: None,
            initial: (initial.end - initial.start).min(pool.end - pool.start) as u32,
            pool,
            spawned: 0,
            retired: 0,
            free: Vec::new(),
        };
        this.find_due();
        this
    }

    pub(super) fn advance(&mut self, now: Nanos, pending: &mut Pending) {
        if now < self.start && !pending.over(now) {
            return;
        }
        while self.spawned < self.initial && !pending.over(now) {
            // Spawned ahead of the first arrival, so that its response time does not pay for it.
            let user = self.spawn(pending);
            self.free.push(user);
        }
        while let Some(due) = self.next_due.filter(|&due| due <= now && due < pending.cutoff) {
            if pending.exhausted {
                break;
            }
            self.arrive(due, pending);
            self.next_number = self.segment.next(self.next_number + 1);
            self.find_due();
        }
        self.retire_free(now, pending);
    }

    pub(super) fn idle(&mut self, user: u32, now: Nanos, pending: &mut Pending) {
        self.free.push(user);
        self.retire_free(now, pending);
    }

    pub(super) fn cut(&mut self) {
        self.retired += 1;
    }

    pub(super) fn next(&self, pending: &Pending) -> Option<Nanos> {
        let start = (self.spawned < self.initial).then_some(self.start);
        let due = self.next_due.filter(|&due| due < pending.cutoff);
        if pending.exhausted { None } else { [start, due].into_iter().flatten().min() }
    }

    pub(super) fn all_gone(&self) -> bool {
        self.retired == self.spawned
    }

    fn arrive(&mut self, due: Nanos, pending: &mut Pending) {
        let user = match self.free.pop() {
            Some(user) => Some(user),
            None if u64::from(self.spawned) < self.pool.end - self.pool.start => Some(self.spawn(pending)),
            None => None,
        };
        match user {
            Some(user) => pending.start(user, due, self.next_number),
            None => pending.actions.push_back(Action::Drop { due, count: 1 }),
        }
    }

    fn spawn(&mut self, pending: &mut Pending) -> u32 {
        let user = self.spawned;
        self.spawned += 1;
        pending.busy.push(false);
        let number = self.pool.start + u64::from(user);
        pending.actions.push_back(Action::Spawn { user: UserId(user), number });
        user
    }

    fn retire_free(&mut self, now: Nanos, pending: &mut Pending) {
        if !pending.over(now) {
            return;
        }
        for user in self.free.drain(..) {
            self.retired += 1;
            pending.actions.push_back(Action::Retire { user: UserId(user) });
        }
    }

    fn find_due(&mut self) {
        self.next_due = self.arrivals.at(self.next_number).map(|at| self.start + at);
    }
}
