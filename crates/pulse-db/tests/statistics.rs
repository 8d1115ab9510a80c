//! Statistics taken anew: plans before and after, and what the clock says of them.

mod seeded;

use pulse_db::sqlite::analyze_change;
use pulse_db::workload::Value;
use pulse_db::{Sqlite, Trial, Unwatched, plan_changes};
use pulse_model::Nanos;
use seeded::{Trading, statement, workload};

#[test]
fn a_plan_that_changes_is_shown_and_measured_before_the_file_is_touched() {
    let trading = Trading::new(20_000, "DELETE");
    // Statistics of another time: they say that a user has one trade and a symbol all of them.
    let old = "CREATE INDEX by_user ON trades(user_id); CREATE INDEX by_symbol ON trades(symbol); ANALYZE;
               DELETE FROM sqlite_stat4; UPDATE sqlite_stat1 SET stat = '20000 1' WHERE idx = 'by_user';
               UPDATE sqlite_stat1 SET stat = '20000 20000' WHERE idx = 'by_symbol'";
    trading.connect().execute_batch(old).unwrap();
    let bytes = std::fs::read(&trading.path).unwrap();
    let database = Sqlite::open(&trading.path).unwrap();
    let values = vec![vec![Value::Integer(3), Value::Text("S010".to_owned())]];
    let asked = workload(vec![
        statement("SELECT * FROM trades WHERE user_id = ? AND symbol = ?", 5, values),
        statement("SELECT nonsense", 1, Vec::new()),
        statement("PRAGMA journal_mode = WAL", 1, Vec::new()),
    ]);
    let plans = database.plans(&asked).unwrap();
    assert!(
        plans[0].as_ref().unwrap()[0].contains("by_user") && plans[1].is_err() && plans[2].is_err(),
        "{plans:?}"
    );
    let trial =
        Trial { changes: vec![analyze_change(None)], budget: Nanos::from_secs(2), ..Trial::default() };
    let result = database.measure(&asked, &trial, &mut Unwatched).unwrap();
    let changes = plan_changes(&result);
    assert_eq!((changes.len(), changes[0].is_slower()), (1, false), "{changes:?}");
    let shown = changes[0].to_string();
    assert!(
        shown.contains("- SEARCH trades USING INDEX by_user")
            && shown.contains("+ SEARCH trades USING INDEX by_symbol"),
        "{shown}"
    );
    assert!(changes[0].gain.is_some_and(|gain| gain.lo > 1.0), "{changes:?}");
    assert_eq!(std::fs::read(&trading.path).unwrap(), bytes);
    let fresh = Trading::new(100, "DELETE");
    let state = Sqlite::open(&fresh.path).unwrap().statistics().unwrap();
    assert_eq!((state.rows, state.samples), (None, None));
}

#[test]
fn a_bounded_analysis_is_one_change_with_its_bound() {
    let trading = Trading::new(2_000, "DELETE");
    trading.connect().execute_batch("CREATE INDEX by_user ON trades(user_id)").unwrap();
    let database = Sqlite::open(&trading.path).unwrap();
    let options = pulse_db::sqlite::ApplyOptions::default();
    database.apply(&[analyze_change(Some(100))], &options, &mut Unwatched).unwrap();
    let state = database.statistics().unwrap();
    assert!(state.rows.is_some_and(|rows| rows > 0) && state.samples.unwrap_or(0) == 0, "{state:?}");
    database.apply(&[analyze_change(None)], &options, &mut Unwatched).unwrap();
    assert!(database.statistics().unwrap().samples.is_some_and(|samples| samples > 0));
}
