//! Which indexes may go: what findings propose, less what must never go whatever they say. Pure; whether one that may go does go
//! is for the replay to say ([`keep`](crate::keep())).

use pulse_model::{Finding, Fix};

use crate::catalog::{Catalog, Index, IndexOrigin, IndexPart, Table, TableName, Term};
use crate::change::{Change, ChangeKind};
use crate::quote::qualified;

/// An index that a finding proposes to drop.
#[derive(Clone, Debug, PartialEq)]
pub struct ProposedDrop {
    /// How it goes, and how it comes back.
    pub change: Change,
    /// Its table.
    pub table: String,
    /// Bytes of its pages, which are free then; `None` where they were not read.
    pub size_bytes: Option<u64>,
    /// Why it stays without being tried; `None` when it may be tried.
    pub refusal: Option<String>,
}

/// What is known of the use of indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A workload is replayed without them.
    Replay,
    /// Their structure alone: there is no workload, or it is not to be replayed.
    Structure,
}

/// Why a finding says that an index can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Duplicate,
    Beginning,
    Unused,
}

/// The drops that these findings propose, in their order.
pub fn proposed_drops(catalog: &Catalog, findings: &[Finding], evidence: Evidence) -> Vec<ProposedDrop> {
    let proposal = |finding: &Finding| {
        let ground = match finding.code.as_str() {
            "duplicate_index" => Ground::Duplicate,
            "redundant_index" => Ground::Beginning,
            "unused_index" => Ground::Unused,
            _ => return None,
        };
        let fix = finding.fix.clone()?;
        let (table, index) = index_of(catalog, &finding.subject, &fix)?;
        Some(ProposedDrop {
            change: Change {
                kind: ChangeKind::DropIndex,
                schema: table.name.schema.clone(),
                subject: index.name.clone(),
                fix,
            },
            table: table.name.to_string(),
            size_bytes: index.size.map(|size| size.bytes),
            refusal: refusal(table, index, ground, evidence),
        })
    };
    findings.iter().filter_map(proposal).collect()
}

/// The index that a finding is about. Schemas may have indexes of one name; the statement that drops it says which is meant.
fn index_of<'a>(catalog: &'a Catalog, name: &str, fix: &Fix) -> Option<(&'a Table, &'a Index)> {
    let is_meant = |table: &Table| {
        let index = qualified(&TableName { schema: table.name.schema.clone(), name: name.to_owned() });
        fix.sql.iter().any(|sql| sql.ends_with(&index))
    };
    let tables = catalog.tables.iter().filter(|table| is_meant(table));
    tables.into_iter().find_map(|table| Some((table, table.indexes.iter().find(|it| it.name == name)?)))
}

/// The last guard: it holds even where a rule that proposes is wrong.
fn refusal(table: &Table, index: &Index, ground: Ground, evidence: Evidence) -> Option<String> {
    // The parent's side of a foreign key is found by a unique index and by no other.
    if index.unique || index.origin != IndexOrigin::Statement || index.sql.is_none() {
        return Some("it enforces what the table promises".to_owned());
    }
    if ground == Ground::Unused && is_special(table, index) {
        return Some(
            "it is sorted or limited in a way of its own, which a statement that is not in the workload may be made for"
                .to_owned(),
        );
    }
    (evidence == Evidence::Structure && ground != Ground::Duplicate).then(|| {
        "nothing was replayed without it: with a workload, and without --no-verify, the clock decides"
            .to_owned()
    })
}

