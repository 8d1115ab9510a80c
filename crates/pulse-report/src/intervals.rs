//! The intervals of a timeline as charts take them.

use pulse_model::TimePoint;

/// The timeline, its last interval put together with the one before where it is less than half as long: what is left over at
/// the end of a job would look like a fall of its rate.
pub fn whole_intervals(timeline: &[TimePoint]) -> Vec<TimePoint> {
    let mut points = timeline.to_vec();
    let length = |point: &TimePoint| point.to.since(point.from);
    if let [.., before, last] = &mut points[..]
        && length(last).times(2) < length(before)
    {
        before.absorb(last);
        points.pop();
    }
    points
}

#[cfg(test)]
mod tests {
    use pulse_model::Nanos;

    use super::*;

    fn point(from_ms: u64, to_ms: u64, requests: u64) -> TimePoint {
        let [from, to] = [from_ms, to_ms].map(Nanos::from_millis);
        TimePoint { from, to, requests, ..TimePoint::default() }
    }

    #[test]
    fn a_remnant_joins_the_interval_before_it() {
        let whole = [point(0, 1_000, 10), point(1_000, 2_000, 20)];
        assert_eq!(whole_intervals(&whole), whole);
        let joined = whole_intervals(&[whole[0].clone(), whole[1].clone(), point(2_000, 2_100, 3)]);
        assert_eq!(joined, [point(0, 1_000, 10), point(1_000, 2_100, 23)]);
        let half = [point(0, 1_000, 10), point(1_000, 1_500, 5)];
        assert_eq!(whole_intervals(&half), half);
        assert_eq!(whole_intervals(&[point(0, 10, 1)]), [point(0, 10, 1)]);
        assert_eq!(whole_intervals(&[]), []);
    }
}
