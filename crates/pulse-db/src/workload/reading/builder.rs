//! Joins what was read to a workload, within limits.

use std::collections::HashMap;

use pulse_model::{Histogram, Schema, sqlite_form, statement_kind};

use super::reservoir::Reservoir;
use super::{Call, MAX_SAMPLES, MAX_STATEMENTS, MAX_TEMPORARY, Skipped, Statement, Value, Values, Workload};
use crate::tokens::tokens;

/// The longest text of a statement.
pub const MAX_STATEMENT_BYTES: usize = 256 * 1024;
/// Bytes of all texts and values that are kept.
pub const MAX_WORKLOAD_BYTES: usize = 48 * 1024 * 1024;
/// Reasons for which something was skipped that are told apart.
pub const MAX_SKIPPED: usize = 200;

/// Calls of one statement, far beyond what anybody makes, so that sums of them stay numbers.
const MAX_CALLS: u64 = 1 << 48;
/// Texts whose form is remembered, so that it is not found out again for each of their calls.
const MAX_REMEMBERED: usize = 4096;
const MAX_REMEMBERED_BYTES: usize = 2048;
/// Characters of a text that is shown.
const SHOWN_CHARACTERS: usize = 120;

/// Calls of one statement, as a reader found them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The statement.
    pub sql: String,
    /// Values of its placeholders.
    pub values: Values,
    /// How often it was called with these values.
    pub calls: u64,
    /// How long all these calls took together, in nanoseconds.
    pub duration_ns: Option<u64>,
}

/// Joins what was read to a workload.
///
/// The same entries in the same order and the same seed give the same workload.
#[derive(Debug)]
pub struct WorkloadBuilder {
    seed: u64,
    statements: Vec<Collected>,
    temporary: Vec<String>,
    by_form: HashMap<String, usize>,
    by_text: HashMap<String, usize>,
    skipped: Vec<Skipped>,
    kept_bytes: usize,
}

#[derive(Debug)]
struct Collected {
    statement: Statement,
    reservoir: Reservoir,
}

