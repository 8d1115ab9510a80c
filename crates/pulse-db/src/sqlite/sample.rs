//! Some rows of every table, in memory: what statistics, sizes and shares are estimated from.
//!
//! Small tables are taken whole, so that their statistics are exact. Of a large one rows are drawn by random row numbers:
//! with gaps between the numbers a row after a large gap is a little likelier to be drawn. Tables without row numbers are
//! walked through, and every n-th row is taken. Rows, bytes and time are bounded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Row, ToSql};

use super::quote;
use super::schema_copy::{self, Schema, SchemaItem, Shape};
use crate::catalog::TableName;

/// Rows up to which a table is taken whole.
const WHOLE_ROWS: u64 = 20_000;
/// Rows that are drawn of a larger table.
const DRAWN_ROWS: u64 = 10_000;
/// Bytes of all samples together.
const MAX_BYTES: usize = 64_000_000;
/// Bytes that every table may have, however many tables there are.
const MIN_TABLE_BYTES: usize = 500_000;
/// Bytes of one value; what is longer is cut, for no index on it would be advised.
const MAX_VALUE_BYTES: usize = 4_096;
/// Tables of which rows are taken.
const MAX_TABLES: usize = 1_000;

/// Rows of all tables, and how many there are in truth.
pub(super) struct Sample {
    /// A database in memory with the sampled rows and no indexes but those of keys.
    pub connection: Connection,
    tables: BTreeMap<TableName, TableSample>,
}

/// How much of a table is in the sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TableSample {
    /// Rows of the table.
    pub rows: u64,
    /// Rows in the sample.
    pub sampled: u64,
}

impl TableSample {
    /// Whether every row is in the sample.
    pub(super) fn is_whole(self) -> bool {
        self.sampled >= self.rows
    }

    /// Rows of the table for each in the sample.
    pub(super) fn scale(self) -> f64 {
        if self.sampled == 0 { 1.0 } else { (self.rows as f64 / self.sampled as f64).max(1.0) }
    }
}

impl Sample {
    /// How much of a table is here; `None` for a table that could not be read.
    pub(super) fn table(&self, name: &TableName) -> Option<TableSample> {
        self.tables.get(&name.folded()).copied()
    }

    /// Takes rows of all tables within a time.
    pub(super) fn draw(
        source: &mut Connection,
        items: &[SchemaItem],
        shapes: &[Shape],
        schemas: &[Schema],
        time: Duration,
    ) -> rusqlite::Result<Self> {
        let connection = schema_copy::in_memory(schemas)?;
        let is_wanted = |item: &&SchemaItem| item.kind == "table" && !item.is_virtual();
        schema_copy::make(&connection, &items.iter().filter(is_wanted));
        let mut sample = Self { connection, tables: BTreeMap::new() };
        let start = Instant::now();
        let deadline = Arc::new(Mutex::new(start));
        let seen = Arc::clone(&deadline);
        let is_late = move || Instant::now() > *seen.lock().unwrap_or_else(PoisonError::into_inner);
        source.progress_handler(1_000, Some(is_late))?;
        let count = shapes.len().clamp(1, MAX_TABLES) as u32;
        let bytes = (MAX_BYTES / count as usize).max(MIN_TABLE_BYTES);
        for (position, shape) in shapes.iter().take(MAX_TABLES).enumerate() {
            // Time that one table does not need is the next one's.
            let until = start + time * (position as u32 + 1) / count;
            *deadline.lock().unwrap_or_else(PoisonError::into_inner) = until;
            let drawing = Drawing { source, into: &sample.connection, shape, bytes, until };
            if let Some(table) = drawing.draw() {
                sample.tables.insert(shape.table.folded(), table);
            }
        }
        source.progress_handler(0, None::<fn() -> bool>)?;
        Ok(sample)
    }
}

/// One table on its way into the sample.
struct Drawing<'a> {
    source: &'a Connection,
    into: &'a Connection,
    shape: &'a Shape,
    bytes: usize,
    until: Instant,
}

