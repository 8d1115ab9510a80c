//! A list over time that stays short however long it goes on.

use pulse_model::{CourseColumn, Nanos, TimePoint};

/// Something that covers a span of time and can be extended by what follows it.
pub(crate) trait Span: Clone {
    fn from(&self) -> Nanos;
    fn to(&self) -> Nanos;
    fn absorb(&mut self, next: &Self);
}

impl Span for TimePoint {
    fn from(&self) -> Nanos {
        self.from
    }

    fn to(&self) -> Nanos {
        self.to
    }

    fn absorb(&mut self, next: &Self) {
        Self::absorb(self, next);
    }
}

impl Span for CourseColumn {
    fn from(&self) -> Nanos {
        self.from
    }

    fn to(&self) -> Nanos {
        self.to
    }

    fn absorb(&mut self, next: &Self) {
        Self::absorb(self, next);
    }
}

/// Spans in order of time, at most so many. What comes beyond makes all of them coarser alike: merging merely the oldest
/// again and again would in the end leave the first hours of a long run as a single span.
#[derive(Clone, Debug)]
pub(crate) struct Thinned<T> {
    all: Vec<T>,
    most: usize,
    /// Neighbours are one span as long as it is no longer than this.
    grain: Nanos,
}

impl<T: Span> Thinned<T> {
    /// An empty list for at most this many spans.
    pub(crate) fn new(most: usize) -> Self {
        Self { all: Vec::new(), most: most.max(2), grain: Nanos::ZERO }
    }

    pub(crate) fn push(&mut self, next: T) {
        add(&mut self.all, next, self.grain);
        while self.all.len() > self.most {
            let first = self.all.first().map_or(Nanos::ZERO, Span::from);
            let length = self.all.last().map_or(Nanos::ZERO, Span::to).since(first);
            // Twice the mean length: of two neighbours that stay apart at least one is longer than half of it.
            let wanted = Nanos((length.0 / self.most as u64).saturating_mul(2));
            self.grain = Nanos(self.grain.0.saturating_mul(2)).max(wanted).max(Nanos(1));
            let mut coarser = Vec::with_capacity(self.most);
            self.all.drain(..).for_each(|span| add(&mut coarser, span, self.grain));
            self.all = coarser;
        }
    }

    pub(crate) fn into_all(self) -> Vec<T> {
        self.all
    }
}

fn add<T: Span>(all: &mut Vec<T>, next: T, grain: Nanos) {
    match all.last_mut() {
        Some(last) if next.to().since(last.from()) <= grain => last.absorb(&next),
        _ => all.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point(from: u64, to: u64) -> TimePoint {
        let (from, to) = (Nanos::from_millis(from), Nanos::from_millis(to));
        TimePoint { from, to, requests: 1, max: to.0, ..TimePoint::default() }
    }

    #[test]
    fn a_day_is_evenly_coarse_and_keeps_its_peaks() {
        let mut day = Thinned::new(4000);
        (0..86_400).for_each(|second| day.push(point(second * 1000, (second + 1) * 1000)));
        let all = day.into_all();
        assert!((1_000..=4_000).contains(&all.len()), "{}", all.len());
        let longest = all.iter().map(|point| point.to.since(point.from)).max().unwrap();
        assert!(longest <= Nanos::from_secs(100), "{longest}");
        assert!(all.iter().all(|point| point.max == point.to.0), "the largest of each span is kept");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_overlaps(lengths in prop::collection::vec(0_u64..3000, 0..400), most in 2_usize..50) {
            let mut thinned = Thinned::new(most);
            let mut at = 0;
            for length in &lengths {
                thinned.push(point(at, at + length));
                at += length;
            }
            let all = thinned.into_all();
            prop_assert!(all.len() <= most);
            prop_assert_eq!(all.iter().map(|point| point.requests).sum::<u64>(), lengths.len() as u64);
            prop_assert!(all.windows(2).all(|pair| pair[0].to == pair[1].from));
        }
    }
}
