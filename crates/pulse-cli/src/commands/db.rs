//! `pulse db`: what makes a database slow, and the changes that are proven to help.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pulse_db::recommend::SelectionOptions;
use pulse_db::record::{self, RecordError};
use pulse_db::sqlite::{ApplyOptions, Attached, Run, WhatIfOptions, WriteOptions};
use pulse_db::workload::{WorkloadBuilder, read_workload, read_workload_from};
use pulse_db::{Actions, DatabaseError, Progress, Sqlite, Wishes, Workload};
use pulse_engine::StopHandle;
use pulse_model::Ending;
use pulse_report::Format;

use crate::arguments::{DbAction, DbArguments, database_path};
use crate::commands::load::{show, write_human};
use crate::exit::Exit;
use crate::interrupt::stop_on_signal;
use crate::problem::Problem;
use crate::report_files::{ReportFiles, ReportRequest};
use crate::terminal::{Stream, note};

/// What people read after Ctrl-C.
const STOPPING: &str = "Stopping where nothing is lost. Ctrl-C again to quit.";
/// A step that takes longer than this is told of, and then again each time.
const TELL_AFTER: Duration = Duration::from_secs(1);
/// Statements of a change that are shown.
const SHOWN: usize = 5;
/// Which calls of a statement are kept as its samples.
const SEED: u64 = 1;

pub(crate) fn run(arguments: &DbArguments) -> Result<Exit, Problem> {
    match &arguments.action {
        None => optimize(arguments),
        Some(DbAction::Explain { code }) => explain(code.as_deref()),
        Some(DbAction::Undo { database, dry_run }) => undo(&database_path(database.as_ref()), *dry_run),
        Some(DbAction::Resume { database }) => resume(&database_path(database.as_ref())),
        Some(DbAction::Record { output, command }) => self::record(command, output),
    }
}

fn optimize(arguments: &DbArguments) -> Result<Exit, Problem> {
    let mut out = arguments.out.clone();
    if arguments.as_json {
        out.push(ReportRequest::standard_output(Format::Json));
    }
    let reports = ReportFiles::prepare(&out)?;
    let stream = reports.human_stream();
    let (workload, sources) = workload(&arguments.workload)?;
    let path = arguments.path();
    let database = if arguments.changes_something() && !arguments.dry_run {
        Sqlite::open_to_change(&path)
    } else {
        Sqlite::open_waiting(&path, arguments.busy_timeout.into())
    };
    let attach = |database: Result<Sqlite, DatabaseError>, other: &Attached| database?.attach(other.clone());
    let database = arguments
        .attach
        .iter()
        .fold(database, attach)
        .map_err(problem)?
        .planning(WhatIfOptions { stat4: !arguments.no_stat4, ..WhatIfOptions::default() })
        .writing(WriteOptions { busy_timeout: arguments.busy_timeout.into(), ..WriteOptions::default() });
    let mut watched = Told::new(arguments.quiet)?;
    let summary =
        pulse_db::run(&database, workload, &wishes(arguments, sources), &mut watched).map_err(problem)?;
    if !arguments.as_json {
        show(&summary, stream, true)?;
        if !arguments.changes_something() && summary.ending == Ending::Finished {
            write_human(stream, &next_step(arguments, &path, &summary))?;
        }
    }
    reports.write(&summary)?;
    Ok(Exit::of(&summary, arguments.inconclusive))
}

fn wishes(arguments: &DbArguments, sources: Vec<String>) -> Wishes {
    Wishes {
        actions: Actions {
            add_indexes: arguments.add_indexes,
            drop_indexes: arguments.drop_indexes,
            vacuum: arguments.vacuum,
            analyze_stats: arguments.analyze_stats,
        },
        dry_run: arguments.dry_run,
        targets: arguments.judged(),
        selection: SelectionOptions {
            budget_bytes: arguments.budget,
            max_indexes: arguments.max_indexes,
            min_gain: arguments.min_gain,
            ..SelectionOptions::default()
        },
        verify: !arguments.no_verify,
        trial_time: arguments.trial_time,
        sources,
        started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    }
}

