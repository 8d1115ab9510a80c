//! What can be asked of a history.

use pulse_model::{Ending, ValidityState, Verdict};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, named_params, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{History, HistoryError, RunId};
use crate::compare::Spreads;
use crate::run_data::RunData;
use crate::run_record::{CaseRecord, Origin, RunRecord};

/// Most rows of one answer.
const MAX_ROWS: u32 = 100_000;
/// Newest runs from which spreads are taken; a machine's character of long ago says little.
const MAX_SPREAD_RUNS: u32 = 200;

/// Which runs. All parts must hold; `None` holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this suite.
    pub suite: Option<String>,
    /// Of this branch.
    pub branch: Option<String>,
    /// From this machine.
    pub machine: Option<String>,
    /// At most this many, the newest; 100 000 at most.
    pub limit: Option<u32>,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    /// Names it.
    pub id: RunId,
    /// Suite or plan.
    pub suite: String,
    /// Wall-clock start, RFC 3339, UTC.
    pub started: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Version of Pulse.
    pub version: String,
    /// The worst verdict; `None` without targets.
    pub verdict: Option<Verdict>,
    /// Whether the numbers can be trusted.
    pub validity: ValidityState,
    /// How it ended.
    pub ending: Ending,
    /// Number of cases that are still kept.
    pub cases: u64,
    /// Baselines that it is, sorted.
    pub baselines: Vec<String>,
}

/// A baseline in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaselineRow {
    /// The name.
    pub name: String,
    /// The run that has it.
    pub run: RunId,
    /// When that run started, RFC 3339, UTC.
    pub started: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// A figure of one case in one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryPoint {
    /// The run.
    pub run: RunId,
    /// When it started, RFC 3339, UTC.
    pub started: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What the case was planned to do, in words; empty when it is not known.
    pub plan: String,
    /// Whether the numbers of the case can be trusted.
    pub validity: ValidityState,
    /// The figure in its base unit.
    pub value: f64,
}

const ORIGIN: &str = "runs.revision, runs.branch, runs.dirty, runs.machine";
/// Runs that came to their end, whose figures may be followed.
const COMPLETE: &str = "coalesce(runs.ending, 'finished') = 'finished'";
const FILTER: &str = "(:suite IS NULL OR runs.suite = :suite) AND (:branch IS NULL OR runs.branch = :branch)
    AND (:machine IS NULL OR runs.machine = :machine)";

