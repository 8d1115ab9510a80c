//! How does throughput grow with load, and where does it peak?

use crate::estimate::Estimate;
use crate::tails::student_quantile;

/// Steps of the fit; it takes a dozen when it converges at all.
const MAX_STEPS: usize = 500;
/// More points than this tell nothing new; what exceeds them is refused.
const MAX_POINTS: usize = 10_000;

/// The Universal Scalability Law X(N) = γN / (1 + α(N − 1) + βN(N − 1)), fitted to measured points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalability {
    /// γ: throughput of one user, in the unit of the throughput.
    pub gamma: Estimate,
    /// α: contention, the share of work that cannot be done side by side.
    pub alpha: Estimate,
    /// β: coherency, what every pair of users costs.
    pub beta: Estimate,
    /// The load of the highest throughput, or why it cannot be told.
    pub peak: Result<Peak, NoPeak>,
    /// Share of the throughput's variance that the law explains.
    pub r_squared: f64,
}

/// Where throughput is highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// N* = √((1 − α)/β), in the unit of the load.
    pub load: Estimate,
    /// X(N*), in the unit of the throughput.
    pub throughput: f64,
    /// True when N* lies above the highest load that was measured: it is the law that says so, not a measurement.
    pub beyond_measured: bool,
}

/// Why there is no peak to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPeak {
    /// Without a β that is surely positive the law has no peak, or one anywhere.
    #[error(
        "the interval of the coherency β includes 0: measure at higher load, where throughput falls, to find the peak"
    )]
    BetaMayBeZero,
    /// α ≥ 1: a second user already makes it slower.
    #[error("the contention α is 1 or more: throughput falls from the first user on")]
    FallsFromTheStart,
}

/// Why a fit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScalabilityError {
    /// Three parameters and a scatter need four different loads.
    #[error(
        "the scalability law needs at least 4 different loads, but there are {loads}: measure at more of them"
    )]
    TooFewLoads {
        /// Different loads given.
        loads: usize,
    },
    /// Loads are at least 1, throughputs positive, both finite.
    #[error("point {at} is not a load of at least 1 with a positive throughput")]
    BadPoint {
        /// Index of the point.
        at: usize,
    },
    /// A limit on what is taken.
    #[error("more than 10000 points: merge those of one load")]
    TooManyPoints,
    /// The points do not determine the parameters.
    #[error("the points do not determine the law's parameters: spread the loads further apart")]
    Undetermined,
    /// A confidence level is between 0 and 1.
    #[error("the confidence level must lie between 0 and 1")]
    BadConfidence,
}

/// A coherency that changes the law's denominator by less than this at the highest load is a rounding error.
const ROUNDING: f64 = 1e-9;

/// γ, α, β.
type Parameters = [f64; 3];

impl Scalability {
    /// Fits the law to points (load N, throughput X) (N. J. Gunther, "A General Theory of Computational Scalability Based on
    /// Rational Functions", 2008; "Guerrilla Capacity Planning", 2007, ch. 5).
    ///
    /// Least squares by Levenberg–Marquardt (D. W. Marquardt, 1963) from the linearised start N/X = (1 − α + (α − β)N + βN²)/γ,
    /// α and β kept from being negative. Intervals are estimate ± t·s with the standard errors of the linearised model at the
    /// solution (D. M. Bates, D. G. Watts, "Nonlinear Regression Analysis", 1988, §2.3), that of ln N* by the delta method; they
    /// are cut at 0 below.
    pub fn fit(points: &[(f64, f64)], confidence: f64) -> Result<Self, ScalabilityError> {
        check(points)?;
        let (parameters, inverse) = levenberg_marquardt(points).ok_or(ScalabilityError::Undetermined)?;
        let freedom = points.len() as f64 - 3.0;
        let t = student_quantile(confidence, freedom).ok_or(ScalabilityError::BadConfidence)?;
        let residual = squares(points, parameters);
        let scatter = residual / freedom;
        let estimate = |i: usize| {
            let half = t * (scatter * inverse[i][i]).max(0.0).sqrt();
            Estimate::finite(parameters[i], (parameters[i] - half).max(0.0), parameters[i] + half)
                .ok_or(ScalabilityError::Undetermined)
        };
        let (gamma, alpha, mut beta) = (estimate(0)?, estimate(1)?, estimate(2)?);
        let highest = points.iter().map(|point| point.0).fold(0.0, f64::max);
        if beta.value * highest * highest < ROUNDING {
            // Points without scatter have an interval of no width, and then a rounding error looks like a sure coherency.
            beta.lo = 0.0;
        }
        let mean = points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64;
        let total: f64 = points.iter().map(|point| (point.1 - mean).powi(2)).sum();
        let r_squared = if total > 0.0 { 1.0 - residual / total } else { 1.0 };
        let mut law = Self { gamma, alpha, beta, peak: Err(NoPeak::BetaMayBeZero), r_squared };
        law.peak = law.find_peak(points, inverse, scatter, t);
        Ok(law)
    }

