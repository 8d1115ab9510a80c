//! Which of a host's addresses a connection is tried at first.

use std::cell::Cell;

/// Where the next connection goes when a host has several addresses. Whichever is tried first, the others follow
/// until one answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AddressOrder {
    /// The address that answered last, at the beginning the resolver's first.
    #[default]
    First,
    /// The addresses in turn, so that each gets the same number of connections.
    RoundRobin,
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    order: AddressOrder,
    next: Cell<usize>,
}

impl Turn {
    pub(crate) fn new(order: AddressOrder) -> Self {
        Self { order, next: Cell::new(0) }
    }

    /// The indexes below `count` in the order in which they are to be tried.
    pub(crate) fn attempts(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.next.get();
        // Taken when an attempt begins, so that connections made at the same time go to different addresses.
        if self.order == AddressOrder::RoundRobin {
            self.next.set(first.wrapping_add(1));
        }
        (0..count).map(move |attempt| first.wrapping_add(attempt) % count)
    }

    pub(crate) fn answered(&self, index: usize) {
        if self.order == AddressOrder::First {
            self.next.set(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answered_is_asked_first_or_all_in_turn() {
        let tried = |turn: &Turn| turn.attempts(3).collect::<Vec<_>>();
        let first = Turn::new(AddressOrder::First);
        assert_eq!(tried(&first), [0, 1, 2]);
        first.answered(2);
        assert_eq!((tried(&first), tried(&first)), (vec![2, 0, 1], vec![2, 0, 1]));

        let robin = Turn::new(AddressOrder::RoundRobin);
        assert_eq!((tried(&robin), tried(&robin)), (vec![0, 1, 2], vec![1, 2, 0]));
        robin.answered(0);
        assert_eq!(tried(&robin), [2, 0, 1]);
        assert_eq!(robin.attempts(0).count(), 0);
        assert_eq!(robin.attempts(1).collect::<Vec<_>>(), [0]);
    }
}
