//! A value with the interval it may lie in.

/// An estimate with its confidence interval, `lo <= value <= hi`, all in one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Best estimate.
    pub value: f64,
    /// Lower end of the confidence interval.
    pub lo: f64,
    /// Upper end of the confidence interval.
    pub hi: f64,
}

impl Estimate {
    /// An estimate whose interval is stretched to include the value; `None` when any part is not finite.
    pub(crate) fn finite(value: f64, lo: f64, hi: f64) -> Option<Self> {
        let finite = value.is_finite() && lo.is_finite() && hi.is_finite();
        finite.then(|| Self { value, lo: lo.min(value), hi: hi.max(value) })
    }

    /// Whether `value` lies inside the interval, ends included.
    pub fn covers(&self, value: f64) -> bool {
        self.lo <= value && value <= self.hi
    }
}
