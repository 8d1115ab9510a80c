//! Databases that are attached to another one: read, planned, tried and changed like it, each in its own file.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod seeded;

use std::path::{Path, PathBuf};

use pulse_db::Driver as _;
use pulse_db::recommend::SelectionOptions;
use pulse_db::sqlite::{ApplyOptions, Attached, MAX_ATTACHED, WriteOptions, journal_path, undo_script_path};
use pulse_db::{Change, Recommendation, Sqlite, Trial, Unwatched, Workload, recommend};
use pulse_model::Nanos;
use rusqlite::Connection;
use seeded::{Trading, assert_sound, data_hash, fill, index, indexes, statement, workload};

/// A name that has to be quoted.
const NAME: &str = "old \"trades\"";
/// The same in a statement.
const QUOTED: &str = "\"old \"\"trades\"\"\"";

/// A database with another one of the same tables attached.
struct Two {
    trading: Trading,
    other: PathBuf,
}

impl Two {
    fn new(rows: u32, journal_mode: &str) -> Self {
        let trading = Trading::new(100, journal_mode);
        let other = trading.folder.path().join("it's old.db");
        fill(&other, rows, journal_mode);
        Self { trading, other }
    }

    fn alone(&self) -> Sqlite {
        Sqlite::open(&self.trading.path).unwrap()
    }

    fn together(&self) -> Sqlite {
        self.alone().attach(attached(NAME, &self.other)).unwrap()
    }

    /// The files' bytes, and everything that is in their folder.
    fn state(&self) -> (Vec<u8>, Vec<u8>, Vec<PathBuf>) {
        let entries = std::fs::read_dir(self.trading.folder.path()).unwrap();
        let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        (std::fs::read(&self.trading.path).unwrap(), std::fs::read(&self.other).unwrap(), names)
    }
}

fn attached(name: &str, path: &Path) -> Attached {
    Attached { name: name.to_owned(), path: path.to_owned() }
}

/// Statements on the attached table, one with an alias; its namesake in the main file is small.
fn asked() -> Workload {
    workload(vec![
        statement(&format!("SELECT price FROM {QUOTED}.trades WHERE symbol = 'S007'"), 100, Vec::new()),
        statement(
            &format!(
                "SELECT u.name FROM users u JOIN {QUOTED}.trades AS o ON o.user_id = u.id WHERE o.at = 77"
            ),
            50,
            Vec::new(),
        ),
    ])
}

fn recommended(database: &Sqlite) -> Recommendation {
    let catalog = database.introspect(&mut Unwatched).unwrap();
    recommend(database, &catalog, &asked(), &SelectionOptions::default()).unwrap()
}

fn changes(recommendation: &Recommendation) -> Vec<Change> {
    recommendation.chosen.iter().map(|chosen| chosen.change.clone()).collect()
}

#[test]
fn tables_are_in_the_catalog_with_their_schema() {
    for mode in ["DELETE", "WAL"] {
        let two = Two::new(500, mode);
        let sql =
            "CREATE INDEX by_at ON trades(at) WHERE at > 5; CREATE VIEW v AS SELECT at FROM trades; ANALYZE";
        Connection::open(&two.other).unwrap().execute_batch(sql).unwrap();
        let before = two.state();
        let catalog = two.together().introspect(&mut Unwatched).unwrap();
        let names: Vec<String> = catalog.tables.iter().map(|table| table.name.to_string()).collect();
        let old = |name: &str| format!("{NAME}.{name}");
        assert_eq!(names[..3], ["events", "trades", "users"]);
        assert_eq!(names[3..], [old("events"), old("trades"), old("users")]);
        let (here, there) = (&catalog.tables[1], &catalog.tables[4]);
        assert_eq!((here.rows, there.rows), (Some(100), Some(500)));
        assert_eq!((here.indexes.len(), there.indexes[0].name.as_str()), (0, "by_at"));
        assert_eq!(there.indexes[0].predicate.as_deref(), Some("at > 5"));
        assert_eq!((here.analyzed_rows, there.analyzed_rows), (None, Some(500)));
        assert_eq!(there.foreign_keys[0].parent, catalog.tables[5].name);
        assert!(there.size.unwrap().pages > here.size.unwrap().pages && catalog.storage.has_sizes);
        assert_eq!(catalog.routines[0].name.schema, NAME);
        assert_eq!(catalog.unread, []);
        assert_eq!(two.state(), before, "{mode}");
    }
}

