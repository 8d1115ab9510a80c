//! How often a plan with indexes that are only thought of is the plan with these indexes built: five hundred pairs from seeds.
//!
//! `cargo run --release -p pulse-db --example plan_identity [pairs]` prints the share, and the pairs that differ with `--all`.

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "../tests/support/plan_pairs.rs"]
mod plan_pairs;

fn main() {
    let wanted = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(500);
    let shows_all = std::env::args().any(|word| word == "--all");
    let mut pairs = Vec::new();
    let mut seed = 1_000;
    while pairs.len() < wanted {
        pairs.extend(plan_pairs::pairs(seed));
        seed += 1;
    }
    for pair in pairs.iter().filter(|pair| shows_all && !pair.is_same()) {
        println!(
            "{}\n  {:?}\n  foretold {:?}\n  built    {:?}",
            pair.sql, pair.indexes, pair.foretold, pair.built
        );
    }
    share("plans", &pairs, |_| true);
    share("plans that use a new index", &pairs, plan_pairs::Pair::uses_new);
    share("plans on tables of which a sample was known", &pairs, |pair| pair.is_sampled);
}

fn share(what: &str, pairs: &[plan_pairs::Pair], is_counted: impl Fn(&plan_pairs::Pair) -> bool) {
    let counted: Vec<_> = pairs.iter().filter(|pair| is_counted(pair)).collect();
    let same = counted.iter().filter(|pair| pair.is_same()).count();
    println!(
        "{same} of {} {what} are the same: {:.1} %",
        counted.len(),
        same as f64 * 100.0 / counted.len().max(1) as f64
    );
}
