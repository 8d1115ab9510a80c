//! Paper trading: users, positions, trades and what tools earned, with a few symbols and users that have most of the rows.

use rusqlite::{Connection, params};

use super::{Draw, date};

const SYMBOLS: [&str; 12] =
    ["AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "META", "GOOG", "AMD", "NFLX", "INTC", "ORCL", "IBM"];

/// What a trading service asks; reads, and writes as such a service makes them.
pub const TRADING_STATEMENTS: &[&str] = &[
    "SELECT id, side, quantity, price_cents FROM trades WHERE symbol = 'AAPL' ORDER BY executed_at DESC, id DESC LIMIT 50",
    "SELECT count(*), sum(quantity * price_cents) FROM trades WHERE user_id = 7 AND executed_at >= '1993-01-01'",
    "SELECT * FROM positions WHERE user_id = 3 AND status = 'open' ORDER BY opened_at DESC",
    "SELECT count(*) FROM positions WHERE status = 'open'",
    "SELECT * FROM positions WHERE id = 11",
    "SELECT p.symbol, sum(t.quantity) FROM positions p JOIN trades t ON t.position_id = p.id WHERE p.user_id = 2 GROUP BY p.symbol",
    "SELECT count(*), coalesce(sum(profit_cents > 0), 0), max(profit_cents) FROM tool_performance WHERE tool_id = 4",
    "SELECT max(recorded_at) FROM tool_performance WHERE tool_id = 9 AND symbol = 'IBM'",
    "SELECT cash_cents FROM account_state WHERE user_id = 5",
    "SELECT id FROM users WHERE email = 'user3@example.com'",
    "SELECT symbol, count(*) FROM trades GROUP BY symbol ORDER BY 2 DESC",
    "UPDATE account_state SET cash_cents = cash_cents - 100, updated_at = '1999-01-01' WHERE user_id = 5",
    "UPDATE positions SET status = 'closed', closed_at = '1999-01-01', pnl_cents = 5 WHERE id = 11",
    "INSERT INTO trades (position_id, user_id, symbol, side, quantity, price_cents, executed_at) VALUES (1, 1, 'AAPL', 'buy', 1.5, 19000, '1999-01-01')",
    "INSERT INTO tool_performance (tool_id, symbol, position_id, profit_cents, recorded_at) VALUES (1, 'AAPL', 1, 250, '1999-01-01')",
    "DELETE FROM trades WHERE position_id = 17",
];

/// Fills an empty database with about `rows` trades, half as many positions and results of tools, and a user per fifty.
///
/// # Errors
/// When the database refuses, for instance since it is not empty.
pub fn trading(connection: &Connection, seed: u64, rows: u64) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(include_str!("trading.sql"))?;
    let mut draw = Draw::new(seed);
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let users = (rows / 50).max(10);
    insert_users(&transaction, &mut draw, users)?;
    let mut position =
        transaction.prepare("INSERT INTO positions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    let mut trade = transaction.prepare("INSERT INTO trades VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let mut result = transaction.prepare("INSERT INTO tool_performance VALUES (NULL, ?1, ?2, ?3, ?4, ?5)")?;
    for id in 1..=rows / 2 {
        let (user, symbol) = (draw.skewed(users) + 1, SYMBOLS[draw.skewed(12) as usize]);
        let (side, other) = if draw.happens(600) { ("buy", "sell") } else { ("sell", "buy") };
        let (quantity, price) = (draw.money(100), 1000 + draw.below(90_000));
        let (opened, days) = (draw.below(2000), draw.below(30));
        let profit = draw.below(10_000) - 4000;
        // Open ones are rare, as in a service that has run for long.
        let is_open = draw.happens(20);
        let closed = (!is_open).then(|| date(opened + days));
        let status = if is_open { "open" } else { "closed" };
        let gained = (!is_open).then_some(profit);
        position.execute(params![
            id,
            user,
            symbol,
            side,
            quantity,
            price,
            status,
            date(opened),
            closed,
            gained
        ])?;
        trade.execute(params![id, user, symbol, side, quantity, price, date(opened)])?;
        if let Some(closed) = closed {
            trade.execute(params![id, user, symbol, other, quantity, price + draw.below(500), closed])?;
            result.execute(params![draw.skewed(30) + 1, symbol, id, profit, closed])?;
        }
    }
    drop((position, trade, result));
    transaction.commit()
}

fn insert_users(connection: &Connection, draw: &mut Draw, users: i64) -> rusqlite::Result<()> {
    let mut user = connection.prepare("INSERT INTO users VALUES (?1, ?2, ?3, ?4)")?;
    let mut account = connection.prepare("INSERT INTO account_state VALUES (?1, ?2, ?3)")?;
    for id in 1..=users {
        let country = draw.one_of(&["DE", "FR", "US", "US", "US", "JP"]);
        user.execute(params![id, format!("user{id}@example.com"), country, date(draw.below(1000))])?;
        account.execute(params![id, draw.below(10_000_000), date(2000)])?;
    }
    Ok(())
}
