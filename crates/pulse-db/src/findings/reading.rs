//! What statements do to tables, found in their plans; made once for all rules.

use std::collections::{BTreeMap, BTreeSet};

use super::FindingsInput;
use crate::catalog::{Table, TableName, Term};
use crate::plan::{Access, Condition, Effect, EffectKind, Explained, Question};
use crate::tokens::{Token, tokens};
use crate::workload::Statement;

/// The input of all rules, with what they look up in it.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// What was given.
    pub(super) input: FindingsInput<'a>,
    /// The statements that could be explained.
    pub(super) readings: Vec<Reading<'a>>,
    /// Names of indexes in plans, in small letters.
    used: BTreeSet<String>,
    /// Names in statements that could not be explained, in small letters.
    dark: BTreeSet<String>,
    /// Names in statements that insist on an index, in small letters.
    insisted: BTreeSet<String>,
}

/// A statement that could be explained. Its tables are those of the catalog, so that they are the same when they are at the same
/// place.
#[derive(Clone, Debug)]
pub(super) struct Reading<'a> {
    /// Its position in the workload.
    pub(super) at: usize,
    /// The statement.
    pub(super) statement: &'a Statement,
    /// How it is answered.
    pub(super) explained: &'a Explained,
    /// Tables whose rows are all read, each once.
    pub(super) scans: Vec<Scan<'a>>,
    /// Tables for which an index is built and thrown away, each once.
    pub(super) indexed_for_once: Vec<&'a Table>,
    effects: Vec<(&'a Table, &'a Effect)>,
    questions: Vec<(&'a Table, &'a Question)>,
}

/// A table whose rows are all read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    /// The table.
    pub(super) table: &'a Table,
    /// Whether it always begins a loop of its own: conditions that compare it with tables further inside are of no use there.
    pub(super) outermost: bool,
}

/// Tables by schema and name, in small letters.
type Tables<'a> = BTreeMap<(String, String), &'a Table>;

impl<'a> View<'a> {
    /// Looks everything up.
    pub(super) fn new(input: FindingsInput<'a>) -> Self {
        let tables: Tables<'a> = input.catalog.tables.iter().map(|table| (key(&table.name), table)).collect();
        let pairs = input.workload.statements.iter().zip(input.explained).enumerate();
        let readings: Vec<Reading<'a>> = pairs
            .filter_map(|(at, (statement, explained))| {
                Some(Reading::new(&tables, at, statement, explained.as_ref().ok()?))
            })
            .collect();
        let steps = readings.iter().flat_map(|reading| &reading.explained.plan.steps);
        let used = steps.filter_map(|step| match &step.access {
            Access::Scan { index, .. } | Access::Search { index, .. } => {
                index.as_ref().map(|it| it.to_ascii_lowercase())
            }
            _ => None,
        });
        let used = used.collect();
        let in_the_dark = input.workload.statements.iter().enumerate();
        let in_the_dark = in_the_dark.filter(|(at, _)| !matches!(input.explained.get(*at), Some(Ok(_))));
        let dark = in_the_dark.flat_map(|(_, statement)| names(&statement.sql)).collect();
        let insisting = texts(&input).filter(|sql| tokens(sql).iter().any(|word| word.is("INDEXED")));
        let insisted = insisting.flat_map(names).collect();
        Self { input, readings, used, dark, insisted }
    }

    /// Whether a plan uses this index.
    pub(super) fn is_used(&self, index: &str) -> bool {
        self.used.contains(&index.to_ascii_lowercase())
    }

    /// Whether a statement insists on this index, which is an error without it.
    pub(super) fn is_insisted(&self, index: &str) -> bool {
        self.insisted.contains(&index.to_ascii_lowercase())
    }

    /// Whether a statement that could not be explained may be about this table, so that nothing can be said of what it needs.
    pub(super) fn is_in_the_dark(&self, table: &Table) -> bool {
        self.dark.contains(&table.name.name.to_ascii_lowercase())
    }
}

impl<'a> Reading<'a> {
    fn new(tables: &Tables<'a>, at: usize, statement: &'a Statement, explained: &'a Explained) -> Self {
        let effects: Vec<_> = explained
            .effects
            .iter()
            .filter_map(|effect| Some((*tables.get(&key(&effect.table))?, effect)))
            .collect();
        let questions = explained.questions.iter();
        let questions =
            questions.filter_map(|question| Some((*tables.get(&key(&question.table))?, question))).collect();
        let mut reading = Self {
            at,
            statement,
            explained,
            scans: Vec::new(),
            indexed_for_once: Vec::new(),
            effects,
            questions,
        };
        let steps = &explained.plan.steps;
        for (place, step) in steps.iter().enumerate() {
            match &step.access {
                Access::Scan { table, .. } => {
                    let outermost =
                        !steps[..place].iter().any(|it| it.parent == step.parent && is_loop(&it.access));
                    let Some(table) = reading.resolved(tables, table) else { continue };
                    match reading.scans.iter_mut().find(|scan| std::ptr::eq(scan.table, table)) {
                        Some(scan) => scan.outermost &= outermost,
                        None => reading.scans.push(Scan { table, outermost }),
                    }
                }
                Access::AutomaticIndex { table } => {
                    let Some(table) = reading.resolved(tables, table) else { continue };
                    if !reading.indexed_for_once.iter().any(|other| std::ptr::eq(*other, table)) {
                        reading.indexed_for_once.push(table);
                    }
                }
                _ => {}
            }
        }
        reading
    }

