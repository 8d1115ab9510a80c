//! What `ANALYZE` would find for an index, estimated from a sample.
//!
//! The index is built on the sample and analyzed there. With the whole table in the sample that is the truth. Otherwise counts
//! are scaled, and numbers of distinct keys are estimated by Duj1 of Haas and Stokes (1998), which PostgreSQL uses as well:
//! `D = n·d / (n − f₁ + f₁·n/N)` for `d` distinct keys, `f₁` of them seen once, among `n` of `N` rows.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::index_sql;
use super::quote;
use super::sample::{Sample, TableSample};
use super::schema_copy::{self, Schema, SchemaItem, Shape};
use crate::candidate::Candidate;
use crate::catalog::TableName;
use crate::workload::Value;

/// The name that an index has while it is tried.
pub(super) const TRIED: &str = "pulse_tried_index";
/// Bytes per row of a table that could not be sampled, for an index on it.
const UNKNOWN_ROW_BYTES: u64 = 24;

/// Lines of `sqlite_stat1` and `sqlite_stat4` for one index, or for a table without indexes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IndexStatistics {
    /// The table.
    pub table: TableName,
    /// The index.
    pub index: Option<String>,
    /// `sqlite_stat1.stat`: rows, then rows per key for each prefix.
    pub rows: String,
    /// Lines of `sqlite_stat4`.
    pub samples: Vec<KeySample>,
}

/// A line of `sqlite_stat4`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeySample {
    pub equal: String,
    pub less: String,
    pub distinct_less: String,
    pub key: Vec<u8>,
}

/// An index that was tried on the sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TriedIndex {
    /// What `ANALYZE` would find; `None` when the table could not be sampled.
    pub statistics: Option<IndexStatistics>,
    /// How large it would be.
    pub size_bytes: u64,
}

/// Estimates, with what was already counted.
pub(super) struct Estimator {
    sample: Sample,
    with_samples: bool,
    distinct: RefCell<BTreeMap<String, Distinct>>,
    shares: RefCell<BTreeMap<String, Option<f64>>>,
}

/// What an index is sorted by, and its condition.
struct Keys {
    /// As they are grouped by; `None` for an expression whose text is not known.
    terms: Vec<Option<String>>,
    predicate: Option<String>,
}

/// Keys in the sample: different ones, and those seen once.
#[derive(Clone, Copy, Debug, Default)]
struct Distinct {
    keys: f64,
    once: f64,
}

/// Makes a connection take in what its tables of statistics say; they are made where there are none.
pub(super) fn read_statistics(connection: &Connection, schemas: &[Schema]) -> rusqlite::Result<()> {
    schemas.iter().try_for_each(|schema| {
        connection.execute_batch(&format!("ANALYZE {}.sqlite_schema", quote::name(&schema.name)))
    })
}

impl Estimator {
    /// Estimates from a sample, with lines of `sqlite_stat4` or without.
    pub(super) fn new(sample: Sample, schemas: &[Schema], with_samples: bool) -> rusqlite::Result<Self> {
        // Makes the tables that hold statistics, and analyzes nothing.
        read_statistics(&sample.connection, schemas)?;
        Ok(Self { sample, with_samples, distinct: RefCell::default(), shares: RefCell::default() })
    }

    /// Rows of a table.
    pub(super) fn rows(&self, table: &TableName) -> Option<u64> {
        self.sample.table(table).map(|table| table.rows)
    }

    /// Bytes of a row in its own table.
    pub(super) fn row_bytes(&self, table: &TableName) -> f64 {
        let count = || -> Option<f64> {
            let sampled = self.sample.table(table)?.sampled;
            let bytes = page_bytes(&self.sample.connection, &table.schema, &table.name).ok()?;
            (sampled > 0).then_some(bytes? / sampled as f64)
        };
        let key = format!("{}\u{0}", quote::qualified(table));
        let known = self.shares.borrow().get(&key).copied();
        let bytes = known.unwrap_or_else(count);
        self.shares.borrow_mut().insert(key, bytes);
        bytes.unwrap_or(0.0)
    }

    /// The share of rows that meet a condition with its values; `None` when that cannot be told.
    pub(super) fn share(&self, table: &TableName, condition: &str, values: &[Value]) -> Option<f64> {
        let key = format!("{}\u{0}{condition}\u{0}{values:?}", quote::qualified(table));
        if let Some(&known) = self.shares.borrow().get(&key) {
            return known;
        }
        let share = self.count_share(table, condition, values);
        self.shares.borrow_mut().insert(key, share);
        share
    }

