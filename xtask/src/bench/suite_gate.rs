//! The gate of `pulse test --baseline`, with a real service: does a case cry wolf against itself, and does it find 5 %?
//!
//! Every lane is a demo of its own and a slower one beside it. A round runs the same case against both at the same time,
//! keeps the fast run as a baseline, and compares it with itself in the round before and the slow one with it. One half of
//! the lanes runs a sequential case, which ends as soon as its figures are known; the other a case at a rate for ten
//! seconds, or longer until they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};

use super::gate::{Demo, INVALID, REGRESSION, Tally};

/// Lanes of each case. They ask 300 requests per second together of services that wait rather than compute.
const LANES: u32 = 3;
/// The latency of the service, and of the one that is 5 % slower.
const LAWS: [&str; 2] = ["lognormal:p50=20ms,p99=26ms", "lognormal:p50=21ms,p99=27.3ms"];
/// What is asked; the target is one that is met, so that only the comparison decides about the exit code.
const CASES: [(&str, &str); 2] = [
    (
        "sequential",
        "[[test]]\nname = \"case\"\nrequest = \"GET /health\"\nsamples = 100\nmax_samples = 100000\n\
         targets = [\"p50 < 1s\", \"errors = 0\"]\n",
    ),
    (
        "100/s for 10 s",
        "[[test]]\nname = \"case\"\nrequest = \"GET /health\"\nrate = 100\nduration = \"10s\"\nmax_duration = \"30s\"\n\
         targets = [\"p50 < 1s\", \"errors = 0\"]\n",
    ),
];
/// Exit codes of a run whose numbers are there: all is well, a figure got worse, the measurement is not valid.
const MEASURED: [i32; 3] = [0, REGRESSION, INVALID];

/// What came of the comparisons of a case.
#[derive(Debug, Default)]
struct Found {
    same: Tally,
    slower: Tally,
    /// How often each figure was among the reasons of an alarm that was false.
    false_alarms: BTreeMap<String, u32>,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.same.add(other.same);
        self.slower.add(other.slower);
        for (figure, count) in other.false_alarms {
            *self.false_alarms.entry(figure).or_default() += count;
        }
    }
}

/// Makes at least `comparisons` comparisons of each kind and case.
pub(super) fn run(pulse: &Path, scratch: &Path, comparisons: u32) -> anyhow::Result<String> {
    let rounds = comparisons.div_ceil(LANES);
    let folder = scratch.join(format!("suite-gate-{}", std::process::id()));
    let lanes = CASES.iter().flat_map(|case| (0..LANES).map(move |lane| (case, lane)));
    let found = std::thread::scope(|scope| {
        let running: Vec<_> = lanes
            .map(|(&(name, suite), lane)| {
                let folder = folder.join(format!("{}-{lane}", name.replace(['/', ' '], "-")));
                let lane = scope.spawn(move || Lane::start(pulse, folder, suite)?.compare(rounds));
                (name, lane)
            })
            .collect();
        let joined = running.into_iter().map(|(name, lane)| {
            let found = lane.join().unwrap_or_else(|_| bail!("a lane panicked"))?;
            Ok((name, found))
        });
        joined.collect::<anyhow::Result<Vec<_>>>()
    });
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let mut by_case: BTreeMap<&str, Found> = BTreeMap::new();
    for (name, found) in found? {
        by_case.entry(name).or_default().add(found);
    }
    let mut table =
        "| case of a suite against the demo API | alarms | left out as invalid |\n|---|---|---|".to_owned();
    for (name, found) in by_case {
        let Found { same, slower, false_alarms } = found;
        // Writing to a string cannot fail.
        let _ = write!(
            table,
            "\n| {name}, the same against itself | {same} |\n| {name}, 5 % slower | {slower} |"
        );
        if !false_alarms.is_empty() {
            let _ = write!(table, "\nFalse alarms of {name}: {false_alarms:?}");
        }
    }
    Ok(table)
}

/// Two demos: the service and its slower twin.
struct Lane<'a> {
    pulse: &'a Path,
    folder: PathBuf,
    demos: [Demo; 2],
}