impl Drawing<'_> {
    /// Errors mean that the table cannot be read, or not in time: then there is what there is.
    fn draw(&self) -> Option<TableSample> {
        let rows = self.count();
        self.into.execute_batch("BEGIN").ok()?;
        let taken = match rows {
            Some(rows) if rows <= WHOLE_ROWS => match self.take(1) {
                // Too many bytes: a part that is spread over the table is better than its beginning.
                (true, _) => None,
                (false, taken) => Some(taken),
            },
            _ => None,
        };
        let taken = taken.or_else(|| {
            self.into.execute_batch(&format!("DELETE FROM {}", self.table())).ok()?;
            match self.shape.row_number_name() {
                Some(number) => self.take_drawn(number),
                None => Some(self.take((rows.unwrap_or(0) / DRAWN_ROWS).max(1)).1),
            }
        });
        self.into.execute_batch("COMMIT").ok()?;
        let sampled = taken?;
        let rows = rows.or_else(|| self.analyzed_rows()).unwrap_or(sampled).max(sampled);
        Some(TableSample { rows, sampled })
    }

    fn table(&self) -> String {
        quote::qualified(&self.shape.table)
    }

    fn count(&self) -> Option<u64> {
        let sql = format!("SELECT count(*) FROM {}", self.table());
        self.source.query_row(&sql, [], whole_number).ok()
    }

    /// What the user's statistics say, for a table that is too large to be counted in time.
    fn analyzed_rows(&self) -> Option<u64> {
        let TableName { schema, name } = &self.shape.table;
        let sql = format!(
            "SELECT max(CAST(stat AS INTEGER)) FROM {}.sqlite_stat1 WHERE tbl = ?1 COLLATE NOCASE",
            quote::name(schema)
        );
        self.source.query_row(&sql, [name], whole_number).ok()
    }

    /// Columns that are copied: all that are not computed.
    fn columns(&self) -> Vec<String> {
        let columns = self.shape.columns.iter().filter(|column| !column.is_generated);
        let mut names: Vec<_> = columns.map(|column| quote::name(&column.name)).collect();
        if self.shape.row_number.is_none()
            && let Some(number) = self.shape.row_number_name()
        {
            names.push(number.to_owned());
        }
        names
    }

    fn insertion(&self) -> rusqlite::Result<rusqlite::Statement<'_>> {
        let columns = self.columns();
        let places = vec!["?"; columns.len()].join(",");
        let sql = format!("INSERT OR IGNORE INTO {} ({}) VALUES ({places})", self.table(), columns.join(","));
        self.into.prepare(&sql)
    }

    /// Takes every n-th row; whether there were too many bytes, and how many rows were taken.
    fn take(&self, every: u64) -> (bool, u64) {
        let mut taken = 0;
        let mut bytes = 0;
        let mut walk = || -> rusqlite::Result<bool> {
            let mut insertion = self.insertion()?;
            let sql = format!("SELECT {} FROM {}", self.columns().join(","), self.table());
            let mut rows = self.source.prepare(&sql)?;
            let mut rows = rows.query([])?;
            let mut position = 0;
            while let Some(row) = rows.next()? {
                if position % every == 0 {
                    bytes += copy_row(row, &mut insertion)?;
                    taken += 1;
                    if bytes > self.bytes {
                        return Ok(true);
                    }
                }
                position += 1;
            }
            Ok(false)
        };
        let is_full = walk().unwrap_or(false);
        (is_full, taken)
    }

    fn take_drawn(&self, number: &str) -> Option<u64> {
        let ends =
            format!("SELECT (SELECT min({number}) FROM {0}), (SELECT max({number}) FROM {0})", self.table());
        let ends = self.source.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (first, last): (i64, i64) = ends.ok()?;
        let sql = format!(
            "SELECT {} FROM {} WHERE {number} >= ?1 ORDER BY {number} LIMIT 1",
            self.columns().join(","),
            self.table()
        );
        let mut probe = self.source.prepare(&sql).ok()?;
        let mut insertion = self.insertion().ok()?;
        let span = last.abs_diff(first);
        let mut random = SplitMix(0x5eed);
        let (mut taken, mut bytes) = (0, 0);
        for _ in 0..DRAWN_ROWS {
            let at = first.saturating_add_unsigned(random.below(span));
            let copied = probe.query_row([at], |row| {
                bytes += copy_row(row, &mut insertion)?;
                Ok(())
            });
            taken += u64::from(copied.is_ok());
            if bytes > self.bytes || Instant::now() > self.until {
                break;
            }
        }
        drop(insertion);
        // A row that was drawn twice is there once.
        let kept = self.into.query_row(&format!("SELECT count(*) FROM {}", self.table()), [], whole_number);
        (taken > 0).then(|| kept.unwrap_or(taken))
    }
}

