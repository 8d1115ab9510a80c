//! Queries over the data set, slow on purpose: no index supports them.

use rusqlite::{Connection, Row, named_params};
use serde::Serialize;

use crate::money::Cents;
use crate::names::Symbol;
use crate::paper::Side;
use crate::store::StoreError;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trade {
    id: i64,
    position_id: i64,
    user: String,
    symbol: String,
    side: Side,
    quantity: f64,
    price: Cents,
    executed_at: String,
}

impl Trade {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            position_id: row.get(1)?,
            user: row.get(2)?,
            symbol: row.get(3)?,
            side: row.get(4)?,
            quantity: row.get(5)?,
            price: row.get(6)?,
            executed_at: row.get(7)?,
        })
    }
}

/// The newest `limit` trades, of one symbol or of all.
pub(crate) fn trades(
    connection: &Connection,
    symbol: Option<&Symbol>,
    limit: u32,
) -> Result<Vec<Trade>, StoreError> {
    const COLUMNS: &str = "id, position_id, user_id, symbol, side, quantity, price_cents, executed_at";
    // Two plain statements instead of one with an OR, so that an index on the symbol can help the first.
    let rows = if let Some(symbol) = symbol {
        connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM trades WHERE symbol = :symbol ORDER BY executed_at DESC, id DESC LIMIT :limit"
            ))?
            .query_map(named_params! {":symbol": symbol.as_str(), ":limit": limit}, Trade::from_row)?
            .collect::<Result<_, _>>()?
    } else {
        connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM trades ORDER BY executed_at DESC, id DESC LIMIT :limit"
            ))?
            .query_map(named_params! {":limit": limit}, Trade::from_row)?
            .collect::<Result<_, _>>()?
    };
    Ok(rows)
}

/// How the closed positions of one tool did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Performance {
    pub(crate) closed_positions: i64,
    pub(crate) wins: i64,
    /// From 0 to 1; null without positions.
    pub(crate) win_rate: Option<f64>,
    pub(crate) total_profit: Cents,
    pub(crate) best: Option<Cents>,
    pub(crate) worst: Option<Cents>,
    pub(crate) last_recorded_at: Option<String>,
}

/// Sums up one tool's results.
pub(crate) fn performance(connection: &Connection, tool_id: u32) -> Result<Performance, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*), coalesce(sum(profit_cents > 0), 0), coalesce(sum(profit_cents), 0), max(profit_cents),
         min(profit_cents), max(recorded_at) FROM tool_performance WHERE tool_id = ?1",
    )?;
    Ok(statement.query_row([tool_id], |row| {
        let (closed_positions, wins): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Performance {
            closed_positions,
            wins,
            win_rate: (closed_positions > 0).then(|| wins as f64 / closed_positions as f64),
            total_profit: row.get(2)?,
            best: row.get(3)?,
            worst: row.get(4)?,
            last_recorded_at: row.get(5)?,
        })
    })?)
}
