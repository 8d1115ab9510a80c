//! What would be if there were other indexes: plans and costs, without building anything.
//!
//! Statements are planned in a copy of the schema that has no rows but the user's statistics. An index that is only thought of
//! is made there, which takes no time, and gets the statistics that `ANALYZE` would find for it ([`super::index_statistics`]).
//! The copy is made once and asked many times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, params};

use super::files::TEMP;
use super::index_sql;
use super::index_statistics::{Estimator, IndexStatistics, KeySample, TriedIndex, read_statistics};
use super::plan_cost::{self, PlanCost};
use super::query_plan::{self, PlanRow};
use super::questions::Questioner;
use super::quote;
use super::sample::Sample;
use super::schema_copy::{self, Schema, SchemaItem, Shape};
use super::studied::{self, Sources, Studied, StudiedCall};
use crate::candidate::Candidate;
use crate::catalog::{TableName, Unread};
use crate::error::DatabaseError;
use crate::plan::{Access, Effect, EffectKind};
use crate::planner::{Knowledge, Priced};
use crate::sqlite::connection::{self, BUSY_TIMEOUT};
use crate::sqlite::{Sqlite, bind};
use crate::workload::Statement;

/// How a question about other indexes is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhatIfOptions {
    /// Whether the planner may know samples of keys (`sqlite_stat4`). Without, plans are those of builds that have none, as
    /// many applications have.
    pub stat4: bool,
    /// Whether foreign keys are enforced: then rows that go are looked for in other tables. Most applications leave them off.
    pub foreign_keys: bool,
    /// Time for samples of tables.
    pub sample_time: Duration,
}

impl Default for WhatIfOptions {
    fn default() -> Self {
        Self { stat4: true, foreign_keys: false, sample_time: Duration::from_secs(5) }
    }
}

/// A copy of a database that can be asked.
pub(crate) struct WhatIf {
    connection: Connection,
    schemas: Vec<Schema>,
    shapes: Vec<Shape>,
    questioner: Questioner,
    pub(super) estimator: Estimator,
    /// Statistics of tables that the user never had analyzed, by table in small letters.
    missing: BTreeMap<TableName, Vec<IndexStatistics>>,
    /// Which of them are told to the planner now.
    told: BTreeSet<TableName>,
    /// Tables that some statement reads together with a table, itself included; in small letters.
    together: BTreeMap<TableName, BTreeSet<TableName>>,
    given: Vec<Given>,
    tried: BTreeMap<Candidate, Result<TriedIndex, String>>,
    watch: Arc<Watch>,
    names: BTreeSet<String>,
    unread: Vec<Unread>,
}

struct Given {
    candidate: Candidate,
    name: String,
    /// Rows in it; fewer than its table has when it is partial.
    rows: Option<f64>,
}

/// What the authorizer saw of the statement that is prepared.
#[derive(Default)]
struct Watch {
    is_on: AtomicBool,
    seen: Mutex<Vec<Effect>>,
}

impl WhatIf {
    /// Copies the schema, and samples the tables.
    pub(crate) fn open(sqlite: &Sqlite, options: WhatIfOptions) -> Result<Self, DatabaseError> {
        let mut source = connection::open_together(&sqlite.files, BUSY_TIMEOUT)?.connection;
        Self::copy(&mut source, &sqlite.files.schemas(), options)
            .map_err(|source| connection::refused(sqlite.path(), "cannot copy the schema", source))
    }