fn whole_number(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(|number| number.max(0) as u64)
}

/// Copies a row; how many bytes it has.
fn copy_row(row: &Row<'_>, insertion: &mut rusqlite::Statement<'_>) -> rusqlite::Result<usize> {
    use rusqlite::types::ValueRef;
    let count = insertion.parameter_count();
    let mut bytes = 8 * count;
    let mut values = Vec::with_capacity(count);
    for position in 0..count {
        let value = match row.get_ref(position)? {
            ValueRef::Text(text) => ValueRef::Text(text.get(..MAX_VALUE_BYTES).unwrap_or(text)),
            ValueRef::Blob(blob) => ValueRef::Blob(blob.get(..MAX_VALUE_BYTES).unwrap_or(blob)),
            other => other,
        };
        if let ValueRef::Text(long) | ValueRef::Blob(long) = value {
            bytes += long.len();
        }
        values.push(ToSqlOutput::Borrowed(value));
    }
    let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
    insertion.execute(values.as_slice())?;
    Ok(bytes)
}

/// `SplitMix64` (Steele, Lea and Flood 2014): the same rows are drawn every time.
struct SplitMix(u64);

impl SplitMix {
    /// A number from 0 to `most`, both included.
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((u128::from(bits) * (u128::from(most) + 1)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(sql: &str, time: Duration) -> Sample {
        let mut source = Connection::open_in_memory().expect("a database in memory");
        source.execute_batch(sql).expect("a database");
        let schemas = schema_copy::schemas(&source, &["main".to_owned()]).expect("schemas");
        let items = schema_copy::read_schemas(&source, &schemas).expect("lines");
        let shapes = schema_copy::shapes(&source, &schemas).expect("shapes");
        Sample::draw(&mut source, &items, &shapes, &schemas, time).expect("a sample")
    }

    const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)";

    #[test]
    fn a_small_table_is_taken_whole() {
        let sample = sampled(
            "CREATE TABLE t(a, b AS (a + 1)); INSERT INTO t VALUES (1), ('x'), (x'00'), (NULL); CREATE TABLE empty(a);",
            Duration::from_secs(5),
        );
        assert_eq!(sample.table(&TableName::main("T")), Some(TableSample { rows: 4, sampled: 4 }));
        assert!(sample.table(&TableName::main("t")).is_some_and(TableSample::is_whole));
        assert_eq!(sample.table(&TableName::main("empty")), Some(TableSample { rows: 0, sampled: 0 }));
    }

    #[test]
    fn of_a_large_table_some_rows_from_everywhere_are_taken() {
        for table in ["t(id INTEGER PRIMARY KEY, a)", "t(id INT PRIMARY KEY, a) WITHOUT ROWID"] {
            let sql = format!("CREATE TABLE {table}; INSERT INTO t {NUMBERS} SELECT i, i % 100 FROM n;");
            let sample = sampled(&sql, Duration::from_secs(30));
            let table = sample.table(&TableName::main("t")).expect("the table");
            assert_eq!(table.rows, 50_000);
            assert!((8_000..=10_001).contains(&table.sampled), "{table:?}");
            let mean: f64 =
                sample.connection.query_row("SELECT avg(id) FROM t", [], |row| row.get(0)).expect("a mean");
            assert!((24_000.0..26_000.0).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn without_time_there_is_no_sample_and_no_error() {
        let sql = format!("CREATE TABLE t(a); INSERT INTO t {NUMBERS} SELECT i FROM n;");
        let sample = sampled(&sql, Duration::ZERO);
        assert!(sample.table(&TableName::main("t")).is_none_or(|table| table.sampled < 50_000));
    }
}
