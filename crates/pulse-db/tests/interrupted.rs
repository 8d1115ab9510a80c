//! Stopped in the middle: the report tells what was done until then, what was not, and how to take it back.
#![expect(clippy::unwrap_used, reason = "clippy takes the functions between the tests for production code")]

mod seeded;

use pulse_db::workload::{Value, Workload};
use pulse_db::{Actions, DatabaseError, Progress, Sqlite, Wishes};
use pulse_model::{Ending, Nanos, Summary, Verdict};
use seeded::{Trading, assert_sound, indexes, statement, workload};

/// Stops once a step has begun whose name begins so.
struct StopsIn(&'static str, bool);

impl Progress for StopsIn {
    fn at(&mut self, step: &str, _share: Option<f64>) {
        self.1 |= step.starts_with(self.0);
    }

    fn is_stopped(&self) -> bool {
        self.1
    }
}

/// Two statements that each want an index.
fn asked() -> Workload {
    workload(vec![
        statement("SELECT * FROM trades WHERE symbol = ?", 100, vec![vec![Value::Text("S001".to_owned())]]),
        statement("SELECT body FROM events WHERE kind = ?", 100, vec![vec![Value::Text("S002".to_owned())]]),
    ])
}

fn stopped_in(step: &'static str, verify: bool, trading: &Trading) -> Result<Summary, DatabaseError> {
    let wishes = Wishes {
        actions: Actions { add_indexes: true, drop_indexes: true, vacuum: true, analyze_stats: true },
        targets: vec!["p95 < 10s".parse().unwrap()],
        verify,
        trial_time: Nanos::from_millis(500),
        ..Wishes::default()
    };
    let database = Sqlite::open_to_change(&trading.path).unwrap();
    pulse_db::run(&database, asked(), &wishes, &mut StopsIn(step, false))
}

fn outcomes(summary: &Summary) -> Vec<&str> {
    summary.database.as_ref().unwrap().actions.iter().map(|action| action.outcome.as_str()).collect()
}

const NOT: &str = "not done: interrupted";

#[test]
fn after_the_first_of_two_indexes() {
    let trading = Trading::new(5_000, "DELETE");
    let summary = stopped_in("committed", false, &trading).unwrap();
    assert_eq!(summary.ending, Ending::Interrupted);
    assert_eq!(outcomes(&summary), ["done", NOT, NOT, NOT, NOT]);
    let database = summary.database.as_ref().unwrap();
    assert!(database.actions[0].took.is_some() && database.after.is_none(), "{database:?}");
    let left: Vec<_> = database.actions[2..].iter().map(|action| action.what.as_str()).collect();
    assert_eq!(left, ["DROP INDEX", "VACUUM", "ANALYZE main"]);
    let undo = summary.findings.iter().find(|finding| finding.code == "undo").unwrap();
    let help = undo.help.as_ref().unwrap();
    assert!(help.contains("pulse db undo") && help.contains("pulse db resume"), "{help}");
    // The times are of the database as it was.
    assert_eq!(summary.targets[0].verdict, Verdict::NoData);
    assert_eq!(indexes(&trading.path).len(), 1);
    assert!(Sqlite::open(&trading.path).unwrap().pending().unwrap().is_some());
    assert_sound(&trading.path);
}

#[test]
fn while_the_indexes_are_tried() {
    let trading = Trading::new(5_000, "DELETE");
    let summary = stopped_in("comparing answers", true, &trading).unwrap();
    assert_eq!(summary.ending, Ending::Interrupted);
    assert_eq!(outcomes(&summary), [NOT, NOT, NOT]);
    let database = summary.database.as_ref().unwrap();
    assert_eq!(database.indexes.iter().filter(|index| !index.fix.sql.is_empty()).count(), 2, "{database:?}");
    assert!(database.indexes.iter().all(|index| !index.recommended && index.reason.contains("interrupted")));
    assert!(!summary.findings.iter().any(|finding| finding.code == "undo"));
    assert_ne!(summary.targets[0].verdict, Verdict::NoData, "nothing was changed, and the times hold");
    assert!(indexes(&trading.path).is_empty());
}

#[test]
fn once_everything_is_done_and_before_it_is_timed_again() {
    let trading = Trading::new(5_000, "DELETE");
    let summary = stopped_in("reading the database again", false, &trading).unwrap();
    assert_eq!(summary.ending, Ending::Interrupted);
    let outcomes = outcomes(&summary);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "done").count(), 3, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| *outcome != NOT), "{outcomes:?}");
    assert_eq!(indexes(&trading.path).len(), 2);
}

#[test]
fn before_there_is_anything_to_tell() {
    let trading = Trading::new(500, "DELETE");
    let stopped = stopped_in("timing", true, &trading).unwrap_err();
    assert!(matches!(stopped, DatabaseError::Stopped { .. }), "{stopped}");
}
