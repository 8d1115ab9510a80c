//! Programs that may be missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Longer than anything takes that works, on a machine that does other things as well.
const DEADLINE: Duration = Duration::from_mins(2);

/// The program to run, or `None` after saying that the test is skipped.
pub(crate) fn program(name: &str, places: &[PathBuf], works: &[&str], install: &str) -> Option<PathBuf> {
    for place in places {
        let run = Command::new(place).args(works).output();
        if run.is_ok_and(|output| output.status.success()) {
            return Some(place.clone());
        }
    }
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!in_ci, "{name} is missing: {install}");
    eprintln!("skipped: {name} is missing: {install}");
    None
}

/// A Python that has `module`.
pub(crate) fn python_with(module: &str) -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv");
    let places = [venv.join("bin/python"), "python3".into()];
    let install = "`python3 -m venv target/tools/venv && target/tools/venv/bin/pip install -r python-tools.txt` adds it";
    program(&format!("Python's {module}"), &places, &["-c", &format!("import {module}")], install)
}

/// The first value that `look` finds. Fails with what it saw last when that takes too long.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if start.elapsed() > DEADLINE => panic!("waited in vain for {what}: {seen}"),
            // Between two looks at something that another process does.
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