    fn count_share(&self, table: &TableName, condition: &str, values: &[Value]) -> Option<f64> {
        let sampled = self.sample.table(table)?.sampled;
        if sampled == 0 {
            return None;
        }
        let sql = format!("SELECT count(*) FROM {} WHERE {condition}", quote::qualified(table));
        let mut count = schema_copy::prepare(&self.sample.connection, &sql).ok()?;
        super::bind::bind_positional(&mut count, values).ok()?;
        let mut rows = count.raw_query();
        let found: f64 = rows.next().ok()??.get(0).ok()?;
        Some(found / sampled as f64)
    }

    /// Different values of some terms, nulls counted as one.
    pub(super) fn distinct(&self, table: &TableName, terms: &[String]) -> Option<f64> {
        let sampled = self.sample.table(table)?;
        let seen = self.count_distinct(table, terms, None).ok()?;
        Some(duj1(seen, sampled.sampled as f64, sampled.rows as f64))
    }

    /// Builds a candidate on the sample. The error is SQLite's, for what cannot be indexed.
    pub(super) fn tried(&self, candidate: &Candidate, shape: &Shape) -> rusqlite::Result<TriedIndex> {
        let connection = &self.sample.connection;
        let collation_of =
            |column: &str| shape.position(column).map(|at| shape.columns[at].collation.clone());
        let sql = index_sql::create_index(candidate, TRIED, collation_of);
        schema_copy::execute(connection, &sql)?;
        let tried = self.analyzed(candidate, shape);
        connection.execute_batch(&index_sql::drop_index(&candidate.table.schema, TRIED))?;
        tried
    }

    fn analyzed(&self, candidate: &Candidate, shape: &Shape) -> rusqlite::Result<TriedIndex> {
        let Some(table) = self.sample.table(&shape.table) else {
            return Ok(TriedIndex { statistics: None, size_bytes: UNKNOWN_ROW_BYTES });
        };
        let connection = &self.sample.connection;
        let terms = candidate.parts.iter().map(|part| Some(index_sql::compared(part))).collect();
        let keys = Keys { terms, predicate: candidate.predicate.clone() };
        let statistics = self.statistics(&shape.table, TRIED, TRIED, table, &keys)?;
        let bytes = page_bytes(connection, &shape.table.schema, TRIED)?;
        let size_bytes = (bytes.unwrap_or(0.0) * table.scale()).ceil() as u64;
        Ok(TriedIndex { statistics, size_bytes })
    }

