//! The atomics of the storage, in one place: the model checker's test brings its own.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};