    /// X(N) by the fitted law, in the unit of the throughput.
    pub fn throughput(&self, load: f64) -> f64 {
        law([self.gamma.value, self.alpha.value, self.beta.value], load)
    }

    fn find_peak(
        &self,
        points: &[(f64, f64)],
        inverse: [[f64; 3]; 3],
        scatter: f64,
        t: f64,
    ) -> Result<Peak, NoPeak> {
        let (alpha, beta) = (self.alpha.value, self.beta.value);
        if self.beta.lo <= 0.0 {
            return Err(NoPeak::BetaMayBeZero);
        }
        if alpha >= 1.0 {
            return Err(NoPeak::FallsFromTheStart);
        }
        let load = ((1.0 - alpha) / beta).sqrt();
        // ln N* = (ln(1 − α) − ln β)/2.
        let gradient = [-0.5 / (1.0 - alpha), -0.5 / beta];
        let variance = gradient[0] * gradient[0] * inverse[1][1]
            + 2.0 * gradient[0] * gradient[1] * inverse[1][2]
            + gradient[1] * gradient[1] * inverse[2][2];
        let factor = (t * (scatter * variance).max(0.0).sqrt()).exp();
        let estimate = Estimate::finite(load, load / factor, load * factor).ok_or(NoPeak::BetaMayBeZero)?;
        let highest = points.iter().map(|point| point.0).fold(0.0, f64::max);
        Ok(Peak { load: estimate, throughput: self.throughput(load), beyond_measured: load > highest })
    }
}

fn check(points: &[(f64, f64)]) -> Result<(), ScalabilityError> {
    // Squares of squares of what is larger have no room in a float.
    let good = |&(n, x): &(f64, f64)| (1.0..=1e12).contains(&n) && (1e-30..=1e30).contains(&x);
    if let Some(at) = points.iter().position(|point| !good(point)) {
        return Err(ScalabilityError::BadPoint { at });
    }
    if points.len() > MAX_POINTS {
        return Err(ScalabilityError::TooManyPoints);
    }
    let mut loads: Vec<f64> = points.iter().map(|point| point.0).collect();
    loads.sort_unstable_by(f64::total_cmp);
    loads.dedup();
    if loads.len() < 4 { Err(ScalabilityError::TooFewLoads { loads: loads.len() }) } else { Ok(()) }
}

fn law([gamma, alpha, beta]: Parameters, n: f64) -> f64 {
    gamma * n / (1.0 + alpha * (n - 1.0) + beta * n * (n - 1.0))
}

fn squares(points: &[(f64, f64)], parameters: Parameters) -> f64 {
    points.iter().map(|&(n, x)| (x - law(parameters, n)).powi(2)).sum()
}

