//! The one module that prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the terminal is where xtask reports")]

use crate::finding::Finding;
use crate::generate::Outcome;

/// Text for the user, as it is.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// What a long benchmark has found so far, beside the text that it returns in the end.
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}

/// Why xtask itself could not do its work.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// The findings, one a line, and what was looked at.
pub(crate) fn tidy(findings: &[Finding], checks: usize, files: usize) {
    for finding in findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {checks} checks over {files} files, nothing found"),
        1 => println!("tidy: {checks} checks over {files} files, 1 finding"),
        n => println!("tidy: {checks} checks over {files} files, {n} findings"),
    }
}

/// What `generate` wrote and what kept it from writing more.
pub(crate) fn generated(outcome: &Outcome) {
    for finding in &outcome.findings {
        println!("{finding}");
    }
    for path in &outcome.written {
        println!("generate: wrote {path}");
    }
    if outcome.written.is_empty() && outcome.findings.is_empty() {
        println!("generate: everything was up to date");
    }
}

/// Announces a fuzz target before libFuzzer starts to talk.
pub(crate) fn fuzzing(target: &str, seconds: u32) {
    println!("fuzz: {target} for {seconds} s");
}

/// How fuzzing ended.
pub(crate) fn fuzzed(failed: &[String]) {
    if failed.is_empty() {
        println!("fuzz: no finding");
    } else {
        println!(
            "fuzz: finding in {} (the input is in fuzz/artifacts; fix the bug, keep the input in fuzz/seeds)",
            failed.join(", ")
        );
    }
}
