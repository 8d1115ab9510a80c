//! From what was read, planned and timed to the figures of the report.

use pulse_model::{
    Aggregate, DatabaseReport, DatabaseState, Histogram, IndexFigures, Measured, Nanos, Series, Snapshot,
    StatementFigures, StatementTimes, Statistic, Subject, TableFigures, Target, TargetResult,
    WorkloadFigures, metric,
};
use pulse_stats::{judge as judge_sampled, judge_estimate};

use crate::catalog::{Catalog, Table};
use crate::findings;
use crate::plan::{Explained, QueryPlan};
use crate::timing::Timing;
use crate::trial::{Gain, StatementTrial};
use crate::weighted::{weighted, weighted_mean};
use crate::workload::{Statement, Workload};

/// The report, as it grows.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) report: DatabaseReport,
    /// Where each statement of the workload is in the report.
    places: Vec<usize>,
    is_changed: bool,
}

impl Figures {
    pub(crate) fn new(
        catalog: &Catalog,
        workload: &Workload,
        explained: &[Result<Explained, String>],
        timings: &[Timing],
        sources: &[String],
    ) -> Self {
        let mut rows: Vec<(usize, StatementFigures)> = workload
            .statements
            .iter()
            .enumerate()
            .map(|(at, statement)| (at, statement_figures(statement, explained.get(at), timings.get(at))))
            .collect();
        rows.sort_by(|(_, one), (_, other)| total(other).total_cmp(&total(one)));
        let mut places = vec![0; rows.len()];
        for (place, (at, _)) in rows.iter().enumerate() {
            places[*at] = place;
        }
        let report = DatabaseReport {
            engine: engine(catalog),
            before: state(catalog),
            tables: tables(catalog),
            workload: workload_figures(workload, sources),
            // What was made up from the structure was never asked, and is no row of a table of what was.
            statements: if workload.is_structural {
                Vec::new()
            } else {
                rows.into_iter().map(|(_, row)| row).collect()
            },
            ..DatabaseReport::default()
        };
        if workload.is_structural {
            places.clear();
        }
        Self { report, places, is_changed: false }
    }

    /// Positions in the report of statements by their positions in the workload.
    pub(crate) fn placed(&self, statements: &[usize]) -> Vec<usize> {
        let mut placed: Vec<usize> =
            statements.iter().filter_map(|&statement| self.places.get(statement).copied()).collect();
        placed.sort_unstable();
        placed
    }

    /// What a trial measured of a statement.
    pub(crate) fn tried(&mut self, statement: usize, trial: &StatementTrial) {
        let Some(row) = self.row(statement) else { return };
        let (before, after) =
            (times(&trial.before, &trial.cold_before), times(&trial.after, &trial.cold_after));
        if let (Some(before), Some(after)) = (before, after) {
            (row.before, row.after) = (Some(before), Some(after));
            row.failure = None;
        } else if trial.failure.is_some() {
            row.failure.clone_from(&trial.failure);
        }
        let samples = trial.before.count() + trial.after.count();
        row.gain = trial.gain.map(|Gain { value, lo, hi }| Measured { value, lo, hi, samples });
        row.plan_before.clone_from(&trial.plan_before);
        row.plan_after.clone_from(&trial.plan_after);
    }

    /// The plan that is expected of a statement.
    pub(crate) fn expect(&mut self, statement: usize, plan: &QueryPlan) {
        if let Some(row) = self.row(statement) {
            row.plan_after = plan_lines(plan);
        }
    }

    fn row(&mut self, statement: usize) -> Option<&mut StatementFigures> {
        let place = *self.places.get(statement)?;
        self.report.statements.get_mut(place)
    }

    /// The database is no longer as it was found.
    pub(crate) fn has_changed(&mut self) {
        self.is_changed = true;
    }

    pub(crate) fn has_done_something(&self) -> bool {
        self.is_changed
    }

    /// The database as it is left.
    pub(crate) fn after(&mut self, catalog: &Catalog) {
        self.report.after = Some(state(catalog));
        self.report.tables = tables(catalog);
    }

    /// Times and plans of the database as it is left. Where a trial compared both sides in turns, its times stay: those
    /// before and after come from the same minutes.
    pub(crate) fn timed_after(&mut self, timings: &[Timing], plans: &[Result<Vec<String>, String>]) {
        for (statement, (timing, plan)) in timings.iter().zip(plans).enumerate() {
            let Some(row) = self.row(statement) else { continue };
            if row.gain.is_none() {
                row.after = times(&timing.warm, &timing.cold);
            }
            if let Ok(plan) = plan {
                row.plan_after.clone_from(plan);
            }
        }
    }

    pub(crate) fn index(&mut self, index: IndexFigures) {
        self.report.indexes.push(index);
    }
}

/// What a statement takes in all.
fn total(row: &StatementFigures) -> f64 {
    row.before.or(row.recorded).map_or(0.0, |times| times.mean * row.calls as f64)
}

