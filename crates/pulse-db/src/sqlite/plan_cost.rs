//! What a plan costs: rows that are visited, looked up and sorted, in units of one row of a narrow table read in order.
//!
//! SQLite tells the cost of one run of each loop (the third column of `EXPLAIN QUERY PLAN`), but neither how often a loop runs
//! nor what sorting costs. The model:
//!
//! ```text
//! visited    what the loop's own cost says, with SQLite's formula turned round (whereLoopAddBtreeIndex)
//! run        = seek + visited · (row + lookup)
//! loops      = Σ run(i) · Π out(j < i)        out = visited · share of rows that pass conditions outside the index
//! sort       = rows · log₂(min(rows, limit)) / 2
//! limit      without a sort, loops end when there are enough rows: loops · min(1, limit / rows)
//! automatic  = rows · (1 + log₂(rows) / 2) once, then a search for each outer row
//! ```
//!
//! A look-up is a search in another tree, and dear; a row of an index is smaller than one of its table. The constants are of
//! this order of magnitude on current machines and files that are cached; costs rank plans, and are no times.

use super::query_plan::{self, PlanRow};
use crate::plan::Access;

/// One row that is read in order, of a table whose rows have no length.
const ROW: f64 = 1.0;
/// Bytes of a row that cost as much as the row itself.
const BYTES_PER_ROW_COST: f64 = 250.0;
/// One row of an index that is read in order.
const INDEX_ROW: f64 = 1.1;
/// One look-up of a table's row from an index.
const LOOKUP: f64 = 6.0;
/// One search in a tree, without what its depth adds.
const SEEK: f64 = 4.0;
/// Rows that an automatic index is believed to find.
const AUTOMATIC_ROWS: f64 = 20.0;
/// Rows of a table of which nothing is known: SQLite's own guess.
const UNKNOWN_ROWS: f64 = 1_048_576.0;

/// What is known about the tables of a statement.
pub(super) trait Known {
    /// Rows of the table that a step calls by this name, and bytes of one.
    fn size(&self, source: &str, index: Option<&str>) -> Option<(f64, f64)>;

    /// The share of rows that pass the conditions on a source that are not among the terms of its step.
    fn rest_share(&self, source: &str, index: Option<&str>, terms: &str) -> f64;
}

/// What a plan costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct PlanCost {
    /// In all.
    pub cost: f64,
    /// Rows that come out, before any limit: what an `UPDATE` changes.
    pub rows: f64,
}

/// The cost of a plan whose rows stop at a limit, where there is one.
pub(super) fn plan_cost(rows: &[PlanRow], known: &impl Known, limit: Option<f64>) -> PlanCost {
    // Programs of triggers come after the statement's own and number their lines anew.
    let ends = (1..rows.len()).filter(|&position| rows[position].id <= rows[position - 1].id);
    let mut ends: Vec<_> = ends.chain([rows.len()]).collect();
    ends.dedup();
    let mut start = 0;
    let mut total = PlanCost::default();
    for (program, end) in ends.into_iter().enumerate() {
        let tree = Tree { rows: &rows[start..end], known };
        let cost = tree.children(0, if program == 0 { limit } else { None });
        if program == 0 {
            total = cost;
        } else {
            total.cost += cost.cost * total.rows.max(1.0);
        }
        start = end;
    }
    total
}

struct Tree<'a, K> {
    rows: &'a [PlanRow],
    known: &'a K,
}

