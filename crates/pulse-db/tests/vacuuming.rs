//! Forecasts against what `VACUUM` really brings, and what it must not do.

mod seeded;

use std::time::Duration;

use pulse_db::sqlite::{ForecastSource, VacuumWay, WriteOptions};
use pulse_db::{DatabaseError, Sqlite, Unwatched};
use rusqlite::Connection;
use seeded::{StopsAt, Trading, assert_sound, data_hash};

fn options() -> WriteOptions {
    WriteOptions { busy_timeout: Duration::from_millis(60), ..WriteOptions::default() }
}

/// What is done to a database before, from nothing to much.
const WEAR: [&str; 5] = [
    "SELECT 1",
    "DELETE FROM trades WHERE id % 3 = 0",
    "DELETE FROM trades WHERE id > 2000",
    "UPDATE trades SET note = hex(randomblob(id % 90)) WHERE id % 2 = 0",
    "INSERT INTO trades(symbol, note) SELECT symbol, hex(randomblob(9000)) FROM trades WHERE id % 50 = 0;
     DELETE FROM trades WHERE id % 4 = 1",
];

#[test]
fn the_forecast_from_fill_is_near_and_that_from_a_copy_exact() {
    for (number, wear) in WEAR.into_iter().enumerate() {
        for page_size in [1024, 4096] {
            let trading = Trading::new(0, "DELETE");
            let path = trading.folder.path().join("worn.db");
            Connection::open(&path)
                .unwrap()
                .execute_batch(&format!("PRAGMA page_size = {page_size}; CREATE TABLE x(a)"))
                .unwrap();
            std::fs::remove_file(&trading.path).unwrap();
            seeded::fill(&path, 8_000, "DELETE");
            let connection = Connection::open(&path).unwrap();
            connection
                .execute_batch("CREATE INDEX a ON trades(symbol, note); CREATE INDEX b ON trades(price)")
                .unwrap();
            connection.execute_batch(wear).unwrap();
            drop(connection);
            let (database, hash) = (Sqlite::open(&path).unwrap(), data_hash(&path));
            let bytes = std::fs::read(&path).unwrap();
            let fill = database.forecast_vacuum(ForecastSource::Fill, &mut Unwatched).unwrap();
            let copy = database.forecast_vacuum(ForecastSource::Copy, &mut Unwatched).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
            let vacuumed = database.vacuum(VacuumWay::Whole, &fill, &options(), &mut Unwatched).unwrap();
            let real = std::fs::metadata(&path).unwrap().len();
            assert_eq!((vacuumed.before_bytes, vacuumed.after_bytes), (bytes.len() as u64, real));
            assert_eq!((copy.predicted_bytes, copy.source), (real, ForecastSource::Copy));
            let error = fill.predicted_bytes as f64 / real as f64 - 1.0;
            println!(
                "wear {number}, {page_size}: {} -> {real}, forecast {:+.1} %",
                bytes.len(),
                error * 100.0
            );
            assert!(error.abs() < 0.05, "wear {number}, {page_size}: {} for {real}", fill.predicted_bytes);
            assert_sound(&path);
            assert_eq!(data_hash(&path), hash);
        }
    }
}

#[test]
fn nothing_to_gain_is_declined_with_the_figure() {
    let trading = Trading::new(3_000, "DELETE");
    let database = Sqlite::open(&trading.path).unwrap();
    trading.connect().execute_batch("VACUUM").unwrap();
    let forecast = database.forecast_vacuum(ForecastSource::Fill, &mut Unwatched).unwrap();
    assert!(
        forecast.decline().is_some_and(|why| why.contains("nothing to gain") && why.contains('%')),
        "{forecast:?}"
    );
    assert_eq!(forecast.implicit_rowid_tables, ["events"]);
    assert!(
        forecast.warnings.iter().any(|warning| warning.contains("events") && warning.contains("row numbers"))
    );
    trading.connect().execute_batch("DELETE FROM trades WHERE id % 2 = 0").unwrap();
    let worn = database.forecast_vacuum(ForecastSource::Fill, &mut Unwatched).unwrap();
    // No page is free, so that only their fill tells.
    assert!(worn.decline().is_none() && worn.free_bytes == 0 && worn.saved_share() > 0.3, "{worn:?}");
    let free = database.forecast_vacuum(ForecastSource::FreePages, &mut Unwatched).unwrap();
    assert_eq!((free.saved_bytes(), free.source), (0, ForecastSource::FreePages));
}

#[test]
fn row_numbers_without_a_key_are_told_by_the_schema() {
    let trading = Trading::new(0, "DELETE");
    let schema = "CREATE TABLE desc_key(a INTEGER PRIMARY KEY DESC); CREATE TABLE int_key(a INT PRIMARY KEY);
                  CREATE TABLE clustered(a TEXT PRIMARY KEY) WITHOUT ROWID; CREATE TABLE two(a INTEGER, b, PRIMARY KEY(a, b));
                  CREATE TABLE late(b, a integer, PRIMARY KEY(a)); CREATE VIRTUAL TABLE words USING fts5(body, content='events');";
    trading.connect().execute_batch(schema).unwrap();
    let database = Sqlite::open(&trading.path).unwrap();
    let forecast = database.forecast_vacuum(ForecastSource::Fill, &mut Unwatched).unwrap();
    for (table, expected) in [
        ("desc_key", true),
        ("int_key", true),
        ("clustered", false),
        ("two", true),
        ("late", false),
        ("trades", false),
    ] {
        assert_eq!(forecast.implicit_rowid_tables.iter().any(|name| name == table), expected, "{table}");
    }
    assert!(forecast.warnings.iter().any(|warning| warning.contains("full-text")), "{:?}", forecast.warnings);
}

