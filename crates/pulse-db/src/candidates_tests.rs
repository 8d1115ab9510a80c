use proptest::prelude::*;

use super::*;
use crate::catalog::{Column, ForeignKey, Index, TableName};
use crate::plan::Order;

fn column(name: &str) -> Column {
    Column { name: name.to_owned(), collation: "BINARY".to_owned(), ..Column::default() }
}

fn table(kind: TableKind) -> Table {
    Table {
        name: TableName::main("t"),
        kind,
        columns: ["id", "a", "b", "c", "d", "e"].map(column).to_vec(),
        primary_key: if kind == TableKind::Clustered {
            vec!["a".to_owned(), "b".to_owned()]
        } else {
            vec!["id".to_owned()]
        },
        row_number: (kind == TableKind::Ordinary).then(|| "id".to_owned()),
        ..Table::default()
    }
}

fn term(name: &str) -> Term {
    match name {
        "#" => Term::RowNumber,
        _ if name.contains('(') => Term::Expression(name.to_owned()),
        _ => Term::Column(name.to_owned()),
    }
}

/// `a=`, `b>`, `c?` (is null), `d@` (in); a `*` after it: joins.
fn condition(text: &str) -> Condition {
    let joins = text.ends_with('*');
    let text = text.trim_end_matches('*');
    let (name, operator) = text.split_at(text.len() - 1);
    let operator = match operator {
        "=" => Operator::Equal,
        ">" => Operator::Range,
        "?" => Operator::IsNull,
        "@" => Operator::In,
        _ => Operator::NotEqual,
    };
    Condition { term: term(name), operator, collation: "BINARY".to_owned(), value: None, joins }
}

