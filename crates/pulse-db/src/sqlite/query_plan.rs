//! `EXPLAIN QUERY PLAN`, read. The words are SQLite's own and no interface of it: what is not known stays
//! [`Access::Other`] with its text.
//!
//! ```text
//! line   = ("SCAN" | "SEARCH") source [" EXISTS"] [" USING " way] [" LEFT-JOIN"]
//!        | "USE TEMP B-TREE FOR " purpose | compound " USING TEMP B-TREE" | anything else
//! way    = ["COVERING "] "INDEX " name [terms] | "INTEGER PRIMARY KEY" terms | "PRIMARY KEY" terms
//!        | "AUTOMATIC " ["PARTIAL "] "COVERING INDEX" [terms]
//! terms  = " (" column op "?" {" AND " …} ")"
//! ```
//!
//! Names are not quoted in it, so one that holds ` USING INDEX ` cannot be told from the words themselves; the last place
//! that fits is taken.

use crate::plan::{Access, QueryPlan, Step};

/// A line as SQLite gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlanRow {
    /// Its number, unique within one program; a trigger's program counts anew.
    pub id: i64,
    /// The number of the line that it is part of; 0 for none.
    pub parent: i64,
    /// The planner's cost of one run of this loop, as ten times its binary logarithm; 0 for what is no loop.
    pub run_cost: i64,
    /// The text.
    pub detail: String,
}

/// The plan that these lines tell.
pub(crate) fn query_plan(rows: &[PlanRow]) -> QueryPlan {
    let mut steps = Vec::with_capacity(rows.len());
    for (position, row) in rows.iter().enumerate() {
        // Numbers repeat where a trigger's program begins; the latest of a number is the one that is meant.
        let parent = rows[..position].iter().rposition(|earlier| earlier.id == row.parent && row.parent != 0);
        steps.push(Step { parent, detail: row.detail.clone(), access: access(&row.detail) });
    }
    QueryPlan { steps }
}

/// Ways to reach rows through something, longest words first; what follows is the index's name where it has one.
const WAYS: [(&str, Way); 6] = [
    (" USING AUTOMATIC PARTIAL COVERING INDEX", Way::Automatic),
    (" USING AUTOMATIC COVERING INDEX", Way::Automatic),
    (" USING COVERING INDEX ", Way::Index { covering: true }),
    (" USING INDEX ", Way::Index { covering: false }),
    (" USING INTEGER PRIMARY KEY (", Way::OwnKey),
    (" USING PRIMARY KEY", Way::OwnKey),
];

#[derive(Clone, Copy)]
enum Way {
    Index { covering: bool },
    Automatic,
    OwnKey,
}

/// What a line means.
pub(crate) fn access(detail: &str) -> Access {
    if let Some(purpose) = detail.strip_prefix("USE TEMP B-TREE FOR ") {
        return Access::Sort { purpose: purpose.to_owned() };
    }
    if let Some(operator) = detail.strip_suffix(" USING TEMP B-TREE") {
        return Access::Sort { purpose: operator.to_owned() };
    }
    if let Some(rest) = detail.strip_prefix("SCAN ") {
        return if is_constant_row(rest) { Access::Other } else { source(rest, false) };
    }
    match detail.strip_prefix("SEARCH ") {
        Some(rest) => source(rest, true),
        None => Access::Other,
    }
}

/// The text of the conditions of a search, without its parentheses: `a=? AND b>?`. A search without any looks for the end of an
/// index, for `min` or `max`.
pub(crate) fn terms(detail: &str) -> Option<&str> {
    let detail = detail.strip_suffix(" LEFT-JOIN").unwrap_or(detail);
    let start = terms_at(detail)?;
    detail.get(start + 2..detail.len() - 1)
}

fn is_constant_row(rest: &str) -> bool {
    rest == "CONSTANT ROW"
        || rest
            .strip_suffix(" CONSTANT ROWS")
            .or_else(|| rest.strip_suffix(" CONSTANT ROW"))
            .is_some_and(|count| count.parse::<u64>().is_ok())
}

fn source(rest: &str, is_search: bool) -> Access {
    let rest = rest.strip_suffix(" LEFT-JOIN").unwrap_or(rest);
    // An extension decides for itself what it reads, and no index of ours can change it.
    if rest.contains(" VIRTUAL TABLE INDEX ") {
        return Access::Other;
    }
    let found = WAYS.iter().filter_map(|&(words, way)| rest.rfind(words).map(|at| (at, words, way)));
    let Some((at, words, way)) = found.max_by_key(|&(at, ..)| at) else {
        let table = without_exists(rest);
        return if is_search {
            Access::Search { table, index: None, covering: false }
        } else {
            Access::Scan { table, index: None, covering: false }
        };
    };
    let table = without_exists(&rest[..at]);
    match way {
        Way::Automatic => Access::AutomaticIndex { table },
        Way::OwnKey => Access::Search { table, index: None, covering: false },
        Way::Index { covering } => {
            let name = &rest[at + words.len()..];
            let index = Some(terms_at(name).map_or(name, |start| &name[..start]).to_owned());
            if is_search {
                Access::Search { table, index, covering }
            } else {
                Access::Scan { table, index, covering }
            }
        }
    }
}

fn without_exists(table: &str) -> String {
    table.strip_suffix(" EXISTS").unwrap_or(table).to_owned()
}