#[test]
fn a_reader_keeps_the_log_and_is_told_of() {
    let trading = Trading::new(3_000, "WAL");
    trading.connect().execute_batch("DELETE FROM trades WHERE id % 2 = 0").unwrap();
    let (database, hash) = (Sqlite::open(&trading.path).unwrap(), data_hash(&trading.path));
    let forecast = database.forecast_vacuum(ForecastSource::Fill, &mut Unwatched).unwrap();
    assert!(forecast.warnings.iter().any(|warning| warning.contains("write-ahead log")), "{forecast:?}");
    let reader = trading.connect();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM users", [], |_| Ok(())).unwrap();
    let vacuumed = database.vacuum(VacuumWay::Whole, &forecast, &options(), &mut Unwatched).unwrap();
    assert!(
        vacuumed.remarks.iter().any(|remark| remark.contains("a reader holds an old state")),
        "{vacuumed:?}"
    );
    assert!(vacuumed.after_bytes < vacuumed.before_bytes);
    drop(reader);
    let again = database.vacuum(VacuumWay::Whole, &forecast, &options(), &mut Unwatched).unwrap();
    assert_eq!(again.remarks, Vec::<String>::new());
    assert_sound(&trading.path);
    assert_eq!(data_hash(&trading.path), hash);
}

#[test]
fn other_ways_have_their_conditions() {
    let trading = Trading::new(2_000, "DELETE");
    let database = Sqlite::open(&trading.path).unwrap();
    let vacuum = |way| {
        let forecast = database.forecast_vacuum(ForecastSource::Fill, &mut Unwatched).unwrap();
        database.vacuum(way, &forecast, &options(), &mut Unwatched)
    };
    assert!(matches!(vacuum(VacuumWay::Incremental), Err(DatabaseError::Refused { .. })));
    assert!(matches!(vacuum(VacuumWay::PageSize(5000)), Err(DatabaseError::Refused { .. })));
    vacuum(VacuumWay::PageSize(8192)).unwrap();
    let number = |pragma: &str| -> i64 {
        trading.connect().query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(number("page_size"), 8192);
    trading
        .connect()
        .execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM; DELETE FROM trades WHERE id > 500")
        .unwrap();
    let free = number("freelist_count");
    assert!(free > 5);
    let given = vacuum(VacuumWay::Incremental).unwrap();
    assert_eq!(
        (number("freelist_count"), given.before_bytes - given.after_bytes >= 8192 * free as u64),
        (0, true)
    );
    trading.connect().execute_batch("PRAGMA journal_mode = WAL").unwrap();
    let refused = vacuum(VacuumWay::PageSize(4096)).unwrap_err();
    assert!(refused.to_string().contains("journal_mode = DELETE first"), "{refused}");
}

#[test]
fn locked_or_stopped_it_leaves_the_file_as_it_was() {
    let trading = Trading::new(20_000, "DELETE");
    trading.connect().execute_batch("DELETE FROM trades WHERE id % 2 = 0").unwrap();
    let (database, bytes) = (Sqlite::open(&trading.path).unwrap(), std::fs::read(&trading.path).unwrap());
    let forecast = database.forecast_vacuum(ForecastSource::Fill, &mut Unwatched).unwrap();
    for lock in ["BEGIN IMMEDIATE", "BEGIN; SELECT count(*) FROM users"] {
        let other = trading.connect();
        other.execute_batch("SELECT 1").unwrap();
        other.execute_batch(lock).unwrap();
        let refused = database.vacuum(VacuumWay::Whole, &forecast, &options(), &mut Unwatched);
        assert!(matches!(refused, Err(DatabaseError::Locked { .. })), "{lock}: {refused:?}");
    }
    for stops in 0..4 {
        let stopped = database.vacuum(VacuumWay::Whole, &forecast, &options(), &mut StopsAt(stops));
        if let Err(error) = stopped {
            assert!(matches!(error, DatabaseError::Stopped { .. }), "{stops}: {error}");
            assert_eq!(std::fs::read(&trading.path).unwrap(), bytes, "{stops}");
        }
    }
    let huge = pulse_db::sqlite::Room { needed: u64::MAX / 4, free: 0 };
    let roomless = pulse_db::sqlite::VacuumForecast { temp_bytes: huge, ..forecast };
    let refused = database.vacuum(VacuumWay::Whole, &roomless, &options(), &mut Unwatched);
    assert!(matches!(refused, Err(DatabaseError::NoSpace { .. })), "{refused:?}");
}