/// `JᵀJ` and `Jᵀr` of the law's residuals.
fn normal_equations(points: &[(f64, f64)], parameters: Parameters) -> ([[f64; 3]; 3], [f64; 3]) {
    let (mut matrix, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
    for &(n, x) in points {
        let value = law(parameters, n);
        let below = parameters[0] * n / value;
        let gradient = [value / parameters[0], -value * (n - 1.0) / below, -value * n * (n - 1.0) / below];
        for i in 0..3 {
            right[i] += gradient[i] * (x - value);
            for j in 0..3 {
                matrix[i][j] += gradient[i] * gradient[j];
            }
        }
    }
    (matrix, right)
}

/// The best parameters and `(JᵀJ)⁻¹` there; `None` when the points do not determine them.
fn levenberg_marquardt(points: &[(f64, f64)]) -> Option<(Parameters, [[f64; 3]; 3])> {
    let mut parameters = linearised(points);
    let mut error = squares(points, parameters);
    let mut damping = 1e-3;
    for _ in 0..MAX_STEPS {
        let (matrix, mut right) = normal_equations(points, parameters);
        // A parameter at its bound that wants to go further stays out of the step.
        let held = [false, parameters[1] <= 0.0 && right[1] <= 0.0, parameters[2] <= 0.0 && right[2] <= 0.0];
        let mut damped = matrix;
        for i in 0..3 {
            damped[i][i] *= 1.0 + damping;
            if held[i] {
                right[i] = 0.0;
                (0..3).filter(|&j| j != i).for_each(|j| (damped[i][j], damped[j][i]) = (0.0, 0.0));
            }
        }
        let inverse = inverse(damped)?;
        let step = |i: usize| (0..3).map(|j| inverse[i][j] * right[j]).sum::<f64>();
        let next = [
            (parameters[0] + step(0)).max(parameters[0] / 10.0),
            (parameters[1] + step(1)).max(0.0),
            (parameters[2] + step(2)).max(0.0),
        ];
        let next_error = squares(points, next);
        if next_error <= error {
            let settled = error - next_error <= 1e-15 * error
                && (0..3).all(|i| (next[i] - parameters[i]).abs() <= 1e-10 * parameters[i].abs().max(1e-12));
            (parameters, error, damping) = (next, next_error, (damping / 10.0).max(1e-12));
            if settled {
                break;
            }
        } else if damping > 1e12 {
            break;
        } else {
            damping *= 10.0;
        }
    }
    let inverse = inverse(normal_equations(points, parameters).0)?;
    parameters.iter().all(|parameter| parameter.is_finite()).then_some((parameters, inverse))
}

/// A start from least squares of X·(1 + α(N−1) + βN(N−1))/N = γ, which is linear in γ, α and β. A start that is off only costs
/// steps, so that any failure falls back on a law without losses.
fn linearised(points: &[(f64, f64)]) -> Parameters {
    let (mut matrix, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
    for &(n, x) in points {
        // γ·1 − α·X(N−1)/N − β·X(N−1) = X/N, each row times N so that high loads weigh as they do in X.
        let row = [n, -x * (n - 1.0), -x * (n - 1.0) * n];
        for i in 0..3 {
            right[i] += row[i] * x;
            (0..3).for_each(|j| matrix[i][j] += row[i] * row[j]);
        }
    }
    let most = points.iter().map(|&(n, x)| x / n).fold(0.0, f64::max);
    let solved = inverse(matrix).map(|inverse| {
        let of = |i: usize| (0..3).map(|j| inverse[i][j] * right[j]).sum::<f64>();
        [of(0), of(1).max(0.0), of(2).max(0.0)]
    });
    solved.filter(|found| found.iter().all(|p| p.is_finite()) && found[0] > 0.0).unwrap_or([most, 0.01, 1e-6])
}

/// Inverse of a symmetric matrix, scaled to a unit diagonal first since α and β are of very different size; `None` when it
/// is singular.
fn inverse(matrix: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let scale = [0, 1, 2].map(|i| matrix[i][i].sqrt());
    if !scale.iter().all(|&scale| scale.is_normal()) {
        return None;
    }
    let m = [0, 1, 2].map(|i| [0, 1, 2].map(|j| matrix[i][j] / scale[i] / scale[j]));
    let minor = |i: usize, j: usize| {
        let (rows, columns) = ([(i + 1) % 3, (i + 2) % 3], [(j + 1) % 3, (j + 2) % 3]);
        m[rows[0]][columns[0]] * m[rows[1]][columns[1]] - m[rows[0]][columns[1]] * m[rows[1]][columns[0]]
    };
    let determinant = (0..3).map(|j| m[0][j] * minor(0, j)).sum::<f64>();
    // Rounding alone leaves about 1e-16.
    (determinant > 1e-14)
        .then(|| [0, 1, 2].map(|i| [0, 1, 2].map(|j| minor(j, i) / determinant / scale[i] / scale[j])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Measurements of SPEC SDM91, from "Guerrilla Capacity Planning", table 5.2 (and the R package `usl`, data `specsdm91`).
    const SPEC_SDM91: [(f64, f64); 7] = [
        (1.0, 64.9),
        (18.0, 995.9),
        (36.0, 1652.4),
        (72.0, 1853.2),
        (108.0, 1828.9),
        (144.0, 1775.0),
        (216.0, 1702.2),
    ];

    /// `scipy.optimize.curve_fit(law, n, x, p0=[90, .03, 1e-4])` and `t.ppf(0.975, 4)` times the root of the covariance's
    /// diagonal; the vignette of R's `usl` gives γ 90, α 0.0277, β 0.000104 and a peak at 96.5.
    #[test]
    fn spec_sdm91_has_its_published_fit() {
        let fit = Scalability::fit(&SPEC_SDM91, 0.95).unwrap();
        let peak = fit.peak.unwrap();
        for (mine, scipy) in [
            (fit.gamma, [89.995_232_567, 50.532_258_680, 129.458_206_454]),
            (fit.alpha, [0.027_728_475_377, 0.002_402_486_571, 0.053_054_464_184]),
            (fit.beta, [1.043_654_831_9e-4, 4.918_288_133_6e-5, 1.595_480_850_4e-4]),
            (peak.load, [96.519_561_282, 74.529_993_787, 124.997_001_028]),
        ] {
            for (a, b) in [(mine.value, scipy[0]), (mine.lo, scipy[1]), (mine.hi, scipy[2])] {
                assert!((a / b - 1.0).abs() < 1e-4, "{mine:?} {scipy:?}");
            }
        }
        assert!(
            !peak.beyond_measured && (peak.throughput - 1883.899).abs() < 0.1 && fit.r_squared > 0.98,
            "{fit:?}"
        );
    }

    #[test]
    fn refuses_to_extrapolate() {
        // The same service, measured only where it still grows, with a little noise.
        let early: Vec<(f64, f64)> = [1.0, 2.0, 4.0, 8.0, 12.0, 16.0]
            .iter()
            .enumerate()
            .map(|(i, &n)| {
                (n, law([90.0, 0.03, 1e-6], n) * (1.0 + [0.01, -0.02, 0.015, -0.01, 0.02, -0.015][i]))
            })
            .collect();
        assert_eq!(Scalability::fit(&early, 0.95).unwrap().peak, Err(NoPeak::BetaMayBeZero));
        for slope in [10.0, 0.7, 93.1, 1234.567] {
            let linear: Vec<(f64, f64)> = (1..9).map(|n| (f64::from(n), slope * f64::from(n))).collect();
            let fit = Scalability::fit(&linear, 0.95).unwrap();
            assert!((fit.gamma.value / slope - 1.0).abs() < 1e-6, "{fit:?}");
            assert_eq!(fit.peak, Err(NoPeak::BetaMayBeZero), "{fit:?}");
        }
    }

    #[test]
    fn bad_points_are_named() {
        let four = [(1.0, 1.0), (2.0, 1.9), (3.0, 2.7), (4.0, 3.2)];
        for (points, confidence, expected) in [
            (&four[..3], 0.95, ScalabilityError::TooFewLoads { loads: 3 }),
            (&[], 0.95, ScalabilityError::TooFewLoads { loads: 0 }),
            (&[(1.0, 2.0); 9], 0.95, ScalabilityError::TooFewLoads { loads: 1 }),
            (&[(1.0, 1.0), (0.5, 1.0)], 0.95, ScalabilityError::BadPoint { at: 1 }),
            (&[(f64::NAN, 1.0)], 0.95, ScalabilityError::BadPoint { at: 0 }),
            (&[(1.0, f64::INFINITY)], 0.95, ScalabilityError::BadPoint { at: 0 }),
            (&four, 1.0, ScalabilityError::BadConfidence),
        ] {
            assert_eq!(Scalability::fit(points, confidence).unwrap_err(), expected);
        }
    }

    proptest! {
        #[test]
        fn exact_points_give_the_parameters_back(gamma in 1.0..1e4, alpha in 0.001..0.5, beta in 1e-6..1e-2) {
            let points: Vec<(f64, f64)> =
                [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0].map(|n| (n, law([gamma, alpha, beta], n))).to_vec();
            let fit = Scalability::fit(&points, 0.95).unwrap();
            for (found, expected) in [(fit.gamma, gamma), (fit.alpha, alpha), (fit.beta, beta)] {
                prop_assert!((found.value / expected - 1.0).abs() < 1e-3, "{:?} {}", found, expected);
            }
        }

        #[test]
        fn is_total(points in prop::collection::vec((prop_oneof![prop::num::f64::ANY, 1.0..1e12], prop_oneof![prop::num::f64::ANY, 1e-30..1e30]), 0..12)) {
            if let Ok(fit) = Scalability::fit(&points, 0.95) {
                prop_assert!(fit.alpha.value >= 0.0 && fit.beta.value >= 0.0 && fit.gamma.value > 0.0);
            }
        }

        #[test]
        fn is_total_over_plausible_points(points in prop::collection::vec(((1..100_i32).prop_map(f64::from), 0.1..1e4), 4..12)) {
            if let Ok(fit) = Scalability::fit(&points, 0.95) {
                prop_assert!(fit.alpha.covers(fit.alpha.value) && fit.peak.is_err() == (fit.beta.lo <= 0.0 || fit.alpha.value >= 1.0));
            }
        }
    }
}