fn question(conditions: &[&str], order: &[&str], used: &[&str]) -> Question {
    let order = order.iter().map(|text| Order {
        term: term(text.trim_start_matches('-')),
        descending: text.starts_with('-'),
        collation: "BINARY".to_owned(),
    });
    Question {
        table: TableName::main("t"),
        conditions: conditions.iter().map(|text| condition(text)).collect(),
        order: order.collect(),
        used: used.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn words(candidate: &Candidate) -> String {
    let parts = candidate.parts.iter().map(|part| {
        let name = match &part.term {
            Term::Column(name) | Term::Expression(name) => name.as_str(),
            Term::RowNumber => "#",
        };
        format!("{}{name}", if part.descending { "-" } else { "" })
    });
    let parts: Vec<_> = parts.collect();
    let predicate = candidate.predicate.as_ref().map(|sql| format!(" where {sql}")).unwrap_or_default();
    format!("{}{predicate}", parts.join(","))
}

fn proposed(table: Table, question: &Question, few: &[(&str, f64)]) -> Vec<String> {
    let catalog = Catalog { tables: vec![table], ..Catalog::default() };
    let predicate = |_: &Question, condition: &Condition| {
        let share = few.iter().find(|(name, _)| condition.term == term(name))?.1;
        let name = match &condition.term {
            Term::Column(name) => name.clone(),
            _ => return None,
        };
        let sql = if condition.operator == Operator::IsNull {
            format!("{name} IS NULL")
        } else {
            format!("{name} = 1")
        };
        Some(Predicate { sql, share })
    };
    let found = candidates(&catalog, std::slice::from_ref(question), &predicate, CandidateLimits::default());
    found.iter().map(words).collect()
}

#[test]
fn each_kind_of_question_has_its_index() {
    let wide = ["id", "a", "b", "c", "d", "e"];
    let cases: [(&str, Question, &[&str]); 12] = [
        ("equality", question(&["a="], &[], &wide), &["a"]),
        ("equality and range", question(&["a=", "b>"], &[], &wide), &["a", "a,b", "b"]),
        ("equality and order", question(&["a="], &["-b"], &wide), &["a", "a,b", "b"]),
        ("mixed order", question(&[], &["a", "-b"], &wide), &["a,-b"]),
        ("order that ends with the row's number", question(&[], &["-a", "-#"], &wide), &["a"]),
        ("the row's number the other way round", question(&[], &["a", "-#"], &wide), &["a,-id"]),
        ("either first", question(&["a=", "b="], &[], &wide), &["a,b", "b,a"]),
        ("values of a list last", question(&["a@", "b="], &[], &wide), &["b,a", "a,b"]),
        ("all that is read", question(&["a="], &[], &["a", "c"]), &["a", "a,c"]),
        ("smallest value", question(&[], &["c"], &["c"]), &["c"]),
        ("expression", question(&["lower(a)="], &[], &wide), &["lower(a)"]),
        ("the row's own number", question(&["#="], &[], &wide), &[]),
    ];
    for (what, question, expected) in cases {
        let found = proposed(table(TableKind::Ordinary), &question, &[]);
        for wanted in expected {
            assert!(found.iter().any(|found| found == wanted), "{what}: {wanted} is not among {found:?}");
        }
        if expected.is_empty() {
            assert!(found.is_empty(), "{what}: {found:?}");
        }
    }
}

#[test]
fn joins_are_thought_of_both_ways() {
    let found = proposed(
        table(TableKind::Ordinary),
        &question(&["a=*", "b="], &[], &["id", "a", "b", "c", "d", "e"]),
        &[],
    );
    for wanted in ["b,a", "a,b", "a", "b"] {
        assert!(found.iter().any(|found| found == wanted), "{wanted} is not among {found:?}");
    }
}

#[test]
fn few_rows_get_an_index_of_their_own() {
    let asked = question(&["a=", "b?"], &["c"], &["id", "a", "b", "c", "d", "e"]);
    let found = proposed(table(TableKind::Ordinary), &asked, &[("a", 0.01), ("b", 0.9)]);
    assert!(found.iter().any(|found| found == "b,c where a = 1"), "{found:?}");
    assert!(!found.iter().any(|found| found.ends_with("b IS NULL")), "most rows are no few: {found:?}");
    let alone = proposed(table(TableKind::Ordinary), &question(&["b?"], &[], &["id", "b"]), &[("b", 0.01)]);
    assert!(alone.iter().any(|found| found == "b where b IS NULL"), "{alone:?}");
}

#[test]
fn what_is_there_is_not_proposed() {
    let mut with_index = table(TableKind::Ordinary);
    let part =
        |name: &str, descending| IndexPart { term: term(name), descending, collation: "BINARY".to_owned() };
    with_index.indexes = vec![Index {
        name: "i".to_owned(),
        parts: vec![part("A", true), part("b", true)],
        ..Index::default()
    }];
    let wide = ["id", "a", "b", "c", "d", "e"];
    let found = proposed(with_index.clone(), &question(&["a=", "b>"], &[], &wide), &[]);
    assert!(!found.contains(&"a".to_owned()) && !found.contains(&"a,b".to_owned()), "{found:?}");
    with_index.indexes[0].predicate = Some("c = 1".to_owned());
    let found = proposed(with_index, &question(&["a=", "b>"], &[], &wide), &[]);
    assert!(found.contains(&"a".to_owned()), "a partial index is no whole one: {found:?}");
}

#[test]
fn keys_of_clustered_tables_are_not_repeated() {
    let found =
        proposed(table(TableKind::Clustered), &question(&["a=", "b>"], &[], &["a", "b", "c", "d", "e"]), &[]);
    assert!(!found.iter().any(|found| found == "a" || found == "a,b"), "{found:?}");
    let found = proposed(table(TableKind::Clustered), &question(&["b="], &["a"], &["a", "b"]), &[]);
    assert_eq!(found, ["b"], "b carries a along");
}

#[test]
fn tables_of_extensions_get_nothing() {
    for kind in [TableKind::Virtual, TableKind::Shadow] {
        assert!(proposed(table(kind), &question(&["a="], &["b"], &["a"]), &[("a", 0.01)]).is_empty());
    }
}

#[test]
fn two_are_merged_when_they_begin_alike() {
    let catalog = Catalog { tables: vec![table(TableKind::Ordinary)], ..Catalog::default() };
    let candidate = |names: &[&str]| Candidate {
        table: TableName::main("t"),
        parts: names
            .iter()
            .map(|name| IndexPart { term: term(name), descending: false, collation: "BINARY".to_owned() })
            .collect(),
        predicate: None,
        reason: CandidateReason::Filter,
    };
    let found = merged(
        &catalog,
        &[candidate(&["a", "b"]), candidate(&["a", "c"]), candidate(&["d"])],
        CandidateLimits::default(),
    );
    let found: Vec<_> = found.iter().map(words).collect();
    assert_eq!(found, ["a,b,c", "a,c,b"]);
}

#[test]
fn children_of_rows_that_go_are_found_by_an_index() {
    let mut child = table(TableKind::Ordinary);
    child.foreign_keys = vec![ForeignKey {
        columns: vec!["c".to_owned()],
        parent: TableName::main("parent"),
        parent_columns: Vec::new(),
    }];
    let catalog = Catalog { tables: vec![child], ..Catalog::default() };
    let effect = |kind| Effect { table: TableName::main("PARENT"), kind, columns: Vec::new() };
    let found: Vec<_> = foreign_keys(&catalog, &[effect(EffectKind::Delete)]).iter().map(words).collect();
    assert_eq!(found, ["c"]);
    assert!(foreign_keys(&catalog, &[effect(EffectKind::Insert)]).is_empty());
}

proptest! {
    #[test]
    fn candidates_are_different_useful_and_few(
        conditions in proptest::collection::vec("[abcde#][=>?@]\\*?", 0..7),
        order in proptest::collection::vec("-?[abcde#]", 0..4),
        used in proptest::sample::subsequence(vec!["id", "a", "b", "c", "d", "e"], 0..6),
        clustered in any::<bool>(),
    ) {
        let conditions: Vec<_> = conditions.iter().map(String::as_str).collect();
        let order: Vec<_> = order.iter().map(String::as_str).collect();
        let asked = question(&conditions, &order, &used);
        let table = table(if clustered { TableKind::Clustered } else { TableKind::Ordinary });
        let catalog = Catalog { tables: vec![table.clone()], ..Catalog::default() };
        let limits = CandidateLimits::default();
        let found = candidates(&catalog, &[asked], &|_, _| None, limits);
        prop_assert!(found.len() <= limits.per_statement);
        let different: BTreeSet<_> = found.iter().map(key).collect();
        prop_assert_eq!(different.len(), found.len());
        for candidate in &found {
            prop_assert!(!candidate.parts.is_empty() && candidate.parts.len() <= limits.covering_parts);
            prop_assert!(!is_there(&table, candidate));
            let terms: BTreeSet<_> = candidate.parts.iter().map(|part| &part.term).collect();
            prop_assert_eq!(terms.len(), candidate.parts.len());
            prop_assert!(!candidate.parts.iter().any(|part| part.term == Term::RowNumber));
        }
    }
}