impl WorkloadBuilder {
    /// Nothing yet. The seed decides which calls are kept.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            statements: Vec::new(),
            temporary: Vec::new(),
            by_form: HashMap::new(),
            by_text: HashMap::new(),
            skipped: Vec::new(),
            kept_bytes: 0,
        }
    }

    /// Adds calls that were found at `origin`: `app.log:12`. What is beyond a limit, or no statement that an index or the
    /// planner matters for, is skipped and counted.
    pub fn add(&mut self, entry: Entry, origin: &str) {
        let calls = entry.calls.min(MAX_CALLS);
        if calls == 0 {
            return;
        }
        if makes_temporary(&entry.sql) {
            return self.keep_temporary(entry.sql, calls, origin);
        }
        match self.place(&entry.sql, origin) {
            Ok(at) => self.count(at, entry, calls),
            Err(reason) => self.skip(origin, &entry.sql, &reason, calls),
        }
    }

    /// Counts something that was not understood or not kept.
    pub fn skip(&mut self, origin: &str, text: &str, reason: &str, count: u64) {
        let is_full = self.skipped.len() >= MAX_SKIPPED;
        let known = self.skipped.iter_mut().find(|skipped| skipped.reason == reason);
        // The last one stands for all that come later.
        let known = if is_full && known.is_none() { self.skipped.last_mut() } else { known };
        if let Some(skipped) = known {
            skipped.count = skipped.count.saturating_add(count);
            return;
        }
        self.skipped.push(Skipped {
            origin: origin.to_owned(),
            text: shown(text),
            reason: reason.to_owned(),
            count,
        });
    }

    /// The workload.
    pub fn finish(self) -> Workload {
        let finished = |collected: Collected| {
            let mut statement = collected.statement;
            // Many equal calls say no more than one.
            if statement.samples.windows(2).all(|pair| pair[0] == pair[1]) {
                statement.samples.truncate(1);
            }
            statement
        };
        Workload {
            statements: self.statements.into_iter().map(finished).collect(),
            temporary: self.temporary,
            skipped: self.skipped,
            is_structural: false,
        }
    }

    /// Keeps a statement that makes something temporary, once.
    fn keep_temporary(&mut self, sql: String, calls: u64, origin: &str) {
        if self.temporary.contains(&sql) {
            return;
        }
        if sql.len() > MAX_STATEMENT_BYTES || self.kept_bytes + sql.len() > MAX_WORKLOAD_BYTES {
            return self.skip(origin, &sql, "makes something temporary in too long a statement", calls);
        }
        if self.temporary.len() >= MAX_TEMPORARY {
            let reason = format!("more than {MAX_TEMPORARY} statements make something temporary");
            return self.skip(origin, &sql, &reason, calls);
        }
        self.kept_bytes += sql.len();
        self.temporary.push(sql);
    }

    /// Where the statement of this text is; a new place when there is none.
    fn place(&mut self, sql: &str, origin: &str) -> Result<usize, String> {
        if let Some(&at) = self.by_text.get(sql) {
            return Ok(at);
        }
        refused(sql)?;
        let form = sqlite_form(sql);
        let at = match self.by_form.get(&form) {
            Some(&at) => at,
            None => self.insert(form, sql, origin)?,
        };
        if self.by_text.len() < MAX_REMEMBERED && sql.len() <= MAX_REMEMBERED_BYTES {
            self.by_text.insert(sql.to_owned(), at);
        }
        Ok(at)
    }

    fn insert(&mut self, form: String, sql: &str, origin: &str) -> Result<usize, String> {
        let bytes = 2 * form.len() + sql.len();
        if self.statements.len() >= MAX_STATEMENTS {
            return Err(format!("more than {MAX_STATEMENTS} different statements"));
        }
        if self.kept_bytes + bytes > MAX_WORKLOAD_BYTES {
            return Err(format!("statements of more than {MAX_WORKLOAD_BYTES} bytes in all"));
        }
        self.kept_bytes += bytes;
        let at = self.statements.len();
        self.by_form.insert(form.clone(), at);
        let statement = Statement {
            form,
            sql: sql.to_owned(),
            durations: Histogram::new(Schema::MONITOR),
            origin: origin.to_owned(),
            ..Statement::default()
        };
        self.statements.push(Collected { statement, reservoir: Reservoir::new(self.seed, at as u64) });
        Ok(at)
    }

    fn count(&mut self, at: usize, entry: Entry, calls: u64) {
        let Collected { statement, reservoir } = &mut self.statements[at];
        statement.calls = statement.calls.saturating_add(calls).min(MAX_CALLS);
        if let Some(total_ns) = entry.duration_ns
            && statement.durations.count() < MAX_CALLS
        {
            // Of calls that were measured together only the mean is known; the sum stays exact.
            let (mean, rest) = (total_ns / calls, total_ns % calls);
            statement.durations.record_n(mean, calls - rest);
            statement.durations.record_n(mean.saturating_add(1), rest);
        }
        let places = reservoir.offer(calls);
        if places.is_empty() {
            return;
        }
        let sql = (entry.sql != statement.sql).then_some(entry.sql);
        let call = Call { sql, values: entry.values };
        let bytes = call_bytes(&call);
        for place in places {
            // Where there is no more room, the calls that are kept stay those that they are.
            let before = statement.samples.get(place).map_or(0, call_bytes);
            if self.kept_bytes - before + bytes > MAX_WORKLOAD_BYTES {
                continue;
            }
            if place < statement.samples.len() {
                statement.samples[place] = call.clone();
            } else if statement.samples.len() < MAX_SAMPLES {
                statement.samples.push(call.clone());
            } else {
                continue;
            }
            self.kept_bytes = self.kept_bytes - before + bytes;
        }
    }
}

