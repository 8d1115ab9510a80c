//! Writes the HTML report of a run of so many seconds and endpoints to standard output:
//! `cargo run --release -p pulse-report --example sized_report -- 3600 100 > report.html`.

#[path = "../src/sized.rs"]
mod sized;

use std::error::Error;
use std::io;

use pulse_report::{Html, Reporter as _};

#[expect(clippy::disallowed_methods, reason = "a program of its own has arguments")]
fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<u64> =
        std::env::args().skip(1).map(|number| number.parse()).collect::<Result<_, _>>()?;
    let &[seconds @ 1..=u64::MAX, endpoints @ 1..=u64::MAX] = &numbers[..] else {
        return Err("two numbers above zero are needed: seconds, and endpoints".into());
    };
    Html.render(&sized::summary(seconds, endpoints), &mut io::stdout().lock())?;
    Ok(())
}
