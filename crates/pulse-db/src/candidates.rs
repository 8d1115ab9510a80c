//! Indexes that could answer what a planner asked. Pure: it knows no dialect and reads no database.
//!
//! For each question of a table: conditions that compare for equality come first, then either one range or the wanted order,
//! then, to spare the table itself, the other columns that are read. Whether any of this helps is for the planner to say; here
//! only what cannot help, or is there already, is left out.

use std::collections::BTreeSet;

use crate::candidate::{Candidate, CandidateReason};
use crate::catalog::{Catalog, IndexPart, Table, TableKind, Term};
use crate::plan::{Condition, Effect, EffectKind, Operator, Question};

/// How much is thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateLimits {
    /// Candidates of one statement.
    pub per_statement: usize,
    /// Parts of an index that finds or sorts.
    pub parts: usize,
    /// Parts of an index that holds everything a statement reads.
    pub covering_parts: usize,
    /// Indexes that are made by joining two others, for each table.
    pub merged: usize,
}

impl Default for CandidateLimits {
    fn default() -> Self {
        Self { per_statement: 48, parts: 5, covering_parts: 8, merged: 64 }
    }
}

/// A condition that few rows meet, as an index's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    /// In SQL.
    pub sql: String,
    /// The share of rows that meet it.
    pub share: f64,
}

/// The share of rows up to which an index of only these rows is thought of.
pub const MAX_PARTIAL_SHARE: f64 = 0.2;

/// Indexes for the questions of one statement, best known kinds first. `predicate` says how a condition is written and how many
/// rows meet it, where that is known.
pub fn candidates(
    catalog: &Catalog,
    questions: &[Question],
    predicate: &dyn Fn(&Question, &Condition) -> Option<Predicate>,
    limits: CandidateLimits,
) -> Vec<Candidate> {
    let mut found = Proposals { seen: BTreeSet::new(), kept: Vec::new(), limit: limits.per_statement };
    for question in questions {
        let table = catalog.table(&question.table).filter(|table| is_indexable_table(table));
        if let Some(table) = table {
            Asked { table, question, limits }.propose(predicate, &mut found);
        }
    }
    found.kept
}

/// Indexes that serve two of the given ones at once: the parts of one, then those of the other that it lacks.
pub fn merged(catalog: &Catalog, candidates: &[Candidate], limits: CandidateLimits) -> Vec<Candidate> {
    let known: BTreeSet<_> = candidates.iter().map(key).collect();
    let mut found: Vec<Candidate> = Vec::new();
    let mut seen = BTreeSet::new();
    for first in candidates.iter().filter(|candidate| candidate.predicate.is_none()) {
        let Some(table) = catalog.table(&first.table) else { continue };
        let on_table = found.iter().filter(|merged| merged.table == first.table).count();
        if on_table >= limits.merged {
            continue;
        }
        let others = candidates.iter().filter(|other| {
            other.table == first.table
                && other.predicate.is_none()
                && other.parts.first() == first.parts.first()
        });
        for other in others {
            let parts = joined(&first.parts, &other.parts);
            if parts.len() > limits.covering_parts || parts.len() == first.parts.len() {
                continue;
            }
            let candidate = Candidate { parts, reason: first.reason, ..first.clone() };
            if !is_there(table, &candidate)
                && !known.contains(&key(&candidate))
                && seen.insert(key(&candidate))
            {
                found.push(candidate);
            }
        }
    }
    found
}

