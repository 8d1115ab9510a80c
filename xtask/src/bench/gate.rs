//! Does the gate cry wolf, and does it find what it must, with a real service? Runs of `pulse load` against the demo API
//! are compared with each other: the same service again must raise an alarm in at most 1 % of the comparisons, one that
//! is 5 % slower in at least 90 %.
//!
//! Every lane is a demo of its own and a slower one beside it. A round loads both for the default length, and compares
//! the fast one with itself in the round before and with the slow one. Lanes run at the same time: each asks 200 requests
//! per second of services that wait rather than compute, so that the machine is far from busy.

use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

/// Pairs of services that are measured at the same time.
const LANES: u32 = 16;
/// The latency of the service, and of the one that is 5 % slower.
const LAWS: [&str; 2] = ["lognormal:p50=40ms,p99=80ms", "lognormal:p50=42ms,p99=84ms"];
/// What `pulse load` asks when nothing is said: 10 users at 10 requests per second for 30 seconds.
const LOAD: [&str; 4] = ["--quiet", "--workers", "1", "--out"];
/// Exit codes: a regression was found; the measurement is not valid.
pub(super) const REGRESSION: i32 = 97;
pub(super) const INVALID: i32 = 98;

/// What came of the comparisons of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) comparisons: u32,
    pub(super) alarms: u32,
    /// Comparisons left out because one of the runs said itself that it is not valid.
    pub(super) invalid: u32,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.comparisons += other.comparisons;
        self.alarms += other.alarms;
        self.invalid += other.invalid;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * f64::from(self.alarms) / f64::from(self.comparisons.max(1));
        write!(f, "{share:.1} % ({} of {}) | {}", self.alarms, self.comparisons, self.invalid)
    }
}

/// Makes at least `comparisons` comparisons of each kind.
pub(crate) fn run(pulse: &Path, scratch: &Path, comparisons: u32) -> anyhow::Result<String> {
    let rounds = comparisons.div_ceil(LANES);
    let folder = scratch.join(format!("gate-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let tallies = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let folder = folder.join(lane.to_string());
                scope.spawn(move || Lane::start(pulse, folder)?.compare(rounds))
            })
            .collect();
        let joined = lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|_| bail!("a lane panicked")));
        joined.collect::<anyhow::Result<Vec<_>>>()
    });
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let (mut same, mut slower) = (Tally::default(), Tally::default());
    for (same_of_lane, slower_of_lane) in tallies? {
        same.add(same_of_lane);
        slower.add(slower_of_lane);
    }
    Ok(format!(
        "| demo API, 3 000 requests in 30 seconds | alarms | left out as invalid |\n|---|---|---|\n\
         | the same against itself | {same} |\n| 5 % slower | {slower} |"
    ))
}

/// Two demos: the service and its slower twin.
struct Lane<'a> {
    pulse: &'a Path,
    folder: PathBuf,
    demos: [Demo; 2],
}

impl<'a> Lane<'a> {
    fn start(pulse: &'a Path, folder: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        let [fast, slow] = LAWS.map(|law| Demo::start(pulse, law));
        Ok(Self { pulse, folder, demos: [fast?, slow?] })
    }

    /// Counts the alarms of the service against itself, and against its twin.
    fn compare(&self, rounds: u32) -> anyhow::Result<(Tally, Tally)> {
        let (mut same, mut slower) = (Tally::default(), Tally::default());
        // One run more than rounds: the first has none before it.
        let mut before: Option<Run> = None;
        for round in 0..=rounds {
            let [fast, slow] = self.round(round)?;
            if let Some(before) = before.replace(fast.clone()) {
                same.add(self.judge(&before, &fast)?);
                slower.add(self.judge(&fast, &slow)?);
                fs::remove_file(&before.recording)?;
            }
            fs::remove_file(&slow.recording)?;
        }
        Ok((same, slower))
    }

    /// Loads both demos at the same time.
    fn round(&self, round: u32) -> anyhow::Result<[Run; 2]> {
        let start = |(demo, name): (&Demo, &str)| -> anyhow::Result<(Child, PathBuf)> {
            let recording = self.folder.join(format!("{round}-{name}.pulse"));
            let child = Command::new(self.pulse)
                .arg("load")
                .args(LOAD)
                .arg(format!("json={}", self.folder.join(name).with_extension("json").display()))
                .args(["--target", "errors = 0", "--record"])
                .arg(&recording)
                .arg(&demo.url)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            Ok((child, recording))
        };
        let [fast, slow] = &self.demos;
        let children = [start((fast, "fast"))?, start((slow, "slow"))?];
        let mut runs = children.into_iter().map(|(mut child, recording)| -> anyhow::Result<Run> {
            let code = child.wait()?.code();
            match code {
                Some(0) => Ok(Run { recording, valid: true }),
                Some(INVALID) => Ok(Run { recording, valid: false }),
                _ => bail!("pulse load ended with {code:?}"),
            }
        });
        match (runs.next(), runs.next()) {
            (Some(fast), Some(slow)) => Ok([fast?, slow?]),
            _ => bail!("two runs were started"),
        }
    }

    fn judge(&self, before: &Run, after: &Run) -> anyhow::Result<Tally> {
        if !before.valid || !after.valid {
            return Ok(Tally { invalid: 1, ..Tally::default() });
        }
        let output =
            Command::new(self.pulse).arg("compare").args([&before.recording, &after.recording]).output()?;
        match output.status.code() {
            Some(0) => Ok(Tally { comparisons: 1, ..Tally::default() }),
            Some(REGRESSION) => Ok(Tally { comparisons: 1, alarms: 1, invalid: 0 }),
            code => bail!("pulse compare ended with {code:?}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
}

/// A recorded run.
#[derive(Clone, Debug)]
struct Run {
    recording: PathBuf,
    valid: bool,
}

/// A demo API in a process of its own; ends when dropped.
pub(super) struct Demo {
    child: Child,
    pub(super) url: String,
}

impl Demo {
    pub(super) fn start(pulse: &Path, latency: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(pulse)
            .args(["demo", "serve", "--port", "0", "--trades", "500", "--latency", latency])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the demo cannot be started")?;
        let mut greeting = String::new();
        if let Some(stdout) = &mut child.stdout {
            BufReader::new(stdout).read_line(&mut greeting)?;
        }
        let url = greeting.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.map(str::to_owned);
        let demo = Self { child, url: url.clone().unwrap_or_default() };
        url.with_context(|| format!("the demo said `{}`", greeting.trim())).map(|_| demo)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It is a child of ours and holds nothing worth saving; when it has ended already there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_read_as_shares() {
        let mut tally = Tally { comparisons: 400, alarms: 3, invalid: 1 };
        tally.add(Tally { comparisons: 100, alarms: 2, invalid: 0 });
        assert_eq!(tally.to_string(), "1.0 % (5 of 500) | 1");
        assert_eq!(Tally::default().to_string(), "0.0 % (0 of 0) | 0");
    }
}