fn statement_figures(
    statement: &Statement,
    explained: Option<&Result<Explained, String>>,
    timing: Option<&Timing>,
) -> StatementFigures {
    let plan = explained.and_then(|explained| explained.as_ref().ok());
    let unplanned = explained.and_then(|explained| explained.as_ref().err());
    StatementFigures {
        form: statement.form.clone(),
        origin: statement.origin.clone(),
        calls: statement.calls,
        recorded: times(&statement.durations, &Histogram::default()),
        before: timing.and_then(|timing| times(&timing.warm, &timing.cold)),
        plan_before: plan.map(|explained| plan_lines(&explained.plan)).unwrap_or_default(),
        failure: unplanned.cloned().or_else(|| timing.and_then(|timing| timing.failure.clone())),
        ..StatementFigures::default()
    }
}

/// A step per line, indented by depth.
pub(crate) fn plan_lines(plan: &QueryPlan) -> Vec<String> {
    let mut depths: Vec<usize> = Vec::with_capacity(plan.steps.len());
    plan.steps
        .iter()
        .map(|step| {
            let depth = step.parent.and_then(|parent| depths.get(parent)).map_or(0, |depth| depth + 1);
            depths.push(depth);
            format!("{}{}", "  ".repeat(depth), step.detail)
        })
        .collect()
}

pub(crate) fn times(warm: &Histogram, cold: &Histogram) -> Option<StatementTimes> {
    let at = |trend: &Histogram, q| Statistic::Quantile(q).of(trend);
    Some(StatementTimes {
        count: warm.count(),
        mean: warm.mean()?,
        p95: at(warm, 0.95)?,
        cold: at(cold, 0.5),
    })
}

/// What the rules are told of a statement's times.
pub(crate) fn measured(timing: &Timing) -> Option<findings::Measured> {
    let times = times(&timing.warm, &timing.cold)?;
    Some(findings::Measured { mean: Nanos(times.mean as u64), p95: Nanos(times.p95 as u64) })
}

fn engine(catalog: &Catalog) -> String {
    let engine = &catalog.engine;
    let writer = engine.writer_version.as_ref();
    let writer = writer.map_or_else(String::new, |version| format!(", written by {version}"));
    format!("{} {}{writer}", engine.name, engine.version)
}

fn state(catalog: &Catalog) -> DatabaseState {
    let storage = &catalog.storage;
    let mode = catalog.settings.iter().find(|setting| setting.name == "journal_mode");
    DatabaseState {
        size_bytes: storage.size_bytes,
        page_size: storage.page_size,
        pages: storage.pages,
        free_pages: storage.free_pages,
        wal_bytes: storage.wal_bytes,
        journal_mode: mode.map(|setting| setting.value.clone()).unwrap_or_default(),
        encoding: catalog.engine.encoding.clone(),
    }
}

fn tables(catalog: &Catalog) -> Vec<TableFigures> {
    let index_bytes = |table: &Table| {
        let sizes = table.indexes.iter().map(|index| index.size.map(|size| size.bytes));
        sizes.sum::<Option<u64>>()
    };
    let mut tables: Vec<TableFigures> = catalog
        .tables
        .iter()
        .map(|table| TableFigures {
            name: table.name.to_string(),
            rows: table.rows,
            columns: table.columns.len() as u64,
            indexes: table.indexes.len() as u64,
            size_bytes: table.size.map(|size| size.bytes),
            index_bytes: index_bytes(table),
            fill: table
                .size
                .filter(|size| size.bytes > 0)
                .map(|size| 1.0 - size.unused_bytes as f64 / size.bytes as f64),
        })
        .collect();
    tables.sort_by_key(|table| std::cmp::Reverse((table.size_bytes, table.rows)));
    tables
}

fn workload_figures(workload: &Workload, sources: &[String]) -> WorkloadFigures {
    let skipped = workload.skipped.iter().map(|skipped| {
        let times = if skipped.count == 1 { String::new() } else { format!(" ({} times)", skipped.count) };
        format!("{}: {}: {}{times}", skipped.origin, skipped.reason, skipped.text)
    });
    WorkloadFigures {
        sources: if workload.is_structural { Vec::new() } else { sources.to_vec() },
        forms: workload.statements.len() as u64,
        calls: workload.calls(),
        skipped: skipped.collect(),
    }
}

fn by_calls<'a>(workload: &'a Workload, timings: &'a [Timing]) -> Vec<(u64, &'a Histogram)> {
    workload
        .statements
        .iter()
        .zip(timings)
        .map(|(statement, timing)| (statement.calls, &timing.warm))
        .collect()
}

/// Judges a target over the workload: a mean exactly by strata, everything else by the distribution of the calls.
pub(crate) fn judge(target: &Target, workload: &Workload, timings: &[Timing]) -> TargetResult {
    if matches!(target.subject, Subject::Trend { statistic: Statistic::Mean, .. }) {
        let mean = weighted_mean(&by_calls(workload, timings));
        return judge_estimate(target, mean.as_ref(), "no statement of the workload was timed");
    }
    let mut snapshot = Snapshot::default();
    record(&mut snapshot, workload, timings);
    judge_sampled(target, &snapshot)
}

/// The times of the calls as response times.
pub(crate) fn record(snapshot: &mut Snapshot, workload: &Workload, timings: &[Timing]) {
    let joined = weighted(&by_calls(workload, timings));
    if !joined.is_empty() {
        snapshot.add(Series::new(metric::RESPONSE_TIME), Aggregate::Trend(joined));
    }
}