#[test]
fn an_index_is_found_tried_made_and_taken_back_in_its_own_file() {
    for mode in ["DELETE", "WAL"] {
        let two = Two::new(20_000, mode);
        let (database, hashes) =
            (two.together(), [&two.trading.path, &two.other].map(|path| data_hash(path)));
        let recommendation = recommended(&database);
        assert!(
            recommendation.statements.iter().all(|outlook| outlook.failure.is_none()),
            "{recommendation:?}"
        );
        let changes = changes(&recommendation);
        assert_eq!(changes.len(), 2, "{recommendation:?}");
        for (change, chosen) in changes.iter().zip(&recommendation.chosen) {
            assert_eq!((change.schema.as_str(), chosen.candidate.table.schema.as_str()), (NAME, NAME));
            assert!(
                change.fix.sql[0].starts_with(&format!("CREATE INDEX {QUOTED}.\"idx_trades_")),
                "{change:?}"
            );
        }

        let trial = Trial {
            changes: changes.clone(),
            budget: Nanos::from_secs(3),
            write_costs: true,
            ..Trial::default()
        };
        let before = two.state();
        let result = database.measure(&asked(), &trial, &mut Unwatched).unwrap();
        assert_eq!(two.state(), before);
        for tried in &result.statements {
            assert_eq!((&tried.failure, &tried.difference), (&None, &None));
            assert!(tried.plan_before.iter().any(|line| line.contains("SCAN")), "{tried:?}");
            assert!(tried.plan_after.iter().any(|line| line.contains("idx_trades_")), "{tried:?}");
            assert!(tried.gain.unwrap().lo > 1.0, "{:?}", tried.gain);
        }
        assert!(result.changes.iter().all(|change| change.grown_bytes > 0), "{:?}", result.changes);
        assert_eq!(result.write_costs[0].table.to_string(), format!("{NAME}.trades"));
        assert!(result.write_costs[0].growth.is_some(), "{:?}", result.write_costs[0].failure);

        database.apply(&changes, &ApplyOptions::default(), &mut Unwatched).unwrap();
        assert_eq!((indexes(&two.trading.path).len(), indexes(&two.other).len()), (0, 2));
        assert!(journal_path(&two.trading.path).exists() && !journal_path(&two.other).exists());
        assert!(recommended(&database).chosen.is_empty());
        // The journal knows what was attached, so that nobody has to say it again.
        let undone = two.alone().undo(&WriteOptions::default(), &mut Unwatched).unwrap().unwrap();
        assert_eq!((undone.taken_back.len(), undone.left.len()), (2, 0), "{undone:?}");
        assert!(
            undone.taken_back.iter().all(|title| title.starts_with(&format!("{NAME}.idx_"))),
            "{undone:?}"
        );
        assert!(indexes(&two.other).is_empty());
        for (path, hash) in [&two.trading.path, &two.other].into_iter().zip(hashes) {
            assert_sound(path);
            assert_eq!(data_hash(path), hash);
        }
    }
}

/// An index with this name in the attached database.
fn attached_index(name: &str, on: &str) -> Change {
    let mut change = index(name, on);
    NAME.clone_into(&mut change.schema);
    change.fix.sql = vec![format!("CREATE INDEX {QUOTED}.\"{name}\" ON {on}")];
    change
}

#[test]
fn the_script_attaches_what_it_takes_back_from() {
    let two = Two::new(200, "DELETE");
    let changes = [index("here", "trades(at)"), attached_index("there", "trades(at)")];
    two.together().apply(&changes, &ApplyOptions::default(), &mut Unwatched).unwrap();
    let mut dropped = attached_index("there", "trades(at)");
    dropped.kind = pulse_db::ChangeKind::DropIndex;
    dropped.fix.sql = vec![format!("DROP INDEX {QUOTED}.there")];
    two.together().apply(&[dropped], &ApplyOptions::default(), &mut Unwatched).unwrap();
    assert_eq!((indexes(&two.trading.path), indexes(&two.other)), (vec!["here".to_owned()], Vec::new()));
    two.alone().undo(&WriteOptions::default(), &mut Unwatched).unwrap().unwrap();
    assert_eq!(indexes(&two.other), ["there"]);
    let script = std::fs::read_to_string(undo_script_path(&two.trading.path)).unwrap();
    two.trading.connect().execute_batch(&script).unwrap();
    assert!(indexes(&two.trading.path).is_empty() && indexes(&two.other).is_empty(), "{script}");
}

