//! What `pulse db` recommends beside what `.expert` of SQLite's shell does, on the same databases and statements: how many
//! indexes, how large, how long it takes, and what the workload gains by them, measured on copies in turns. `pulse db` tries its own advice and keeps what gains; with
//! `--no-verify` it does not.
//!
//!     cargo run --release -p pulse-db --example against_expert
//!
//! Prints a Markdown table. Without the program `sqlite3` its rows are left out.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pulse_db::recommend::SelectionOptions;
use pulse_db::workload::Entry;
use pulse_db::{
    Change, ChangeKind, Sqlite, Trial, TrialResult, Unwatched, Workload, WorkloadBuilder, keep, recommend,
};
use pulse_model::{Fix, Nanos};
use pulse_testkit::{
    ADVERSARIAL_STATEMENTS, TPCH_STATEMENTS, TRADING_STATEMENTS, adversarial, tpch, trading,
};
use rusqlite::Connection;

const SEED: u64 = 7;
/// What an index must gain to be kept, as `pulse db` has it by itself.
const MIN_GAIN: f64 = 0.1;
type Fill = fn(&Connection) -> rusqlite::Result<()>;

const DATABASES: [(&str, Fill, &[&str]); 3] = [
    ("trading", |connection| trading(connection, SEED, 100_000), TRADING_STATEMENTS),
    ("TPC-H-like", |connection| tpch(connection, SEED, 0.02), TPCH_STATEMENTS),
    ("adversarial", |connection| adversarial(connection, SEED), ADVERSARIAL_STATEMENTS),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    writeln!(out, "| database | advisor | indexes | size | advice took | workload before → after | gain |")?;
    writeln!(out, "|---|---|---:|---:|---:|---:|---:|")?;
    let folder = tempfile::tempdir()?;
    for (name, fill, statements) in DATABASES {
        let path = folder.path().join(format!("{name}.db"));
        fill(&Connection::open(&path)?)?;
        let workload = workload(statements);
        let database = Sqlite::open(&path)?;
        let started = Instant::now();
        let catalog = database.introspect(&mut Unwatched)?;
        let advice = recommend(&database, &catalog, &workload, &SelectionOptions::default())?;
        let took = started.elapsed();
        let changes: Vec<Change> = advice.chosen.into_iter().map(|chosen| chosen.change).collect();
        row(&mut out, (name, "pulse db --no-verify"), &database, &workload, &changes, took)?;
        let started = Instant::now();
        let result = database.measure(&workload, &trial(&changes), &mut Unwatched)?;
        let judged = keep(&workload, &changes, &result, MIN_GAIN);
        let kept = judged.iter().filter(|judged| judged.is_kept).map(|judged| changes[judged.change].clone());
        let kept: Vec<Change> = kept.collect();
        row(&mut out, (name, "pulse db"), &database, &workload, &kept, took + started.elapsed())?;
        let started = Instant::now();
        if let Some(changes) = expert(&path, statements)? {
            row(&mut out, (name, ".expert"), &database, &workload, &changes, started.elapsed())?;
        }
    }
    Ok(())
}

fn workload(statements: &[&str]) -> Workload {
    let mut builder = WorkloadBuilder::new(SEED);
    for sql in statements {
        builder.add(Entry { sql: (*sql).to_owned(), calls: 1, ..Entry::default() }, "benchmark");
    }
    builder.finish()
}

/// What SQLite's own shell recommends, statement by statement; `None` where it is not installed.
fn expert(path: &Path, statements: &[&str]) -> Result<Option<Vec<Change>>, Box<dyn Error>> {
    let started = Command::new("sqlite3")
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else { return Ok(None) };
    if let Some(mut stdin) = child.stdin.take() {
        for sql in statements {
            writeln!(stdin, ".expert\n{};", sql.trim_end_matches(';'))?;
        }
    }
    let output = child.wait_with_output()?;
    let mut changes: Vec<Change> = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some(rest) = line.strip_prefix("CREATE INDEX ") else { continue };
        let subject = rest.split_whitespace().next().unwrap_or_default().trim_matches('\'').to_owned();
        let sql = vec![line.trim_end_matches(';').to_owned()];
        if !changes.iter().any(|change| change.subject == subject) {
            let fix = Fix { sql, undo: Vec::new() };
            changes.push(Change { kind: ChangeKind::CreateIndex, schema: "main".to_owned(), subject, fix });
        }
    }
    Ok(Some(changes))
}

/// A row of the table: the indexes are made on a copy, the workload runs without and with them.
fn row(
    out: &mut impl std::io::Write,
    (name, advisor): (&str, &str),
    database: &Sqlite,
    workload: &Workload,
    changes: &[Change],
    took: Duration,
) -> Result<(), Box<dyn Error>> {
    let result = database.measure(workload, &trial(changes), &mut Unwatched)?;
    let size: i64 = result.changes.iter().map(|change| change.grown_bytes).sum();
    let [before, after] = totals(&result);
    writeln!(
        out,
        "| {name} | {advisor} | {} | {:.2} MB | {:.2} s | {:.1} → {:.1} ms | {:.2} × |",
        changes.len(),
        size as f64 / 1e6,
        took.as_secs_f64(),
        before / 1e6,
        after / 1e6,
        before / after.max(1.0)
    )?;
    Ok(())
}

fn trial(changes: &[Change]) -> Trial {
    Trial { changes: changes.to_vec(), budget: Nanos::from_secs(20), ..Trial::default() }
}

/// The sums of the statements' median times, of those that ran on both sides.
fn totals(result: &TrialResult) -> [f64; 2] {
    let mut totals = [0.0; 2];
    for statement in &result.statements {
        if let (Some(before), Some(after)) = (statement.before.quantile(0.5), statement.after.quantile(0.5)) {
            totals[0] += before.estimate as f64;
            totals[1] += after.estimate as f64;
        }
    }
    totals
}