/// Why a text is nothing to optimize.
fn refused(sql: &str) -> Result<(), String> {
    if sql.len() > MAX_STATEMENT_BYTES {
        return Err(format!("a statement of more than {MAX_STATEMENT_BYTES} bytes"));
    }
    match statement_kind(sql) {
        "select" | "insert" | "update" | "delete" | "replace" | "with" | "merge" => Ok(()),
        "transaction" => Err("begins or ends a transaction".to_owned()),
        "schema" => Err("changes the schema: never run".to_owned()),
        "pragma" => Err("a setting".to_owned()),
        "explain" => Err("only asks for a plan".to_owned()),
        _ if is_attaching(sql) => Err(attaching(sql)),
        _ => Err("not a statement that reads or changes rows".to_owned()),
    }
}

/// Whether a statement makes a temporary table, view or trigger.
fn makes_temporary(sql: &str) -> bool {
    if statement_kind(sql) != "schema" {
        return false;
    }
    let words = tokens(sql);
    let is = |at: usize, known: &[&str]| {
        words.get(at).is_some_and(|word| known.iter().any(|known| word.is(known)))
    };
    is(0, &["CREATE"]) && is(1, &["TEMP", "TEMPORARY"]) && is(2, &["TABLE", "VIEW", "TRIGGER"])
}

/// Whether a statement attaches a database.
fn is_attaching(sql: &str) -> bool {
    tokens(sql).first().is_some_and(|word| word.is("ATTACH"))
}

/// What to do about a database that the application attaches: nothing that is in a workload opens another file.
fn attaching(sql: &str) -> String {
    let words = tokens(sql);
    let name = words.iter().rposition(|word| word.is("AS")).and_then(|at| words.get(at + 1)?.name());
    let name = name.unwrap_or_else(|| "NAME".to_owned());
    format!("attaches a database: give --attach {name}=PATH, so that statements on {name} can be planned")
}

