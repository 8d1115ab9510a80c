//! The job on a database that is not SQLite, nor any other: whatever it asks, it asks through the seam.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use pulse_db::candidates::Predicate;
use pulse_db::catalog::{Column, Engine, Table, TableName, Term, Unread};
use pulse_db::plan::{Access, Condition, Effect, Operator, Question, Step};
use pulse_db::planner::{Asked, Knowledge, Priced};
use pulse_db::trial::{ChangeTrial, Gain, StatementTrial};
use pulse_db::vacuum_forecast::{VacuumForecast, Vacuumed};
use pulse_db::{
    Actions, Applied, Candidate, Catalog, Change, ChangeKind, DatabaseError, Driver, Planner, Progress,
    QueryPlan, Rewrite, SelectionOptions, Statement, Timing, Trial, TrialResult, Unwatched, Upkeep, Wishes,
    Workload, recommend, run,
};
use pulse_model::{Fix, Histogram, Nanos};

/// What the made-up database plans: all rows, or those that an index on the column finds.
const SCAN: &str = "walk through ledger";
const FOUND: &str = "walk along INDEX new_amount";

/// A database of one table that follows a script, and writes down what it is told to do.
#[derive(Clone, Default)]
struct Scripted {
    /// How many times as fast the trial finds every statement with the changes.
    speed: u64,
    applied: Rc<RefCell<Vec<Change>>>,
}

/// Its planner: everything costs 1 000, and 10 with an index on `amount`.
struct ScriptedPlanner {
    questions: Vec<Question>,
    is_indexed: bool,
}

fn ledger() -> TableName {
    TableName::main("ledger")
}

fn plan(detail: &str) -> QueryPlan {
    QueryPlan { steps: vec![Step { parent: None, detail: detail.to_owned(), access: Access::Other }] }
}

impl Planner for ScriptedPlanner {
    fn asked(&self, _statement: usize) -> Result<Asked<'_>, String> {
        const NOTHING: &[Effect] = &[];
        Ok(Asked { questions: &self.questions, effects: NOTHING })
    }

    fn size_bytes(&mut self, _candidate: &Candidate) -> Result<u64, String> {
        Ok(4_096)
    }

    fn give(&mut self, candidates: &[&Candidate], _knowledge: Knowledge) -> Result<(), String> {
        let amount = Term::Column("amount".to_owned());
        self.is_indexed = candidates.iter().any(|candidate| candidate.parts[0].term == amount);
        Ok(())
    }

    fn price(&self, _statement: usize) -> Result<Priced, String> {
        let (cost, detail) = if self.is_indexed { (10.0, FOUND) } else { (1_000.0, SCAN) };
        let used = self.is_indexed.then_some(0).into_iter().collect();
        Ok(Priced { plan: plan(detail), cost, rows: 1.0, used })
    }

    fn rows(&self, _table: &TableName) -> Option<u64> {
        Some(100_000)
    }

    fn share(&self, _table: &TableName, _predicate: &str) -> Option<f64> {
        None
    }

    fn predicate(&self, _question: &Question, _condition: &Condition) -> Option<Predicate> {
        None
    }

    fn create_index(&self, _candidate: &Candidate) -> String {
        "MAKE INDEX".to_owned()
    }

    fn change(&self, _candidate: &Candidate, _taken: &BTreeSet<String>) -> Change {
        let fix = Fix { sql: vec!["MAKE INDEX new_amount".to_owned()], undo: Vec::new() };
        Change { kind: ChangeKind::CreateIndex, schema: String::new(), subject: "new_amount".to_owned(), fix }
    }

    fn unread(&self) -> &[Unread] {
        &[]
    }
}

impl Driver for Scripted {
    fn introspect(&self, _progress: &mut dyn Progress) -> Result<Catalog, DatabaseError> {
        let column =
            |name: &str| Column { name: name.to_owned(), collation: "ANY".to_owned(), ..Column::default() };
        let columns = ["number", "amount"].map(column).to_vec();
        let table = Table { name: ledger(), rows: Some(100_000), columns, ..Table::default() };
        let engine = Engine { name: "Script".to_owned(), ..Engine::default() };
        Ok(Catalog { engine, tables: vec![table], ..Catalog::default() })
    }

    fn planner(&self, _statements: &[Statement]) -> Result<Box<dyn Planner>, DatabaseError> {
        let condition = Condition {
            term: Term::Column("amount".to_owned()),
            operator: Operator::Equal,
            collation: "ANY".to_owned(),
            value: None,
            joins: false,
        };
        let used = vec!["amount".to_owned(), "number".to_owned()];
        let question = Question { table: ledger(), conditions: vec![condition], used, ..Question::default() };
        Ok(Box::new(ScriptedPlanner { questions: vec![question], is_indexed: false }))
    }

