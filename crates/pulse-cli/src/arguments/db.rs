//! `pulse db`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use pulse_db::sqlite::Attached;
use pulse_model::{Nanos, Target, parse_bytes};

use super::{WhenInconclusive, share};
use crate::report_files::ReportRequest;

/// The database that is meant when none is named.
const DATABASE: &str = "pulse_trading.db";
/// What must hold of the workload when nothing else is said.
const TARGET: &str = "mean < 50ms";

/// Arguments of `pulse db`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line are independent of each other")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DbArguments {
    #[command(subcommand)]
    pub(crate) action: Option<DbAction>,
    /// The database: a path or sqlite:PATH [default: `pulse_trading.db`].
    #[arg(value_name = "DATABASE")]
    pub(crate) database: Option<PathBuf>,
    /// The same, as a flag.
    #[arg(long, value_name = "PATH", conflicts_with = "database")]
    pub(crate) db_path: Option<PathBuf>,
    /// Another database, as the application attaches it: its tables are looked at and indexed, too; repeatable.
    #[arg(long, value_name = "NAME=PATH", value_parser = attached)]
    pub(crate) attach: Vec<Attached>,
    /// Say what is slow and why; writes nothing. This is what is done without another action.
    #[arg(long, help_heading = "Actions")]
    pub(crate) analyze: bool,
    /// Make the indexes that are proven to help.
    #[arg(long, help_heading = "Actions")]
    pub(crate) add_indexes: bool,
    /// Drop redundant and unused indexes that a replay of the workload without them does not miss.
    #[arg(long, help_heading = "Actions")]
    pub(crate) drop_indexes: bool,
    /// Write the file anew, without what is free in it.
    #[arg(long, help_heading = "Actions")]
    pub(crate) vacuum: bool,
    /// Take the planner's statistics anew.
    #[arg(long, help_heading = "Actions")]
    pub(crate) analyze_stats: bool,
    /// Only say what would be done.
    #[arg(long, help_heading = "Actions")]
    pub(crate) dry_run: bool,
    /// What the database is asked: .sql, a workload file or an application's log; repeatable; - is standard input.
    #[arg(short, long, value_name = "FILE", help_heading = "Workload")]
    pub(crate) workload: Vec<PathBuf>,
    /// What must hold over the workload; repeatable [default: mean < 50ms].
    #[arg(short, long = "target", value_name = "TARGET", help_heading = "Workload")]
    pub(crate) targets: Vec<Target>,
    /// What an inconclusive target means for the exit code.
    #[arg(long, value_name = "HOW", value_enum, default_value_t, help_heading = "Workload")]
    pub(crate) inconclusive: WhenInconclusive,
    /// Bytes that new indexes may take, for example 100MB.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = "Selection")]
    pub(crate) budget: Option<u64>,
    /// New indexes at most.
    #[arg(long, value_name = "N", help_heading = "Selection")]
    pub(crate) max_indexes: Option<usize>,
    /// What an index must gain to be kept, for example 10%.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "10%", help_heading = "Selection")]
    pub(crate) min_gain: f64,
    /// Recommend by the planner's word alone, without a trial on a private copy.
    #[arg(long, help_heading = "Selection")]
    pub(crate) no_verify: bool,
    /// Plan as an SQLite without `sqlite_stat4` would.
    #[arg(long, help_heading = "Selection")]
    pub(crate) no_stat4: bool,
    /// Time for all trials.
    #[arg(long, value_name = "D", default_value = "30s", help_heading = "Selection")]
    pub(crate) trial_time: Nanos,
    /// How long to wait for another program's lock.
    #[arg(long, value_name = "D", default_value = "5s", help_heading = "Selection")]
    pub(crate) busy_timeout: Nanos,
    /// The report as JSON on standard output.
    #[arg(long = "json")]
    pub(crate) as_json: bool,
    /// Report to write: text|json|csv|md|junit|html=PATH; repeatable; - is standard output.
    #[arg(short, long = "out", value_name = "FORMAT=PATH", value_parser = report)]
    pub(crate) out: Vec<ReportRequest>,
    /// No progress while it runs.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Other things to do with databases.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DbAction {
    /// Tell what a finding means, why it matters and what to do: `pulse db explain full_scan`.
    Explain {
        /// The finding's code; without one all are listed.
        #[arg(value_name = "CODE")]
        code: Option<String>,
    },
    /// Take back what was done last to a database.
    Undo {
        /// The database [default: `pulse_trading.db`].
        #[arg(value_name = "DATABASE")]
        database: Option<PathBuf>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Go on with changes that were begun and not ended.
    Resume {
        /// The database [default: `pulse_trading.db`].
        #[arg(value_name = "DATABASE")]
        database: Option<PathBuf>,
    },
    /// Run a program that uses the system's libsqlite3 and keep what it asks, as a workload.
    Record {
        /// The workload file to write.
        #[arg(short, long, value_name = "FILE", default_value = "workload.jsonl")]
        output: PathBuf,
        /// The program with its arguments, after --.
        #[arg(value_name = "COMMAND", required = true, last = true)]
        command: Vec<OsString>,
    },
}

/// The file that an argument names: `sqlite:PATH` is the same as `PATH`.
pub(crate) fn database_path(given: Option<&PathBuf>) -> PathBuf {
    let Some(path) = given else { return DATABASE.into() };
    let Some(text) = path.to_str() else { return path.clone() };
    let stripped = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:"));
    stripped.map_or_else(|| path.clone(), PathBuf::from)
}

/// A picture shows figures over time, or cases beside each other, and a database has neither.
fn report(text: &str) -> Result<ReportRequest, String> {
    match text.split('=').next() {
        Some("svg" | "png") => {
            Err("a database has no figures over time to draw: write its report as text, json, csv, md or \
             junit, for example md=report.md"
                .to_owned())
        }
        _ => text.parse(),
    }
}

/// A database to attach: the name of its schema, and its file.
fn attached(text: &str) -> Result<Attached, String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok(Attached { name: name.to_owned(), path: database_path(Some(&PathBuf::from(path))) })
        }
        _ => Err("give the schema's name and the file, for example archive=data/archive.db".to_owned()),
    }
}

impl DbArguments {
    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        database_path(self.database.as_ref().or(self.db_path.as_ref()))
    }

    /// What must hold.
    pub(crate) fn judged(&self) -> Vec<Target> {
        if self.targets.is_empty() {
            vec![TARGET.parse().expect("the default target is in the grammar")]
        } else {
            self.targets.clone()
        }
    }

    /// Whether anything but looking was asked for.
    pub(crate) fn changes_something(&self) -> bool {
        self.add_indexes || self.drop_indexes || self.vacuum || self.analyze_stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_database_is_attached() {
        for (given, name, path) in
            [("archive=old.db", "archive", "old.db"), ("a=sqlite:x=y.db", "a", "x=y.db")]
        {
            let expected = Attached { name: name.to_owned(), path: path.into() };
            assert_eq!(attached(given), Ok(expected), "{given}");
        }
        for given in ["", "archive", "=old.db", "archive="] {
            assert!(attached(given).unwrap_err().contains("archive=data/archive.db"), "{given}");
        }
    }

    #[test]
    fn how_a_database_is_named() {
        for (given, expected) in [
            (None, "pulse_trading.db"),
            (Some("data/app.db"), "data/app.db"),
            (Some("sqlite:data/app.db"), "data/app.db"),
            (Some("sqlite:///var/app.db"), "/var/app.db"),
        ] {
            let given = given.map(PathBuf::from);
            assert_eq!(database_path(given.as_ref()), PathBuf::from(expected));
        }
    }
}
