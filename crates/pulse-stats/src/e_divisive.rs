//! Where did the level of a history of results change?

use crate::ranks::{all_finite, mean, same, variance};
use crate::tails::student_tails;

/// Only the latest values are looked at beyond this; the search takes quadratic time.
const MAX_VALUES: usize = 2000;

/// What counts as a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EDivisive {
    /// A change needs a p-value below this. The split is the best of many, so that it must be far below 5 %.
    pub significance: f64,
    /// Smallest change of the mean that matters, relative to the mean before: 0.05 is 5 %.
    pub min_change: f64,
    /// Fewest values between two changes, at least 2.
    pub min_segment: usize,
}

impl Default for EDivisive {
    fn default() -> Self {
        Self { significance: 0.001, min_change: 0.05, min_segment: 3 }
    }
}

/// A place at which the level changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// Index of the first value of the new level.
    pub at: usize,
    /// Mean since the change before.
    pub before: f64,
    /// Mean until the next change.
    pub after: f64,
    /// Probability of means this different in Student's test and in Welch's form of it, the larger.
    pub p_value: f64,
}

impl ChangePoint {
    /// Change relative to the mean before: 0.1 is 10 % more. Infinite when that is 0.
    pub fn change(&self) -> f64 {
        if same(self.before, self.after) { 0.0 } else { (self.after - self.before) / self.before.abs() }
    }
}

impl EDivisive {
    /// All change points of a history, in order.
    ///
    /// Splits where the energy statistic Q̂ = mn/(m+n) · (2·E|X−Y| − E|X−X′| − E|Y−Y′|) is largest, again and again (D. S.
    /// Matteson, N. A. James, "A Nonparametric Approach for Multiple Change Point Analysis of Multivariate Data", 2014, α = 1;
    /// D. Daly et al., "The Use of Change Point Detection to Identify Software Performance Regressions in a Continuous
    /// Integration System", ICPE 2020). Significance is Student's test between the neighbouring segments instead of random
    /// permutations, and the weakest change is merged away until all are significant and large enough (M. Fleming et al.,
    /// "Hunter: Using Change Point Detection to Hunt for Performance Regressions", ICPE 2023; Apache Otava). Welch's form of
    /// the test must agree: a few values that happen to lie close together are no level of their own, and neither is a long
    /// quiet stretch that a few scattered values follow. The same history always has the same changes.
    ///
    /// Empty when a value is not finite. Of more than 2000 values the latest are looked at.
    pub fn change_points(&self, values: &[f64]) -> Vec<ChangePoint> {
        if !all_finite(values) {
            return Vec::new();
        }
        let skipped = values.len().saturating_sub(MAX_VALUES);
        let values = &values[skipped..];
        let mut bounds = vec![0, values.len()];
        // Weak candidates are kept at first: a change and its reversal hide each other until both are cut.
        let mut open = vec![(0, values.len())];
        while let Some((from, to)) = open.pop() {
            let Some(at) = self.best_split(&values[from..to]).map(|at| from + at) else { continue };
            if chance(&values[from..at], &values[at..to]) < self.significance.clamp(0.0, 1.0).max(0.05) {
                bounds.push(at);
                open.extend([(from, at), (at, to)]);
            }
        }
        bounds.sort_unstable();
        bounds.dedup();
        let mut found = merged(values, &mut bounds, |point| self.holds(point));
        found.iter_mut().for_each(|point| point.at += skipped);
        found
    }

    fn holds(&self, point: &ChangePoint) -> bool {
        point.p_value < self.significance && point.change().abs() >= self.min_change
    }

