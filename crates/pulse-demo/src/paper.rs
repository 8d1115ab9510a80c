//! Paper trading: positions and accounts with made-up money. Plain functions over a connection.
//!
//! A position of either side ties up its cost; closing it gives the cost back plus the profit. So for every account at
//! every time: cash + invested = starting cash + realized profit, to the cent.

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{
    Connection, OptionalExtension, Row, ToSql, Transaction, TransactionBehavior, named_params, params,
};
use serde::{Deserialize, Serialize};

use crate::clock::stamp;
use crate::money::Cents;
use crate::names::{Symbol, User};
use crate::store::StoreError;

/// What every account starts with: 100 000 dollars.
pub(crate) const STARTING_CASH: Cents = Cents(10_000_000);

/// The direction of a trade; a position opened by `sell` profits from a falling price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Buy,
    Sell,
}

impl Side {
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    pub(crate) fn profit(self, cost: Cents, exit_value: Cents) -> Cents {
        match self {
            Self::Buy => Cents(exit_value.0 - cost.0),
            Self::Sell => Cents(cost.0 - exit_value.0),
        }
    }
}

impl ToSql for Side {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Buy => "buy".into(),
            Self::Sell => "sell".into(),
        })
    }
}

impl FromSql for Side {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "buy" => Ok(Self::Buy),
            "sell" => Ok(Self::Sell),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// A checked order to open a position.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) symbol: Symbol,
    pub(crate) side: Side,
    /// Shares, from 0.0001 to 1 000 000.
    pub(crate) quantity: f64,
    pub(crate) price: Cents,
    pub(crate) tool_id: Option<u32>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Position {
    pub(crate) id: i64,
    pub(crate) user: String,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) quantity: f64,
    pub(crate) entry_price: Cents,
    pub(crate) cost: Cents,
    pub(crate) tool_id: Option<u32>,
    pub(crate) status: String,
    pub(crate) opened_at: String,
    pub(crate) closed_at: Option<String>,
    pub(crate) exit_price: Option<Cents>,
    pub(crate) pnl: Option<Cents>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) starting_cash: Cents,
    pub(crate) cash: Cents,
    pub(crate) invested: Cents,
    pub(crate) realized_pnl: Cents,
    pub(crate) open_positions: i64,
}

/// Why a paper trade did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PaperError {
    #[error("{user} has no position {id}")]
    UnknownPosition { user: String, id: i64 },
    #[error("position {id} is already closed")]
    AlreadyClosed { id: i64 },
    #[error("this costs {:.2} dollars and the account has {:.2}", cost.0 as f64 / 100.0, cash.0 as f64 / 100.0)]
    TooLittleCash { cost: Cents, cash: Cents },
    #[error("the account would hold more money than a paper account can")]
    TooMuchCash,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for PaperError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Opens a position: takes its cost from the account and records the trade.
pub(crate) fn open(
    connection: &mut Connection,
    user: &User,
    order: &Order,
    now: Timestamp,
) -> Result<Position, PaperError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let cost = order.price.times(order.quantity);
    let (cash, realized) = balance(&transaction, user.as_str())?;
    if cost > cash {
        return Err(PaperError::TooLittleCash { cost, cash });
    }
    let now = stamp(now);
    let id = transaction
        .prepare_cached(
            "INSERT INTO positions (user_id, symbol, side, quantity, entry_price_cents, cost_cents, tool_id, status,
             opened_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open', ?8)",
        )?
        .insert(params![
            user.as_str(),
            order.symbol.as_str(),
            order.side,
            order.quantity,
            order.price,
            cost,
            order.tool_id,
            now
        ])?;
    let position = find(&transaction, user, id)?;
    record_trade(&transaction, &position, order.side, order.price, &now)?;
    set_balance(&transaction, user.as_str(), Cents(cash.0 - cost.0), realized, &now)?;
    transaction.commit()?;
    Ok(position)
}