/// The beginning of a text, without values and on one line.
fn shown(text: &str) -> String {
    // Twice as long a piece is enough, whatever is left out of it; a value that it cuts through has no end and is left out.
    let piece: String = text.chars().take(4 * SHOWN_CHARACTERS).collect();
    let form = sqlite_form(&piece);
    let mut shown: String = form.chars().take(SHOWN_CHARACTERS).collect();
    if shown.len() < form.len() || piece.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn call_bytes(call: &Call) -> usize {
    let bytes = |value: &Value| {
        size_of::<Value>()
            + match value {
                Value::Text(text) => text.len(),
                Value::Blob(bytes) => bytes.len(),
                _ => 0,
            }
    };
    let values: usize = match &call.values {
        Values::Positional(values) => values.iter().map(bytes).sum(),
        Values::Named(values) => values.iter().map(|(name, value)| name.len() + bytes(value)).sum(),
    };
    size_of::<Call>() + call.sql.as_ref().map_or(0, String::len) + values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sql: &str, calls: u64) -> Entry {
        Entry { sql: sql.to_owned(), calls, ..Entry::default() }
    }

    fn with(sql: &str, value: i64) -> Entry {
        Entry { values: Values::Positional(vec![Value::Integer(value)]), ..entry(sql, 1) }
    }

    fn built(entries: Vec<Entry>) -> Workload {
        let mut builder = WorkloadBuilder::new(1);
        for (number, entry) in (1..).zip(entries) {
            builder.add(entry, &format!("a.log:{number}"));
        }
        builder.finish()
    }

    #[test]
    fn statements_of_one_form_are_one() {
        let workload = built(vec![
            entry("SELECT a FROM t WHERE b = 1", 2),
            entry("select a from t where b = 'x'", 3),
            with("SELECT a FROM t WHERE b = ?", 7),
            entry("SELECT a FROM t", 1),
        ]);
        assert_eq!(workload.statements.len(), 2);
        let first = &workload.statements[0];
        assert_eq!((first.calls, first.origin.as_str()), (6, "a.log:1"));
        assert_eq!(
            (first.form.as_str(), first.sql.as_str()),
            ("SELECT a FROM t WHERE b = ?", "SELECT a FROM t WHERE b = 1")
        );
        assert_eq!(first.samples.len(), 6);
        assert_eq!(first.samples[0], Call::default());
        assert_eq!(first.samples[2].sql.as_deref(), Some("select a from t where b = 'x'"));
        assert_eq!(first.samples[5].values, Values::Positional(vec![Value::Integer(7)]));
        assert_eq!(workload.calls(), 7);
    }

    #[test]
    fn statements_that_differ_in_quoted_names_are_two() {
        let workload = built(vec![
            entry(r#"SELECT "a" FROM t WHERE "b" = 1"#, 1),
            entry(r#"SELECT "c" FROM t WHERE "b" = 2"#, 1),
            entry("SELECT [a] FROM t WHERE [b] = 1", 1),
            entry("SELECT [c] FROM t WHERE [b] = 1", 1),
            entry(r#"SELECT "a" FROM t WHERE "b" = 'x'"#, 1),
        ]);
        assert_eq!(
            workload.statements.iter().map(|statement| statement.calls).collect::<Vec<_>>(),
            [2, 1, 1, 1]
        );
    }

    #[test]
    fn equal_calls_are_one_sample() {
        let workload = built(vec![entry("SELECT 1", 1000), entry("SELECT 1", 5)]);
        assert_eq!((workload.calls(), workload.statements[0].samples.len()), (1005, 1));
    }

    #[test]
    fn samples_are_few_and_even() {
        let workload = built((0..10_000).map(|value| with("SELECT ?", value)).collect());
        let samples = &workload.statements[0].samples;
        assert_eq!(samples.len(), MAX_SAMPLES);
        let is_late = |call: &&Call| matches!(&call.values, Values::Positional(values) if matches!(values[0], Value::Integer(5000..)));
        let late = samples.iter().filter(is_late).count();
        assert!((6..=26).contains(&late), "{late}");
    }

    #[test]
    fn durations_add_up() {
        let timed = |calls, duration_ns| Entry { duration_ns: Some(duration_ns), ..entry("SELECT 1", calls) };
        let workload = built(vec![timed(3, 10), timed(1, 1000), entry("SELECT 1", 4), timed(1, u64::MAX)]);
        let statement = &workload.statements[0];
        assert_eq!((statement.calls, statement.durations.count()), (9, 5));
        assert_eq!(statement.durations.sum(), 1010 + u128::from(u64::MAX));
        assert_eq!(statement.durations.min(), Some(3));
    }

    #[test]
    fn what_is_no_query_is_counted_by_its_reason() {
        let workload = built(vec![
            entry("BEGIN", 5),
            entry("COMMIT", 6),
            entry("DROP TABLE t", 1),
            entry("PRAGMA foreign_keys = ON", 1),
            entry("EXPLAIN SELECT 1", 1),
            entry("VACUUM", 1),
            entry("hello 'secret'", 1),
        ]);
        assert_eq!(workload.statements, []);
        let skipped: Vec<(&str, u64)> =
            workload.skipped.iter().map(|skipped| (skipped.text.as_str(), skipped.count)).collect();
        let expected = [
            ("BEGIN", 11),
            ("DROP TABLE t", 1),
            ("PRAGMA foreign_keys = ON", 1),
            ("EXPLAIN SELECT ?", 1),
            ("VACUUM", 2),
        ];
        assert_eq!(skipped, expected);
        assert_eq!(workload.skipped[1].reason, "changes the schema: never run");
    }

    #[test]
    fn what_makes_something_temporary_is_kept_once() {
        let texts =
            ["CREATE TEMP TABLE a(x)", "create temporary view b AS SELECT 1", "CREATE TEMP TABLE a(x)"];
        let mut entries: Vec<Entry> = texts.iter().map(|sql| entry(sql, 2)).collect();
        entries.push(entry("CREATE TABLE c(x)", 1));
        let workload = built(entries);
        assert_eq!(
            (workload.temporary.as_slice(), workload.skipped.len()),
            (&texts.map(str::to_owned)[..2], 1)
        );
        let many = (0..MAX_TEMPORARY + 7).map(|number| entry(&format!("CREATE TEMP TABLE a{number}(x)"), 1));
        let workload = built(many.collect());
        assert_eq!((workload.temporary.len(), workload.skipped[0].count), (MAX_TEMPORARY, 7));
    }

    #[test]
    fn what_attaches_a_database_says_how_to_name_it() {
        let cases = [
            ("ATTACH DATABASE '/data/secret.db' AS archive", "--attach archive=PATH"),
            ("attach ? as \"old \"\"one\"\"\"", "--attach old \"one\"=PATH"),
            ("ATTACH 'x.db'", "--attach NAME=PATH"),
        ];
        for (sql, hint) in cases {
            let workload = built(vec![entry(sql, 3)]);
            let skipped = &workload.skipped[0];
            assert!(skipped.reason.contains(hint) && skipped.count == 3, "{skipped:?}");
            assert!(!skipped.text.contains("secret"), "{skipped:?}");
        }
    }

    #[test]
    fn limits_hold() {
        let workload =
            built((0..MAX_STATEMENTS + 5).map(|number| entry(&format!("SELECT a{number}"), 1)).collect());
        assert_eq!(workload.statements.len(), MAX_STATEMENTS);
        assert_eq!((workload.skipped.len(), workload.skipped[0].count), (1, 5));

        let mut builder = WorkloadBuilder::new(1);
        for number in 0..2 * MAX_SKIPPED {
            builder.skip("x", "", &format!("reason {number}"), 1);
        }
        let workload = builder.finish();
        assert_eq!(workload.skipped.len(), MAX_SKIPPED);
        assert_eq!(workload.skipped.iter().map(|skipped| skipped.count).sum::<u64>(), 2 * MAX_SKIPPED as u64);

        let large = "x".repeat(MAX_STATEMENT_BYTES - 100);
        let all = |number| Entry {
            sql: format!("SELECT a{}, '{large}'", number % 7),
            calls: 1,
            ..Entry::default()
        };
        let workload = built((0..300).map(all).collect());
        let samples: usize = workload.statements.iter().map(|statement| statement.samples.len()).sum();
        assert_eq!((workload.statements.len(), workload.calls()), (7, 300));
        assert!(samples * MAX_STATEMENT_BYTES <= MAX_WORKLOAD_BYTES + 7 * MAX_STATEMENT_BYTES, "{samples}");

        let workload =
            built(vec![entry(&format!("SELECT '{large}{large}'"), 1), entry("SELECT 1", u64::MAX)]);
        assert_eq!(workload.skipped[0].count, 1);
        assert!(workload.skipped[0].text.chars().count() <= SHOWN_CHARACTERS + 1);
        assert_eq!(workload.calls(), MAX_CALLS);
    }

    #[test]
    fn a_backslash_ends_no_form() {
        let workload = built(vec![
            entry(r"SELECT a FROM t WHERE b LIKE '%x\_%' ESCAPE '\' AND c = 1", 1),
            entry(r"SELECT a FROM t WHERE b LIKE '%y%' ESCAPE '\' AND d = 1", 1),
        ]);
        assert_eq!(workload.statements.len(), 2);
        assert_eq!(workload.statements[0].form, "SELECT a FROM t WHERE b LIKE ? ESCAPE ? AND c = ?");
    }

    #[test]
    fn a_seed_decides_which_calls_are_kept() {
        let samples = |seed| {
            let mut builder = WorkloadBuilder::new(seed);
            (0..500).for_each(|value| builder.add(with("SELECT ?", value), "a"));
            builder.finish()
        };
        assert_eq!(samples(1), samples(1));
        assert_ne!(samples(1), samples(2));
    }
}