/// The command that comes next, once an analysis has found something to do.
fn next_step(arguments: &DbArguments, path: &Path, summary: &pulse_model::Summary) -> String {
    let has_indexes = summary
        .database
        .as_ref()
        .is_some_and(|database| database.indexes.iter().any(|index| index.recommended));
    let attached = arguments.attach.iter();
    let attached: Vec<String> =
        attached.map(|other| format!(" --attach {}={}", other.name, other.path.display())).collect();
    let attached = attached.concat();
    let path = path.display();
    if arguments.workload.is_empty() {
        return format!(
            "\nNext: pulse db {path}{attached} --workload FILE (a log of the application, a .sql file or a recording), and \
             `pulse db explain CODE` for any finding.\n"
        );
    }
    if !has_indexes {
        return "\nNext: `pulse db explain CODE` tells more about a finding.\n".to_owned();
    }
    let files: Vec<String> =
        arguments.workload.iter().map(|file| format!("--workload {}", file.display())).collect();
    let files = files.join(" ");
    format!(
        "\nNext: pulse db {path}{attached} {files} --add-indexes --dry-run   (tries the indexes on a private copy; without --dry-run \
         those that help are made)\n"
    )
}

/// Reads all workload files; `-` is standard input.
fn workload(paths: &[PathBuf]) -> Result<(Workload, Vec<String>), Problem> {
    let mut builder = WorkloadBuilder::new(SEED);
    let mut sources = Vec::new();
    for path in paths {
        let read = if path.as_os_str() == "-" {
            sources.push("standard input".to_owned());
            read_workload_from(io::stdin().lock(), "standard input", &mut builder)
        } else {
            sources.push(path.display().to_string());
            read_workload(path, &mut builder)
        };
        let read = read.map_err(Problem::usage)?;
        for dialect in read.dialects.iter().filter(|dialect| *dialect != "sqlite") {
            note(&format!(
                "warning: {} is of {dialect}, not of SQLite: what SQLite does not know is skipped",
                path.display()
            ));
        }
    }
    let workload = builder.finish();
    if !paths.is_empty() && workload.statements.is_empty() {
        let mut text = format!("there is no statement in {}", sources.join(", "));
        for skipped in workload.skipped.iter().take(3) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {}: {}: {}", skipped.origin, skipped.reason, skipped.text);
        }
        text.push_str("\n  a workload is a .sql file, a recording, or a log with one statement per line");
        return Err(Problem::usage(text));
    }
    Ok((workload, sources))
}

/// What a mistake, a refusal or Ctrl-C means for the shell.
fn problem(error: DatabaseError) -> Problem {
    let is_stopped = matches!(error, DatabaseError::Stopped { .. });
    let mut problem = Problem::usage(error);
    if is_stopped {
        problem.exit = Exit::Interrupted;
    }
    problem
}

/// Tells about steps that take long.
struct Told {
    stop: StopHandle,
    is_quiet: bool,
    step: String,
    said: Instant,
}

impl Told {
    fn new(is_quiet: bool) -> Result<Self, Problem> {
        let stop = StopHandle::default();
        stop_on_signal(&stop, Some(STOPPING))
            .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
        Ok(Self { stop, is_quiet, step: String::new(), said: Instant::now() })
    }
}

