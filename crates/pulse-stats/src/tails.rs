//! Quantiles and tail probabilities of the normal and Student's law, total over all arguments.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

/// P(|Z| ≥ |z|) for a standard normal Z; 1 for NaN.
pub(crate) fn normal_tails(z: f64) -> f64 {
    if z.is_nan() { 1.0 } else { (2.0 * Normal::standard().cdf(-z.abs())).clamp(0.0, 1.0) }
}

/// P(|T| ≥ |t|) for Student's t with `freedom` > 0 degrees of freedom; 1 for nonsense.
pub(crate) fn student_tails(t: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if t.is_finite() => (2.0 * student.cdf(-t.abs())).clamp(0.0, 1.0),
        Ok(_) if t.is_infinite() => 0.0,
        _ => 1.0,
    }
}

/// The z with P(|Z| ≤ z) = `confidence`; `None` outside (0, 1).
pub(crate) fn normal_quantile(confidence: f64) -> Option<f64> {
    (confidence > 0.0 && confidence < 1.0)
        .then(|| Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence)))
}

/// The t with P(|T| ≤ t) = `confidence`; `None` outside (0, 1) and for degrees of freedom that are not positive.
pub(crate) fn student_quantile(confidence: f64, freedom: f64) -> Option<f64> {
    if !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(student.inverse_cdf(f64::midpoint(1.0, confidence))).filter(|t| t.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.norm.sf(1.96) * 2`, `scipy.stats.t.sf(2.5, 7.3) * 2`, `norm.ppf(0.975)`, `t.ppf(0.975, 3)`.
    #[test]
    fn agree_with_scipy() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-7, "{a} {b}");
        close(normal_tails(-1.96), 0.049_995_790_296_440_87);
        close(student_tails(2.5, 7.3), 0.039_650_234_665_600);
        close(normal_quantile(0.95).unwrap(), 1.959_963_984_540_054);
        close(student_quantile(0.95, 3.0).unwrap(), 3.182_446_305_284_263);
    }

    #[test]
    fn are_total() {
        assert_eq!(
            (normal_tails(f64::NAN), student_tails(f64::NAN, 3.0), student_tails(1.0, 0.0)),
            (1.0, 1.0, 1.0)
        );
        assert_eq!(
            (normal_quantile(1.0), student_quantile(0.95, -1.0), student_quantile(f64::NAN, 2.0)),
            (None, None, None)
        );
    }
}