/// Where the conditions begin, at the space before their parenthesis.
fn terms_at(text: &str) -> Option<usize> {
    let text = text.strip_suffix(" LEFT-JOIN").unwrap_or(text);
    if !text.ends_with(')') {
        return None;
    }
    text.rmatch_indices(" (").map(|(at, _)| at).find(|&at| {
        let tail = &text[at..];
        ["=?", ">?", "<?", ">(?", "<(?", "ANY("].iter().any(|mark| tail.contains(mark))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(table: &str, index: Option<&str>, covering: bool) -> Access {
        Access::Scan { table: table.to_owned(), index: index.map(str::to_owned), covering }
    }

    fn search(table: &str, index: Option<&str>, covering: bool) -> Access {
        Access::Search { table: table.to_owned(), index: index.map(str::to_owned), covering }
    }

    #[test]
    fn every_line_that_sqlite_writes_is_understood() {
        let sort = |purpose: &str| Access::Sort { purpose: purpose.to_owned() };
        let automatic = |table: &str| Access::AutomaticIndex { table: table.to_owned() };
        let cases = [
            ("SCAN t", scan("t", None, false)),
            ("SCAN t EXISTS", scan("t", None, false)),
            ("SCAN my table", scan("my table", None, false)),
            ("SCAN (subquery-1)", scan("(subquery-1)", None, false)),
            ("SCAN t USING INDEX i", scan("t", Some("i"), false)),
            ("SCAN t USING COVERING INDEX i (odd", scan("t", Some("i (odd"), true)),
            ("SCAN t USING COVERING INDEX i LEFT-JOIN", scan("t", Some("i"), true)),
            ("SEARCH t USING INDEX i (a=?)", search("t", Some("i"), false)),
            ("SEARCH t EXISTS USING INDEX i (a=?)", search("t", Some("i"), false)),
            ("SEARCH t USING COVERING INDEX i (a=? AND b>? AND b<?)", search("t", Some("i"), true)),
            ("SEARCH t USING INDEX odd (name) (a=?) LEFT-JOIN", search("t", Some("odd (name)"), false)),
            ("SEARCH t USING INDEX i ((a,b)>(?,?))", search("t", Some("i"), false)),
            ("SEARCH t USING INDEX i (ANY(a) AND b=?)", search("t", Some("i"), false)),
            ("SEARCH t USING INDEX i (<expr>=?)", search("t", Some("i"), false)),
            ("SEARCH t USING COVERING INDEX i", search("t", Some("i"), true)),
            ("SEARCH t USING INTEGER PRIMARY KEY (rowid=?)", search("t", None, false)),
            ("SEARCH t USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", search("t", None, false)),
            ("SEARCH t USING PRIMARY KEY (a=?)", search("t", None, false)),
            ("SEARCH t", search("t", None, false)),
            ("SEARCH USING USING INDEX USING (a=?)", search("USING", Some("USING"), false)),
            ("SEARCH t USING AUTOMATIC COVERING INDEX (a=?)", automatic("t")),
            ("SEARCH t USING AUTOMATIC PARTIAL COVERING INDEX (a=?) LEFT-JOIN", automatic("t")),
            ("SCAN f VIRTUAL TABLE INDEX 0:M1", Access::Other),
            ("SCAN CONSTANT ROW", Access::Other),
            ("SCAN 3 CONSTANT ROWS", Access::Other),
            ("USE TEMP B-TREE FOR ORDER BY", sort("ORDER BY")),
            ("USE TEMP B-TREE FOR LAST 2 TERMS OF ORDER BY", sort("LAST 2 TERMS OF ORDER BY")),
            ("USE TEMP B-TREE FOR count(DISTINCT)", sort("count(DISTINCT)")),
            ("UNION USING TEMP B-TREE", sort("UNION")),
            ("MULTI-INDEX OR", Access::Other),
            ("INDEX 1", Access::Other),
            ("BLOOM FILTER ON t (a=?)", Access::Other),
            ("CORRELATED SCALAR SUBQUERY 2", Access::Other),
            ("CO-ROUTINE v", Access::Other),
            ("MERGE (UNION)", Access::Other),
            ("a line of next year", Access::Other),
            ("", Access::Other),
        ];
        for (detail, expected) in cases {
            assert_eq!(access(detail), expected, "{detail}");
        }
    }

    #[test]
    fn conditions_are_what_the_last_parentheses_hold() {
        assert_eq!(terms("SEARCH t USING INDEX odd (name) (a=? AND b>?)"), Some("a=? AND b>?"));
        assert_eq!(terms("SEARCH t USING INDEX i (a=?) LEFT-JOIN"), Some("a=?"));
        assert_eq!(terms("SEARCH t USING COVERING INDEX i"), None);
    }

    #[test]
    fn a_trigger_counts_its_lines_anew() {
        let row = |id, parent, detail: &str| PlanRow { id, parent, run_cost: 0, detail: detail.to_owned() };
        let plan =
            query_plan(&[row(2, 0, "A"), row(4, 2, "B"), row(2, 0, "C"), row(5, 2, "D"), row(9, 77, "E")]);
        let parents: Vec<_> = plan.steps.iter().map(|step| step.parent).collect();
        assert_eq!(parents, [None, Some(0), None, Some(2), None]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(
            detail in "((SCAN|SEARCH|USE TEMP B-TREE FOR|UNION) )?.{0,20}( USING (COVERING )?INDEX .{0,12})?( \\(.{0,9}\\?\\))?( LEFT-JOIN)?",
        ) {
            let _ = access(&detail);
            let _ = terms(&detail);
        }
    }
}