/// A run that was kept as a baseline.
struct Kept {
    file: PathBuf,
    valid: bool,
}

impl<'a> Lane<'a> {
    fn start(pulse: &'a Path, folder: PathBuf, suite: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("suite.toml"), suite)?;
        let [fast, slow] = LAWS.map(|law| Demo::start(pulse, law));
        Ok(Self { pulse, folder, demos: [fast?, slow?] })
    }

    fn compare(&self, rounds: u32) -> anyhow::Result<Found> {
        let mut found = Found::default();
        let mut before = self.first()?;
        for round in 1..=rounds {
            let file = self.folder.join(format!("{round}.json"));
            let [fast, slow] = &self.demos;
            // Both are compared with the round before: the fast one by itself, the slow one as the change that it is.
            let fast =
                self.start_test(fast, &["--baseline", text(&before.file)?, "--save-baseline", text(&file)?])?;
            let slow = self.start_test(slow, &["--baseline", text(&before.file)?])?;
            let (fast, slow) = (fast.wait_with_output()?, slow.wait_with_output()?);
            let (same, valid) = tally(&fast, before.valid)?;
            if same.alarms > 0 {
                for figure in figures(&fast) {
                    *found.false_alarms.entry(figure).or_default() += 1;
                }
            }
            found.same.add(same);
            found.slower.add(tally(&slow, before.valid)?.0);
            fs::remove_file(&before.file)?;
            before = Kept { file, valid };
        }
        Ok(found)
    }

    fn first(&self) -> anyhow::Result<Kept> {
        let file = self.folder.join("0.json");
        let output =
            self.start_test(&self.demos[0], &["--save-baseline", text(&file)?])?.wait_with_output()?;
        let (_, valid) = tally(&output, true)?;
        Ok(Kept { file, valid })
    }

    fn start_test(&self, demo: &Demo, flags: &[&str]) -> anyhow::Result<std::process::Child> {
        Command::new(self.pulse)
            .current_dir(&self.folder)
            .args(["test", "suite.toml", "--no-history", "--url", &demo.url])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("pulse cannot be started")
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not text", path.display()))
}

/// One comparison, and whether the run was valid; left out when either side was not.
fn tally(output: &Output, was_valid: bool) -> anyhow::Result<(Tally, bool)> {
    let code = output.status.code().filter(|code| MEASURED.contains(code));
    let Some(code) = code else {
        bail!("pulse test ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    };
    let valid = code != INVALID;
    let tally = if valid && was_valid {
        Tally { comparisons: 1, alarms: u32::from(code == REGRESSION), invalid: 0 }
    } else {
        Tally { invalid: 1, ..Tally::default() }
    };
    Ok((tally, valid))
}

/// The figures that got worse, by what the report says.
fn figures(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("REGRESSION"));
    lines.filter_map(|line| line.split_whitespace().nth(2).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    fn output(code: i32, stdout: &str) -> Output {
        let status = std::process::ExitStatus::from_raw(code << 8);
        Output { status, stdout: stdout.into(), stderr: Vec::new() }
    }

    #[test]
    fn exit_codes_become_tallies() {
        let of = |comparisons, alarms, invalid| Tally { comparisons, alarms, invalid };
        for (code, was_valid, expected, valid) in [
            (0, true, of(1, 0, 0), true),
            (97, true, of(1, 1, 0), true),
            (98, true, of(0, 0, 1), false),
            (97, false, of(0, 0, 1), true),
        ] {
            assert_eq!(tally(&output(code, ""), was_valid).unwrap(), (expected, valid), "{code}");
        }
        assert!(tally(&output(2, ""), true).is_err());
    }

    #[test]
    fn the_report_names_the_figures() {
        let report =
            "PASS  case  p50\n  REGRESSION  case  p50 1ms → 2ms\n  REGRESSION  case  CPU 1\nREGRESSION";
        assert_eq!(figures(&output(97, report)), ["p50", "CPU"]);
    }
}