/// Closes a position at `price`: gives back its cost with the profit, records the trade and the tool's result.
pub(crate) fn close(
    connection: &mut Connection,
    user: &User,
    id: i64,
    price: impl FnOnce(&str) -> Cents,
    now: Timestamp,
) -> Result<Position, PaperError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let position = find(&transaction, user, id)?;
    if position.status != "open" {
        return Err(PaperError::AlreadyClosed { id });
    }
    let price = price(&position.symbol);
    let profit = position.side.profit(position.cost, price.times(position.quantity));
    let (cash, realized) = balance(&transaction, user.as_str())?;
    let cash = cash.plus(position.cost).and_then(|cash| cash.plus(profit)).ok_or(PaperError::TooMuchCash)?;
    let realized = realized.plus(profit).ok_or(PaperError::TooMuchCash)?;
    let now = stamp(now);
    transaction
        .prepare_cached(
            "UPDATE positions SET status = 'closed', closed_at = ?2, exit_price_cents = ?3, pnl_cents = ?4
             WHERE id = ?1",
        )?
        .execute(params![id, now, price, profit])?;
    record_trade(&transaction, &position, position.side.opposite(), price, &now)?;
    if let Some(tool_id) = position.tool_id {
        transaction
            .prepare_cached(
                "INSERT INTO tool_performance (tool_id, symbol, position_id, profit_cents, recorded_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![tool_id, position.symbol, id, profit, now])?;
    }
    set_balance(&transaction, user.as_str(), cash, realized, &now)?;
    let position = find(&transaction, user, id)?;
    transaction.commit()?;
    Ok(position)
}

/// The newest `limit` positions of a user, of one status or of both.
pub(crate) fn positions(
    connection: &Connection,
    user: &User,
    status: Option<&str>,
    limit: u32,
) -> Result<Vec<Position>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM positions WHERE user_id = :user AND (:status IS NULL OR status = :status)
         ORDER BY opened_at DESC, id DESC LIMIT :limit",
    )?;
    let found = statement.query_map(
        named_params! {":user": user.as_str(), ":status": status, ":limit": limit},
        Position::from_row,
    )?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The account of a user; one who never traded has the starting cash.
pub(crate) fn account(connection: &Connection, user: &User) -> Result<Account, StoreError> {
    // One transaction, so that cash and positions are of the same moment.
    let moment = connection.unchecked_transaction()?;
    let (cash, realized_pnl) = balance(&moment, user.as_str())?;
    let (open_positions, invested) = moment
        .prepare_cached(
            "SELECT count(*), coalesce(sum(cost_cents), 0) FROM positions WHERE user_id = ?1 AND status = 'open'",
        )?
        .query_row([user.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let user = user.as_str().to_owned();
    Ok(Account { user, starting_cash: STARTING_CASH, cash, invested, realized_pnl, open_positions })
}

impl Position {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            user: row.get("user_id")?,
            symbol: row.get("symbol")?,
            side: row.get("side")?,
            quantity: row.get("quantity")?,
            entry_price: row.get("entry_price_cents")?,
            cost: row.get("cost_cents")?,
            tool_id: row.get("tool_id")?,
            status: row.get("status")?,
            opened_at: row.get("opened_at")?,
            closed_at: row.get("closed_at")?,
            exit_price: row.get("exit_price_cents")?,
            pnl: row.get("pnl_cents")?,
        })
    }
}

fn find(transaction: &Transaction<'_>, user: &User, id: i64) -> Result<Position, PaperError> {
    transaction
        .prepare_cached("SELECT * FROM positions WHERE id = ?1 AND user_id = ?2")?
        .query_row(params![id, user.as_str()], Position::from_row)
        .optional()?
        .ok_or_else(|| PaperError::UnknownPosition { user: user.as_str().to_owned(), id })
}

