//! What should happen: plans, profiles, arrivals, segments, steps and their file format.

mod arrivals;
mod load;
mod profile;
mod segment;

pub use arrivals::Arrivals;
pub use load::{ArrivalLaw, Budget, Closed, LoadModel, Missed, Open, UnknownWord, UserPool};
pub use profile::{Profile, ProfileError, Span, Stage};
pub use segment::{Segment, SegmentError};
