//! Many tests at once.

/// P-values adjusted so that among those below α at most a share α is expected to be a false alarm (Y. Benjamini,
/// Y. Hochberg, "Controlling the False Discovery Rate", 1995): the smallest over all larger ones of p·m/rank. In the order
/// of the input. `None` when a value is not in \[0, 1\].
pub fn benjamini_hochberg(p_values: &[f64]) -> Option<Vec<f64>> {
    if !p_values.iter().all(|p| (0.0..=1.0).contains(p)) {
        return None;
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_unstable_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest = 1.0_f64;
    for (rank, &at) in order.iter().enumerate().rev() {
        // Never below p itself, which rounding could bring about.
        let scaled = p_values[at] * p_values.len() as f64 / (rank + 1) as f64;
        smallest = smallest.min(scaled.max(p_values[at]));
        adjusted[at] = smallest;
    }
    Some(adjusted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The fifteen p-values of the paper's example (§4.1); `scipy.stats.false_discovery_control(p)`. The paper rejects four.
    #[test]
    fn the_papers_example() {
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.0,
        ];
        let adjusted = benjamini_hochberg(&p).unwrap();
        let expected = [0.0015, 0.003, 0.0095, 0.035_625, 0.0603];
        assert!(adjusted.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{adjusted:?}");
        assert_eq!(adjusted.iter().filter(|&&p| p < 0.05).count(), 4);
        assert_eq!(benjamini_hochberg(&[0.5, f64::NAN]), None);
        assert_eq!(benjamini_hochberg(&[]), Some(vec![]));
    }

    proptest! {
        #[test]
        fn adjusted_is_larger_and_keeps_the_order(p in prop::collection::vec(0.0_f64..=1.0, 0..40)) {
            let adjusted = benjamini_hochberg(&p).unwrap();
            for i in 0..p.len() {
                prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                }
            }
        }
    }
}
