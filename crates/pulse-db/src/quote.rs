//! Names and texts in statements. Whatever comes from a database or a user goes through here, or is bound as a value.

use crate::catalog::TableName;

/// A name in double quotes, whatever it holds.
pub fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's schema and name, each in quotes.
pub fn qualified(table: &TableName) -> String {
    format!("{}.{}", name(&table.schema), name(&table.name))
}

/// A text as a literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(name("a \"b\"; DROP TABLE c"), "\"a \"\"b\"\"; DROP TABLE c\"");
        assert_eq!(qualified(&TableName::main("order")), "\"main\".\"order\"");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
