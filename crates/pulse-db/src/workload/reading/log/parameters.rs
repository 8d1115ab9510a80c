//! Parameters as Python, Ruby and JSON write them.

mod literal;

use literal::{Bracket, Literal};

use crate::workload::{Value, Values};

/// What a log says about a statement's parameters.
#[derive(Debug, PartialEq)]
pub(super) enum Parameters {
    /// Nothing.
    None,
    /// They are these.
    One(Values),
    /// The statement was executed for many sets of them.
    Many {
        /// Those that the log shows.
        sets: Vec<Values>,
        /// How many there were.
        calls: u64,
    },
    /// Something that is not all of them.
    Unreadable,
}

/// Words before a list of parameters at the end of a statement.
const LABELS: [&str; 8] =
    ["args", "arguments", "binds", "bindings", "parameters", "params", "values", "with"];

/// Brackets at which the list may begin.
const MAX_TRIED: usize = 1000;

/// A set of parameters, or a list of sets.
pub(super) fn sets(text: &str) -> Parameters {
    let Some(read) = literal::read(text).filter(|read| read.used == text.len()) else {
        return Parameters::Unreadable;
    };
    match read.literal {
        // Sets of parameters are tuples or objects within a list; nothing else may be within one.
        Literal::List(Bracket::Square, items) if items.iter().any(Literal::is_set) => {
            let shown = items.len() as u64;
            match items.into_iter().map(set).collect::<Option<Vec<Values>>>() {
                Some(sets) => Parameters::Many { sets, calls: read.total.unwrap_or(shown).max(shown) },
                None => Parameters::Unreadable,
            }
        }
        literal => set(literal).map_or(Parameters::Unreadable, Parameters::One),
    }
}

/// Rails' list of names and values.
pub(super) fn pairs(text: &str) -> Parameters {
    let read = literal::read(text).filter(|read| read.used == text.len());
    let Some(Literal::List(_, pairs)) = read.map(|read| read.literal) else {
        return Parameters::Unreadable;
    };
    let second = |pair| match pair {
        Literal::List(_, items) if items.len() == 2 => match items.into_iter().nth(1) {
            Some(Literal::Value(value)) => known(value),
            _ => None,
        },
        _ => None,
    };
    let values: Option<Vec<Value>> = pairs.into_iter().map(second).collect();
    values.map_or(Parameters::Unreadable, |values| Parameters::One(Values::Positional(values)))
}

/// A statement without the list of its parameters, where one follows it.
pub(super) fn trailing(text: &str) -> (&str, Parameters) {
    let text = text.trim_end();
    let opening = match text.chars().next_back() {
        Some(']') => '[',
        Some('}') => '{',
        Some(')') => '(',
        _ => return (text, Parameters::None),
    };
    let first_mark = text.find('?').unwrap_or(text.len());
    for (at, _) in text.match_indices(opening).take(MAX_TRIED) {
        let (sql, has_label) = without_label(&text[..at]);
        // What is in brackets without a word before them is a part of the statement.
        let is_list = has_label || (opening == '[' && text[..at].ends_with(' ') && first_mark < at);
        if !is_list {
            continue;
        }
        match sets(&text[at..]) {
            Parameters::Unreadable => {}
            Parameters::One(Values::Positional(values)) if values.is_empty() => {
                return (sql, Parameters::None);
            }
            parameters => return (sql, parameters),
        }
    }
    (text, Parameters::None)
}

/// A text without a label and what separates it: `; args=`.
fn without_label(text: &str) -> (&str, bool) {
    let bare = text.trim_end_matches([':', '=', ' ']);
    let start = bare.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
    // A list after `VALUES` or `WITH` alone is the statement's own.
    let is_marked = bare.len() < text.trim_end().len();
    // A character before the word may have several bytes.
    let word = bare.get(start..).unwrap_or_default();
    let is_label = is_marked && LABELS.iter().any(|label| label.eq_ignore_ascii_case(word));
    let sql = if is_label { bare.get(..start).unwrap_or(bare) } else { text };
    (sql.trim_end_matches([' ', ';', ',', '|', '-', '\t']), is_label)
}

