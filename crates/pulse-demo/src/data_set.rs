//! The deterministic data set: round trips of fifty desks, generated from a seed.

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, params};

use crate::clock::stamp;
use crate::money::Cents;
use crate::paper::{STARTING_CASH, Side};
use crate::quotes::{SYMBOLS, base_price_cents};
use crate::tools::TOOLS;

/// The made-up users `desk-01` to `desk-50` who own the data set.
const DESKS: usize = 50;

/// 2 January 2025, 14:30 UTC, the first trade, in milliseconds of Unix time.
const FIRST_TRADE_MS: i64 = 1_735_828_200_000;

/// Inserts `trades` trades and what belongs to them. Every two are one closed position with its tool's result; an odd
/// one left over is an open position. The books of every desk balance.
pub(crate) fn insert(connection: &Connection, trades: u64, seed: u64) -> rusqlite::Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut position = connection.prepare(
        "INSERT INTO positions (user_id, symbol, side, quantity, entry_price_cents, cost_cents, tool_id, status,
         opened_at, closed_at, exit_price_cents, pnl_cents) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let mut trade = connection.prepare(
        "INSERT INTO trades (position_id, user_id, symbol, side, quantity, price_cents, executed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut performance = connection.prepare(
        "INSERT INTO tool_performance (tool_id, symbol, position_id, profit_cents, recorded_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let desks: Vec<String> = (1..=DESKS).map(|number| format!("desk-{number:02}")).collect();
    let mut books = [(STARTING_CASH, Cents(0)); DESKS];
    let mut now_ms = FIRST_TRADE_MS;
    for number in 0..trades.div_ceil(2) {
        let trip = RoundTrip::draw(&mut random, &mut now_ms);
        let closed = 2 * number + 1 < trades;
        let (user, id) = (&desks[trip.desk], number.cast_signed() + 1);
        let exit = closed.then_some(&trip);
        position.execute(params![
            user,
            trip.symbol,
            trip.side,
            trip.quantity,
            trip.entry,
            trip.cost(),
            trip.tool_id,
            if closed { "closed" } else { "open" },
            trip.opened_at,
            exit.map(|trip| &trip.closed_at),
            exit.map(|trip| trip.exit),
            exit.map(RoundTrip::profit),
        ])?;
        trade.execute(params![
            id,
            user,
            trip.symbol,
            trip.side,
            trip.quantity,
            trip.entry,
            trip.opened_at
        ])?;
        let (cash, realized) = &mut books[trip.desk];
        if closed {
            let other_side = trip.side.opposite();
            trade.execute(params![
                id,
                user,
                trip.symbol,
                other_side,
                trip.quantity,
                trip.exit,
                trip.closed_at
            ])?;
            performance.execute(params![trip.tool_id, trip.symbol, id, trip.profit(), trip.closed_at])?;
            cash.0 += trip.profit().0;
            realized.0 += trip.profit().0;
        } else {
            cash.0 -= trip.cost().0;
        }
    }
    if trades == 0 { Ok(()) } else { insert_accounts(connection, &desks, &books, &stamp_ms(now_ms)) }
}

fn insert_accounts(
    connection: &Connection,
    desks: &[String],
    books: &[(Cents, Cents)],
    now: &str,
) -> rusqlite::Result<()> {
    let mut account = connection.prepare(
        "INSERT INTO account_state (user_id, cash_cents, realized_pnl_cents, updated_at) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (user, (cash, realized)) in desks.iter().zip(books) {
        account.execute(params![user, cash, realized, now])?;
    }
    Ok(())
}

/// One position, from entry to exit.
struct RoundTrip {
    desk: usize,
    symbol: &'static str,
    side: Side,
    quantity: f64,
    tool_id: u32,
    entry: Cents,
    exit: Cents,
    opened_at: String,
    closed_at: String,
}

impl RoundTrip {
    fn draw(random: &mut ChaCha8Rng, now_ms: &mut i64) -> Self {
        let symbol = SYMBOLS[random.random_range(0..SYMBOLS.len())];
        let base = base_price_cents(symbol);
        let mut price = || Cents(base + base * random.random_range(-300..=300) / 10_000);
        let (entry, exit) = (price(), price());
        let mut later = |longest_ms| {
            *now_ms += random.random_range(1..=longest_ms);
            stamp_ms(*now_ms)
        };
        let (opened_at, closed_at) = (later(20_000), later(40_000));
        Self {
            desk: random.random_range(0..DESKS),
            symbol,
            side: if random.random_bool(0.6) { Side::Buy } else { Side::Sell },
            quantity: f64::from(random.random_range(1..=100_u32)),
            tool_id: random.random_range(1..=TOOLS),
            entry,
            exit,
            opened_at,
            closed_at,
        }
    }

    fn cost(&self) -> Cents {
        self.entry.times(self.quantity)
    }

    fn profit(&self) -> Cents {
        self.side.profit(self.cost(), self.exit.times(self.quantity))
    }
}

fn stamp_ms(at_ms: i64) -> String {
    // Ten million trades of at most a minute each end long before the year 9999, the last that a stamp can hold.
    stamp(Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(trades: u64, seed: u64) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        insert(&connection, trades, seed).unwrap();
        let mut rows = Vec::new();
        for table in ["positions", "trades", "account_state", "tool_performance"] {
            let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY rowid")).unwrap();
            let columns = statement.column_count();
            let mut found = statement.query([]).unwrap();
            while let Some(row) = found.next().unwrap() {
                let cells: Vec<String> =
                    (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect();
                rows.push(format!("{table} {}", cells.join(" ")));
            }
        }
        rows
    }

    #[test]
    fn the_same_seed_gives_the_same_rows() {
        assert_eq!(rows(301, 7), rows(301, 7));
        assert_ne!(rows(301, 7), rows(301, 8));
    }

    #[test]
    fn a_set_has_exactly_the_trades_asked_for_and_balanced_books() {
        for trades in [0, 1, 2, 3, 1_000, 1_001] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(include_str!("schema.sql")).unwrap();
            insert(&connection, trades, 3).unwrap();
            let count =
                |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs();
            assert_eq!(count("SELECT count(*) FROM trades"), trades);
            assert_eq!(count("SELECT count(*) FROM positions"), trades.div_ceil(2));
            assert_eq!(count("SELECT count(*) FROM positions WHERE status = 'open'"), trades % 2);
            assert_eq!(count("SELECT count(*) FROM tool_performance"), trades / 2);
            let unbalanced = "SELECT count(*) FROM account_state a WHERE cash_cents
                + (SELECT coalesce(sum(cost_cents), 0) FROM positions WHERE user_id = a.user_id AND status = 'open')
                <> 10000000 + realized_pnl_cents OR realized_pnl_cents <>
                (SELECT coalesce(sum(pnl_cents), 0) FROM positions WHERE user_id = a.user_id)";
            assert_eq!(count(unbalanced), 0);
        }
    }
}
