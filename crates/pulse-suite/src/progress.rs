//! How many requests were completed by when: the axis against which memory and CPU time are seen.

use std::time::Instant;

/// Completed requests over time, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    points: Vec<(Instant, f64)>,
}

impl Progress {
    /// Adds what was completed by a moment, counted from the start of the case, the warm-up included.
    pub(crate) fn push(&mut self, at: Instant, requests: f64) {
        self.points.push((at, requests));
    }

    /// Requests completed by a moment, interpolated between the points; `None` outside of them.
    pub(crate) fn at(&self, at: Instant) -> Option<f64> {
        let after = self.points.partition_point(|(point, _)| *point < at);
        let (later, requests) = *self.points.get(after)?;
        let Some(&(earlier, before)) = after.checked_sub(1).and_then(|index| self.points.get(index)) else {
            return (later == at).then_some(requests);
        };
        let span = later.saturating_duration_since(earlier).as_secs_f64();
        let share = at.saturating_duration_since(earlier).as_secs_f64() / span.max(f64::MIN_POSITIVE);
        Some(before + (requests - before) * share.min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn interpolates_between_points() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut progress = Progress::default();
        for (millis, requests) in [(1000, 0.0), (2000, 100.0), (2000, 100.0), (3000, 400.0)] {
            progress.push(at(millis), requests);
        }
        for (millis, expected) in [
            (999, None),
            (1000, Some(0.0)),
            (1500, Some(50.0)),
            (2000, Some(100.0)),
            (2500, Some(250.0)),
            (3001, None),
        ] {
            assert_eq!(progress.at(at(millis)), expected, "{millis}");
        }
        assert_eq!(Progress::default().at(start), None);
    }
}
