//! Rows of data for iterations.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pulse_plan::{FeedOrder, Plan, Segment};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// How far the feeds of a plan are used up, over all workers of a process: the rows that its segment owns are taken one
/// after another, whichever worker needs one. A share of rows per worker would lie idle where a worker has no users.
#[derive(Debug)]
pub(crate) struct FeedCursors {
    segment: Segment,
    /// Per feed: the next row number (beyond the last row a sequential feed starts again).
    next: Vec<AtomicU64>,
}

impl FeedCursors {
    /// Nothing is used yet.
    pub(crate) fn new(plan: &Plan, segment: Segment) -> Self {
        Self { segment, next: plan.feeds.iter().map(|_| AtomicU64::new(segment.next(0))).collect() }
    }

    /// The next row number; takes it unless it is `end` or beyond.
    fn take(&self, feed: u16, end: u64) -> Option<u64> {
        let following = |number| (number < end).then(|| self.segment.next(number + 1));
        // Nothing else hangs on the number, so that no order with other memory is needed.
        self.next[usize::from(feed)].fetch_update(Ordering::Relaxed, Ordering::Relaxed, following).ok()
    }
}

/// The feeds of a plan as one worker sees them.
#[derive(Debug)]
pub(super) struct Feeds {
    plan: Arc<Plan>,
    cursors: Arc<FeedCursors>,
    random: RefCell<ChaCha8Rng>,
}

impl Feeds {
    /// The feeds for the worker that owns `segment`.
    pub(super) fn new(plan: &Arc<Plan>, cursors: Arc<FeedCursors>, segment: Segment) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
        // Streams of their own, apart from those of arrivals (block numbers) and users.
        let [from, den, ..]: [u64; 4] = segment.into();
        random.set_stream(u64::MAX - from * (u64::from(u32::MAX) / den));
        Self { plan: Arc::clone(plan), cursors, random: RefCell::new(random) }
    }

    /// The next row of a feed; `None` when a unique feed is used up.
    pub(super) fn take(&self, feed: u16) -> Option<usize> {
        let data = &self.plan.feeds[usize::from(feed)];
        let rows = data.rows.len() as u64;
        if data.order == FeedOrder::Random {
            return Some(self.random.borrow_mut().random_range(0..rows) as usize);
        }
        let end = if data.order == FeedOrder::Unique { rows } else { u64::MAX };
        self.cursors.take(feed, end).map(|number| (number % rows) as usize)
    }

    /// A value of a row that was taken.
    pub(super) fn value(&self, feed: u16, row: usize, column: u16) -> &str {
        &self.plan.feeds[usize::from(feed)].rows[row][usize::from(column)]
    }
}
