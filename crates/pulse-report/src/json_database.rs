//! The part of the JSON document about a database.

use pulse_model::{
    Action, DatabaseReport, DatabaseState, IndexAction, IndexFigures, Measured, ReplayedStatement,
    StatementFigures, StatementTimes, TableFigures, WorkloadFigures,
};
use serde::Serialize;

use crate::json_document::{millis, rounded};

#[derive(Serialize)]
pub(crate) struct Database<'a> {
    engine: &'a str,
    before: &'a DatabaseState,
    after: Option<&'a DatabaseState>,
    tables: &'a [TableFigures],
    workload: &'a WorkloadFigures,
    statements: Vec<Statement<'a>>,
    indexes: Vec<Index<'a>>,
    actions: Vec<Done<'a>>,
}

#[derive(Serialize)]
struct Statement<'a> {
    #[serde(rename = "statement")]
    form: &'a str,
    origin: &'a str,
    calls: u64,
    recorded: Option<Times>,
    before: Option<Times>,
    after: Option<Times>,
    gain: Option<Ratio>,
    plan_before: &'a [String],
    plan_after: &'a [String],
    failure: Option<&'a str>,
}

#[derive(Serialize)]
struct Times {
    count: u64,
    mean_ms: f64,
    p95_ms: f64,
    cold_ms: Option<f64>,
}

#[derive(Serialize)]
struct Ratio {
    value: f64,
    lo: f64,
    hi: f64,
}

#[derive(Serialize)]
struct Index<'a> {
    name: &'a str,
    table: &'a str,
    action: IndexAction,
    recommended: bool,
    reason: &'a str,
    sql: &'a [String],
    undo: &'a [String],
    size_bytes: Option<u64>,
    build_ms: Option<f64>,
    write_cost: Option<Ratio>,
    helps: &'a [usize],
    replayed: Vec<Replayed>,
}

#[derive(Serialize)]
struct Replayed {
    statement: usize,
    before_ms: f64,
    after_ms: f64,
    gain: Option<Ratio>,
}

#[derive(Serialize)]
struct Done<'a> {
    what: &'a str,
    outcome: &'a str,
    expected_ms: Option<f64>,
    took_ms: Option<f64>,
}

impl<'a> Database<'a> {
    pub(crate) fn of(report: &'a DatabaseReport) -> Self {
        Self {
            engine: &report.engine,
            before: &report.before,
            after: report.after.as_ref(),
            tables: &report.tables,
            workload: &report.workload,
            statements: report.statements.iter().map(Statement::of).collect(),
            indexes: report.indexes.iter().map(Index::of).collect(),
            actions: report.actions.iter().map(Done::of).collect(),
        }
    }
}

impl<'a> Statement<'a> {
    fn of(figures: &'a StatementFigures) -> Self {
        Self {
            form: &figures.form,
            origin: &figures.origin,
            calls: figures.calls,
            recorded: figures.recorded.map(Times::of),
            before: figures.before.map(Times::of),
            after: figures.after.map(Times::of),
            gain: figures.gain.map(Ratio::of),
            plan_before: &figures.plan_before,
            plan_after: &figures.plan_after,
            failure: figures.failure.as_deref(),
        }
    }
}

impl Times {
    fn of(times: StatementTimes) -> Self {
        Self {
            count: times.count,
            mean_ms: millis(times.mean),
            p95_ms: millis(times.p95),
            cold_ms: times.cold.map(millis),
        }
    }
}

impl Ratio {
    fn of(measured: Measured) -> Self {
        Self { value: rounded(measured.value), lo: rounded(measured.lo), hi: rounded(measured.hi) }
    }
}

impl<'a> Index<'a> {
    fn of(figures: &'a IndexFigures) -> Self {
        Self {
            name: &figures.name,
            table: &figures.table,
            action: figures.action,
            recommended: figures.recommended,
            reason: &figures.reason,
            sql: &figures.fix.sql,
            undo: &figures.fix.undo,
            size_bytes: figures.size_bytes,
            build_ms: figures.build.map(|nanos| millis(nanos as f64)),
            write_cost: figures.write_cost.map(Ratio::of),
            helps: &figures.helps,
            replayed: figures.replayed.iter().map(Replayed::of).collect(),
        }
    }
}

impl Replayed {
    fn of(replayed: &ReplayedStatement) -> Self {
        Self {
            statement: replayed.statement,
            before_ms: millis(replayed.before),
            after_ms: millis(replayed.after),
            gain: replayed.gain.map(Ratio::of),
        }
    }
}

impl<'a> Done<'a> {
    fn of(action: &'a Action) -> Self {
        let millis = |nanos: Option<u64>| nanos.map(|nanos| millis(nanos as f64));
        Self {
            what: &action.what,
            outcome: &action.outcome,
            expected_ms: millis(action.expected),
            took_ms: millis(action.took),
        }
    }
}
