//! What the planner would do with an index that is only thought of is what it does when the index is there.

#[path = "support/plan_pairs.rs"]
mod plan_pairs;

/// Of a hundred pairs; all five hundred are in the example of this name.
const AT_LEAST: usize = 95;

#[test]
fn plans_that_are_foretold_come_true() {
    let pairs: Vec<_> = (0..8).flat_map(plan_pairs::pairs).collect();
    let different: Vec<_> = pairs.iter().filter(|pair| !pair.is_same()).collect();
    let same = pairs.len() - different.len();
    let shown: Vec<_> = different
        .iter()
        .map(|pair| {
            format!(
                "{}\n  {:?}\n  foretold {:?}\n  built    {:?}",
                pair.sql, pair.indexes, pair.foretold, pair.built
            )
        })
        .collect();
    assert!(pairs.len() >= 60);
    assert!(
        same * 100 >= pairs.len() * AT_LEAST,
        "{same} of {} are the same; not these:\n{}",
        pairs.len(),
        shown.join("\n")
    );
}
