//! Databases that are the same for the same seed, each with statements that are worth asking it.
//!
//! None has an index beyond what its schema shows, so that there is something to be found.

mod adversarial;
mod tpch;
mod trading;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use adversarial::{ADVERSARIAL_STATEMENTS, adversarial};
pub use tpch::{TPCH_STATEMENTS, tpch};
pub use trading::{TRADING_STATEMENTS, trading};

/// What the rows are drawn from.
struct Draw(ChaCha8Rng);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// From `0` to below `end`; `0` when that is empty.
    fn below(&mut self, end: i64) -> i64 {
        if end <= 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// The same, but the small ones come much more often: half of all are in the first eighth.
    fn skewed(&mut self, end: i64) -> i64 {
        let share: f64 = self.0.random_range(0.0..1.0);
        (share.powi(3) * end as f64) as i64
    }

    /// Whether something happens that does so in `per_mille` of 1000 cases.
    fn happens(&mut self, per_mille: i64) -> bool {
        self.below(1000) < per_mille
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.0.random_range(0..choices.len())]
    }

    /// An amount of money with two decimals.
    fn money(&mut self, most: i64) -> f64 {
        (100 + self.below(most * 100)) as f64 / 100.0
    }
}

/// A day of a calendar in which every month has 28 days: `1992-01-01` and `number` days.
fn date(number: i64) -> String {
    let (year, month, day) = (1992 + number / 336, number / 28 % 12 + 1, number % 28 + 1);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    type Fill = fn(&Connection, u64) -> rusqlite::Result<()>;

    const DATABASES: [(&str, Fill, &[&str]); 3] = [
        ("trading", |connection, seed| trading(connection, seed, 500), TRADING_STATEMENTS),
        ("tpch", |connection, seed| tpch(connection, seed, 0.001), TPCH_STATEMENTS),
        ("adversarial", adversarial, ADVERSARIAL_STATEMENTS),
    ];

    fn made(fill: Fill, seed: u64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        fill(&connection, seed).unwrap();
        connection
    }

    /// Every row of every ordinary table.
    fn contents(connection: &Connection) -> Vec<String> {
        let sql = "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' ORDER BY name";
        let mut tables = connection.prepare(sql).unwrap();
        let names: Vec<String> =
            tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut rows = Vec::new();
        for name in names {
            let quoted = name.replace('"', "\"\"");
            let mut statement = connection.prepare(&format!("SELECT * FROM \"{quoted}\"")).unwrap();
            let width = statement.column_count();
            let mut found = statement.query([]).unwrap();
            while let Some(row) = found.next().unwrap() {
                let values: Vec<_> = (0..width).map(|at| row.get_ref_unwrap(at)).collect();
                rows.push(format!("{name} {values:?}"));
            }
        }
        rows
    }

    #[test]
    fn a_seed_decides_everything() {
        for (name, fill, _) in DATABASES {
            let (one, same, other) = (made(fill, 1), made(fill, 1), made(fill, 2));
            assert!(contents(&one).len() > 100, "{name}");
            assert_eq!(contents(&one), contents(&same), "{name}");
            assert_ne!(contents(&one), contents(&other), "{name}");
        }
    }

    #[test]
    fn their_statements_run_and_find_something() {
        for (name, fill, statements) in DATABASES {
            let connection = made(fill, 7);
            for sql in statements {
                let mut statement =
                    connection.prepare(sql).unwrap_or_else(|error| panic!("{name}: {sql}: {error}"));
                assert_eq!(statement.parameter_count(), 0, "{sql}");
                let mut rows = statement.query([]).unwrap();
                while rows.next().unwrap_or_else(|error| panic!("{name}: {sql}: {error}")).is_some() {}
            }
        }
    }

    #[test]
    fn they_are_sound() {
        for (name, fill, _) in DATABASES {
            let connection = made(fill, 3);
            let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(check, "ok", "{name}");
        }
    }

    #[test]
    fn dates_are_dates() {
        assert_eq!(
            [date(0), date(27), date(28), date(336)],
            ["1992-01-01", "1992-01-28", "1992-02-01", "1993-01-01"]
        );
    }
}
