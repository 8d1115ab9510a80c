//! How a job went, for those who look at it over time: where its response times lay, and what happened when.

use serde::{Deserialize, Serialize};

use crate::{Histogram, Nanos};

/// Where response times lay over time: of all requests, or of one endpoint's. Column by column it is a heatmap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// Name of the endpoint; `None` for all requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// In order of time.
    pub columns: Vec<CourseColumn>,
}

/// The requests that ended in a span of time, warm-up included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourseColumn {
    /// Start of the span.
    pub from: Nanos,
    /// End of the span.
    pub to: Nanos,
    /// Failed requests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Response times in nanoseconds, in buckets coarse enough to be rows of a picture.
    pub times: Histogram,
}

impl CourseColumn {
    /// Extends this column by the one that follows.
    pub fn absorb(&mut self, next: &Self) {
        self.to = next.to;
        self.failed = self.failed.saturating_add(next.failed);
        self.times.merge(&next.times);
    }
}

/// Something that happened at a moment of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When, counted from the start of the load.
    pub at: Nanos,
    /// What sort of thing.
    pub kind: MomentKind,
    /// In words.
    pub message: String,
}

/// Sorts of [`Moment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentKind {
    /// A target is missed from here on.
    Breach,
    /// Something to know.
    Notice,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}
