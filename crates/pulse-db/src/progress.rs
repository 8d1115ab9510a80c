//! What is told while something takes long, and whether to go on.

/// Someone who looks on.
pub trait Progress {
    /// A step has begun, or has come so far: `copying`, a share from 0 to 1 where it is known.
    fn at(&mut self, step: &str, share: Option<f64>);

    /// Whether the work is to stop at the next moment at which nothing is lost.
    fn is_stopped(&self) -> bool;
}

/// Nobody looks on, and nothing stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn at(&mut self, _step: &str, _share: Option<f64>) {}

    fn is_stopped(&self) -> bool {
        false
    }
}