impl<K: Known> Tree<'_, K> {
    /// What is below a step: loops, one inside the other, and what is done with their rows.
    fn children(&self, parent: i64, limit: Option<f64>) -> PlanCost {
        let (mut loops, mut sorts, mut once, mut outer) = (0.0, 0.0, 0.0, 1.0);
        for row in self.rows.iter().filter(|row| row.parent == parent && row.id != parent) {
            match query_plan::access(&row.detail) {
                Access::Sort { purpose } => sorts += sort(outer, &purpose, limit),
                Access::Other if row.detail.starts_with("MULTI-INDEX OR") => {
                    let (cost, rows) = self.branches(row.id);
                    loops += outer * cost;
                    outer *= rows;
                }
                Access::Other => {
                    let below = self.children(row.id, None);
                    if row.detail.starts_with("CORRELATED") {
                        loops += outer * below.cost;
                    } else {
                        once += below.cost;
                    }
                }
                access => {
                    let step = self.step(row, &access);
                    once += step.setup;
                    loops += outer * step.run;
                    outer *= step.out;
                }
            }
        }
        if let Some(limit) = limit
            && sorts == 0.0
            && outer > limit
        {
            loops *= limit.max(1.0) / outer;
        }
        PlanCost { cost: once + loops + sorts, rows: outer }
    }

    /// Branches of an `OR`: all of them run, and rows of several are seen once more.
    fn branches(&self, parent: i64) -> (f64, f64) {
        let branches = self.rows.iter().filter(|row| row.parent == parent && row.id != parent);
        let costs = branches.map(|row| self.children(row.id, None));
        let sum = costs.fold((0.0, 0.0), |(cost, rows), below| (cost + below.cost, rows + below.rows));
        (sum.0, sum.1)
    }

    fn step(&self, row: &PlanRow, access: &Access) -> Step {
        let (source, index, covering, is_search) = match access {
            Access::Search { table, index, covering } => (table, index.as_deref(), *covering, true),
            Access::Scan { table, index, covering } => (table, index.as_deref(), *covering, false),
            Access::AutomaticIndex { table } => return self.automatic(table),
            Access::Sort { .. } | Access::Other => return Step::default(),
        };
        let run = 2_f64.powf(row.run_cost as f64 / 10.0);
        let size = self.known.size(source, index);
        // A subquery's rows are not known but from what reading them costs.
        let (rows, bytes) =
            size.unwrap_or((if is_search { UNKNOWN_ROWS } else { (run / 3.0).max(1.0) }, 0.0));
        let terms = query_plan::terms(&row.detail).unwrap_or("");
        let visited = match (is_search, terms.is_empty(), index) {
            (true, true, Some(_)) => 1.0,
            (true, false, _) => searched(run, rows, index.is_some(), covering),
            _ => rows,
        };
        let each = match index {
            None => ROW + bytes / BYTES_PER_ROW_COST,
            Some(_) if covering => INDEX_ROW,
            Some(_) => INDEX_ROW + LOOKUP,
        };
        let seek = if is_search { seek(rows) } else { 0.0 };
        let share = self.known.rest_share(source, index, terms);
        Step { setup: 0.0, run: seek + visited * each, out: visited * share }
    }

    fn automatic(&self, source: &str) -> Step {
        let (rows, bytes) = self.known.size(source, None).unwrap_or((UNKNOWN_ROWS, 0.0));
        let setup = rows * (ROW + bytes / BYTES_PER_ROW_COST + depth(rows) / 2.0);
        let out = AUTOMATIC_ROWS.min(rows);
        Step { setup, run: seek(rows) + out * INDEX_ROW, out }
    }
}

#[derive(Default)]
struct Step {
    setup: f64,
    run: f64,
    out: f64,
}

/// Rows that a search visits, from its cost: `log₂ N + n·k`, with `k` 3 for a table's own key, about 1.9 for an index that is
/// enough alone, and 3 more for one that is not.
fn searched(run: f64, rows: f64, has_index: bool, covering: bool) -> f64 {
    let each = match (has_index, covering) {
        (false, _) => 3.03,
        (true, true) => 1.9,
        (true, false) => 4.9,
    };
    ((run - depth(rows)) / each).clamp(0.2, rows.max(1.0))
}

fn seek(rows: f64) -> f64 {
    SEEK + depth(rows) / 4.0
}

fn depth(rows: f64) -> f64 {
    rows.max(2.0).log2()
}

