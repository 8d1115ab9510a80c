//! What it costs to write a row where the workload does not show it: rows are taken out and put back.
//!
//! A row that is put back meets every index of its table, and breaks no key. All of it happens in a transaction that is
//! rolled back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::quote;
use super::replay::Stage;
use super::tried::gain;
use super::watch::Watch;
use crate::catalog::TableName;
use crate::trial::{ChangeTrial, WriteCost};

/// Rows per round.
const ROWS: usize = 24;
/// Rounds.
const ROUNDS: usize = 10;
/// Tables that are measured.
const MAX_TABLES: usize = 50;

/// Tables of changes, each once.
pub(crate) fn tables(changes: &[ChangeTrial]) -> Vec<TableName> {
    let mut tables: Vec<TableName> = changes.iter().filter_map(|change| change.table.clone()).collect();
    tables.sort();
    tables.dedup();
    tables.truncate(MAX_TABLES);
    tables
}

/// Measures one table on both sides in turns, within a time: the rounds that are whole by then count.
pub(crate) fn measure(
    stages: &[Stage; 2],
    table: &TableName,
    time: Duration,
    watch: &Arc<Watch>,
) -> WriteCost {
    let mut cost = WriteCost { table: table.clone(), ..WriteCost::default() };
    watch.limit(time);
    let mut times = [Rounds::new(), Rounds::new()];
    let ended = rounds(stages, table, &mut times);
    watch.unlimit();
    let whole = times[0].len().min(times[1].len());
    times.iter_mut().for_each(|side| side.truncate(whole));
    let [before, after] = times;
    before.iter().flatten().for_each(|&time| cost.before.record(time));
    after.iter().flatten().for_each(|&time| cost.after.record(time));
    cost.growth = gain(&after, &before);
    cost.failure = ended.err().filter(|_| cost.growth.is_none()).map(|error| error.to_string());
    cost
}

/// Times of a side, a list per round.
type Rounds = Vec<Vec<u64>>;

fn rounds(stages: &[Stage; 2], table: &TableName, times: &mut [Rounds; 2]) -> rusqlite::Result<()> {
    let rewriting = stages[0].own(|connection| Rewriting::of(connection, table))?;
    let rows = stages[0].own(|connection| rewriting.rows(connection))?;
    if rows.is_empty() {
        return Ok(());
    }
    // The first round warms both sides up and is thrown away.
    for round in 0..=ROUNDS {
        for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let round_times = stages[side].own(|connection| {
                connection.execute_batch("BEGIN IMMEDIATE")?;
                let times = rewriting.rewrite(connection, &rows);
                connection.execute_batch("ROLLBACK")?;
                times
            })?;
            if round > 0 {
                times[side].push(round_times);
            }
        }
    }
    Ok(())
}

/// The statements that take a row of a table out and put it back.
struct Rewriting {
    select: String,
    delete: String,
    insert: String,
    /// How many of the selected values are the key; all of them are put back.
    keys: usize,
    /// The largest number of a row; `None` where rows have none, along which they could be chosen.
    last: Option<String>,
}

impl Rewriting {
    fn of(connection: &Connection, table: &TableName) -> rusqlite::Result<Self> {
        let sql = "SELECT name, pk FROM pragma_table_xinfo(?1, ?2) WHERE hidden = 0 ORDER BY cid";
        let columns = connection
            .prepare(sql)?
            .query_map([&table.name, &table.schema], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let is_clustered: bool = connection.query_row(
            "SELECT wr FROM pragma_table_list WHERE schema = ?2 COLLATE NOCASE AND name = ?1 COLLATE NOCASE",
            [&table.name, &table.schema],
            |row| row.get(0),
        )?;
        let is_taken = |name: &&str| !columns.iter().any(|(column, _)| column.eq_ignore_ascii_case(name));
        let number = ["rowid", "oid", "_rowid_"].into_iter().find(is_taken).filter(|_| !is_clustered);
        let keys: Vec<String> = match number {
            Some(number) => vec![number.to_owned()],
            None => columns.iter().filter(|(_, key)| *key > 0).map(|(name, _)| quote::name(name)).collect(),
        };
        let others = columns.iter().filter(|(_, key)| number.is_some() || *key == 0);
        let all: Vec<String> =
            keys.iter().cloned().chain(others.map(|(name, _)| quote::name(name))).collect();
        let (list, count) = (all.join(", "), all.len());
        let table = quote::qualified(table);
        let places = vec!["?"; count].join(", ");
        let is_key = keys.iter().map(|key| format!("{key} = ?")).collect::<Vec<_>>().join(" AND ");
        Ok(Self {
            select: match number {
                Some(number) => {
                    format!("SELECT {list} FROM {table} WHERE {number} >= ?1 ORDER BY {number} LIMIT 1")
                }
                None => format!("SELECT {list} FROM {table} LIMIT {ROWS}"),
            },
            delete: format!("DELETE FROM {table} WHERE {is_key}"),
            insert: format!("INSERT INTO {table} ({list}) VALUES ({places})"),
            keys: keys.len(),
            last: number.map(|number| format!("SELECT max({number}) FROM {table}")),
        })
    }

    /// Rows from all over the table, or its first ones where they have no numbers.
    fn rows(&self, connection: &Connection) -> rusqlite::Result<Vec<Vec<Value>>> {
        let mut select = connection.prepare(&self.select)?;
        let width = select.column_count();
        let values = |row: &rusqlite::Row<'_>| {
            (0..width).map(|index| row.get(index)).collect::<rusqlite::Result<Vec<Value>>>()
        };
        let Some(last) = &self.last else { return select.query_map([], values)?.collect() };
        let (mut rows, mut next) = (Vec::<Vec<Value>>::new(), i64::MIN);
        let first = select.query_map([next], values)?.next().transpose()?;
        let Some(Value::Integer(first)) = first.and_then(|row| row.into_iter().next()) else {
            return Ok(rows);
        };
        let last = connection.query_row(last, [], |row| row.get::<_, i64>(0))?;
        let stride = (last.saturating_sub(first) / ROWS.cast_signed() as i64).max(1);
        next = first;
        while rows.len() < ROWS && next <= last {
            let Some(row) = select.query_map([next], values)?.next().transpose()? else { break };
            let Some(&Value::Integer(number)) = row.first() else { break };
            rows.push(row);
            let Some(after) = number.max(next).checked_add(stride) else { break };
            next = after;
        }
        Ok(rows)
    }

    fn rewrite(&self, connection: &Connection, rows: &[Vec<Value>]) -> rusqlite::Result<Vec<u64>> {
        let mut delete = connection.prepare_cached(&self.delete)?;
        let mut insert = connection.prepare_cached(&self.insert)?;
        let mut times = Vec::with_capacity(rows.len());
        for row in rows {
            let started = Instant::now();
            delete.execute(params_from_iter(&row[..self.keys]))?;
            insert.execute(params_from_iter(row))?;
            times.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        Ok(times)
    }
}
