//! How long index selection takes: the choice alone on a matrix of 1 200 candidates and 100 statements, all of it on a database
//! of a given number of rows and a hundred statements, and what `pulse db --analyze` does there.
//!
//! `cargo run --release -p pulse-db --example index_selection [rows]`; memory is the largest that the process had.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use pulse_db::catalog::{Catalog, Column, Table, TableName};
use pulse_db::selection::{
    AccessOption, CandidateCosts, CostMatrix, SelectionLimits, StatementCosts, greedy, select,
};
use pulse_db::workload::{Call, Statement, Value, Values, Workload};
use pulse_db::{SelectionOptions, Sqlite, Unwatched, Wishes, recommend};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;

const SYMBOLS: i64 = 500;

fn main() {
    let rows = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(200_000);
    for (budget, most) in [(None, None), (Some(20_000_000), None), (Some(2_000_000), Some(10))] {
        choose(SelectionLimits { budget_bytes: budget, max_indexes: most });
    }
    whole(rows);
}

fn choose(limits: SelectionLimits) {
    let mut draw = ChaCha8Rng::seed_from_u64(7);
    let candidates = (0..1_200).map(|_| CandidateCosts {
        size_bytes: draw.random_range(10_000..1_000_000),
        write_cost: draw.random_range(0.0..200.0),
    });
    let candidates: Vec<_> = candidates.collect();
    let statements = (0..100).map(|_| {
        let cost = draw.random_range(100.0..10_000.0);
        let options = (0..40).map(|_| {
            let count = draw.random_range(1..4);
            let indexes = (0..count).map(|_| draw.random_range(0..1_200)).collect();
            AccessOption { indexes, cost: cost * draw.random_range(0.001..0.9) }
        });
        let options = options.collect();
        StatementCosts { weight: draw.random_range(1.0..100.0), cost, options }
    });
    let matrix = CostMatrix { statements: statements.collect(), candidates };
    let start = Instant::now();
    let found = select(&matrix, limits);
    let seconds = start.elapsed().as_secs_f64();
    let plain = greedy(&matrix, limits);
    println!(
        "1200 x 100, {limits:?}: {seconds:.3} s, {} chosen, cost {:.0} (greedy {:.0}), proven: {}",
        found.chosen.len(),
        found.cost,
        plain.cost,
        found.is_proven
    );
}

fn whole(rows: i64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.db");
    let connection = Connection::open(&path).expect("a new database");
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF").expect("settings");
    let mut catalog = Catalog::default();
    for table in ["trades", "orders", "quotes", "positions"] {
        let columns = [
            "id INTEGER PRIMARY KEY",
            "user_id INT",
            "symbol TEXT",
            "state TEXT",
            "price REAL",
            "at INT",
            "note TEXT",
        ];
        let sql = format!(
            "CREATE TABLE {table}({});
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
             INSERT INTO {table} SELECT i, abs(random()) % 20000, 's' || (abs(random()) % {SYMBOLS}), iif(i % 300 = 0, 'open', 'closed'),
                 abs(random()) % 10000 / 7.0, i * 60, hex(randomblob(60)) FROM n;",
            columns.join(", "),
            rows / 4
        );
        connection.execute_batch(&sql).expect("a table");
        let columns = columns.map(|text| Column {
            name: text.split(' ').next().unwrap_or("").to_owned(),
            collation: "BINARY".to_owned(),
            ..Column::default()
        });
        catalog.tables.push(Table {
            name: TableName::main(table),
            columns: columns.to_vec(),
            primary_key: vec!["id".to_owned()],
            row_number: Some("id".to_owned()),
            ..Table::default()
        });
    }
    drop(connection);
    let size = std::fs::metadata(&path).map_or(0, |data| data.len());
    let sqlite = Sqlite::open(&path).expect("a database");
    let workload = workload();
    let start = Instant::now();
    let found =
        recommend(&sqlite, &catalog, &workload, &SelectionOptions::default()).expect("a recommendation");
    println!(
        "{} MB, {} statements, {} candidates: {:.1} s, {}; {} chosen, cost {:.0} to {:.0}",
        size / 1_000_000,
        workload.statements.len(),
        found.candidates,
        start.elapsed().as_secs_f64(),
        memory(),
        found.chosen.len(),
        found.cost_before,
        found.cost_after
    );
    for chosen in &found.chosen {
        println!(
            "  {} ({} kB, for {} statements)",
            chosen.change.fix.sql[0],
            chosen.size_bytes / 1_000,
            chosen.statements.len()
        );
    }
    analyzed(&sqlite, workload);
}

