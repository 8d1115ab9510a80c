//! Places in a statement that may keep an index from being used. Found in its words alone, so they are no more than proposals.

use std::ops::Range;

use crate::catalog::{Column, Table, TableName, Term};
use crate::rewrite::RewriteKind;
use crate::sqlite::name;
use crate::tokens::{Token, TokenKind, tokens};

/// Proposals of one statement.
const MAX_PROPOSALS: usize = 8;
/// Words that may follow a table's name and are no alias of it.
const NO_ALIAS: [&str; 20] = [
    "ON",
    "WHERE",
    "JOIN",
    "LEFT",
    "RIGHT",
    "FULL",
    "INNER",
    "OUTER",
    "CROSS",
    "NATURAL",
    "USING",
    "ORDER",
    "GROUP",
    "LIMIT",
    "SET",
    "INDEXED",
    "NOT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
];

/// A place in a statement, and what to try there.
#[derive(Clone, Debug)]
pub(super) struct Proposal<'a> {
    pub(super) kind: RewriteKind,
    pub(super) table: &'a Table,
    pub(super) column: &'a Column,
    /// The table's name or alias in the plan.
    pub(super) qualifier: String,
    /// The bytes of the place in the statement.
    pub(super) place: Range<usize>,
    /// What to write there instead.
    pub(super) instead: Option<String>,
    /// What an index would be on that makes the statement as it is, or as rewritten, a search.
    pub(super) index_on: Option<String>,
}

/// A column in a statement.
struct Reference<'a> {
    table: &'a Table,
    column: &'a Column,
    qualifier: String,
    /// The position of its first word, and of the one after its last.
    words: Range<usize>,
}

/// How a column likes its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affinity {
    Text,
    Number,
    /// Anything as it is.
    Blob,
}

/// The places of a statement. `sample` gives the value of a text placeholder, by its position among the placeholders and its
/// name.
pub(super) fn proposals<'a>(
    sql: &str,
    tables: &'a [Table],
    sample: &dyn Fn(usize, &str) -> Option<String>,
) -> Vec<Proposal<'a>> {
    let words = tokens(sql);
    let named = named_tables(&words, tables);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() && found.len() < MAX_PROPOSALS {
        let Some(reference) = reference(&words, at, &named) else {
            at += 1;
            continue;
        };
        at = reference.words.end;
        let at_place = wrapped(sql, &words, &reference)
            .or_else(|| pattern(&words, &reference, sample))
            .or_else(|| affinity_join(sql, &words, &reference, &named));
        found.extend(at_place);
    }
    found
}

/// Tables that the statement names, with their names or aliases there.
fn named_tables<'a>(words: &[Token<'_>], tables: &'a [Table]) -> Vec<(String, &'a Table)> {
    let mut named: Vec<(String, &Table)> = Vec::new();
    for (at, word) in words.iter().enumerate().skip(1) {
        let before = &words[at - 1];
        let is_place = ["FROM", "JOIN", "UPDATE", "INTO", ",", "."].iter().any(|place| before.is(place));
        let Some(table) = word.name().filter(|_| is_place) else { continue };
        let table = TableName::main(table);
        let Some(table) = tables.iter().find(|other| other.name.is(&table)) else { continue };
        let next = match words.get(at + 1) {
            Some(next) if next.is("AS") => words.get(at + 2),
            next => next.filter(|next| !NO_ALIAS.iter().any(|word| next.is(word))),
        };
        let alias = next.and_then(Token::name).unwrap_or_else(|| table.name.name.clone());
        if !named.iter().any(|(other, _)| *other == alias) {
            named.push((alias, table));
        }
    }
    named
}

