//! The last part of a watch, as one snapshot.

use std::collections::VecDeque;

use pulse_model::{Nanos, Snapshot};

/// Into how many slots a window is divided: what leaves it leaves it slot by slot, so that asking costs a dozen merges
/// however many intervals there were.
const SLOTS: u64 = 12;

/// The intervals of the last `span`, merged into slots.
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    span: Nanos,
    slots: VecDeque<Snapshot>,
}

impl SlidingWindow {
    /// An empty window of a length.
    pub fn new(span: Nanos) -> Self {
        Self { span, slots: VecDeque::new() }
    }

    /// Adds the interval that follows, and forgets the slots that began before the window does. One without an interval has
    /// no place in time and is left out.
    pub fn push(&mut self, next: &Snapshot) {
        let Some(interval) = next.interval else { return };
        let slot = Nanos(self.span.0 / SLOTS);
        match self.slots.back_mut() {
            Some(last) if interval.to.since(start(last)) <= slot => last.merge(next),
            _ => self.slots.push_back(next.clone()),
        }
        let begin = interval.to.since(self.span);
        // The newest slot stays, however long its interval was.
        while self.slots.len() > 1 && self.slots.front().is_some_and(|oldest| start(oldest) < begin) {
            self.slots.pop_front();
        }
    }

    /// All of it. Its interval says what it really covers: at most the window's span, up to a twelfth less, and more only
    /// where a single interval is longer.
    pub fn snapshot(&self) -> Snapshot {
        self.slots.iter().fold(Snapshot::default(), |mut sum, slot| {
            sum.merge(slot);
            sum
        })
    }

    /// Its parts in order of time, as judging needs them.
    pub fn parts(&mut self) -> &[Snapshot] {
        self.slots.make_contiguous()
    }
}

fn start(slot: &Snapshot) -> Nanos {
    slot.interval.map_or(Nanos::ZERO, |interval| interval.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulse_model::{Interval, Series};

    fn interval(from: u64, to: u64) -> Snapshot {
        let interval = Interval { from: Nanos::from_secs(from), to: Nanos::from_secs(to) };
        let mut snapshot = Snapshot { interval: Some(interval), ..Snapshot::default() };
        snapshot.count(Series::new("n"), to - from);
        snapshot
    }

    fn covered(window: &SlidingWindow) -> (u64, u64) {
        let snapshot = window.snapshot();
        let seconds = snapshot.length().0 / 1_000_000_000;
        assert_eq!(snapshot.counter(&Series::new("n")), seconds, "what it covers is what it holds");
        let from = snapshot.interval.map_or(0, |interval| interval.from.0 / 1_000_000_000);
        (from, seconds)
    }

    #[test]
    fn it_covers_its_span_up_to_a_slot() {
        let mut window = SlidingWindow::new(Nanos::from_secs(60));
        for second in 0..600 {
            window.push(&interval(second, second + 1));
            let (from, length) = covered(&window);
            assert_eq!(from + length, second + 1);
            assert!(length <= 60 && (length > 55 || second < 60), "{length} at {second}");
            assert!(window.slots.len() <= SLOTS as usize + 1);
        }
    }

    #[test]
    fn long_intervals_are_kept_whole() {
        let mut window = SlidingWindow::new(Nanos::from_secs(5));
        window.push(&interval(0, 1));
        window.push(&interval(1, 31));
        assert_eq!(covered(&window), (1, 30));
        window.push(&interval(31, 32));
        assert_eq!(covered(&window), (31, 1));
        window.push(&Snapshot::default());
        assert_eq!(covered(&window), (31, 1));
    }

    #[test]
    fn an_empty_one_is_empty() {
        let mut window = SlidingWindow::new(Nanos::ZERO);
        assert_eq!(window.snapshot(), Snapshot::default());
        window.push(&interval(0, 1));
        window.push(&interval(1, 2));
        assert_eq!(window.parts().len(), 1);
    }
}
