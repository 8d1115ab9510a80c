//! The deadlines of all clients of one worker, without a timer for each.
//!
//! A timer per request would cost two visits to tokio's timer wheel for something that hardly ever fires. Here
//! arming a deadline is one write into an array and the worker, which wakes every few milliseconds anyway, looks
//! for what is over. A request's timeout is therefore late by up to one sweep interval, never early.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// No deadline is set.
const IDLE: u64 = u64::MAX;
/// The deadline has passed.
const FIRED: u64 = 0;

/// The deadlines of one worker's clients. Somebody has to call [`sweep`](Self::sweep), else nothing times out.
#[derive(Debug)]
pub struct Timeouts {
    base: Instant,
    /// No armed deadline is earlier than this, so a sweep before it need not look.
    earliest: Cell<u64>,
    slots: RefCell<Slots>,
}

/// Deadlines (nanoseconds after `base`) lie densely, apart from the wakers, so that a sweep over ten thousand
/// users reads 80 KB in sequence.
#[derive(Debug, Default)]
struct Slots {
    deadlines: Vec<u64>,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new()
    }
}

impl Timeouts {
    /// No deadlines yet.
    pub fn new() -> Self {
        Self { base: Instant::now(), earliest: Cell::new(IDLE), slots: RefCell::default() }
    }

    /// Wakes every client whose deadline is at or before `now`; its pending exchange then ends with
    /// [`FailureClass::Timeout`](crate::FailureClass::Timeout). Returns how many fired.
    pub fn sweep(&self, now: Instant) -> usize {
        let now = self.nanos(now);
        if now < self.earliest.get() {
            return 0;
        }
        let mut due = Vec::new();
        let mut fired = 0;
        let mut earliest = IDLE;
        let mut slots = self.slots.borrow_mut();
        let Slots { deadlines, wakers, .. } = &mut *slots;
        for (deadline, waker) in deadlines.iter_mut().zip(wakers) {
            if *deadline == FIRED {
                continue;
            }
            if *deadline <= now {
                *deadline = FIRED;
                fired += 1;
                due.extend(waker.take());
            } else {
                earliest = earliest.min(*deadline);
            }
        }
        self.earliest.set(earliest);
        // A waker may run code that arms a deadline: it must find the array free.
        drop(slots);
        due.into_iter().for_each(Waker::wake);
        fired
    }

    /// A moment before which no deadline passes; `None` if none is armed. It may be too early, never too late.
    pub fn next_deadline(&self) -> Option<Instant> {
        let earliest = self.earliest.get();
        (earliest != IDLE).then(|| self.base + Duration::from_nanos(earliest))
    }

    /// A slot for one client's deadline.
    pub(crate) fn register(self: &Rc<Self>) -> Deadline {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.deadlines.push(IDLE);
            slots.wakers.push(None);
            slots.deadlines.len() - 1
        });
        Deadline { timeouts: Rc::clone(self), slot }
    }

    /// Never `FIRED` nor `IDLE`, so that any instant can be armed.
    fn nanos(&self, instant: Instant) -> u64 {
        let nanos = instant.saturating_duration_since(self.base).as_nanos();
        u64::try_from(nanos).unwrap_or(IDLE).clamp(FIRED + 1, IDLE - 1)
    }
}

/// One client's place in [`Timeouts`]; given back when dropped.
#[derive(Debug)]
pub(crate) struct Deadline {
    timeouts: Rc<Timeouts>,
    slot: usize,
}

impl Deadline {
    /// Fires `timeout` after `started`.
    pub(crate) fn arm(&self, started: Instant, timeout: Duration) {
        // A timeout beyond what the clock can express is none.
        let at = started.checked_add(timeout).map_or(IDLE - 1, |at| self.timeouts.nanos(at));
        self.timeouts.slots.borrow_mut().deadlines[self.slot] = at;
        self.timeouts.earliest.set(self.timeouts.earliest.get().min(at));
    }

    pub(crate) fn disarm(&self) {
        self.timeouts.slots.borrow_mut().deadlines[self.slot] = IDLE;
    }

    /// Whether the deadline has passed; if not, `waker` is woken when it does.
    pub(crate) fn has_fired(&self, waker: &Waker) -> bool {
        let mut slots = self.timeouts.slots.borrow_mut();
        if slots.deadlines[self.slot] == FIRED {
            return true;
        }
        match &mut slots.wakers[self.slot] {
            Some(stored) => stored.clone_from(waker), // free where it is the same task's, the usual case
            empty => *empty = Some(waker.clone()),
        }
        false
    }
}

impl Deadline {
    /// What the future brings, or `None` where the deadline passes first.
    pub(crate) async fn limit<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.has_fired(cx.waker()) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.timeouts.slots.borrow_mut();
        slots.deadlines[self.slot] = IDLE;
        slots.free.push(self.slot);
        let waker = slots.wakers[self.slot].take();
        // Dropping a waker may drop its task, and with it another client.
        drop(slots);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_deadline_fires_once_at_its_moment_and_not_before() {
        let timeouts = Rc::new(Timeouts::new());
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let (start, ms) = (timeouts.base, Duration::from_millis(1));
        let (first, second) = (timeouts.register(), timeouts.register());
        first.arm(start, 10 * ms);
        second.arm(start, 20 * ms);
        assert!(!first.has_fired(&waker) && !second.has_fired(&waker));
        assert_eq!(timeouts.next_deadline(), Some(start + 10 * ms));

        assert_eq!(timeouts.sweep(start + 9 * ms), 0);
        assert_eq!(timeouts.sweep(start + 10 * ms), 1);
        assert!(first.has_fired(&waker) && !second.has_fired(&waker));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(timeouts.sweep(start + 11 * ms), 0);

        first.arm(start, 30 * ms);
        second.disarm();
        assert_eq!(timeouts.sweep(start + 40 * ms), 1);
        assert!(first.has_fired(&waker) && !second.has_fired(&waker));
        assert_eq!(timeouts.next_deadline(), None);
    }

    #[test]
    fn slots_are_given_back() {
        let timeouts = Rc::new(Timeouts::new());
        for _ in 0..100 {
            let deadline = timeouts.register();
            deadline.arm(timeouts.base, Duration::MAX);
            assert!(!deadline.has_fired(Waker::noop()));
        }
        assert_eq!(timeouts.slots.borrow().deadlines.len(), 1);
        assert_eq!(timeouts.sweep(timeouts.base + Duration::from_secs(1)), 0);
    }
}
