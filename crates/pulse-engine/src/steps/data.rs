//! Rows of data for iterations.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use pulse_plan::{FeedOrder, Plan, Segment};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The feeds of a plan as one worker sees them: it takes the rows that its segment owns, so that no row of a `unique`
/// feed is used twice and no worker waits for another.
#[derive(Debug)]
pub(super) struct Feeds {
    plan: Arc<Plan>,
    segment: Segment,
    /// Per feed: the next row number (beyond the last row a sequential feed starts again).
    next: Vec<Cell<u64>>,
    random: RefCell<ChaCha8Rng>,
}

impl Feeds {
    pub(super) fn new(plan: &Arc<Plan>, segment: Segment) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
        // Streams of their own, apart from those of arrivals (block numbers) and users.
        let [from, den, ..]: [u64; 4] = segment.into();
        random.set_stream(u64::MAX - from * (u64::from(u32::MAX) / den));
        Self {
            plan: Arc::clone(plan),
            segment,
            next: plan.feeds.iter().map(|_| Cell::new(segment.next(0))).collect(),
            random: RefCell::new(random),
        }
    }

    /// The next row of a feed; `None` when a unique feed is used up.
    pub(super) fn take(&self, feed: u16) -> Option<usize> {
        let data = &self.plan.feeds[usize::from(feed)];
        let rows = data.rows.len() as u64;
        if data.order == FeedOrder::Random {
            return Some(self.random.borrow_mut().random_range(0..rows) as usize);
        }
        let next = &self.next[usize::from(feed)];
        let number = next.get();
        if data.order == FeedOrder::Unique && number >= rows {
            return None;
        }
        next.set(self.segment.next(number + 1));
        Some((number % rows) as usize)
    }

    /// A value of a row that was taken.
    pub(super) fn value(&self, feed: u16, row: usize, column: u16) -> &str {
        &self.plan.feeds[usize::from(feed)].rows[row][usize::from(column)]
    }
}