impl History {
    /// Runs, the newest first.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, HistoryError> {
        let sql = format!(
            "SELECT {ORIGIN}, runs.id, suite, started, version, verdict, validity,
                 (SELECT count(*) FROM cases WHERE cases.run = runs.id),
                 (SELECT json_group_array(name) FROM (SELECT name FROM baselines WHERE run = runs.id ORDER BY name)),
                 ending
             FROM runs WHERE {FILTER} ORDER BY runs.id DESC LIMIT :limit"
        );
        self.filtered(&sql, filter, None, |row| {
            Ok(RunRow {
                origin: origin(row)?,
                id: RunId(row.get(4)?),
                suite: row.get(5)?,
                started: row.get(6)?,
                version: row.get(7)?,
                verdict: read_word(row, 8)?,
                validity: read_word(row, 9)?.unwrap_or_default(),
                cases: row.get::<_, i64>(10)?.unsigned_abs(),
                baselines: read_json(row, 11)?,
                ending: read_word(row, 12)?.unwrap_or_default(),
            })
        })
    }

    /// The newest run that the filter lets through; `None` in an empty history.
    pub fn latest(&self, filter: &RunFilter) -> Result<Option<RunId>, HistoryError> {
        let filter = RunFilter { limit: Some(1), ..filter.clone() };
        Ok(self.runs(&filter)?.first().map(|row| row.id))
    }

    /// The run that has a name.
    pub fn baseline(&self, name: &str) -> Result<Option<RunId>, HistoryError> {
        self.connection
            .query_row("SELECT run FROM baselines WHERE name = ?1", [name], |row| row.get(0).map(RunId))
            .optional()
            .map_err(|source| HistoryError::sql(&self.path, source))
    }

    /// All baselines by name.
    pub fn baselines(&self) -> Result<Vec<BaselineRow>, HistoryError> {
        let sql = format!(
            "SELECT {ORIGIN}, baselines.name, runs.id, started
             FROM baselines JOIN runs ON runs.id = baselines.run
             WHERE {FILTER} ORDER BY baselines.name LIMIT :limit"
        );
        self.filtered(&sql, &RunFilter::default(), None, |row| {
            Ok(BaselineRow {
                origin: origin(row)?,
                name: row.get(4)?,
                run: RunId(row.get(5)?),
                started: row.get(6)?,
            })
        })
    }

    /// Ids of all cases of runs that came to their end, sorted.
    pub fn case_ids(&self, filter: &RunFilter) -> Result<Vec<String>, HistoryError> {
        let sql = format!(
            "SELECT DISTINCT cases.name FROM cases JOIN runs ON runs.id = cases.run
             WHERE {COMPLETE} AND {FILTER} ORDER BY cases.name LIMIT :limit"
        );
        self.filtered(&sql, filter, None, |row| row.get(0))
    }

    /// A figure of one case over its runs, the oldest first; see [`metrics`](crate::metrics) for the names. Runs that were
    /// interrupted are left out.
    pub fn series(
        &self,
        case: &str,
        metric: &str,
        filter: &RunFilter,
    ) -> Result<Vec<HistoryPoint>, HistoryError> {
        let sql = format!(
            "SELECT {ORIGIN}, runs.id, runs.started, metrics.value, coalesce(cases.plan, ''), cases.validity
             FROM cases JOIN runs ON runs.id = cases.run JOIN metrics ON metrics.case_id = cases.id
             WHERE cases.name = :case AND metrics.metric = :metric AND {COMPLETE} AND {FILTER}
             ORDER BY runs.id DESC LIMIT :limit"
        );
        let mut points = self.filtered(&sql, filter, Some((case, metric)), |row| {
            Ok(HistoryPoint {
                origin: origin(row)?,
                run: RunId(row.get(4)?),
                started: row.get(5)?,
                value: row.get(6)?,
                plan: row.get(7)?,
                validity: read_word(row, 8)?.unwrap_or_default(),
            })
        })?;
        points.reverse();
        Ok(points)
    }

    /// By how much the figures of a case differ between runs of one commit on this machine, as far as its newest runs tell.
    pub fn spreads(&self, case: &str, machine: &str) -> Result<Spreads, HistoryError> {
        let filter = RunFilter {
            machine: Some(machine.to_owned()),
            limit: Some(MAX_SPREAD_RUNS),
            ..RunFilter::default()
        };
        Spreads::from_series(|figure| self.series(case, figure, &filter))
    }

    /// Everything that is kept of a run.
    pub fn load(&self, run: RunId) -> Result<RunRecord, HistoryError> {
        let failed = |source| HistoryError::sql(&self.path, source);
        let sql = format!("SELECT {ORIGIN}, suite, summary FROM runs WHERE id = ?1");
        let head: Option<(Origin, String, String)> = self
            .connection
            .query_row(&sql, [run.0], |row| Ok((origin(row)?, row.get(4)?, row.get::<_, String>(5)?)))
            .optional()
            .map_err(failed)?;
        let (origin, suite, summary) = head.ok_or(HistoryError::NoSuchRun { run: run.0 })?;
        let summary = self.parse(&summary, run, "the summary")?;
        let sql = "SELECT name, summary, intervals FROM cases WHERE run = ?1 ORDER BY id";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query(params![run.0]).map_err(failed)?;
        let mut cases = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let text = |at: usize| row.get::<_, Option<String>>(at).map_err(failed);
            let summary = self.parse(&text(1)?.unwrap_or_default(), run, "the summary of a case")?;
            let intervals = match text(2)? {
                Some(intervals) => self.parse(&intervals, run, "the intervals of a case")?,
                None => Vec::new(),
            };
            let data = RunData { summary, intervals, machine: origin.machine.clone() };
            cases.push(CaseRecord { id: text(0)?.unwrap_or_default(), data });
        }
        Ok(RunRecord { suite, origin, summary, cases })
    }

    fn parse<T: DeserializeOwned>(
        &self,
        json: &str,
        run: RunId,
        what: &'static str,
    ) -> Result<T, HistoryError> {
        serde_json::from_str(json).map_err(|error| HistoryError::Damaged {
            path: self.path.clone(),
            run: run.0,
            what,
            reason: error.to_string(),
        })
    }

    fn filtered<T>(
        &self,
        sql: &str,
        filter: &RunFilter,
        of: Option<(&str, &str)>,
        read: impl FnMut(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Vec<T>, HistoryError> {
        let limit = filter.limit.unwrap_or(MAX_ROWS).min(MAX_ROWS);
        let ask = || -> Result<Vec<T>, rusqlite::Error> {
            let mut statement = self.connection.prepare(sql)?;
            let all = named_params! {
                ":suite": filter.suite, ":branch": filter.branch, ":machine": filter.machine, ":limit": limit,
            };
            for (name, value) in all {
                if let Some(at) = statement.parameter_index(name)? {
                    statement.raw_bind_parameter(at, value)?;
                }
            }
            if let Some((case, metric)) = of {
                for (name, value) in [(":case", case), (":metric", metric)] {
                    if let Some(at) = statement.parameter_index(name)? {
                        statement.raw_bind_parameter(at, value)?;
                    }
                }
            }
            statement.raw_query().mapped(read).collect()
        };
        ask().map_err(|source| HistoryError::sql(&self.path, source))
    }
}

fn origin(row: &Row<'_>) -> Result<Origin, rusqlite::Error> {
    Ok(Origin { commit: row.get(0)?, branch: row.get(1)?, dirty: row.get(2)?, machine: row.get(3)? })
}

/// A value of an enum as its column holds it: the word of its JSON form, NULL for none.
pub(super) fn word(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

fn read_word<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> Result<Option<T>, rusqlite::Error> {
    let word: Option<String> = row.get(at)?;
    word.map(|word| {
        serde_json::from_value(serde_json::Value::String(word))
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
    })
    .transpose()
}

fn read_json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> Result<T, rusqlite::Error> {
    let json: String = row.get(at)?;
    serde_json::from_str(&json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}