    /// What `ANALYZE` would find for a table that never was analyzed; its indexes are made on the sample first.
    pub(super) fn table_statistics(
        &self,
        shape: &Shape,
        indexes: &[&SchemaItem],
    ) -> rusqlite::Result<Vec<IndexStatistics>> {
        let Some(table) = self.sample.table(&shape.table) else { return Ok(Vec::new()) };
        let connection = &self.sample.connection;
        let TableName { schema, name: own_name } = &shape.table;
        for index in indexes {
            // One that cannot be made has no statistics, and the planner its usual guess.
            let _ = schema_copy::execute(connection, &index.placed_sql());
        }
        let mut names =
            connection.prepare("SELECT name, origin FROM pragma_index_list(?1, ?2) ORDER BY seq DESC")?;
        let names = names.query_map([own_name, schema], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let names: Vec<(String, String)> = names.collect::<Result<_, _>>()?;
        let mut found = Vec::new();
        let mut counts_table = false;
        for (name, origin) in &names {
            // The key of a clustered table is known by the table's own name.
            let known_as = if shape.is_clustered && origin == "pk" { own_name } else { name };
            let keys = Keys {
                terms: index_terms(connection, name, shape)?,
                predicate: index_sql::predicate_of(connection, schema, name)?,
            };
            counts_table |= keys.predicate.is_none();
            found.extend(self.statistics(&shape.table, name, known_as, table, &keys)?);
        }
        if !counts_table && table.rows > 0 {
            let rows = table.rows.to_string();
            found.push(IndexStatistics {
                table: shape.table.clone(),
                index: None,
                rows,
                samples: Vec::new(),
            });
        }
        for index in indexes {
            let (schema, name) = (quote::name(schema), quote::name(&index.name));
            connection.execute_batch(&format!("DROP INDEX IF EXISTS {schema}.{name}"))?;
        }
        Ok(found)
    }

    fn statistics(
        &self,
        table_name: &TableName,
        index: &str,
        known_as: &str,
        table: TableSample,
        keys: &Keys,
    ) -> rusqlite::Result<Option<IndexStatistics>> {
        let connection = &self.sample.connection;
        let schema = quote::name(&table_name.schema);
        connection.execute_batch(&format!("ANALYZE {schema}.{}", quote::name(index)))?;
        let sql = format!("SELECT stat FROM {schema}.sqlite_stat1 WHERE idx = ?1 COLLATE NOCASE");
        let rows: Option<String> = connection.query_row(&sql, [known_as], |row| row.get(0)).optional()?;
        let Some(rows) = rows else { return Ok(None) };
        let samples =
            if self.with_samples { key_samples(connection, &schema, known_as)? } else { Vec::new() };
        let found =
            IndexStatistics { table: table_name.clone(), index: Some(known_as.to_owned()), rows, samples };
        if table.is_whole() {
            return Ok(Some(found));
        }
        self.scaled(found, table, keys).map(Some)
    }

    fn scaled(
        &self,
        mut found: IndexStatistics,
        table: TableSample,
        keys: &Keys,
    ) -> rusqlite::Result<IndexStatistics> {
        let numbers: Vec<f64> = found.rows.split(' ').filter_map(|word| word.parse().ok()).collect();
        let sampled = numbers.first().copied().unwrap_or(0.0);
        let rows = sampled * table.scale();
        let mut levels = Vec::new();
        for (length, each) in numbers.iter().enumerate().skip(1) {
            let prefix: Option<Vec<_>> = keys.terms.iter().take(length).cloned().collect();
            let seen = if let Some(prefix) = prefix.filter(|prefix| prefix.len() == length) {
                self.count_distinct(&found.table, &prefix, keys.predicate.as_deref())?
            } else {
                // An expression whose text is not known: what the sample says is all there is.
                let keys = sampled / each.max(1.0);
                Distinct { keys, once: if *each <= 1.0 { keys } else { 0.0 } }
            };
            levels.push((seen.keys.max(1.0), duj1(seen, sampled, rows).max(1.0)));
        }
        let per_key = |&(_, keys): &(f64, f64)| rows_per_key(rows, keys).to_string();
        let words: Vec<_> =
            std::iter::once((rows.round() as u64).to_string()).chain(levels.iter().map(per_key)).collect();
        found.rows = words.join(" ");
        for sample in &mut found.samples {
            scale_sample(sample, table.scale(), rows, &levels);
        }
        Ok(found)
    }

    fn count_distinct(
        &self,
        table: &TableName,
        terms: &[String],
        predicate: Option<&str>,
    ) -> rusqlite::Result<Distinct> {
        let filter = predicate.map(|predicate| format!(" WHERE {predicate}")).unwrap_or_default();
        let keys = terms.join(", ");
        let sql = format!(
            "SELECT count(*), coalesce(sum(c = 1), 0) FROM (SELECT count(*) AS c FROM {}{filter} GROUP BY {keys})",
            quote::qualified(table)
        );
        if let Some(&known) = self.distinct.borrow().get(&sql) {
            return Ok(known);
        }
        let mut count = schema_copy::prepare(&self.sample.connection, &sql)?;
        let found = count.query_row([], |row| Ok(Distinct { keys: row.get(0)?, once: row.get(1)? }))?;
        drop(count);
        self.distinct.borrow_mut().insert(sql, found);
        Ok(found)
    }
}

/// Terms of an existing index as they are grouped by; `None` for an expression.
fn index_terms(connection: &Connection, index: &str, shape: &Shape) -> rusqlite::Result<Vec<Option<String>>> {
    let sql = "SELECT cid, name, coll FROM pragma_index_xinfo(?1, ?2) WHERE key ORDER BY seqno";
    let mut parts = connection.prepare(sql)?;
    let terms = parts.query_map([index, &shape.table.schema], |row| {
        let column: i64 = row.get(0)?;
        let name: Option<String> = row.get(1)?;
        let collation: String = row.get(2)?;
        let is_column = column >= 0 && name.as_deref().is_some_and(|name| shape.position(name).is_some());
        Ok(name
            .filter(|_| is_column)
            .map(|name| format!("{} COLLATE {}", quote::name(&name), quote::name(&collation))))
    })?;
    terms.collect()
}

/// Bytes of the pages of a table or an index.
fn page_bytes(connection: &Connection, schema: &str, name: &str) -> rusqlite::Result<Option<f64>> {
    let sql = "SELECT sum(pgsize) FROM dbstat WHERE name = ?1 AND schema = ?2";
    connection.query_row(sql, [name, schema], |row| row.get(0))
}

fn key_samples(connection: &Connection, schema: &str, index: &str) -> rusqlite::Result<Vec<KeySample>> {
    let sql = format!(
        "SELECT neq, nlt, ndlt, sample FROM {schema}.sqlite_stat4 WHERE idx = ?1 COLLATE NOCASE ORDER BY rowid"
    );
    let mut lines = connection.prepare(&sql)?;
    let samples = lines.query_map([index], |row| {
        Ok(KeySample { equal: row.get(0)?, less: row.get(1)?, distinct_less: row.get(2)?, key: row.get(3)? })
    })?;
    samples.collect()
}

/// Duj1; never below what was seen, never above the rows.
fn duj1(seen: Distinct, sampled: f64, rows: f64) -> f64 {
    if sampled <= 0.0 || rows <= sampled {
        return seen.keys;
    }
    let rest = sampled - seen.once + seen.once * sampled / rows;
    (sampled * seen.keys / rest.max(f64::MIN_POSITIVE)).clamp(seen.keys, rows.max(seen.keys))
}

/// As `ANALYZE` writes it: rounded up, but 1 when nearly every key has one row.
fn rows_per_key(rows: f64, keys: f64) -> u64 {
    let (rows, keys) = (rows.round() as u64, (keys.round() as u64).max(1));
    let each = rows.div_ceil(keys);
    if each == 2 && rows * 10 <= keys * 11 { 1 } else { each.max(1) }
}

fn scale_sample(sample: &mut KeySample, scale: f64, rows: f64, levels: &[(f64, f64)]) {
    let numbers = |text: &str| -> Vec<f64> { text.split(' ').filter_map(|word| word.parse().ok()).collect() };
    let text = |numbers: Vec<f64>| {
        let words: Vec<_> = numbers.iter().map(|number| (number.round() as u64).to_string()).collect();
        words.join(" ")
    };
    let level = |position: usize| levels.get(position).copied();
    let equal =
        numbers(&sample.equal).into_iter().enumerate().map(|(position, count)| match level(position) {
            // A key that was seen once says nothing of how many rows it has: it is an ordinary one.
            Some((_, keys)) if count <= 1.0 => (rows / keys).max(1.0),
            Some(_) => count * scale,
            None => count,
        });
    let equal = text(equal.collect());
    let distinct = numbers(&sample.distinct_less).into_iter().enumerate();
    let distinct = distinct
        .map(|(position, count)| level(position).map_or(count * scale, |(seen, keys)| count * keys / seen));
    let distinct_less = text(distinct.collect());
    sample.less = text(numbers(&sample.less).into_iter().map(|count| count * scale).collect());
    sample.equal = equal;
    sample.distinct_less = distinct_less;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn distinct_keys_are_estimated_beyond_the_sample() {
        let unique = Distinct { keys: 1_000.0, once: 1_000.0 };
        assert!((duj1(unique, 1_000.0, 50_000.0) - 50_000.0).abs() < 1.0);
        let few = Distinct { keys: 10.0, once: 0.0 };
        assert!((duj1(few, 1_000.0, 50_000.0) - 10.0).abs() < 1e-9);
        // 5 000 keys of 200 rows each, 2 % of a million rows: about 4 rows per key in the sample, e⁻⁴·4 of them seen once.
        let seen =
            Distinct { keys: 5_000.0 * (1.0 - (-4.0_f64).exp()), once: 5_000.0 * 4.0 * (-4.0_f64).exp() };
        let keys = duj1(seen, 20_000.0, 1e6);
        assert!((4_950.0..5_050.0).contains(&keys), "{keys}");
    }

    #[test]
    fn rows_per_key_are_rounded_as_sqlite_does() {
        let cases = [
            ((100.0, 100.0), 1),
            ((105.0, 100.0), 1),
            ((120.0, 100.0), 2),
            ((1_000.0, 7.0), 143),
            ((0.0, 0.0), 1),
        ];
        for ((rows, keys), expected) in cases {
            assert_eq!(rows_per_key(rows, keys), expected, "{rows} rows, {keys} keys");
        }
    }

    proptest! {
        #[test]
        fn an_estimate_is_between_what_was_seen_and_all_rows(
            keys in 1_u32..5_000, once in 0.0..1.0_f64, repeat in 1_u32..9, factor in 1_u32..1_000,
        ) {
            let seen = Distinct { keys: f64::from(keys), once: (once * f64::from(keys)).floor() };
            let sampled = seen.once + (seen.keys - seen.once) * f64::from(repeat + 1);
            let rows = sampled * f64::from(factor);
            let estimate = duj1(seen, sampled, rows);
            prop_assert!(estimate >= seen.keys - 1e-9 && estimate <= rows + 1e-9);
        }
    }
}
