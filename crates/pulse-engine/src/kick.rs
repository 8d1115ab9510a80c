//! Wakes a worker's main loop before its alarm rings.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use pulse_model::Nanos;

/// Tells the main loop that something is due earlier than it thinks.
#[derive(Debug, Default)]
pub(crate) struct Kick {
    /// When the main loop will wake by itself.
    armed: Cell<Nanos>,
    kicked: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Kick {
    /// Makes sure that the main loop is awake at `at`.
    pub(crate) fn by(&self, at: Nanos) {
        if at < self.armed.get()
            && !self.kicked.replace(true)
            && let Some(waker) = self.waker.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// The main loop will wake by itself at `at`.
    pub(crate) fn arm(&self, at: Nanos) {
        self.armed.set(at);
    }

    /// Ready when kicked since the last time.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.kicked.replace(false) {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(known) => known.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}