/// The column that starts at a word: `c` or `t.c`.
fn reference<'a>(words: &[Token<'_>], at: usize, named: &[(String, &'a Table)]) -> Option<Reference<'a>> {
    let first = words.get(at)?.name()?;
    if words.get(at + 1).is_some_and(|word| word.is(".")) {
        let second = words.get(at + 2)?.name()?;
        let (qualifier, table) = named.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(&first))?;
        let column = table.column(&second)?;
        return Some(Reference { table, column, qualifier: qualifier.clone(), words: at..at + 3 });
    }
    if words.get(at + 1).is_some_and(|word| word.is("(")) || (at > 0 && words[at - 1].is(".")) {
        return None;
    }
    let mut owners = named.iter().filter_map(|(alias, table)| Some((alias, *table, table.column(&first)?)));
    let (qualifier, table, column) = owners.next()?;
    // Two tables that have it, or one table twice: it is not known which is meant.
    owners.next().is_none().then(|| Reference {
        table,
        column,
        qualifier: qualifier.clone(),
        words: at..at + 1,
    })
}

/// `CAST(c AS type)`, `+c`, `f(c)`, `c COLLATE name`.
fn wrapped<'a>(sql: &str, words: &[Token<'_>], reference: &Reference<'a>) -> Option<Proposal<'a>> {
    let Range { start, end } = reference.words;
    let word = |at: usize| words.get(at);
    let before = |back: usize| start.checked_sub(back).and_then(word);
    let column = name(&reference.column.name);
    let own = sql[words[start].start..words[end - 1].end()].to_owned();
    let is_cast = before(2).is_some_and(|word| word.is("CAST")) && before(1).is_some_and(|word| word.is("("));
    if is_cast && word(end).is_some_and(|word| word.is("AS")) {
        let close = (end..words.len()).find(|at| words[*at].is(")"))?;
        let kind = sql.get(words[end].end()..words[close].start)?.trim();
        // Casting to what the column holds anyway changes nothing; otherwise only an index on the cast itself is the same.
        let is_same = affinity(kind) == affinity(&reference.column.type_name);
        let instead = is_same.then_some(own);
        let index_on = Some(if is_same { column } else { format!("CAST({column} AS {kind})") });
        return Some(proposal(
            RewriteKind::Cast,
            reference,
            words[start - 2].start..words[close].end(),
            instead,
            index_on,
        ));
    }
    if before(1).is_some_and(|word| word.is("+")) && before(2).is_none_or(is_before_operand) {
        let place = words[start - 1].start..words[end - 1].end();
        return Some(proposal(RewriteKind::Plus, reference, place, Some(own), None));
    }
    if word(end).is_some_and(|word| word.is("COLLATE")) {
        let collation = word(end + 1)?;
        let has_other = reference.table.indexes.iter().any(|index| {
            index.parts.first().is_some_and(|part| {
                matches!(&part.term, Term::Column(name) if name.eq_ignore_ascii_case(&reference.column.name))
            })
        });
        // Without an index on the column the selection proposes one in the right order of texts by itself.
        let index_on = has_other.then(|| format!("{column} COLLATE {}", collation.text));
        return index_on.map(|on| {
            proposal(RewriteKind::Collation, reference, words[start].start..collation.end(), None, Some(on))
        });
    }
    let function =
        before(2).filter(|word| word.kind == TokenKind::Word && !word.is("IN") && !word.is("CAST"))?;
    if before(1)?.is("(") && word(end)?.is(")") && !is_before_operand(function) {
        let index_on = Some(format!("{}({column})", function.text));
        let place = function.start..words[end].end();
        return Some(proposal(RewriteKind::Function, reference, place, None, index_on));
    }
    None
}

/// `c LIKE 'pattern'`.
fn pattern<'a>(
    words: &[Token<'_>],
    reference: &Reference<'a>,
    sample: &dyn Fn(usize, &str) -> Option<String>,
) -> Option<Proposal<'a>> {
    let end = reference.words.end;
    if !words.get(end)?.is("LIKE") {
        return None;
    }
    let pattern = words.get(end + 1)?;
    let text = match pattern.kind {
        TokenKind::Literal => pattern.text.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"),
        TokenKind::Parameter => {
            let placeholders = words[..=end].iter().filter(|word| word.kind == TokenKind::Parameter);
            sample(placeholders.count(), pattern.text)?
        }
        _ => return None,
    };
    // A pattern of nothing but `%`, or an empty one, finds everything or nothing; neither is searched for.
    if text.trim_matches('%').is_empty() {
        return None;
    }
    let place = words[reference.words.start].start..pattern.end();
    let on = format!("{} COLLATE NOCASE", name(&reference.column.name));
    let kind = if text.starts_with(['%', '_']) {
        RewriteKind::LeadingWildcard
    } else {
        RewriteKind::PatternCollation
    };
    Some(proposal(kind, reference, place, None, Some(on)))
}

/// `a.number = b.text`, which an index on the number can answer and one on the text cannot.
fn affinity_join<'a>(
    sql: &str,
    words: &[Token<'_>],
    reference: &Reference<'a>,
    named: &[(String, &'a Table)],
) -> Option<Proposal<'a>> {
    let Range { start, end } = reference.words;
    let is_text = affinity(&reference.column.type_name) == Affinity::Text;
    let other = if words.get(end).is_some_and(|word| word.is("=") || word.is("==")) {
        self::reference(words, end + 1, named)
    } else if start >= 2 && words[start - 1].is("=") {
        // `x = c` or `t.x = c`.
        let qualified = start >= 4 && words[start - 3].is(".");
        self::reference(words, if qualified { start - 4 } else { start - 2 }, named)
    } else {
        None
    };
    let other = other.filter(|other| other.qualifier != reference.qualifier)?;
    if !is_text || affinity(&other.column.type_name) != Affinity::Number {
        return None;
    }
    let place = words[other.words.start].start..words[other.words.end - 1].end();
    let instead = format!("CAST({} AS TEXT)", sql.get(place.clone())?);
    Some(proposal(RewriteKind::Affinity, reference, place, Some(instead), Some(name(&reference.column.name))))
}

fn proposal<'a>(
    kind: RewriteKind,
    reference: &Reference<'a>,
    place: Range<usize>,
    instead: Option<String>,
    index_on: Option<String>,
) -> Proposal<'a> {
    let Reference { table, column, qualifier, .. } = reference;
    Proposal { kind, table, column, qualifier: qualifier.clone(), place, instead, index_on }
}

