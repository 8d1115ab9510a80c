//! As much of a test harness as `cargo test` needs.

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A test: its name and what it does, which panics when it fails.
pub(crate) type Case = (&'static str, fn());

pub(crate) fn run(arguments: &[String], cases: &[Case]) -> ExitCode {
    let is_exact = arguments.iter().any(|argument| argument == "--exact");
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| {
        filters.is_empty()
            || filters
                .iter()
                .any(|filter| if is_exact { name == **filter } else { name.contains(filter.as_str()) })
    };
    let wanted: Vec<&Case> = cases.iter().filter(|(name, _)| is_wanted(name)).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        wanted.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", wanted.len());
    let failed = wanted
        .iter()
        .filter(|(name, case)| {
            let failed = catch_unwind(case).is_err();
            println!("test {name} ... {}", if failed { "FAILED" } else { "ok" });
            failed
        })
        .count();
    let result = if failed == 0 { "ok" } else { "FAILED" };
    let passed = wanted.len() - failed;
    let out = cases.len() - wanted.len();
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {out} filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
