//! How often a plan with indexes that are only thought of is the plan with these indexes built: five hundred pairs from seeds.
//!
//! `cargo run --release -p pulse-db --example plan_identity [pairs]` prints the share, and the pairs that differ with `--all`.

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "../tests/support/plan_pairs.rs"]
mod plan_pairs;

fn main() {
    let wanted = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(500);
    let shows_all = std::env::args().any(|word| word == "--all");
    let (mut same, mut count, mut seed) = (0, 0, 1_000);
    while count < wanted {
        for pair in plan_pairs::pairs(seed) {
            count += 1;
            same += usize::from(pair.is_same());
            if shows_all && !pair.is_same() {
                println!(
                    "{}\n  {:?}\n  foretold {:?}\n  built    {:?}",
                    pair.sql, pair.indexes, pair.foretold, pair.built
                );
            }
        }
        seed += 1;
    }
    println!("{same} of {count} plans are the same: {:.1} %", same as f64 * 100.0 / count as f64);
}
