//! `pulse test`.

use std::path::{Path, PathBuf};

use clap::Args;
use pulse_plan::{LoadOptions, Overrides, ServiceOptions};
use pulse_suite::{Expression, History, MAX_REPEAT, MAX_RETRIES, Precision, RunOptions, Selection};

use super::{DashboardFlags, WhenInconclusive, of_environment};
use crate::problem::Problem;
use crate::report_files::ReportRequest;

/// Arguments of `pulse test`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct TestArguments {
    #[arg(
        value_name = "PATH|ID",
        help = "Suite files, folders, and ids of cases such as api::health [default: pulse.toml and perf/**/*.toml in this folder]"
    )]
    pub(crate) places: Vec<String>,

    /// URL of the service, instead of the one in the files; nothing is started then.
    #[arg(long, value_name = "URL", help_heading = "Selection")]
    url: Option<String>,
    /// Only cases whose id or name holds the words: "health and not slow".
    #[arg(short = 'k', long = "keyword", value_name = "EXPR", help_heading = "Selection")]
    words: Option<Expression>,
    /// Only cases with the marks: "smoke or database".
    #[arg(short, long = "mark", value_name = "EXPR", help_heading = "Selection")]
    marks: Option<Expression>,
    /// Show the selected cases and run nothing.
    #[arg(long, help_heading = "Selection")]
    pub(crate) list: bool,

    /// End with the first case that is not met.
    #[arg(short = 'x', long, help_heading = "Run")]
    fail_fast: bool,
    /// Run every case so many times.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Run",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_REPEAT)))]
    repeat: u32,
    /// Try a case that is not met so many times more; the last attempt counts.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Run",
        value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_RETRIES)))]
    retries: u32,
    /// End each case with its least number of samples, decided or not.
    #[arg(long, help_heading = "Run")]
    quick: bool,
    /// Seed of everything random [default: 1].
    #[arg(long, value_name = "N", help_heading = "Run")]
    seed: Option<u64>,
    /// Run two commands in turns (A B, B A, …) and say whether B takes longer; instead of suites. --out writes json or md.
    #[arg(long, num_args = 2, value_names = ["CMD_A", "CMD_B"], help_heading = "Run", conflicts_with_all = [
        "places", "url", "words", "marks", "list", "fail_fast", "repeat", "retries", "quick", "seed", "inconclusive",
        "benchmark_only", "verbose", "dashboard", "save_baseline", "baseline", "no_history", "history"])]
    pub(crate) ab: Option<Vec<String>>,
    /// Pairs of runs that --ab counts.
    #[arg(long, value_name = "N", default_value_t = 20, requires = "ab", help_heading = "Run")]
    pub(crate) rounds: u32,

    /// What an inconclusive target means for the exit code.
    #[arg(long, value_name = "HOW", value_enum, default_value_t, help_heading = "Result")]
    pub(crate) inconclusive: WhenInconclusive,
    /// Report to write: text|json|csv|md|junit|html|svg|png|pytest-benchmark|bencher|bigger-is-better|smaller-is-better=PATH,
    /// or github; repeatable; - is standard output.
    #[arg(short, long = "out", value_name = "FORMAT=PATH", help_heading = "Result")]
    pub(crate) out: Vec<ReportRequest>,
    /// Show only the table of response times in the columns of pytest-benchmark, and what failed.
    #[arg(long, help_heading = "Result")]
    pub(crate) benchmark_only: bool,
    /// Show every target with its value and interval.
    #[arg(short, long, help_heading = "Result", conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Show only what failed, and the summary line.
    #[arg(short, long, help_heading = "Result")]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) dashboard: DashboardFlags,

    /// Keep this run as a baseline, in the history under a name or in a file (*.json).
    #[arg(long, value_name = "NAME|FILE", help_heading = "Baselines and history")]
    pub(crate) save_baseline: Option<String>,
    /// Compare with a baseline; a regression exits with 97.
    #[arg(long, value_name = "NAME|FILE", help_heading = "Baselines and history")]
    pub(crate) baseline: Option<String>,
    /// Smallest change that matters, a share or percentage.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = super::share, help_heading = "Baselines and history")]
    pub(crate) min_effect: f64,
    /// Do not keep this run in the history.
    #[arg(long, help_heading = "Baselines and history")]
    pub(crate) no_history: bool,
    /// The history.
    #[arg(long, value_name = "PATH", default_value = History::PATH, help_heading = "Baselines and history")]
    pub(crate) history: PathBuf,
}

impl TestArguments {
    /// The files and folders among the places.
    pub(crate) fn paths(&self) -> Result<Vec<PathBuf>, Problem> {
        let paths = self.places.iter().filter(|place| !is_id(place));
        for path in paths.clone() {
            if !Path::new(path).exists() {
                return Err(Problem::usage(format!("there is no file or folder {path}")));
            }
        }
        Ok(paths.map(PathBuf::from).collect())
    }

    /// What the flags change in the files.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            service: ServiceOptions { url: self.url.clone(), ..of_environment() },
            load: LoadOptions { seed: self.seed, ..LoadOptions::default() },
            targets: Vec::new(),
        }
    }

    /// How suites are run.
    pub(crate) fn options(&self) -> RunOptions {
        let ids = self.places.iter().filter(|place| is_id(place)).cloned().collect();
        RunOptions {
            selection: Selection { words: self.words.clone(), marks: self.marks.clone(), ids },
            fail_fast: self.fail_fast,
            repeat: self.repeat,
            retries: self.retries,
            inconclusive: self.inconclusive.into(),
            quick: self.quick,
            precision: (self.baseline.is_some() || self.save_baseline.is_some())
                .then_some(Precision { min_effect: self.min_effect }),
        }
    }
}

/// Whether a place is an id: neither there nor written like a path.
fn is_id(place: &str) -> bool {
    let path = Path::new(place);
    let looks_like_a_path =
        place.contains(std::path::MAIN_SEPARATOR) || path.extension().is_some_and(|end| end == "toml");
    place.contains("::") || !looks_like_a_path && !path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_paths() {
        for (place, id) in [
            ("api::health", true),
            ("api", true),
            ("*quick*", true),
            ("src", false),
            ("Cargo.toml", false),
            ("missing.toml", false),
            ("perf/missing", false),
        ] {
            assert_eq!(is_id(place), id, "{place}");
        }
    }
}