    fn measure(
        &self,
        workload: &Workload,
        trial: &Trial,
        _progress: &mut dyn Progress,
    ) -> Result<TrialResult, DatabaseError> {
        let times = |nanos: u64| {
            let mut histogram = Histogram::default();
            histogram.record_n(nanos, 20);
            histogram
        };
        let value = self.speed as f64;
        let statement = StatementTrial {
            before: times(1_000_000),
            after: times(1_000_000 / self.speed),
            gain: Some(Gain { value, lo: value * 0.95, hi: value * 1.05 }),
            plan_before: vec![SCAN.to_owned()],
            plan_after: vec![FOUND.to_owned()],
            compared: 1,
            ..StatementTrial::default()
        };
        Ok(TrialResult {
            statements: vec![statement; workload.statements.len()],
            changes: vec![ChangeTrial::default(); trial.changes.len()],
            ..TrialResult::default()
        })
    }

    fn apply(
        &self,
        changes: &[Change],
        _predicted: &[ChangeTrial],
        _progress: &mut dyn Progress,
    ) -> Result<Applied, DatabaseError> {
        self.applied.borrow_mut().extend_from_slice(changes);
        Ok(Applied { durations: vec![Some(Nanos(1)); changes.len()], ..Applied::default() })
    }
}

impl Upkeep for Scripted {
    fn place(&self) -> String {
        "shelf/ledger.book".to_owned()
    }

    fn with_temporary(&self, _statements: &[String]) -> Box<dyn Upkeep> {
        Box::new(self.clone())
    }

    fn undo_script(&self) -> String {
        "shelf/ledger.undo".to_owned()
    }

    fn pending(&self) -> Result<Option<Vec<Option<Nanos>>>, DatabaseError> {
        Ok(None)
    }

    fn time(
        &self,
        workload: &Workload,
        _budget: Nanos,
        _progress: &mut dyn Progress,
    ) -> Result<Vec<Timing>, DatabaseError> {
        Ok(vec![Timing::default(); workload.statements.len()])
    }

    fn plans(&self, workload: &Workload) -> Result<Vec<Result<Vec<String>, String>>, DatabaseError> {
        Ok(vec![Ok(vec![FOUND.to_owned()]); workload.statements.len()])
    }

    fn rewrites(
        &self,
        _catalog: &Catalog,
        _workload: &Workload,
        _progress: &mut dyn Progress,
    ) -> Result<Vec<Rewrite>, DatabaseError> {
        Ok(Vec::new())
    }

    fn forecast_vacuum(&self, _progress: &mut dyn Progress) -> Result<VacuumForecast, DatabaseError> {
        Ok(VacuumForecast { size_bytes: 100, predicted_bytes: 50, ..VacuumForecast::default() })
    }

    fn vacuum(
        &self,
        _forecast: &VacuumForecast,
        _progress: &mut dyn Progress,
    ) -> Result<Vacuumed, DatabaseError> {
        Ok(Vacuumed { before_bytes: 100, after_bytes: 51, ..Vacuumed::default() })
    }

    fn statistics_change(&self) -> Result<(Change, Vec<String>), DatabaseError> {
        let fix = Fix { sql: vec!["COUNT AGAIN".to_owned()], undo: Vec::new() };
        let change =
            Change { kind: ChangeKind::Analyze, schema: String::new(), subject: "counts".to_owned(), fix };
        Ok((change, vec!["it counts beans".to_owned()]))
    }
}

fn asked() -> Workload {
    let form = "FIND number IN ledger BY amount".to_owned();
    let statement = Statement { sql: form.clone(), form, calls: 100, ..Statement::default() };
    Workload { statements: vec![statement], ..Workload::default() }
}

#[test]
fn a_recommendation_needs_nothing_but_the_seam() {
    let database = Scripted { speed: 50, ..Scripted::default() };
    let catalog = database.introspect(&mut Unwatched).unwrap();
    let found = recommend(&database, &catalog, &asked(), &SelectionOptions::default()).unwrap();
    assert_eq!(found.chosen.len(), 1, "{found:?}");
    assert_eq!(found.chosen[0].change.fix.sql, ["MAKE INDEX new_amount"]);
    assert_eq!((found.cost_before, found.cost_after), (100_000.0, 1_000.0));
    // Explaining is asking the planner once.
    let explained = database.explain(&asked().statements, &[found.chosen[0].candidate.clone()]).unwrap();
    assert_eq!(explained[0].as_ref().unwrap().plan, plan(FOUND));
}

#[test]
fn the_whole_job_needs_nothing_but_the_seam() {
    let actions = Actions { add_indexes: true, vacuum: true, analyze_stats: true, ..Actions::default() };
    let wishes = Wishes { actions, verify: true, ..Wishes::default() };
    for (speed, made) in [(50, vec!["new_amount", "counts"]), (1, vec!["counts"])] {
        let database = Scripted { speed, ..Scripted::default() };
        let summary = run(&database, asked(), &wishes, &mut Unwatched).unwrap();
        let applied: Vec<String> =
            database.applied.borrow().iter().map(|change| change.subject.clone()).collect();
        assert_eq!(applied, made, "{summary:?}");
        assert_eq!(
            (summary.run.name.as_str(), summary.run.service.as_str()),
            ("ledger.book", "shelf/ledger.book")
        );
        let report = summary.database.unwrap();
        assert!(report.actions.iter().any(|action| action.outcome.starts_with("done: from 100 to 51 bytes")));
        assert!(summary.findings.iter().any(|finding| finding.message == "it counts beans"));
    }
}