fn set(literal: Literal) -> Option<Values> {
    match literal {
        Literal::List(_, items) => {
            let value = |item| match item {
                Literal::Value(value) => known(value),
                _ => None,
            };
            items.into_iter().map(value).collect::<Option<Vec<Value>>>().map(Values::Positional)
        }
        Literal::Map(items) => {
            let value = |(name, item)| match item {
                Literal::Value(value) => known(value).map(|value| (name, value)),
                _ => None,
            };
            items.into_iter().map(value).collect::<Option<Vec<(String, Value)>>>().map(Values::Named)
        }
        Literal::Value(_) => None,
    }
}

/// A value that is all there.
fn known(value: Value) -> Option<Value> {
    let is_cut = |text: &str| {
        text == "[FILTERED]"
            || (text.starts_with('<') && text.ends_with(" bytes of binary data>"))
            || text.contains(" characters truncated) ... ")
    };
    match &value {
        Value::Text(text) if is_cut(text) => None,
        _ => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn one(values: Vec<Value>) -> Parameters {
        Parameters::One(Values::Positional(values))
    }

    #[test]
    fn sets_are_read() {
        assert_eq!(sets("()"), one(vec![]));
        assert_eq!(sets("(5,)"), one(vec![Value::Integer(5)]));
        assert_eq!(sets("[1, 'a']"), one(vec![Value::Integer(1), text("a")]));
        let named =
            Values::Named(vec![("id_1".to_owned(), Value::Integer(5)), ("x".to_owned(), Value::Null)]);
        assert_eq!(sets("{'id_1': 5, 'x': None}"), Parameters::One(named));
        let sets_of = |numbers: &[i64]| -> Vec<Values> {
            numbers.iter().map(|number| Values::Positional(vec![Value::Integer(*number)])).collect()
        };
        assert_eq!(sets("[(1,), (2,)]"), Parameters::Many { sets: sets_of(&[1, 2]), calls: 2 });
        let shown = "[(1,), (2,)  ... displaying 10 of 100 total bound parameter sets ...  (100,)]";
        assert_eq!(sets(shown), Parameters::Many { sets: sets_of(&[1, 2, 100]), calls: 100 });
        for unreadable in [
            "",
            "(1,",
            "(1,) x",
            "(<memory at 0x7f>,)",
            "[SQL parameters hidden due to hide_parameters=True]",
            "('aaa ... (1000 characters truncated) ... bbb',)",
            "([1], 2)",
            "5",
        ] {
            assert_eq!(sets(unreadable), Parameters::Unreadable, "{unreadable}");
        }
    }

    #[test]
    fn pairs_are_read() {
        assert_eq!(pairs(r#"[["symbol", "AAPL"], [nil, 3]]"#), one(vec![text("AAPL"), Value::Integer(3)]));
        assert_eq!(pairs(r#"[["password", "[FILTERED]"]]"#), Parameters::Unreadable);
        assert_eq!(pairs(r#"[["data", "<16 bytes of binary data>"]]"#), Parameters::Unreadable);
        assert_eq!(pairs(r#"[["a", 1, 2]]"#), Parameters::Unreadable);
    }

    #[test]
    fn a_list_may_follow_a_statement() {
        let cases = [
            ("SELECT 1", "SELECT 1", Parameters::None),
            ("SELECT a FROM t WHERE b = ? [7]", "SELECT a FROM t WHERE b = ?", one(vec![Value::Integer(7)])),
            ("SELECT a WHERE b = ?; args=(7,)", "SELECT a WHERE b = ?", one(vec![Value::Integer(7)])),
            ("SELECT a WHERE b = ? -- params: [\"x\"]", "SELECT a WHERE b = ?", one(vec![text("x")])),
            ("SELECT a WHERE b IN (1, 2)", "SELECT a WHERE b IN (1, 2)", Parameters::None),
            ("INSERT INTO t VALUES (1, 2)", "INSERT INTO t VALUES (1, 2)", Parameters::None),
            ("SELECT [a] FROM [t]", "SELECT [a] FROM [t]", Parameters::None),
        ];
        for (given, sql, parameters) in cases {
            assert_eq!(trailing(given), (sql, parameters), "{given}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(given in any::<String>(), listed in "[a-zé?=: ,'\\[\\](){}0-9.-]{0,40}") {
            for given in [given.as_str(), listed.as_str()] {
                sets(given);
                pairs(given);
                trailing(given);
            }
        }
    }
}
