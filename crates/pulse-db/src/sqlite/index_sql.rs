//! Indexes as statements.

use rusqlite::{Connection, OptionalExtension};

use super::quote;
use crate::candidate::Candidate;
use crate::catalog::{IndexPart, Term};

/// Bytes of a name that is made up here.
const MAX_NAME_BYTES: usize = 60;

/// The statement that makes a candidate. `collation_of` tells a column's own collation; another one is written.
pub fn create_index(
    candidate: &Candidate,
    name: &str,
    collation_of: impl Fn(&str) -> Option<String>,
) -> String {
    let parts: Vec<_> = candidate.parts.iter().map(|part| written(part, &collation_of)).collect();
    let predicate =
        candidate.predicate.as_ref().map(|predicate| format!(" WHERE {predicate}")).unwrap_or_default();
    format!(
        "CREATE INDEX {}.{} ON {} ({}){predicate}",
        quote::name(&candidate.table.schema),
        quote::name(name),
        quote::name(&candidate.table.name),
        parts.join(", "),
    )
}

/// The statement that takes an index away.
pub(super) fn drop_index(schema: &str, name: &str) -> String {
    format!("DROP INDEX {}.{}", quote::name(schema), quote::name(name))
}

fn written(part: &IndexPart, collation_of: impl Fn(&str) -> Option<String>) -> String {
    let usual = match &part.term {
        Term::Column(column) => collation_of(column),
        Term::Expression(_) | Term::RowNumber => None,
    };
    let usual = usual.as_deref().unwrap_or("BINARY");
    let collation = if part.collation.eq_ignore_ascii_case(usual) {
        String::new()
    } else {
        format!(" COLLATE {}", quote::name(&part.collation))
    };
    format!("{}{collation}{}", term(&part.term), if part.descending { " DESC" } else { "" })
}

/// A part as something that rows can be grouped by.
pub(super) fn compared(part: &IndexPart) -> String {
    format!("{} COLLATE {}", term(&part.term), quote::name(&part.collation))
}

fn term(term: &Term) -> String {
    match term {
        Term::Column(column) => quote::name(column),
        Term::Expression(text) => format!("({text})"),
        Term::RowNumber => "rowid".to_owned(),
    }
}

/// The condition of an existing index: what follows its last `WHERE` outside of quotes and parentheses.
pub(super) fn predicate_of(
    connection: &Connection,
    schema: &str,
    index: &str,
) -> rusqlite::Result<Option<String>> {
    let sql = format!(
        "SELECT s.sql FROM {}.sqlite_schema s WHERE s.type = 'index' AND s.name = ?1 AND EXISTS \
         (SELECT 1 FROM pragma_index_list(s.tbl_name, ?2) l WHERE l.name = s.name AND l.partial)",
        quote::name(schema)
    );
    let found: Option<Option<String>> =
        connection.query_row(&sql, [index, schema], |row| row.get(0)).optional()?;
    Ok(found.flatten().and_then(|sql| super::tokens::after_where(&sql)))
}

/// A name for a new index: small letters that tell what it is on, and not taken.
pub fn index_name(candidate: &Candidate, is_taken: impl Fn(&str) -> bool) -> String {
    let mut words = vec!["idx".to_owned(), plain(&candidate.table.name)];
    words.extend(candidate.parts.iter().map(|part| match &part.term {
        Term::Column(text) | Term::Expression(text) => plain(text),
        Term::RowNumber => "rowid".to_owned(),
    }));
    if candidate.predicate.is_some() {
        words.push("part".to_owned());
    }
    words.retain(|word| !word.is_empty());
    let mut name = words.join("_");
    if let Some((end, _)) =
        name.char_indices().find(|&(at, character)| at + character.len_utf8() > MAX_NAME_BYTES)
    {
        name.truncate(end);
    }
    let mut unique = name.clone();
    let mut number = 2;
    while is_taken(&unique) {
        unique = format!("{name}_{number}");
        number += 1;
    }
    unique
}

/// Letters and digits in small letters, everything else as one underscore.
fn plain(text: &str) -> String {
    let mut word = String::new();
    for character in text.chars() {
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        } else if !word.ends_with('_') {
            word.push('_');
        }
    }
    word.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::CandidateReason;
    use crate::catalog::TableName;

    fn candidate(table: &str, parts: &[(Term, bool, &str)], predicate: Option<&str>) -> Candidate {
        let part = |(term, descending, collation): &(Term, bool, &str)| IndexPart {
            term: term.clone(),
            descending: *descending,
            collation: (*collation).to_owned(),
        };
        Candidate {
            table: TableName::main(table),
            parts: parts.iter().map(part).collect(),
            predicate: predicate.map(str::to_owned),
            reason: CandidateReason::Filter,
        }
    }

    #[test]
    fn statements_quote_what_they_name() {
        let column = |name: &str| Term::Column(name.to_owned());
        let plain =
            candidate("trades", &[(column("symbol"), false, "BINARY"), (column("at"), true, "BINARY")], None);
        let usual = |_: &str| Some("BINARY".to_owned());
        assert_eq!(
            create_index(&plain, "i", usual),
            "CREATE INDEX \"main\".\"i\" ON \"trades\" (\"symbol\", \"at\" DESC)"
        );
        let odd = candidate(
            "my \"table\"",
            &[(Term::Expression("lower(c)".to_owned()), false, "BINARY"), (column("order"), false, "NOCASE")],
            Some("\"state\" = 'open'"),
        );
        assert_eq!(
            create_index(&odd, "i", usual),
            "CREATE INDEX \"main\".\"i\" ON \"my \"\"table\"\"\" ((lower(c)), \"order\" COLLATE \"NOCASE\") \
             WHERE \"state\" = 'open'"
        );
    }

    #[test]
    fn names_tell_what_they_are_on_and_do_not_collide() {
        let column = |name: &str| (Term::Column(name.to_owned()), false, "BINARY");
        let plain = candidate("Trades", &[column("symbol"), column("executed at")], None);
        assert_eq!(index_name(&plain, |_| false), "idx_trades_symbol_executed_at");
        assert_eq!(
            index_name(&plain, |name| name == "idx_trades_symbol_executed_at"),
            "idx_trades_symbol_executed_at_2"
        );
        let long = candidate(&"é".repeat(90), &[column("x")], None);
        assert!(index_name(&long, |_| false).len() <= MAX_NAME_BYTES);
    }
}