/// Whether somebody had something in mind: a condition, a direction, an order of texts that is not the column's.
fn is_special(table: &Table, index: &Index) -> bool {
    let is_usual = |part: &IndexPart| match &part.term {
        Term::Column(name) => {
            table.column(name).is_some_and(|column| column.collation.eq_ignore_ascii_case(&part.collation))
        }
        Term::Expression(_) | Term::RowNumber => true,
    };
    index.predicate.is_some() || index.parts.iter().any(|part| part.descending || !is_usual(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Column, Size, TableName};

    fn index(parts: &[(&str, bool, &str)]) -> Index {
        let part = |&(name, descending, collation): &(&str, bool, &str)| IndexPart {
            term: Term::Column(name.to_owned()),
            descending,
            collation: collation.to_owned(),
        };
        Index {
            name: "i".to_owned(),
            parts: parts.iter().map(part).collect(),
            sql: Some("CREATE INDEX i ON t(a)".to_owned()),
            size: Some(Size { bytes: 8_192, ..Size::default() }),
            ..Index::default()
        }
    }

    fn drop_of(schema: &str) -> Fix {
        Fix { sql: vec![format!("DROP INDEX \"{schema}\".\"i\"")], undo: Vec::new() }
    }

    /// Schemas may have indexes of one name.
    #[test]
    fn the_index_that_is_meant_goes() {
        let table = |schema: &str| Table {
            name: TableName { schema: schema.to_owned(), name: "t".to_owned() },
            indexes: vec![index(&[("a", false, "binary")])],
            ..Table::default()
        };
        let catalog = Catalog { tables: vec![table("main"), table("archive")], ..Catalog::default() };
        for schema in ["main", "archive"] {
            let finding = Finding {
                code: "duplicate_index".to_owned(),
                subject: "i".to_owned(),
                fix: Some(drop_of(schema)),
                ..Finding::default()
            };
            let found = proposed_drops(&catalog, &[finding], Evidence::Replay);
            assert_eq!(found.iter().map(|drop| drop.change.schema.as_str()).collect::<Vec<_>>(), [schema]);
        }
    }

    fn proposed(index: Index, code: &str, evidence: Evidence) -> ProposedDrop {
        let column = Column { name: "a".to_owned(), collation: "BINARY".to_owned(), ..Column::default() };
        let table = Table {
            name: TableName::main("t"),
            columns: vec![column],
            indexes: vec![index],
            ..Table::default()
        };
        let catalog = Catalog { tables: vec![table], ..Catalog::default() };
        let finding = Finding {
            code: code.to_owned(),
            subject: "i".to_owned(),
            fix: Some(drop_of("main")),
            ..Finding::default()
        };
        proposed_drops(&catalog, &[finding], evidence).remove(0)
    }

    #[test]
    fn what_must_never_go_is_not_even_tried() {
        let plain = index(&[("a", false, "binary")]);
        for code in ["duplicate_index", "redundant_index", "unused_index"] {
            let drop = proposed(plain.clone(), code, Evidence::Replay);
            assert_eq!(
                (drop.refusal, drop.size_bytes, drop.table.as_str()),
                (None, Some(8_192), "t"),
                "{code}"
            );
            let enforcing = [
                Index { unique: true, ..plain.clone() },
                Index { origin: IndexOrigin::UniqueConstraint, ..plain.clone() },
                Index { sql: None, ..plain.clone() },
            ];
            for index in enforcing {
                assert!(proposed(index, code, Evidence::Replay).refusal.is_some(), "{code}");
            }
        }
        let special = [
            index(&[("a", true, "BINARY")]),
            index(&[("a", false, "NOCASE")]),
            Index { predicate: Some("a > 1".to_owned()), ..plain },
        ];
        for index in special {
            assert!(proposed(index.clone(), "unused_index", Evidence::Replay).refusal.is_some(), "{index:?}");
            // Another index of the same kind stays, which does what this one was made for.
            assert_eq!(proposed(index, "redundant_index", Evidence::Replay).refusal, None);
        }
    }

    #[test]
    fn without_a_replay_only_a_second_one_of_the_same_goes() {
        for (code, goes) in [("duplicate_index", true), ("redundant_index", false), ("unused_index", false)] {
            let drop = proposed(index(&[("a", false, "BINARY")]), code, Evidence::Structure);
            assert_eq!(drop.refusal.is_none(), goes, "{code}: {drop:?}");
        }
    }

    #[test]
    fn other_findings_and_those_without_a_statement_propose_nothing() {
        let finding = |code: &str| Finding { code: code.to_owned(), ..Finding::default() };
        let findings = [finding("full_scan"), finding("unused_index")];
        assert_eq!(proposed_drops(&Catalog::default(), &findings, Evidence::Replay), []);
    }
}