/// Cash and realized profit.
fn balance(transaction: &Transaction<'_>, user: &str) -> rusqlite::Result<(Cents, Cents)> {
    transaction
        .prepare_cached("SELECT cash_cents, realized_pnl_cents FROM account_state WHERE user_id = ?1")?
        .query_row([user], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map(|found| found.unwrap_or((STARTING_CASH, Cents(0))))
}

fn set_balance(
    transaction: &Transaction<'_>,
    user: &str,
    cash: Cents,
    realized: Cents,
    now: &str,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO account_state (user_id, cash_cents, realized_pnl_cents, updated_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (user_id) DO UPDATE SET cash_cents = ?2, realized_pnl_cents = ?3, updated_at = ?4",
        )?
        .execute(params![user, cash, realized, now])?;
    Ok(())
}

fn record_trade(
    transaction: &Transaction<'_>,
    position: &Position,
    side: Side,
    price: Cents,
    now: &str,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO trades (position_id, user_id, symbol, side, quantity, price_cents, executed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![position.id, position.user, position.symbol, side, position.quantity, price, now])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;

    fn fresh() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        connection
    }

    fn user(name: &str) -> User {
        User::try_from(Cow::from(name.to_owned())).unwrap()
    }

    fn order(side: Side, quantity: f64, price: i64) -> Order {
        Order { symbol: Symbol::default(), side, quantity, price: Cents(price), tool_id: Some(1) }
    }

    fn assert_conserved(account: &Account) {
        assert_eq!(
            account.cash.0 + account.invested.0,
            account.starting_cash.0 + account.realized_pnl.0,
            "{account:?}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Any sequence of orders, of two users in turns, keeps the money of both, whatever is refused on the way.
        #[test]
        fn money_is_conserved(
            steps in prop::collection::vec(
                (any::<bool>(), any::<bool>(), any::<bool>(), 1e-4..5e3_f64, 1..50_000_i64), 1..40,
            ),
        ) {
            let mut connection = fresh();
            let users = [user("a"), user("b")];
            for (second, closing, selling, quantity, price) in steps {
                let user = &users[usize::from(second)];
                let now = Timestamp::UNIX_EPOCH;
                if closing {
                    let open = positions(&connection, user, Some("open"), 1).unwrap();
                    if let Some(position) = open.first() {
                        close(&mut connection, user, position.id, |_| Cents(price), now).unwrap();
                    }
                } else {
                    let side = if selling { Side::Sell } else { Side::Buy };
                    match open(&mut connection, user, &order(side, quantity, price), now) {
                        Ok(_) | Err(PaperError::TooLittleCash { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                for user in &users {
                    assert_conserved(&account(&connection, user).unwrap());
                }
            }
        }
    }

    #[test]
    fn refusals_change_nothing() {
        let mut connection = fresh();
        let (owner, other, now) = (user("owner"), user("other"), Timestamp::UNIX_EPOCH);
        let position = open(&mut connection, &owner, &order(Side::Buy, 10.0, 5_000), now).unwrap();
        let before = account(&connection, &owner).unwrap();
        let mut refusals = vec![open(&mut connection, &owner, &order(Side::Buy, 1e6, 5_000), now)];
        refusals.push(close(&mut connection, &other, position.id, |_| Cents(1), now));
        refusals.push(close(&mut connection, &owner, position.id + 1, |_| Cents(1), now));
        let messages: Vec<String> =
            refusals.into_iter().map(|refusal| refusal.unwrap_err().to_string()).collect();
        let expected = [
            "this costs 50000000.00 dollars and the account has 99500.00",
            "other has no position 1",
            "owner has no position 2",
        ];
        assert_eq!(messages, expected);
        assert_eq!(account(&connection, &owner).unwrap().cash, before.cash);
        let closed = close(&mut connection, &owner, position.id, |_| Cents(5_100), now).unwrap();
        assert_eq!(closed.pnl, Some(Cents(1_000)));
        let again = close(&mut connection, &owner, position.id, |_| Cents(1), now).unwrap_err();
        assert_eq!(again.to_string(), "position 1 is already closed");
        assert_eq!(account(&connection, &owner).unwrap().cash, Cents(10_001_000));
    }

    #[test]
    fn an_account_cannot_outgrow_what_a_number_shows() {
        let mut connection = fresh();
        let rich = user("rich");
        set_balance(&connection.transaction().unwrap(), "nobody", Cents(0), Cents(0), "").unwrap();
        let position =
            open(&mut connection, &rich, &order(Side::Buy, 1e6, 1), Timestamp::UNIX_EPOCH).unwrap();
        connection.execute("UPDATE account_state SET cash_cents = 1 << 53", []).unwrap();
        let refused = close(&mut connection, &rich, position.id, |_| Cents(1_000_000), Timestamp::UNIX_EPOCH);
        assert!(matches!(refused, Err(PaperError::TooMuchCash)));
    }
}