/// Whether an operand follows, so that a plus is a sign and a bracket no function's.
fn is_before_operand(word: &Token<'_>) -> bool {
    const WORDS: [&str; 14] = [
        "WHERE", "AND", "OR", "NOT", "ON", "BY", "SELECT", "WHEN", "THEN", "ELSE", "HAVING", "BETWEEN",
        "LIKE", "IN",
    ];
    match word.kind {
        TokenKind::Symbol => !word.is(")"),
        TokenKind::Word => WORDS.iter().any(|other| word.is(other)),
        _ => false,
    }
}

/// SQLite's rules for a declared type (datatype3.html, section 3.1).
fn affinity(type_name: &str) -> Affinity {
    let name = type_name.to_ascii_uppercase();
    let has = |part: &str| name.contains(part);
    if has("INT") {
        Affinity::Number
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || name.is_empty() {
        Affinity::Blob
    } else {
        Affinity::Number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tables() -> Vec<Table> {
        let column = |name: &str, type_name: &str| Column {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            collation: "BINARY".to_owned(),
            ..Column::default()
        };
        let table = |name: &str, columns: Vec<Column>| Table {
            name: TableName::main(name),
            columns,
            ..Table::default()
        };
        vec![
            table("t", vec![column("a", "TEXT"), column("b", "INTEGER")]),
            table("u", vec![column("x", "INT"), column("y", "")]),
        ]
    }

    /// Places and what is to be written there.
    fn found(sql: &str) -> Vec<(RewriteKind, String, Option<String>)> {
        let tables = tables();
        let sample = |position: usize, _: &str| (position == 0).then(|| "%x".to_owned());
        let proposals = proposals(sql, &tables, &sample);
        proposals.into_iter().map(|it| (it.kind, sql[it.place].to_owned(), it.instead)).collect()
    }

    #[test]
    fn places_are_found_in_the_words() {
        use RewriteKind::{Affinity, Cast, Function, LeadingWildcard, PatternCollation, Plus};
        type Place = (RewriteKind, &'static str, Option<&'static str>);
        let cases: &[(&str, &[Place])] = &[
            ("SELECT 1 FROM t WHERE CAST(t.b AS INT) = 1", &[(Cast, "CAST(t.b AS INT)", Some("t.b"))]),
            ("SELECT 1 FROM t WHERE CAST(a AS INT) = 1", &[(Cast, "CAST(a AS INT)", None)]),
            ("SELECT 1 FROM t WHERE +b = 1 AND 2 + b > 3", &[(Plus, "+b", Some("b"))]),
            ("SELECT 1 FROM t z WHERE lower( z.a ) = 'q'", &[(Function, "lower( z.a )", None)]),
            ("SELECT 1 FROM t WHERE a IN (b) AND (a) = 1", &[]),
            (
                "SELECT 1 FROM t WHERE a LIKE ? OR a LIKE 'x%'",
                &[(LeadingWildcard, "a LIKE ?", None), (PatternCollation, "a LIKE 'x%'", None)],
            ),
            ("SELECT 1 FROM t WHERE a LIKE '%' OR a LIKE b OR a NOT LIKE 'x'", &[]),
            ("SELECT 1 FROM t JOIN u ON t.a = u.x", &[(Affinity, "u.x", Some("CAST(u.x AS TEXT)"))]),
            ("SELECT 1 FROM t JOIN u ON u.x = t.a", &[(Affinity, "u.x", Some("CAST(u.x AS TEXT)"))]),
            ("SELECT 1 FROM t JOIN u ON t.b = u.x AND t.a = u.y", &[]),
            // Which of the two is meant is not known.
            ("SELECT 1 FROM t one, t two WHERE lower(a) = 'q'", &[]),
        ];
        for (sql, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(kind, place, instead)| (*kind, (*place).to_owned(), instead.map(str::to_owned)))
                .collect();
            assert_eq!(found(sql), expected, "{sql}");
        }
    }

    #[test]
    fn affinities_follow_the_declared_type() {
        for (declared, expected) in [
            ("INTEGER", Affinity::Number),
            ("CHARINT", Affinity::Number),
            ("varchar(20)", Affinity::Text),
            ("", Affinity::Blob),
            ("DECIMAL(10, 2)", Affinity::Number),
        ] {
            assert_eq!(affinity(declared), expected, "{declared}");
        }
    }

    proptest! {
        #[test]
        fn any_words_are_survived(words in prop::collection::vec(prop::sample::select(vec![
            "a", "b", "t", "u", "x", ".", "(", ")", "+", "CAST", "AS", "LIKE", "'%x'", "'", "?", "=", "COLLATE", "NOCASE", "FROM",
            "JOIN", ",", "lower", "[", "WHERE",
        ]), 0..30)) {
            found(&words.join(" "));
        }
    }
}