/// Indexes for children of foreign keys whose parents' rows go or change.
pub fn foreign_keys(catalog: &Catalog, effects: &[Effect]) -> Vec<Candidate> {
    let touches = |table: &crate::catalog::TableName| {
        effects.iter().any(|effect| {
            matches!(effect.kind, EffectKind::Delete | EffectKind::Update) && effect.table.is(table)
        })
    };
    let mut found = Vec::new();
    for table in catalog.tables.iter().filter(|table| is_indexable_table(table)) {
        for key in table.foreign_keys.iter().filter(|key| touches(&key.parent)) {
            let parts = key.columns.iter().filter_map(|name| table.column(name)).map(|column| IndexPart {
                term: Term::Column(column.name.clone()),
                descending: false,
                collation: column.collation.clone(),
            });
            let candidate = Candidate {
                table: table.name.clone(),
                parts: parts.collect(),
                predicate: None,
                reason: CandidateReason::ForeignKey,
            };
            let is_whole = !candidate.parts.is_empty() && candidate.parts.len() == key.columns.len();
            if is_whole && !is_there(table, &candidate) && !found.contains(&candidate) {
                found.push(candidate);
            }
        }
    }
    found
}

/// Tables of extensions, and those that they keep for themselves, never get an index.
fn is_indexable_table(table: &Table) -> bool {
    matches!(table.kind, TableKind::Ordinary | TableKind::Clustered)
}

/// Whether a table has an index that begins with the same parts: then a further one adds nothing.
pub fn is_there(table: &Table, candidate: &Candidate) -> bool {
    let is_own_key = match (&table.row_number, candidate.parts.first().map(|part| &part.term)) {
        (_, None | Some(Term::RowNumber)) => true,
        (Some(number), Some(Term::Column(column))) => number.eq_ignore_ascii_case(column),
        _ => false,
    };
    let begins = |parts: &[IndexPart]| {
        let forward = candidate.parts.iter().zip(parts).all(|(wanted, there)| is_same(wanted, there, false));
        let backward = candidate.parts.iter().zip(parts).all(|(wanted, there)| is_same(wanted, there, true));
        parts.len() >= candidate.parts.len() && (forward || backward)
    };
    let mut indexes = table.indexes.iter();
    is_own_key
        || begins(&own_key(table))
        || indexes.any(|index| {
            (index.predicate.is_none() || index.predicate == candidate.predicate) && begins(&index.parts)
        })
}

fn is_same(wanted: &IndexPart, there: &IndexPart, turned: bool) -> bool {
    let same_term = match (&wanted.term, &there.term) {
        (Term::Column(a), Term::Column(b)) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    };
    same_term
        && wanted.collation.eq_ignore_ascii_case(&there.collation)
        && (wanted.descending == there.descending) != turned
}

/// The order in which the rows of a clustered table are kept.
fn own_key(table: &Table) -> Vec<IndexPart> {
    if table.kind != TableKind::Clustered {
        return Vec::new();
    }
    let columns = table.primary_key.iter().filter_map(|name| table.column(name));
    columns
        .map(|column| IndexPart {
            term: Term::Column(column.name.clone()),
            descending: false,
            collation: column.collation.clone(),
        })
        .collect()
}

type Key = (crate::catalog::TableName, Vec<IndexPart>, Option<String>);

/// What makes two candidates the same index.
fn key(candidate: &Candidate) -> Key {
    (candidate.table.clone(), candidate.parts.clone(), candidate.predicate.clone())
}

/// Candidates of one statement, each once.
struct Proposals {
    seen: BTreeSet<Key>,
    kept: Vec<Candidate>,
    limit: usize,
}

/// A question of a table, on its way to candidates.
struct Asked<'a> {
    table: &'a Table,
    question: &'a Question,
    limits: CandidateLimits,
}

