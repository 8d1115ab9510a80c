//! A million records per second without a reader: memory has to stay flat. The first argument is the length in seconds.
#![allow(clippy::print_stdout, reason = "the table is the product")]

use std::process::ExitCode;
use std::time::Duration;

use pulse_benches::limits;

/// Records per second.
const RATE: u64 = 1_000_000;
/// Unless the first argument says otherwise.
const SECONDS: u64 = 600;
/// From then on memory may not grow: the windows of the last five minutes are full, and an hour of ten-second slots grows
/// by what a slot of 50 endpoints takes.
const SETTLED: Duration = Duration::from_secs(330);
/// What it may grow by after that, in KiB: thirty slots of ten seconds.
const ALLOWED_KIB: u64 = 1_024;

fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(SECONDS);
    let mut settled: Option<u64> = None;
    let mut grown = 0;
    println!("| after | records | resident |\n|---|---|---|");
    limits::soak(
        RATE,
        Duration::from_secs(seconds),
        Duration::from_secs(60),
        &mut |at, recorded, resident| {
            println!("| {} s | {recorded} | {resident} KiB |", at.as_secs());
            if at >= SETTLED {
                grown = resident.saturating_sub(*settled.get_or_insert(resident));
            }
        },
    );
    println!("\nGrowth after {} s: {grown} KiB", SETTLED.as_secs());
    if grown <= ALLOWED_KIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