#[test]
fn a_run_that_failed_goes_on_with_what_was_attached() {
    let two = Two::new(200, "DELETE");
    // The second change fails for what is in its way, and succeeds once that is gone.
    let other = Connection::open(&two.other).unwrap();
    other.execute_batch("CREATE INDEX second ON users(name)").unwrap();
    let changes = [attached_index("first", "trades(at)"), attached_index("second", "trades(price)")];
    let error = two.together().apply(&changes, &ApplyOptions::default(), &mut Unwatched).unwrap_err();
    let said = format!("{error:?}");
    assert!(said.contains("made 1 of 2") && said.contains("index old"), "{said}");
    other.execute_batch("DROP INDEX second").unwrap();
    let applied = two.alone().resume(&ApplyOptions::default(), &mut Unwatched).unwrap().unwrap();
    assert_eq!(
        (applied.durations.len(), indexes(&two.other)),
        (2, vec!["first".to_owned(), "second".to_owned()])
    );
    two.alone().undo(&WriteOptions::default(), &mut Unwatched).unwrap().unwrap();
    assert!(indexes(&two.other).is_empty());
}

#[test]
fn what_cannot_be_attached_says_why() {
    let two = Two::new(10, "DELETE");
    let at = |name: &str| two.trading.folder.path().join(name);
    std::fs::write(
        at("text.db"),
        "not a database, but long enough to be read as the header of one: ".repeat(9),
    )
    .unwrap();
    Connection::open(at("wide.db"))
        .unwrap()
        .execute_batch("PRAGMA encoding = 'UTF-16'; CREATE TABLE t(a)")
        .unwrap();
    let cases = [
        (attached("main", &two.other), "every connection has a schema of this name"),
        (attached("TEMP", &two.other), "every connection has a schema of this name"),
        (attached("gone", &at("gone.db")), "there is no database file"),
        (attached("folder", two.trading.folder.path()), "is not a file"),
        (attached("text", &at("text.db")), "is not an SQLite database"),
        (attached("wide", &at("wide.db")), "text encoding"),
        (attached("again", &two.trading.path), "the same file is the schema main already"),
    ];
    for (other, reason) in cases {
        let said = two.alone().attach(other.clone()).unwrap_err().to_string();
        assert!(said.starts_with("cannot attach ") && said.contains(reason), "{other:?}: {said}");
    }
    let said = two.together().attach(attached("OLD \"trades\"", &at("text.db"))).unwrap_err().to_string();
    assert!(said.contains("the name is taken by another file"), "{said}");
    // A change of a schema that is not attached is refused before anything is done.
    let changes = [attached_index("there", "trades(at)")];
    let error = two.alone().apply(&changes, &ApplyOptions::default(), &mut Unwatched).unwrap_err();
    assert!(error.to_string().contains("which is not attached"), "{error}");
    assert!(!journal_path(&two.trading.path).exists());
}

#[test]
fn as_many_are_attached_as_sqlite_allows() {
    let two = Two::new(10, "WAL");
    let mut database = two.alone();
    for number in 0..=MAX_ATTACHED {
        let path = two.trading.folder.path().join(format!("{number}.db"));
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
        match database.clone().attach(attached(&format!("a{number}"), &path)) {
            Ok(more) if number < MAX_ATTACHED => database = more,
            Err(error) if number == MAX_ATTACHED => {
                assert!(error.to_string().contains("10 databases at most"), "{error}");
            }
            result => panic!("{number}: {result:?}"),
        }
    }
    let asked = workload(vec![statement("SELECT * FROM a0.t, a9.t", 1, Vec::new())]);
    let explained = database.explain(&asked.statements, &[]).unwrap();
    assert!(explained[0].is_ok(), "{explained:?}");
}