    /// What is sorted beside the tables: `ORDER BY`.
    pub(super) fn sorts(&self) -> impl Iterator<Item = &'a str> {
        self.explained.plan.steps.iter().filter_map(|step| match &step.access {
            Access::Sort { purpose } => Some(purpose.as_str()),
            _ => None,
        })
    }

    /// Whether it does this to the table.
    pub(super) fn does(&self, kind: EffectKind, table: &Table) -> bool {
        self.effects_on(table).any(|effect| effect.kind == kind)
    }

    /// Whether it does anything to the table.
    pub(super) fn is_about(&self, table: &Table) -> bool {
        self.effects_on(table).next().is_some()
    }

    /// What it does to a table.
    pub(super) fn effects_on(&self, table: &Table) -> impl Iterator<Item = &'a Effect> {
        self.effects.iter().filter(move |(on, _)| std::ptr::eq(*on, table)).map(|(_, effect)| *effect)
    }

    /// What was asked of a table.
    pub(super) fn questions(&self, table: &Table) -> impl Iterator<Item = &'a Question> {
        self.questions.iter().filter(move |(on, _)| std::ptr::eq(*on, table)).map(|(_, question)| *question)
    }

    /// The table that a step of a plan means: by its name, with its schema where the statement has it so, by its alias in the
    /// statement, or as the only one there is.
    fn resolved(&self, tables: &Tables<'a>, name: &str) -> Option<&'a Table> {
        let touched = |name: &str| {
            let mut touched = self.effects.iter().map(|(table, _)| *table);
            touched.find(|table| table.name.name.eq_ignore_ascii_case(name))
        };
        let named = |name: &str| touched(name).or_else(|| tables.get(&key(&TableName::main(name))).copied());
        let placed = || {
            let (schema, name) = name.split_once('.')?;
            let name = TableName { schema: schema.to_owned(), name: name.to_owned() };
            tables.get(&key(&name)).copied()
        };
        if let Some(table) = named(name).or_else(placed) {
            return Some(table);
        }
        let words = tokens(&self.statement.sql);
        for (at, word) in words.iter().enumerate().skip(1) {
            if !word.name().is_some_and(|word| word.eq_ignore_ascii_case(name)) {
                continue;
            }
            // `table alias`, or `table AS alias`.
            let before = if words[at - 1].is("AS") { at.checked_sub(2) } else { Some(at - 1) };
            let table = before.and_then(|before| words[before].name()).and_then(|table| named(&table));
            if table.is_some() {
                return table;
            }
        }
        let (first, _) = self.effects.first()?;
        self.effects.iter().all(|(table, _)| std::ptr::eq(*table, *first)).then_some(*first)
    }
}

/// Whether an index could answer a condition.
pub(super) fn is_answerable(condition: &Condition) -> bool {
    condition.operator.is_indexable()
}

/// Rows of a table, from the best source there is.
pub(super) fn rows(table: &Table) -> Option<u64> {
    table.rows.or(table.analyzed_rows)
}

/// The names and keywords of a text in small letters, in quotes or not: the careful side, where to be named is reason enough to
/// be left alone.
pub(super) fn names(sql: &str) -> BTreeSet<String> {
    tokens(sql).iter().filter_map(Token::name).map(|name| name.to_ascii_lowercase()).collect()
}

/// A term for people.
pub(super) fn shown_term(term: &Term) -> String {
    match term {
        Term::Column(name) => name.clone(),
        Term::Expression(text) => text.clone(),
        Term::RowNumber => "rowid".to_owned(),
    }
}

fn key(name: &TableName) -> (String, String) {
    (name.schema.to_ascii_lowercase(), name.name.to_ascii_lowercase())
}

fn is_loop(access: &Access) -> bool {
    matches!(access, Access::Scan { .. } | Access::Search { .. } | Access::AutomaticIndex { .. })
}

/// The statements of the workload, of their samples, and of views and triggers.
fn texts<'a>(input: &FindingsInput<'a>) -> impl Iterator<Item = &'a str> {
    let statements = input.workload.statements.iter();
    let asked = statements.flat_map(|statement| {
        let samples = statement.samples.iter().filter_map(|call| call.sql.as_deref());
        std::iter::once(statement.sql.as_str()).chain(samples)
    });
    asked.chain(input.catalog.routines.iter().map(|routine| routine.sql.as_str()))
}