/// What `pulse db --analyze` takes, the timing of the statements included.
fn analyzed(sqlite: &Sqlite, workload: Workload) {
    let start = Instant::now();
    let report = pulse_db::run(sqlite, workload, &Wishes::default(), &mut Unwatched).expect("a report");
    println!(
        "analyze, with the timing of the statements: {:.1} s, {}; {} findings",
        start.elapsed().as_secs_f64(),
        memory(),
        report.findings.len()
    );
}

/// A hundred statements of 25 kinds on four tables.
fn workload() -> Workload {
    const FORMS: [&str; 25] = [
        "SELECT * FROM T WHERE user_id = ?1",
        "SELECT * FROM T WHERE user_id = ?1 ORDER BY at DESC LIMIT 20",
        "SELECT * FROM T WHERE user_id = ?1 AND symbol = 's5'",
        "SELECT sum(price) FROM T WHERE symbol = 's7'",
        "SELECT symbol, count(*) FROM T WHERE user_id = ?1 GROUP BY symbol",
        "SELECT * FROM T WHERE state = 'open'",
        "SELECT * FROM T WHERE state = 'open' AND user_id = ?1",
        "SELECT max(at) FROM T",
        "SELECT min(price) FROM T WHERE symbol = 's9'",
        "SELECT * FROM T WHERE at BETWEEN ?1 AND ?1 + 600",
        "SELECT * FROM T WHERE symbol = 's1' AND price > 1400",
        "SELECT * FROM T WHERE symbol IN ('s1', 's2') AND at > ?1",
        "SELECT * FROM T WHERE user_id = ?1 OR symbol = 's3'",
        "SELECT count(*) FROM T WHERE price > 1420",
        "SELECT t.*, o.price FROM T t JOIN orders o ON o.user_id = t.user_id WHERE t.at = ?1",
        "SELECT t.id FROM T t JOIN quotes q ON q.symbol = t.symbol AND q.at = t.at WHERE t.user_id = ?1",
        "SELECT * FROM T WHERE lower(symbol) = 's4' AND at = ?1",
        "SELECT DISTINCT symbol FROM T WHERE user_id = ?1",
        "SELECT * FROM T ORDER BY price DESC LIMIT 10",
        "SELECT * FROM T WHERE id = ?1",
        "UPDATE T SET price = price + 1 WHERE user_id = ?1",
        "UPDATE T SET state = 'closed' WHERE state = 'open' AND symbol = 's8'",
        "DELETE FROM T WHERE at = ?1",
        "INSERT INTO T(user_id, symbol) VALUES (?1, 's1')",
        "SELECT user_id, avg(price) FROM T WHERE symbol = 's2' GROUP BY user_id ORDER BY 2 DESC LIMIT 5",
    ];
    let mut workload = Workload::default();
    for table in ["trades", "orders", "quotes", "positions"] {
        for (position, form) in FORMS.iter().enumerate() {
            let sql = form.replace(" T", &format!(" {table}"));
            let samples = [1, 500, 9_000]
                .map(|value| Call { sql: None, values: Values::Positional(vec![Value::Integer(value)]) });
            workload.statements.push(Statement {
                form: sql.clone(),
                sql,
                calls: 1 + (position as u64 * 37) % 200,
                samples: samples.to_vec(),
                ..Statement::default()
            });
        }
    }
    workload
}

/// The largest memory that the process had.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.unwrap_or("memory unknown").to_owned()
}
