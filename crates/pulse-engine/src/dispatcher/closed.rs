//! The closed model: a number of users over time, each with its own pace.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pulse_model::Nanos;
use pulse_plan::{Closed, Missed, Profile, Segment, Span};

use super::{Action, Pending, UserId};

#[derive(Debug)]
pub(super) struct ClosedUsers {
    profile: Profile,
    start: Nanos,
    pacing: Option<Nanos>,
    missed: Missed,
    users: Vec<User>,
    /// The next moment at which something happens to a user who is not busy.
    wakes: BinaryHeap<Reverse<(Nanos, u32)>>,
    present: usize,
}

#[derive(Debug)]
struct User {
    number: u64,
    /// Offset of the first intended start after the user appears, so that users do not start in one burst.
    phase: Nanos,
    /// Whether the user is active, and the span it is active in (or will be next).
    active: bool,
    span: Span,
    next_due: Nanos,
    iterations: u64,
    /// `--missed skip`: by how much the schedule was re-based since the last missed send was counted.
    slip: Nanos,
}

impl ClosedUsers {
    pub(super) fn new(closed: &Closed, segment: Segment, start: Nanos, pending: &mut Pending) -> Self {
        let peak = closed.users.peak();
        let count = peak.ceil() as u64;
        let interval = closed.pacing.unwrap_or(Nanos::ZERO);
        let mut this = Self {
            profile: closed.users.clone(),
            start,
            pacing: closed.pacing,
            missed: closed.missed,
            users: Vec::new(),
            wakes: BinaryHeap::new(),
            present: 0,
        };
        for number in (0..count).filter(|&number| segment.contains(number)) {
            let phase = Nanos((u128::from(interval.0) * u128::from(number) / u128::from(count)) as u64);
            if let Some(span) = this.span_after(number, Nanos::ZERO) {
                let user = this.users.len() as u32;
                this.users.push(User {
                    number,
                    phase,
                    active: false,
                    span,
                    next_due: Nanos::ZERO,
                    iterations: 0,
                    slip: Nanos::ZERO,
                });
                this.wakes.push(Reverse((span.from, user)));
            }
        }
        pending.busy = vec![false; this.users.len()];
        this
    }

    /// Moves the first starts so that users of `places` scenarios of the same load take turns; this one is number `place`.
    pub(super) fn interleave(&mut self, place: u32, places: u32) {
        let count = self.profile.peak().ceil().max(1.0) as u64;
        let gap = self.pacing.unwrap_or(Nanos::ZERO).0 / count;
        let shift = Nanos((u128::from(gap) * u128::from(place) / u128::from(places.max(1))) as u64);
        self.users.iter_mut().for_each(|user| user.phase += shift);
    }

    pub(super) fn advance(&mut self, now: Nanos, pending: &mut Pending) {
        while let Some(&Reverse((wake, user))) = self.wakes.peek() {
            if wake > now && !pending.over(now) {
                break;
            }
            self.wakes.pop();
            if self.users[user as usize].active {
                // A user who was ready in time starts, as arrivals do, however late the worker is: also behind the end.
                self.proceed(user, wake.min(now), pending);
            } else if self.users[user as usize].span.from < pending.cutoff && !pending.exhausted {
                self.appear(user, now, pending);
            }
        }
    }

    pub(super) fn idle(&mut self, user: u32, now: Nanos, pending: &mut Pending) {
        let state = &mut self.users[user as usize];
        match self.pacing {
            None => state.next_due = now,
            Some(interval) => {
                state.next_due += interval;
                // What was due after the user's end was never asked for.
                let until = now.min(state.span.to).min(pending.cutoff);
                if self.missed == Missed::Skip && state.next_due < until {
                    state.slip += until - state.next_due;
                    let count = state.slip.0 / interval.0;
                    if count > 0 {
                        state.slip = Nanos(state.slip.0 % interval.0);
                        pending.actions.push_back(Action::Miss { due: until, count });
                    }
                    state.next_due = until;
                }
            }
        }
        self.proceed(user, now, pending);
    }

    /// The user was cut; what it would still have had to do is dropped.
    pub(super) fn cut(&mut self, user: u32, pending: &mut Pending) {
        if let Some(interval) = self.pacing {
            self.users[user as usize].next_due += interval;
        }
        self.leave(user, pending);
        self.return_later(user, pending.cutoff, pending);
    }

    pub(super) fn next(&self) -> Option<Nanos> {
        self.wakes.peek().map(|&Reverse((wake, _))| wake)
    }

    pub(super) fn all_gone(&self) -> bool {
        self.present == 0 && self.wakes.is_empty()
    }

    /// A user becomes active.
    fn appear(&mut self, user: u32, now: Nanos, pending: &mut Pending) {
        let state = &mut self.users[user as usize];
        state.active = true;
        state.next_due = state.span.from + state.phase;
        self.present += 1;
        pending.actions.push_back(Action::Spawn { user: UserId(user), number: state.number });
        self.proceed(user, now, pending);
    }

    /// An active, idle user starts its next iteration, waits for it, or leaves; `now` is when it was ready to.
    fn proceed(&mut self, user: u32, now: Nanos, pending: &mut Pending) {
        let state = &mut self.users[user as usize];
        let end = state.span.to.min(pending.cutoff);
        let may_start = now < end && !pending.exhausted;
        if may_start && state.next_due <= now {
            let (due, number) = (state.next_due, state.iterations);
            state.iterations += 1;
            pending.start(user, due, number);
            return;
        }
        if may_start {
            let wake = if state.next_due < end { state.next_due } else { end };
            self.wakes.push(Reverse((wake, user)));
            return;
        }
        pending.actions.push_back(Action::Retire { user: UserId(user) });
        self.leave(user, pending);
        self.return_later(user, now, pending);
    }

    /// Counts what was due before the user's end and did not start; a budget that is used up asked for nothing more.
    fn leave(&mut self, user: u32, pending: &mut Pending) {
        self.present -= 1;
        let state = &mut self.users[user as usize];
        state.active = false;
        let (first, end) = (state.next_due, state.span.to);
        self.drop_from(first, end, pending);
    }

    /// Counts the intended starts from `first` on, before `end` and before the cut-off.
    fn drop_from(&self, first: Nanos, end: Nanos, pending: &mut Pending) {
        let end = end.min(pending.cutoff);
        let Some(interval) = self.pacing else { return };
        if first < end && !pending.exhausted {
            let count = 1 + (end.0 - 1 - first.0) / interval.0;
            let last = first + interval.times(count - 1);
            pending.actions.push_back(Action::Drop { due: last, count });
        }
    }

    /// A profile that rises again brings the user back. A span that is over already, because the user's last iteration
    /// took longer than it, was due all the same.
    fn return_later(&mut self, user: u32, now: Nanos, pending: &mut Pending) {
        while !pending.exhausted {
            let state = &self.users[user as usize];
            let phase = state.phase;
            let next = self.span_after(state.number, state.span.to - self.start);
            let Some(span) = next.filter(|span| span.from < pending.cutoff) else { return };
            self.users[user as usize].span = span;
            if now < span.to.min(pending.cutoff) {
                self.wakes.push(Reverse((span.from, user)));
                return;
            }
            self.drop_from(span.from + phase, span.to, pending);
        }
    }

    /// The first span, in run time, in which a user is active at or after `from` (in scenario time).
    fn span_after(&self, number: u64, from: Nanos) -> Option<Span> {
        let spans = self.profile.spans_above(number as f64);
        let span = spans.into_iter().find(|span| span.from >= from)?;
        Some(Span { from: self.start + span.from, to: self.start + span.to })
    }
}
