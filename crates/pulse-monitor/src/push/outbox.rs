//! What is still to be sent, and when. Pure: time is handed in, sending is the caller's.

use std::collections::VecDeque;

use pulse_model::Nanos;

/// The longest wait between two attempts.
const LONGEST_WAIT: Nanos = Nanos::from_secs(60);
/// The longest wait that a receiver may ask for.
const LONGEST_WISH: Nanos = Nanos::from_secs(300);

/// Requests in the order in which they were made. The oldest is sent first, and again until it is taken or refused; when there are
/// too many bytes, the oldest go.
#[derive(Debug)]
pub(super) struct Outbox {
    requests: VecDeque<Vec<u8>>,
    size_bytes: usize,
    max_bytes: usize,
    first_wait: Nanos,
    /// Failed attempts since the last that did not fail.
    failures: u32,
    /// No attempt before that.
    not_before: Nanos,
    /// Spreads the attempts of many services that lost the same receiver.
    seed: u64,
}

impl Outbox {
    pub(super) fn new(max_bytes: usize, first_wait: Nanos, seed: u64) -> Self {
        Self {
            requests: VecDeque::new(),
            size_bytes: 0,
            max_bytes,
            first_wait,
            failures: 0,
            not_before: Nanos::ZERO,
            seed,
        }
    }

    /// Adds a request; returns how many had to go for it, itself included where it is too large alone.
    pub(super) fn put(&mut self, request: Vec<u8>) -> u64 {
        self.size_bytes += request.len();
        self.requests.push_back(request);
        let mut gone = 0;
        while self.size_bytes > self.max_bytes {
            self.take();
            gone += 1;
        }
        gone
    }

    /// The request to send now.
    pub(super) fn next(&self, now: Nanos) -> Option<&[u8]> {
        self.requests.front().filter(|_| now >= self.not_before).map(Vec::as_slice)
    }

    /// When there will be something to send, unless something is added before.
    pub(super) fn wakes_at(&self) -> Option<Nanos> {
        (!self.requests.is_empty()).then_some(self.not_before)
    }

    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// The first request was taken, or refused for good.
    pub(super) fn settled(&mut self) {
        self.take();
        self.failures = 0;
        self.not_before = Nanos::ZERO;
    }

    /// The first request has to be sent again: after twice the last wait, or as long as the receiver asks.
    pub(super) fn failed(&mut self, now: Nanos, wish: Option<Nanos>) {
        let doubled = self.first_wait.times(1 << self.failures.min(20)).min(LONGEST_WAIT);
        self.failures += 1;
        // Between one half and all of it.
        let spread = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(self.failures) % 1000;
        let wait = Nanos(doubled.0 / 2 + doubled.0 / 2 / 1000 * spread);
        self.not_before = now + wish.map_or(wait, |wish| wish.min(LONGEST_WISH).max(wait));
    }

    fn take(&mut self) {
        self.size_bytes -= self.requests.pop_front().map_or(0, |request| request.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn outbox(max_bytes: usize) -> Outbox {
        Outbox::new(max_bytes, Nanos(SECOND), 7)
    }

    #[test]
    fn the_oldest_is_sent_until_it_is_taken() {
        let mut outbox = outbox(100);
        assert_eq!((outbox.next(Nanos(5)), outbox.wakes_at()), (None, None));
        assert_eq!([outbox.put(vec![1]), outbox.put(vec![2])], [0, 0]);
        assert_eq!((outbox.next(Nanos(5)), outbox.wakes_at()), (Some(&[1][..]), Some(Nanos(0))));
        outbox.failed(Nanos(5), None);
        assert_eq!(outbox.next(Nanos(6)), None);
        let wakes_at = outbox.wakes_at().unwrap();
        assert!(wakes_at > Nanos(SECOND / 2) && wakes_at <= Nanos(SECOND + 5), "{wakes_at:?}");
        assert_eq!(outbox.next(wakes_at), Some(&[1][..]));
        outbox.settled();
        assert_eq!(outbox.next(Nanos(0)), Some(&[2][..]));
        outbox.settled();
        assert_eq!((outbox.next(Nanos(0)), outbox.len(), outbox.size_bytes), (None, 0, 0));
    }

    #[test]
    fn waits_double_up_to_a_minute_and_begin_anew() {
        let mut outbox = outbox(100);
        outbox.put(vec![1]);
        outbox.put(vec![2]);
        let wait = |outbox: &mut Outbox, wish| {
            outbox.failed(Nanos(0), wish);
            outbox.wakes_at().unwrap()
        };
        for full in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = wait(&mut outbox, None);
            assert!(wait >= Nanos(full * SECOND / 2) && wait <= Nanos(full * SECOND), "{full}: {wait:?}");
        }
        assert_eq!(wait(&mut outbox, Some(Nanos::from_secs(90))), Nanos::from_secs(90));
        assert_eq!(wait(&mut outbox, Some(Nanos::MAX)), LONGEST_WISH);
        assert!(wait(&mut outbox, Some(Nanos(0))) >= Nanos(30 * SECOND));
        outbox.settled();
        assert!(wait(&mut outbox, None) <= Nanos(SECOND));
    }

    #[test]
    fn when_there_are_too_many_bytes_the_oldest_go() {
        let mut outbox = outbox(10);
        assert_eq!([4, 4].map(|length| outbox.put(vec![0; length])), [0, 0]);
        assert_eq!(outbox.put(vec![1; 8]), 2);
        assert_eq!(outbox.next(Nanos(0)), Some(&[1; 8][..]));
        assert_eq!(outbox.put(vec![2; 11]), 2);
        assert_eq!((outbox.next(Nanos(0)), outbox.size_bytes), (None, 0));
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_it_may(acts in prop::collection::vec((0..60_usize, 0..4_u8), 0..200), max_bytes in 0..200_usize) {
            let mut outbox = outbox(max_bytes);
            let (mut put, mut gone, mut settled) = (0, 0, 0);
            for (number, (length, act)) in acts.into_iter().enumerate() {
                let now = Nanos(number as u64 * SECOND);
                match act {
                    0 | 1 => {
                        put += 1;
                        gone += outbox.put(vec![0; length]);
                    }
                    _ if outbox.len() == 0 => {}
                    2 => {
                        settled += 1;
                        outbox.settled();
                    }
                    _ => outbox.failed(now, None),
                }
                prop_assert!(outbox.size_bytes <= max_bytes);
                prop_assert_eq!(outbox.size_bytes, outbox.requests.iter().map(Vec::len).sum::<usize>());
                prop_assert_eq!(put, gone + settled + outbox.len() as u64);
            }
        }
    }
}