impl Asked<'_> {
    fn propose(&self, predicate: &dyn Fn(&Question, &Condition) -> Option<Predicate>, found: &mut Proposals) {
        let local = self.equalities(|condition| !condition.joins);
        let joining = self.equalities(|condition| condition.joins);
        let mut heads: Vec<(Vec<IndexPart>, CandidateReason)> = Vec::new();
        let mut add = |head: Vec<IndexPart>, reason| {
            if !heads.iter().any(|(known, _)| *known == head) {
                heads.push((head, reason));
            }
        };
        turned(&local).into_iter().for_each(|head| add(head, CandidateReason::Filter));
        if !joining.is_empty() {
            // The other table's row comes first, or this table's own conditions do: the planner knows which is better.
            add(joined(&local, &joining), CandidateReason::Join);
            add(joined(&joining, &local), CandidateReason::Join);
            turned(&joining).into_iter().for_each(|head| add(head, CandidateReason::Join));
        }
        add(Vec::new(), CandidateReason::Order);
        for (head, reason) in &heads {
            self.with_tails(head, *reason, None, found);
        }
        for condition in self.question.conditions.iter().filter(|condition| !condition.joins) {
            if let Some(few) =
                predicate(self.question, condition).filter(|few| few.share <= MAX_PARTIAL_SHARE)
            {
                self.partial(condition, &few.sql, &local, found);
            }
        }
    }

    /// Terms compared for equality, those that are kept apart by more values first where the planner cannot tell.
    fn equalities(&self, is_wanted: impl Fn(&Condition) -> bool) -> Vec<IndexPart> {
        let conditions = self.question.conditions.iter().filter(|condition| is_wanted(condition));
        let mut parts = Vec::new();
        for operators in [&[Operator::Equal, Operator::IsNull][..], &[Operator::In]] {
            for condition in conditions.clone().filter(|condition| operators.contains(&condition.operator)) {
                Self::push(&mut parts, condition.term.clone(), false, &condition.collation);
            }
        }
        parts.truncate(self.limits.parts);
        parts
    }

    /// Adds a part unless its term is there; the row's number needs no part, for every index ends with it.
    fn push(parts: &mut Vec<IndexPart>, term: Term, descending: bool, collation: &str) {
        let is_known = parts.iter().any(|part| part.term == term);
        if term != Term::RowNumber && !is_known {
            parts.push(IndexPart { term, descending, collation: collation.to_owned() });
        }
    }

    /// A head alone, with each range, with the order, and each of these with all that is read.
    fn with_tails(
        &self,
        head: &[IndexPart],
        reason: CandidateReason,
        predicate: Option<&str>,
        found: &mut Proposals,
    ) {
        let mut bases = vec![(head.to_vec(), reason)];
        for range in self.question.conditions.iter().filter(|condition| condition.operator == Operator::Range)
        {
            let mut parts = head.to_vec();
            Self::push(&mut parts, range.term.clone(), false, &range.collation);
            bases.push((parts, if range.joins { CandidateReason::Join } else { CandidateReason::Filter }));
        }
        let ordered = self.ordered(head);
        if ordered.len() > head.len() {
            bases.push((ordered, CandidateReason::Order));
        }
        for (parts, reason) in &bases {
            self.add(parts.clone(), *reason, predicate, self.limits.parts, found);
        }
        let carried = self.table.columns.iter().filter(|column| self.is_carried_along(&column.name)).count();
        let own_columns = self.table.columns.len() - carried;
        for (mut parts, _) in bases {
            let before = parts.len();
            for name in &self.question.used {
                if let Some(column) =
                    self.table.column(name).filter(|column| !self.is_carried_along(&column.name))
                {
                    Self::push(&mut parts, Term::Column(column.name.clone()), false, &column.collation);
                }
            }
            // An index of all columns is the table once more.
            if parts.len() > before && parts.len() < own_columns {
                self.add(parts, CandidateReason::Covering, predicate, self.limits.covering_parts, found);
            }
        }
    }

    /// Whether every index has this column anyway.
    fn is_carried_along(&self, column: &str) -> bool {
        let is_number =
            self.table.row_number.as_deref().is_some_and(|number| number.eq_ignore_ascii_case(column));
        let mut key = self.table.primary_key.iter();
        is_number
            || (self.table.kind == TableKind::Clustered && key.any(|name| name.eq_ignore_ascii_case(column)))
    }

    /// A head and then the wanted order. An index can be read backwards, so only mixed directions matter.
    fn ordered(&self, head: &[IndexPart]) -> Vec<IndexPart> {
        let mut parts = head.to_vec();
        let mut turn = None;
        for order in &self.question.order {
            let is_known = head.iter().any(|part| part.term == order.term);
            if is_known {
                continue;
            }
            let descending = order.descending != *turn.get_or_insert(order.descending);
            match (&order.term, &self.table.row_number) {
                // The row's number comes last in any index, smallest first; nothing after it changes the order.
                (Term::RowNumber, _) if !descending => break,
                (Term::RowNumber, Some(column)) => {
                    Self::push(&mut parts, Term::Column(column.clone()), descending, "BINARY");
                    break;
                }
                (Term::RowNumber, None) => break,
                (term, _) => Self::push(&mut parts, term.clone(), descending, &order.collation),
            }
        }
        parts
    }

    /// Indexes of only the rows that meet a condition, by the other conditions and the order.
    fn partial(&self, condition: &Condition, predicate: &str, local: &[IndexPart], found: &mut Proposals) {
        let rest: Vec<_> = local.iter().filter(|part| part.term != condition.term).cloned().collect();
        let ordered = self.ordered(&rest);
        if rest.is_empty() && ordered.is_empty() && !self.has_range_besides(&condition.term) {
            let mut parts = Vec::new();
            Self::push(&mut parts, condition.term.clone(), false, &condition.collation);
            self.add(parts, CandidateReason::Partial, Some(predicate), self.limits.parts, found);
        }
        self.with_tails(&rest, CandidateReason::Partial, Some(predicate), found);
    }

    fn has_range_besides(&self, term: &Term) -> bool {
        let mut conditions = self.question.conditions.iter();
        conditions.any(|condition| condition.operator == Operator::Range && condition.term != *term)
    }

    fn add(
        &self,
        mut parts: Vec<IndexPart>,
        reason: CandidateReason,
        predicate: Option<&str>,
        most: usize,
        found: &mut Proposals,
    ) {
        self.strip_carried(&mut parts);
        if parts.is_empty() || parts.len() > most || found.kept.len() >= found.limit {
            return;
        }
        let has_expression = parts.iter().any(|part| matches!(part.term, Term::Expression(_)));
        let reason = match reason {
            _ if predicate.is_some() => CandidateReason::Partial,
            CandidateReason::Filter if has_expression => CandidateReason::Expression,
            other => other,
        };
        let candidate = Candidate {
            table: self.table.name.clone(),
            parts,
            predicate: predicate.map(str::to_owned),
            reason,
        };
        if !is_there(self.table, &candidate) && found.seen.insert(key(&candidate)) {
            found.kept.push(candidate);
        }
    }

    /// Takes from the end what every index ends with: the row's number, or the rest of the primary key in its order.
    fn strip_carried(&self, parts: &mut Vec<IndexPart>) {
        let is_named = |part: &IndexPart, name: &str| matches!(&part.term, Term::Column(column) if column.eq_ignore_ascii_case(name));
        if let Some(number) = &self.table.row_number
            && parts.len() > 1
            && parts.last().is_some_and(|part| is_named(part, number) && !part.descending)
        {
            parts.pop();
        }
        if self.table.kind != TableKind::Clustered {
            return;
        }
        for length in 1..parts.len() {
            let (kept, rest) = parts.split_at(length);
            let key = own_key(self.table);
            let tail: Vec<_> =
                key.iter().filter(|part| !kept.iter().any(|known| known.term == part.term)).collect();
            if rest.len() <= tail.len()
                && rest.iter().zip(&tail).all(|(part, carried)| is_same(part, carried, false))
            {
                parts.truncate(length);
                return;
            }
        }
    }
}

/// The parts of one, then those of the other whose terms are new.
fn joined(first: &[IndexPart], second: &[IndexPart]) -> Vec<IndexPart> {
    let mut parts = first.to_vec();
    parts.extend(second.iter().filter(|part| !first.iter().any(|known| known.term == part.term)).cloned());
    parts
}

/// The same parts with each of them first once: what begins an index decides which other statements it serves.
fn turned(parts: &[IndexPart]) -> Vec<Vec<IndexPart>> {
    (0..parts.len()).map(|first| [&parts[first..], &parts[..first]].concat()).collect()
}

#[cfg(test)]
#[path = "candidates_tests.rs"]
mod tests;
