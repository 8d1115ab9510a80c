//! Pauses of users (think times), woken by the worker's own alarm.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pulse_model::Nanos;

/// All pauses of a worker. Somebody has to call [`Pauses::wake_until`].
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    due: BinaryHeap<Reverse<(Nanos, usize)>>,
    places: Vec<Place>,
    free: Vec<usize>,
}

#[derive(Debug)]
enum Place {
    Free,
    Waiting(Waker),
    Over,
    /// The pause was given up; its entry in the heap still has to come by.
    Abandoned,
}

impl Pauses {
    /// A future that is ready once somebody has called [`Pauses::wake_until`] with `at` or later.
    pub(crate) fn until(self: &Rc<Self>, at: Nanos) -> Pause {
        Pause { pauses: Rc::clone(self), at, place: None }
    }

    /// When the next pause ends.
    pub(crate) fn next(&self) -> Option<Nanos> {
        self.inner.borrow().due.peek().map(|&Reverse((at, _))| at)
    }

    /// Ends every pause that is over at `now`.
    pub(crate) fn wake_until(&self, now: Nanos) {
        let mut inner = self.inner.borrow_mut();
        while let Some(&Reverse((at, place))) = inner.due.peek() {
            if at > now {
                break;
            }
            inner.due.pop();
            match std::mem::replace(&mut inner.places[place], Place::Over) {
                Place::Waiting(waker) => waker.wake(),
                Place::Abandoned => {
                    inner.places[place] = Place::Free;
                    inner.free.push(place);
                }
                Place::Free | Place::Over => unreachable!("a heap entry belongs to one waiting place"),
            }
        }
    }
}

/// See [`Pauses::until`].
#[derive(Debug)]
pub(crate) struct Pause {
    pauses: Rc<Pauses>,
    at: Nanos,
    place: Option<usize>,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let pauses = Rc::clone(&self.pauses);
        let mut inner = pauses.inner.borrow_mut();
        let Some(place) = self.place else {
            let waiting = Place::Waiting(cx.waker().clone());
            let place = if let Some(place) = inner.free.pop() {
                inner.places[place] = waiting;
                place
            } else {
                inner.places.push(waiting);
                inner.places.len() - 1
            };
            inner.due.push(Reverse((self.at, place)));
            self.place = Some(place);
            return Poll::Pending;
        };
        match &mut inner.places[place] {
            Place::Waiting(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            Place::Free | Place::Over | Place::Abandoned => Poll::Ready(()),
        }
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut inner = self.pauses.inner.borrow_mut();
        match inner.places[place] {
            Place::Over => {
                inner.places[place] = Place::Free;
                inner.free.push(place);
            }
            Place::Waiting(_) => inner.places[place] = Place::Abandoned,
            Place::Free | Place::Abandoned => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    #[test]
    fn pauses_end_in_order_and_places_are_used_again() {
        let pauses = Rc::new(Pauses::default());
        let mut cx = Context::from_waker(Waker::noop());
        for round in 0..3 {
            let mut late = pin!(pauses.until(Nanos(20)));
            let mut early = pin!(pauses.until(Nanos(10)));
            assert!(late.as_mut().poll(&mut cx).is_pending() && early.as_mut().poll(&mut cx).is_pending());
            drop(Box::pin(pauses.until(Nanos(5))));
            let mut given_up = Box::pin(pauses.until(Nanos(7)));
            assert!(given_up.as_mut().poll(&mut cx).is_pending());
            drop(given_up);
            pauses.wake_until(Nanos(10));
            assert!(early.as_mut().poll(&mut cx).is_ready() && late.as_mut().poll(&mut cx).is_pending());
            assert_eq!(pauses.next(), Some(Nanos(20)));
            pauses.wake_until(Nanos(20));
            assert!(late.as_mut().poll(&mut cx).is_ready());
            assert!(pauses.inner.borrow().places.len() <= 3, "round {round}");
        }
    }
}