fn sort(rows: f64, purpose: &str, limit: Option<f64>) -> f64 {
    let kept = limit.filter(|_| purpose.ends_with("ORDER BY")).map_or(rows, |limit| rows.min(limit));
    // Groups that are sorted already are sorted inside only.
    let depth = if purpose.starts_with("LAST ") { depth(kept).min(4.0) } else { depth(kept) };
    rows * depth / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tables;

    impl Known for Tables {
        fn size(&self, source: &str, _index: Option<&str>) -> Option<(f64, f64)> {
            match source {
                "large" => Some((1e6, 100.0)),
                "small" => Some((100.0, 50.0)),
                _ => None,
            }
        }

        fn rest_share(&self, _source: &str, _index: Option<&str>, terms: &str) -> f64 {
            if terms.is_empty() { 0.01 } else { 1.0 }
        }
    }

    fn cost(lines: &[(i64, i64, i64, &str)], limit: Option<f64>) -> f64 {
        let row = |&(id, parent, run_cost, detail): &(i64, i64, i64, &str)| PlanRow {
            id,
            parent,
            run_cost,
            detail: detail.to_owned(),
        };
        let rows: Vec<_> = lines.iter().map(row).collect();
        plan_cost(&rows, &Tables, limit).cost
    }

    #[test]
    fn plans_are_ordered_as_they_are_in_truth() {
        let scan = cost(&[(2, 0, 216, "SCAN large")], None);
        let covering = cost(&[(2, 0, 205, "SCAN large USING COVERING INDEX i")], None);
        let search = cost(&[(2, 0, 80, "SEARCH large USING INDEX i (a=?)")], None);
        let enough = cost(&[(2, 0, 70, "SEARCH large USING COVERING INDEX i (a=?)")], None);
        let key = cost(&[(2, 0, 45, "SEARCH large USING INTEGER PRIMARY KEY (rowid=?)")], None);
        assert!(
            scan > covering && covering > search && search > enough && enough > key,
            "{scan} {covering} {search} {enough} {key}"
        );
        let half = cost(&[(2, 0, 211, "SEARCH large USING INDEX i (a=?)")], None);
        assert!(half > scan, "half of the rows by look-ups are dearer than all in order: {half} {scan}");
    }

    #[test]
    fn an_inner_loop_runs_for_each_outer_row() {
        let outer = cost(&[(2, 0, 216, "SCAN large")], None);
        let joined = cost(
            &[(2, 0, 216, "SCAN large"), (4, 0, 45, "SEARCH small USING INTEGER PRIMARY KEY (rowid=?)")],
            None,
        );
        assert!(joined > outer + 10_000.0 * SEEK && joined < outer + 1e6, "{joined}");
        let automatic = cost(
            &[(2, 0, 216, "SCAN large"), (4, 0, 60, "SEARCH large USING AUTOMATIC COVERING INDEX (a=?)")],
            None,
        );
        assert!(automatic > outer * 3.0, "{automatic}");
    }

    #[test]
    fn a_limit_ends_loops_but_not_before_a_sort() {
        let in_order = [(2, 0, 220, "SCAN large USING INDEX i")];
        assert!(cost(&in_order, Some(10.0)) < cost(&in_order, None) / 100.0);
        let sorted = [(2, 0, 216, "SCAN large"), (9, 0, 0, "USE TEMP B-TREE FOR ORDER BY")];
        assert!(cost(&sorted, Some(10.0)) > cost(&[sorted[0]], None));
        assert!(cost(&sorted, Some(10.0)) < cost(&sorted, None));
    }

    #[test]
    fn subqueries_run_once_unless_they_are_correlated() {
        let lines = |words| [(2, 0, 83, "SCAN small"), (5, 0, 0, words), (7, 5, 83, "SCAN small")];
        let once = cost(&lines("SCALAR SUBQUERY 1"), None);
        let every = cost(&lines("CORRELATED SCALAR SUBQUERY 1"), None);
        assert!(every >= once, "{every} {once}");
        let trigger = cost(&[(2, 0, 83, "SCAN small"), (2, 0, 83, "SCAN small")], None);
        assert!(trigger > cost(&[(2, 0, 83, "SCAN small")], None));
    }

    #[test]
    fn the_end_of_an_index_is_one_row() {
        let end = cost(&[(2, 0, 200, "SEARCH large USING COVERING INDEX i")], None);
        assert!(end < 20.0, "{end}");
    }
}