    /// The split with the largest Q̂; `None` when the segment is too short.
    ///
    /// Moving one value from the right to the left side changes the three sums of distances by its distances to either side.
    fn best_split(&self, values: &[f64]) -> Option<usize> {
        let (total, shortest) = (values.len(), self.min_segment.max(2));
        if total < 2 * shortest {
            return None;
        }
        let distances =
            |value: f64, side: &[f64]| side.iter().map(|other| (value - other).abs()).sum::<f64>();
        let (mut left, mut across) = (0.0, 0.0);
        let mut right: f64 = (0..total).map(|i| distances(values[i], &values[i + 1..])).sum();
        let mut best: Option<(f64, usize)> = None;
        for at in 1..=total - shortest {
            let value = values[at - 1];
            let (to_left, to_right) = (distances(value, &values[..at - 1]), distances(value, &values[at..]));
            left += to_left;
            right -= to_right;
            across += to_right - to_left;
            if at < shortest {
                continue;
            }
            let (m, n) = (at as f64, (total - at) as f64);
            let within = 2.0 * left / (m * (m - 1.0)) + 2.0 * right / (n * (n - 1.0));
            let q = m * n / (m + n) * (2.0 * across / (m * n) - within);
            if best.is_none_or(|(most, _)| q > most) {
                best = Some((q, at));
            }
        }
        best.map(|(_, at)| at)
    }
}

/// Removes the weakest change until `holds` is true of all.
fn merged(values: &[f64], bounds: &mut Vec<usize>, holds: impl Fn(&ChangePoint) -> bool) -> Vec<ChangePoint> {
    loop {
        let points: Vec<ChangePoint> = bounds
            .windows(3)
            .map(|bound| {
                let (before, after) = (&values[bound[0]..bound[1]], &values[bound[1]..bound[2]]);
                let p_value = chance(before, after);
                ChangePoint { at: bound[1], before: mean(before), after: mean(after), p_value }
            })
            .collect();
        let weakest =
            points.iter().enumerate().filter(|(_, point)| !holds(point)).max_by(|(_, a), (_, b)| {
                a.p_value.total_cmp(&b.p_value).then(b.change().abs().total_cmp(&a.change().abs()))
            });
        match weakest {
            Some((at, _)) => bounds.remove(at + 1),
            None => return points,
        };
    }
}

/// The larger of the p-values of Student's and Welch's test. With a few values on one side Welch's trusts their own scatter,
/// which may be small by accident; Student's trusts that both sides scatter alike.
fn chance(a: &[f64], b: &[f64]) -> f64 {
    welch(a, b).max(student(a, b))
}

/// The two-sided p-value of Student's t-test with the scatter of both sides in common; without any 0 for different and 1 for
/// equal means.
fn student(a: &[f64], b: &[f64]) -> f64 {
    let (m, n) = (a.len() as f64, b.len() as f64);
    let freedom = m + n - 2.0;
    let pooled = ((m - 1.0) * variance(a) + (n - 1.0) * variance(b)) / freedom;
    let difference = mean(b) - mean(a);
    if pooled == 0.0 {
        return if difference == 0.0 { 1.0 } else { 0.0 };
    }
    student_tails(difference / (pooled * (1.0 / m + 1.0 / n)).sqrt(), freedom)
}