impl Progress for Told {
    fn at(&mut self, step: &str, share: Option<f64>) {
        if step != self.step {
            step.clone_into(&mut self.step);
            self.said = Instant::now();
        } else if !self.is_quiet && self.said.elapsed() >= TELL_AFTER {
            self.said = Instant::now();
            let share = share.map_or_else(String::new, |share| format!(" {:.0} %", share * 100.0));
            note(&format!("{step} …{share}"));
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_stopped()
    }
}

/// `pulse db explain`.
fn explain(code: Option<&str>) -> Result<Exit, Problem> {
    let text = match code {
        None => {
            let width = pulse_db::rules().iter().map(|rule| rule.code.len()).max().unwrap_or(0);
            let lines: Vec<String> = pulse_db::rules()
                .iter()
                .map(|rule| format!("  {:width$}  {}", rule.code, rule.title))
                .collect();
            format!("Findings of pulse db, the gravest first:\n{}\n", lines.join("\n"))
        }
        Some(code) => match pulse_db::rule(code) {
            Some(rule) => format!("{}: {}\n\n{}\n", rule.code, rule.title, rule.explanation),
            None => return Err(unknown(code)),
        },
    };
    write_human(Stream::Out, &text)?;
    Ok(Exit::Success)
}

fn unknown(code: &str) -> Problem {
    let nearest = pulse_db::rules()
        .iter()
        .map(|rule| (strsim::jaro_winkler(rule.code, code), rule.code))
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .filter(|(likeness, _)| *likeness > 0.7);
    let hint = nearest.map_or_else(String::new, |(_, code)| format!(" Did you mean {code}?"));
    Problem::usage(format!("there is no finding `{code}`.{hint} `pulse db explain` lists all"))
}

/// `pulse db undo`.
fn undo(path: &Path, dry_run: bool) -> Result<Exit, Problem> {
    let database = if dry_run { Sqlite::open(path) } else { Sqlite::open_to_change(path) };
    let database = database.map_err(problem)?;
    if dry_run {
        return would_undo(&database);
    }
    let mut told = Told::new(false)?;
    let undone = database.undo(&WriteOptions::default(), &mut told).map_err(problem)?;
    let Some(undone) = undone else {
        return nothing(path);
    };
    let mut text = format!("Run {} was taken back.\n", undone.run);
    // Writing to a string cannot fail.
    for subject in &undone.taken_back {
        let _ = writeln!(text, "  taken back: {subject}");
    }
    for subject in &undone.left {
        let _ = writeln!(text, "  left: {subject}");
    }
    if let Some(before) = last_open(&database.runs().map_err(problem)?) {
        let _ = writeln!(
            text,
            "Run {} is still in effect: `pulse db undo` again takes it back, too.",
            before.number
        );
    }
    write_human(Stream::Out, &text)?;
    Ok(Exit::Success)
}

/// The last run that can be taken back.
fn last_open(runs: &[Run]) -> Option<&Run> {
    runs.iter().rev().find(|run| run.has_effect() || run.is_pending())
}

fn nothing(path: &Path) -> Result<Exit, Problem> {
    write_human(Stream::Out, &format!("There is nothing to take back in {}.\n", path.display()))?;
    Ok(Exit::Success)
}

fn would_undo(database: &Sqlite) -> Result<Exit, Problem> {
    let runs = database.runs().map_err(problem)?;
    let Some(run) = last_open(&runs) else { return nothing(database.path()) };
    let mut text = format!("Run {} would be taken back:\n", run.number);
    for change in run.changes.iter().rev() {
        for sql in change.undo.iter().take(SHOWN) {
            let _ = writeln!(text, "  {sql};");
        }
        if change.undo.len() > SHOWN {
            let _ = writeln!(text, "  and {} statements more", change.undo.len() - SHOWN);
        }
    }
    write_human(Stream::Out, &text)?;
    Ok(Exit::Success)
}

/// `pulse db resume`.
fn resume(path: &Path) -> Result<Exit, Problem> {
    let database = Sqlite::open_to_change(path).map_err(problem)?;
    let mut told = Told::new(false)?;
    let applied = database.resume(&ApplyOptions::default(), &mut told).map_err(problem)?;
    let text = match applied {
        Some(applied) => {
            format!("Run {} has come to its end: {} changes.\n", applied.run, applied.durations.len())
        }
        None => format!("There is no run to go on with in {}.\n", path.display()),
    };
    write_human(Stream::Out, &text)?;
    Ok(Exit::Success)
}

/// `pulse db record -- PROGRAM`: ends as the program did.
fn record(command: &[OsString], output: &Path) -> Result<Exit, Problem> {
    // Ctrl-C is for the program: it gets it as well, and its end is ours.
    stop_on_signal(&StopHandle::default(), None)
        .map_err(|error| Problem::internal(format!("signals cannot be handled: {error}")))?;
    let outcome = record::run(command, output).map_err(|error| match error {
        RecordError::Unsupported => Problem::unreachable(error),
        error => Problem::usage(error),
    })?;
    let lost = if outcome.lost_calls == 0 { String::new() } else { format!(", {} lost", outcome.lost_calls) };
    note(&format!(
        "{} statements of {} connections are in {}{lost}. Next: pulse db DATABASE --workload {}",
        outcome.statements,
        outcome.connections,
        output.display(),
        output.display()
    ));
    if outcome.status.success() {
        Ok(Exit::Success)
    } else {
        Err(Problem::usage(format!("the program ended with {}", outcome.status)))
    }
}
