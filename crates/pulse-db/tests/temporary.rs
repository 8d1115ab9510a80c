//! Temporary tables, views and triggers of a workload: made wherever it is planned or tried, and never in the file.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod seeded;

use pulse_db::Driver as _;
use pulse_db::workload::WorkloadBuilder;
use pulse_db::{Actions, Sqlite, Unwatched, Wishes, Workload, read_workload_from, run};
use pulse_model::{Nanos, Severity};
use seeded::{Trading, data_hash, indexes};

fn read(script: &str) -> Workload {
    let mut builder = WorkloadBuilder::new(1);
    read_workload_from(script.as_bytes(), "w.sql", &mut builder).unwrap();
    builder.finish()
}

/// What an application asks of a table that it makes for itself.
const SCRIPT: &str = "\
CREATE TEMP TABLE picked AS SELECT id AS trade, symbol, price FROM trades;
CREATE TEMPORARY VIEW dear AS SELECT trade, price FROM picked WHERE price > 400;
CREATE TEMP TRIGGER noted AFTER UPDATE ON users BEGIN DELETE FROM events WHERE kind = new.name; END;
-- calls: 100
SELECT price FROM picked WHERE symbol = 'S007';
-- calls: 2
SELECT count(*) FROM dear;
-- calls: 3
UPDATE users SET name = 'x' WHERE id = 7;
-- calls: 4
SELECT * FROM forgotten;
";

#[test]
fn statements_on_temporary_tables_are_planned_and_their_indexes_are_left_to_the_application() {
    let trading = Trading::new(20_000, "DELETE");
    let (bytes, hash) = (std::fs::read(&trading.path).unwrap(), data_hash(&trading.path));
    let wishes = Wishes {
        actions: Actions { add_indexes: true, ..Actions::default() },
        verify: true,
        trial_time: Nanos::from_secs(2),
        ..Wishes::default()
    };
    let database = Sqlite::open(&trading.path).unwrap();
    let summary = run(&database, read(SCRIPT), &wishes, &mut Unwatched).unwrap();
    let report = summary.database.as_ref().unwrap();
    let failure = |form: &str| {
        let row = report.statements.iter().find(|row| row.form.starts_with(form)).unwrap();
        row.failure.clone().unwrap_or_default()
    };
    assert_eq!(
        (failure("SELECT price FROM picked"), failure("SELECT count(*) FROM dear")),
        Default::default()
    );
    assert!(failure("SELECT * FROM forgotten").contains("no such table: forgotten"), "{report:?}");
    let found = summary.findings.iter().find(|finding| finding.code == "temporary_index").unwrap();
    assert_eq!((found.severity, found.subject.as_str()), (Severity::Warning, "temp.picked"));
    let sql = &found.fix.as_ref().unwrap().sql;
    assert!(sql.len() == 1 && sql[0].starts_with("CREATE INDEX \"temp\".\"idx_picked_symbol"), "{sql:?}");
    assert!(found.help.as_ref().unwrap().contains("CREATE TEMP TABLE picked"), "{found:?}");
    // Nothing of it is in the file: neither a table nor an index of one.
    let lasting = indexes(&trading.path);
    assert!(lasting.iter().all(|name| !name.contains("picked")), "{lasting:?}");
    assert_eq!(data_hash(&trading.path), hash);
    if lasting.is_empty() {
        assert_eq!(std::fs::read(&trading.path).unwrap(), bytes);
    }
}

#[test]
fn bodies_of_temporary_triggers_are_planned() {
    let trading = Trading::new(5_000, "DELETE");
    let workload = read(SCRIPT);
    assert_eq!(workload.temporary.len(), 3);
    let database = Sqlite::open(&trading.path).unwrap();
    let update = [workload.statements[2].clone()];
    let kinds = |database: &Sqlite| {
        let explained = database.explain(&update, &[]).unwrap().remove(0).unwrap();
        let effects = explained.effects.iter().map(|effect| effect.table.to_string());
        let questions = explained.questions.iter().map(|question| question.table.to_string());
        (effects.collect::<Vec<_>>(), questions.collect::<Vec<_>>())
    };
    let (effects, questions) = kinds(&database);
    assert!(!effects.contains(&"events".to_owned()) && !questions.contains(&"events".to_owned()));
    let (effects, questions) = kinds(&database.with_temporary(workload.temporary));
    assert!(effects.contains(&"events".to_owned()), "{effects:?}");
    assert!(questions.contains(&"events".to_owned()), "{questions:?}");
}

/// A statement that would never end is given up, and what needs its table says so.
#[test]
fn what_cannot_be_made_in_time_is_missing() {
    let trading = Trading::new(10, "DELETE");
    let script = "CREATE TEMP TABLE endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
                  CREATE TEMP TABLE a(x); CREATE TEMP TABLE b(x);
                  SELECT * FROM endless; SELECT * FROM a;";
    let workload = read(script);
    let database = Sqlite::open(&trading.path).unwrap().with_temporary(workload.temporary);
    let explained = database.explain(&workload.statements, &[]).unwrap();
    assert_eq!(explained[0].as_ref().unwrap_err(), "no such table: endless");
    let two = ["CREATE TEMP TABLE c(x); DELETE FROM trades".to_owned()];
    let database = Sqlite::open(&trading.path).unwrap().with_temporary(two.to_vec());
    let tables = database.introspect(&mut Unwatched).unwrap().tables;
    assert!(
        tables.iter().all(|table| table.name.schema == "main") && tables[1].rows == Some(10),
        "{tables:?}"
    );
}