/// The two-sided p-value of Welch's t-test (B. L. Welch, "The Generalization of 'Student's' Problem when Several Different
/// Population Variances Are Involved", 1947); without any scatter 0 for different and 1 for equal means.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let (s, t) = (variance(a) / a.len() as f64, variance(b) / b.len() as f64);
    let difference = mean(b) - mean(a);
    if s + t == 0.0 {
        return if difference == 0.0 { 1.0 } else { 0.0 };
    }
    let freedom = (s + t).powi(2) / (s * s / (a.len() as f64 - 1.0) + t * t / (b.len() as f64 - 1.0));
    student_tails(difference / (s + t).sqrt(), freedom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noisy(levels: &[(usize, f64)]) -> Vec<f64> {
        let levels = levels.iter().flat_map(|&(n, level)| vec![level; n]);
        levels
            .enumerate()
            .map(|(i, level)| level * (1.0 + ((i * 7919 % 61) as f64 / 60.0 - 0.5) / 25.0))
            .collect()
    }

    fn found(values: &[f64]) -> Vec<usize> {
        EDivisive::default().change_points(values).iter().map(|point| point.at).collect()
    }

    #[test]
    fn changes_are_found_where_they_are() {
        for (levels, expected) in [
            (&[(60, 100.0)][..], vec![]),
            (&[(30, 100.0), (30, 112.0)], vec![30]),
            (&[(20, 100.0), (8, 150.0), (20, 100.0)], vec![20, 28]),
            (&[(40, 100.0), (5, 120.0)], vec![40]),
            (&[(20, 100.0), (20, 120.0), (20, 90.0), (20, 99.0)], vec![20, 40, 60]),
            // Too small to matter.
            (&[(40, 100.0), (40, 103.0)], vec![]),
        ] {
            assert_eq!(found(&noisy(levels)), expected, "{levels:?}");
        }
        assert!(
            found(&[1.0, 2.0, f64::NAN]).is_empty() && found(&[]).is_empty() && found(&[3.0; 50]).is_empty()
        );
    }

    /// The flow of the Nile changed after 1898 (G. W. Cobb, 1978), and at no other time: the last three years of the series lie
    /// within 26 of each other, where years differ by 125, and look like a level of their own to Welch's test alone.
    #[test]
    fn the_nile_changed_after_1898() {
        let points = EDivisive::default().change_points(&crate::nile::FLOW);
        let found: Vec<usize> = points.iter().map(|point| point.at).collect();
        assert_eq!(found, [28], "{points:?}");
        assert!(welch(&crate::nile::FLOW[28..97], &crate::nile::FLOW[97..]) < 1e-6);
        assert!((points[0].before - 1097.75).abs() < 0.01 && (points[0].after - 849.97).abs() < 0.01);
    }

    #[test]
    fn of_a_long_history_the_latest_are_looked_at() {
        assert_eq!(found(&noisy(&[(300, 50.0), (1900, 100.0), (100, 120.0)])), [2200]);
    }

    /// Published: Student's own data of additional hours of sleep by two drugs (1908), for which the documentation of R's
    /// `t.test` prints p = 0.07939; and `scipy.stats.ttest_ind(a, b, equal_var=False).pvalue`.
    #[test]
    fn welchs_test_agrees_with_published_values() {
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        assert!((welch(&first, &second) - 0.079_39).abs() < 5e-6, "{}", welch(&first, &second));
        // `t.test(extra ~ group, data = sleep, var.equal = TRUE)`: t = −1.8608, df = 18, p = 0.07919.
        assert!((student(&first, &second) - 0.079_19).abs() < 5e-6, "{}", student(&first, &second));
        let (a, b) = ([10.1, 9.8, 10.4, 10.0, 9.9], [10.9, 10.5, 11.4, 10.2]);
        assert!((welch(&a, &b) - 0.064_823_503_208).abs() < 1e-9, "{}", welch(&a, &b));
    }

    proptest! {
        #[test]
        fn the_running_sums_are_the_definition(values in prop::collection::vec(-9.0..9.0, 6..25)) {
            let q = |at: usize| {
                let (x, y) = values.split_at(at);
                let mean = |a: &[f64], b: &[f64], pairs: f64| {
                    a.iter().flat_map(|p| b.iter().map(move |q| (p - q).abs())).sum::<f64>() / pairs
                };
                let (m, n) = (x.len() as f64, y.len() as f64);
                m * n / (m + n) * (2.0 * mean(x, y, m * n) - mean(x, x, m * (m - 1.0)) - mean(y, y, n * (n - 1.0)))
            };
            let best = (3..=values.len() - 3).map(q).fold(f64::NEG_INFINITY, f64::max);
            let at = EDivisive::default().best_split(&values).unwrap();
            prop_assert!((q(at) - best).abs() < 1e-9);
        }

        #[test]
        fn is_total(values in prop::collection::vec(prop_oneof![prop::num::f64::ANY, 0.0..9.0], 0..60), significance in -0.1..1.1, min_segment in 0_usize..9) {
            let points = EDivisive { significance, min_change: 0.0, min_segment }.change_points(&values);
            prop_assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at));
            prop_assert!(points.iter().all(|point| point.at > 0 && point.at < values.len()));
        }
    }
}