    fn copy(source: &mut Connection, names: &[String], options: WhatIfOptions) -> rusqlite::Result<Self> {
        let schemas = schema_copy::schemas(source, names)?;
        let items = schema_copy::read_schemas(source, &schemas)?;
        let mut connection = schema_copy::in_memory(&schemas)?;
        connection.pragma_update(None, "foreign_keys", options.foreign_keys)?;
        let unread = schema_copy::make(&connection, &items.iter());
        let shapes = schema_copy::shapes(&connection, &schemas)?;
        let own: Vec<_> =
            names.iter().flat_map(|schema| own_statistics(source, schema, options.stat4)).collect();
        let sample = Sample::draw(source, &items, &shapes, &schemas, options.sample_time)?;
        let estimator = Estimator::new(sample, &schemas, options.stat4)?;
        let missing = missing_statistics(&estimator, &items, &shapes, &own)?;
        read_statistics(&connection, &schemas)?;
        own.iter().try_for_each(|statistics| insert(&connection, statistics))?;
        read_statistics(&connection, &schemas)?;
        let watch = Arc::new(Watch::default());
        let watching = Arc::clone(&watch);
        connection.authorizer(Some(move |context: AuthContext<'_>| watching.see(&context)))?;
        let names = items.iter().map(|item| item.name.to_ascii_lowercase()).collect();
        Ok(Self {
            questioner: Questioner::new(&items, &shapes, &schemas)?,
            connection,
            schemas,
            shapes,
            estimator,
            missing,
            told: BTreeSet::new(),
            together: BTreeMap::new(),
            given: Vec::new(),
            tried: BTreeMap::new(),
            watch,
            names,
            unread,
        })
    }

    /// What of the schema could not be copied: statements that need it cannot be planned.
    pub(crate) fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// What is to be analyzed when a table gets an index: of itself and the tables that are read beside it those that the user
    /// never had analyzed; in small letters. A table that is known beside others that are guessed misleads the planner.
    pub(crate) fn to_analyze(&self, table: &TableName) -> BTreeSet<TableName> {
        let table = table.folded();
        let beside = self.together.get(&table).into_iter().flatten().cloned();
        let is_kept = |table: &TableName| table.schema != TEMP && self.missing.contains_key(table);
        beside.chain([table]).filter(is_kept).collect()
    }

    /// A table's name as the schema writes it.
    pub(crate) fn name_of<'a>(&'a self, table: &'a TableName) -> &'a TableName {
        self.shape(table).map_or(table, |shape| &shape.table)
    }

    /// Whether an index or table has this name, in any schema: plans name indexes without theirs.
    pub(crate) fn is_taken(&self, name: &str) -> bool {
        self.names.contains(&name.to_ascii_lowercase())
    }

    pub(super) fn shape(&self, table: &TableName) -> Option<&Shape> {
        self.shapes.iter().find(|shape| shape.table.is(table))
    }

    /// The table that a statement means by a name; without a schema the first that SQLite finds.
    pub(super) fn named(&self, schema: Option<&str>, name: &str) -> Option<&Shape> {
        let is_in =
            |shape: &&Shape| schema.is_none_or(|schema| schema.eq_ignore_ascii_case(&shape.table.schema));
        let is_temporary = |shape: &&Shape| shape.table.schema.eq_ignore_ascii_case(TEMP);
        let named =
            self.shapes.iter().filter(is_in).filter(|shape| shape.table.name.eq_ignore_ascii_case(name));
        // Temporary tables go before all others.
        named.clone().find(is_temporary).or_else(|| named.clone().next())
    }

    /// Builds a candidate on the sample, once. The error is what SQLite says against it.
    pub(crate) fn try_candidate(&mut self, candidate: &Candidate) -> Result<&TriedIndex, String> {
        if !self.tried.contains_key(candidate) {
            let tried = match self.shape(&candidate.table) {
                Some(shape) => {
                    self.estimator.tried(candidate, shape).map_err(|error| schema_copy::words(&error))
                }
                None => Err(format!("{} is no table that can have an index here", candidate.table)),
            };
            self.tried.insert(candidate.clone(), tried);
        }
        match self.tried.get(candidate) {
            Some(Ok(tried)) => Ok(tried),
            Some(Err(error)) => Err(error.clone()),
            None => Err("not tried".to_owned()),
        }
    }

    /// Lets there be these candidates and no others. One that cannot be made is an error.
    pub(crate) fn give(&mut self, candidates: &[&Candidate], knowledge: Knowledge) -> Result<(), String> {
        let mut tried = Vec::new();
        for candidate in candidates {
            tried.push(self.try_candidate(candidate)?.clone());
        }
        self.replace_given(candidates, &tried, knowledge).map_err(|error| schema_copy::words(&error))
    }

    fn replace_given(
        &mut self,
        candidates: &[&Candidate],
        tried: &[TriedIndex],
        knowledge: Knowledge,
    ) -> rusqlite::Result<()> {
        let told = match knowledge {
            Knowledge::Full => self.missing.keys().cloned().collect(),
            Knowledge::AsBuilt => {
                candidates.iter().flat_map(|candidate| self.to_analyze(&candidate.table)).collect()
            }
        };
        // Most questions differ from the one before in one index; but what the planner is told of a table is told of all its
        // indexes, so that they are made anew when that changes.
        let is_same = told == self.told;
        let (stay, go): (Vec<_>, Vec<_>) = std::mem::take(&mut self.given)
            .into_iter()
            .partition(|given| is_same && candidates.contains(&&given.candidate));
        for given in go {
            let schema = &given.candidate.table.schema;
            self.connection.execute_batch(&index_sql::drop_index(schema, &given.name))?;
        }
        self.given = stay;
        self.tell(told)?;
        for (candidate, tried) in candidates.iter().zip(tried) {
            if self.given.iter().any(|given| given.candidate == **candidate) {
                continue;
            }
            let is_taken =
                |name: &str| self.is_taken(name) || self.given.iter().any(|given| given.name == name);
            let name = index_sql::index_name(candidate, is_taken);
            schema_copy::execute(&self.connection, &self.create_index(candidate, &name))?;
            let mut rows = None;
            if let Some(statistics) = &tried.statistics {
                rows = statistics.rows.split(' ').next().and_then(|word| word.parse().ok());
                insert(
                    &self.connection,
                    &IndexStatistics { index: Some(name.clone()), ..statistics.clone() },
                )?;
            }
            self.given.push(Given { candidate: (*candidate).clone(), name, rows });
        }
        // They are named by their place among those that were asked for.
        let place = |given: &Given| candidates.iter().position(|candidate| **candidate == given.candidate);
        self.given.sort_by_key(place);
        read_statistics(&self.connection, &self.schemas)
    }

    /// The statement that makes a candidate.
    pub(crate) fn create_index(&self, candidate: &Candidate, name: &str) -> String {
        let shape = self.shape(&candidate.table);
        index_sql::create_index(candidate, name, |column| {
            shape.and_then(|shape| shape.position(column).map(|at| shape.columns[at].collation.clone()))
        })
    }

    fn tell(&mut self, told: BTreeSet<TableName>) -> rusqlite::Result<()> {
        for table in self.told.difference(&told) {
            for statistics in ["sqlite_stat1", "sqlite_stat4"] {
                let schema = quote::name(&table.schema);
                let sql = format!("DELETE FROM {schema}.{statistics} WHERE tbl = ?1 COLLATE NOCASE");
                self.connection.execute(&sql, [&table.name])?;
            }
        }
        if !self.told.is_subset(&told) {
            // The planner keeps the number of rows that it was told until the schema is read anew.
            self.connection.execute_batch("PRAGMA writable_schema = RESET")?;
        }
        for table in told.difference(&self.told) {
            for statistics in self.missing.get(table).into_iter().flatten() {
                insert(&self.connection, statistics)?;
            }
        }
        self.told = told;
        Ok(())
    }

    /// Learns what a statement asks and does; the error is SQLite's, for what cannot be prepared.
    pub(crate) fn study(&mut self, statement: &Statement) -> Result<Studied, String> {
        let mut studied = studied::calls_of(statement);
        for position in 0..studied.calls.len() {
            let call = &studied.calls[position];
            let effects = self.effects(call)?;
            let limit = super::limit::limit(&self.connection, &call.sql, &call.values)
                .filter(|_| super::tokens::has_limit(&call.sql));
            let written = self.written(call);
            let questions = self.questioner.questions(&written, &effects, &self.shapes);
            studied.learn(position, effects, limit, questions);
        }
        self.remember_together(&studied);
        let table =
            |schema: Option<&str>, name: &str| self.named(schema, name).map(|shape| shape.table.clone());
        studied.aliases = super::tokens::aliases(&statement.sql, table);
        self.confirm_expressions(&mut studied);
        Ok(studied)
    }

    fn remember_together(&mut self, studied: &Studied) {
        let tables: BTreeSet<_> = studied.tables().map(TableName::folded).collect();
        for table in &tables {
            self.together.entry(table.clone()).or_default().extend(tables.iter().cloned());
        }
    }

    fn effects(&self, call: &StudiedCall) -> Result<Vec<Effect>, String> {
        self.watch.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.watch.is_on.store(true, Ordering::Relaxed);
        let prepared =
            schema_copy::prepare(&self.connection, &format!("EXPLAIN QUERY PLAN {}", call.sql)).map(drop);
        self.watch.is_on.store(false, Ordering::Relaxed);
        prepared.map_err(|error| schema_copy::words(&error))?;
        let seen = std::mem::take(&mut *self.watch.seen.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(seen.into_iter().filter(|effect| self.shape(&effect.table).is_some()).collect())
    }

    /// The call with its values in its text.
    fn written(&self, call: &StudiedCall) -> String {
        let expand = || {
            let mut statement = schema_copy::prepare(&self.connection, &call.sql).ok()?;
            bind::bind(&mut statement, &call.values).ok()?;
            statement.expanded_sql()
        };
        expand().unwrap_or_else(|| call.sql.clone())
    }

    /// Expressions are only proposed by the statement's words; an index on one is tried, and the planner has to use it.
    fn confirm_expressions(&mut self, studied: &mut Studied) {
        let proposed = studied.proposed_expressions(&self.shapes);
        if proposed.is_empty() {
            return;
        }
        for candidate in proposed {
            if self.give(&[&candidate], Knowledge::Full).is_err() {
                continue;
            }
            let Some(name) = self.given.first().map(|given| given.name.clone()) else { continue };
            let rows = studied.calls.first().and_then(|call| self.plan_rows(call).ok()).unwrap_or_default();
            let with_it = rows.iter().find(|row| match query_plan::access(&row.detail) {
                Access::Scan { index, .. } | Access::Search { index, .. } => index.as_deref() == Some(&name),
                _ => false,
            });
            if let Some(row) = with_it {
                studied.confirm(candidate, query_plan::terms(&row.detail).unwrap_or(""));
            }
        }
        // Nothing stays that the next question would not expect.
        let _ = self.give(&[], Knowledge::AsBuilt);
    }

    /// Plans all calls of a statement with the candidates that there are now.
    pub(crate) fn price(&self, studied: &Studied) -> Result<Priced, String> {
        let mut priced = Priced::default();
        for (position, call) in studied.calls.iter().enumerate() {
            let rows = self.plan_rows(call)?;
            let sources = Sources { what_if: self, studied, position };
            let mut plan = query_plan::query_plan(&rows);
            let mut costed = rows;
            for (row, step) in costed.iter_mut().zip(&mut plan.steps) {
                sources.settle_ends(row, step);
            }
            let PlanCost { cost, rows } = plan_cost::plan_cost(&costed, &sources, call.limit);
            priced.cost += cost / studied.calls.len() as f64;
            priced.rows += rows / studied.calls.len() as f64;
            priced.used.extend(plan.steps.iter().filter_map(|step| self.given_position(&step.access)));
            if position == 0 {
                priced.plan = plan;
            }
        }
        Ok(priced)
    }

    fn given_position(&self, access: &Access) -> Option<usize> {
        match access {
            Access::Scan { index: Some(index), .. } | Access::Search { index: Some(index), .. } => {
                self.given.iter().position(|given| given.name == *index)
            }
            _ => None,
        }
    }

    /// Rows of one of the given indexes.
    pub(super) fn given_rows(&self, index: &str) -> Option<f64> {
        self.given.iter().find(|given| given.name == index)?.rows
    }

    fn plan_rows(&self, call: &StudiedCall) -> Result<Vec<PlanRow>, String> {
        let read = || -> rusqlite::Result<Vec<PlanRow>> {
            let sql = format!("EXPLAIN QUERY PLAN {}", call.sql);
            let mut statement = schema_copy::prepare(&self.connection, &sql)?;
            bind::bind(&mut statement, &call.values)?;
            let mut rows = statement.raw_query();
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(PlanRow {
                    id: row.get(0)?,
                    parent: row.get(1)?,
                    run_cost: row.get(2)?,
                    detail: row.get(3)?,
                });
            }
            Ok(found)
        };
        read().map_err(|error| schema_copy::words(&error))
    }
}

impl Watch {
    fn see(&self, context: &AuthContext<'_>) -> Authorization {
        if !self.is_on.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        let (table, kind, column) = match context.action {
            AuthAction::Read { table_name, .. } => (table_name, EffectKind::Read, None),
            AuthAction::Insert { table_name } => (table_name, EffectKind::Insert, None),
            AuthAction::Delete { table_name } => (table_name, EffectKind::Delete, None),
            AuthAction::Update { table_name, column_name } => {
                (table_name, EffectKind::Update, Some(column_name))
            }
            // Some of these take effect when they are prepared, even to be explained.
            AuthAction::Pragma { .. } | AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
                return Authorization::Deny;
            }
            _ => return Authorization::Allow,
        };
        let name =
            TableName { schema: context.database_name.unwrap_or("main").to_owned(), name: table.to_owned() };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.iter().position(|effect| effect.kind == kind && effect.table == name);
        let position = known.unwrap_or_else(|| {
            seen.push(Effect { table: name, kind, columns: Vec::new() });
            seen.len() - 1
        });
        if let (Some(column), Some(effect)) = (column, seen.get_mut(position))
            && !effect.columns.iter().any(|known| known == column)
        {
            effect.columns.push(column.to_owned());
        }
        Authorization::Allow
    }
}

fn insert(connection: &Connection, statistics: &IndexStatistics) -> rusqlite::Result<()> {
    let IndexStatistics { table: TableName { schema, name: table }, index, rows, samples } = statistics;
    let schema = quote::name(schema);
    let sql = format!("INSERT INTO {schema}.sqlite_stat1(tbl, idx, stat) VALUES (?1, ?2, ?3)");
    connection.prepare_cached(&sql)?.execute(params![table, index, rows])?;
    let sql = format!(
        "INSERT INTO {schema}.sqlite_stat4(tbl, idx, neq, nlt, ndlt, sample) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    );
    for KeySample { equal, less, distinct_less, key } in samples {
        connection.prepare_cached(&sql)?.execute(params![table, index, equal, less, distinct_less, key])?;
    }
    Ok(())
}

/// The user's own statistics of a schema; none where there are none, or where they cannot be read.
fn own_statistics(source: &Connection, schema: &str, stat4: bool) -> Vec<IndexStatistics> {
    let quoted = quote::name(schema);
    let mut found = Vec::new();
    let mut read = || -> rusqlite::Result<()> {
        let mut lines = source.prepare(&format!("SELECT tbl, idx, stat FROM {quoted}.sqlite_stat1"))?;
        let lines = lines.query_map([], |row| {
            Ok(IndexStatistics {
                table: TableName { schema: schema.to_owned(), name: row.get(0)? },
                index: row.get(1)?,
                rows: row.get(2)?,
                samples: Vec::new(),
            })
        })?;
        found.extend(lines.filter_map(Result::ok));
        Ok(())
    };
    let _ = read();
    let mut read_samples = || -> rusqlite::Result<()> {
        let sql = format!("SELECT idx, neq, nlt, ndlt, sample FROM {quoted}.sqlite_stat4 ORDER BY rowid");
        let mut lines = source.prepare(&sql)?;
        let mut rows = lines.query([])?;
        while let Some(row) = rows.next()? {
            let index: Option<String> = row.get(0)?;
            let key = KeySample {
                equal: row.get(1)?,
                less: row.get(2)?,
                distinct_less: row.get(3)?,
                key: row.get(4)?,
            };
            if let Some(of) = found.iter_mut().find(|statistics| statistics.index == index) {
                of.samples.push(key);
            }
        }
        Ok(())
    };
    if stat4 {
        let _ = read_samples();
    }
    found
}

fn missing_statistics(
    estimator: &Estimator,
    items: &[SchemaItem],
    shapes: &[Shape],
    own: &[IndexStatistics],
) -> rusqlite::Result<BTreeMap<TableName, Vec<IndexStatistics>>> {
    let is_analyzed = |shape: &Shape| own.iter().any(|statistics| statistics.table.is(&shape.table));
    let mut missing = BTreeMap::new();
    for shape in shapes.iter().filter(|shape| !is_analyzed(shape)) {
        let of_table = items.iter().filter(|item| item.kind == "index" && item.table.is(&shape.table));
        let indexes: Vec<_> = of_table.collect();
        missing.insert(shape.table.folded(), estimator.table_statistics(shape, &indexes)?);
    }
    Ok(missing)
}
