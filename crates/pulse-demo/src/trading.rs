//! The handlers of `/api/v1`: check what came in, run it, shape the answer.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::Refusal;
use crate::clock::stamp;
use crate::extract::{Body, OptionalBody, Parameters, Segments};
use crate::history::{self, Performance, Trade};
use crate::money::{Cents, HIGHEST_PRICE};
use crate::names::{Symbol, User};
use crate::paper::{self, Account, Order, Position, Side};
use crate::quotes::price_at;
use crate::routes::App;
use crate::tools::{SignalMetadata, execute_tool, tool_name};

/// Rows of a list when the request does not say, and at most.
const DEFAULT_LIMIT: u32 = 100;
const HIGHEST_LIMIT: u32 = 1_000;

/// Shares of an order, at least and at most.
const FEWEST_SHARES: f64 = 0.0001;
const MOST_SHARES: f64 = 1_000_000.0;

#[derive(Deserialize)]
pub(crate) struct ExecuteRequest {
    tool_id: u32,
    // Required by the interface and checked; a signal does not depend on who asks.
    #[serde(rename = "user_id")]
    _user: User,
    #[serde(default)]
    symbol: Symbol,
    #[serde(default)]
    data: Map<String, Value>,
}

#[derive(Serialize)]
pub(crate) struct ExecuteAnswer {
    tool_id: u32,
    tool_name: String,
    signal: i8,
    score: f64,
    timestamp: String,
    metadata: SignalMetadata,
}

pub(crate) async fn execute(Body(request): Body<ExecuteRequest>) -> Result<Json<ExecuteAnswer>, Refusal> {
    let signal = execute_tool(request.tool_id, &Value::Object(request.data), request.symbol.as_str())?;
    Ok(Json(ExecuteAnswer {
        tool_id: signal.tool_id,
        tool_name: signal.tool_name,
        signal: signal.signal,
        score: signal.score,
        timestamp: stamp(Timestamp::now()),
        metadata: signal.metadata,
    }))
}

#[derive(Deserialize)]
pub(crate) struct OrderRequest {
    #[serde(default)]
    symbol: Symbol,
    side: Side,
    quantity: f64,
    price: Option<f64>,
    tool_id: Option<u32>,
}

impl OrderRequest {
    fn check(self, now: Timestamp) -> Result<Order, Refusal> {
        if !(FEWEST_SHARES..=MOST_SHARES).contains(&self.quantity) {
            return Err(Refusal::unprocessable(format!(
                "quantity: must be from {FEWEST_SHARES} to {MOST_SHARES}"
            )));
        }
        if let Some(tool_id) = self.tool_id {
            tool_name(tool_id).map_err(|unknown| Refusal::unprocessable(format!("tool_id: {unknown}")))?;
        }
        let price = checked_price(self.price)?.unwrap_or_else(|| price_at(self.symbol.as_str(), now));
        Ok(Order {
            symbol: self.symbol,
            side: self.side,
            quantity: self.quantity,
            price,
            tool_id: self.tool_id,
        })
    }
}

fn checked_price(dollars: Option<f64>) -> Result<Option<Cents>, Refusal> {
    let Some(dollars) = dollars else { return Ok(None) };
    let price = Cents::from_dollars(dollars).ok_or_else(|| {
        Refusal::unprocessable(format!("price: must be from 0.01 to {} dollars", HIGHEST_PRICE.0 / 100))
    })?;
    Ok(Some(price))
}

pub(crate) async fn open_position(
    State(app): State<App>,
    Segments(user): Segments<User>,
    Body(request): Body<OrderRequest>,
) -> Result<(StatusCode, Json<Position>), Refusal> {
    let now = Timestamp::now();
    let order = request.check(now)?;
    let position = app.store.write(move |connection| paper::open(connection, &user, &order, now)).await?;
    Ok((StatusCode::CREATED, Json(position)))
}

#[derive(Deserialize)]
pub(crate) struct CloseRequest {
    price: Option<f64>,
}

pub(crate) async fn close_position(
    State(app): State<App>,
    Segments((user, id)): Segments<(User, i64)>,
    OptionalBody(request): OptionalBody<CloseRequest>,
) -> Result<Json<Position>, Refusal> {
    let now = Timestamp::now();
    let asked = checked_price(request.price)?;
    let price = move |symbol: &str| asked.unwrap_or_else(|| price_at(symbol, now));
    let position = app.store.write(move |connection| paper::close(connection, &user, id, price, now)).await?;
    Ok(Json(position))
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Open,
    Closed,
    All,
}

#[derive(Deserialize)]
pub(crate) struct PositionsQuery {
    status: Option<Status>,
    limit: Option<u32>,
}

#[derive(Serialize)]
pub(crate) struct Positions {
    count: usize,
    positions: Vec<Position>,
}

pub(crate) async fn positions(
    State(app): State<App>,
    Segments(user): Segments<User>,
    Parameters(query): Parameters<PositionsQuery>,
) -> Result<Json<Positions>, Refusal> {
    let limit = checked_limit(query.limit)?;
    let status = match query.status.unwrap_or(Status::Open) {
        Status::Open => Some("open"),
        Status::Closed => Some("closed"),
        Status::All => None,
    };
    let positions =
        app.store.read(move |connection| paper::positions(connection, &user, status, limit)).await?;
    Ok(Json(Positions { count: positions.len(), positions }))
}

pub(crate) async fn account(
    State(app): State<App>,
    Segments(user): Segments<User>,
) -> Result<Json<Account>, Refusal> {
    Ok(Json(app.store.read(move |connection| paper::account(connection, &user)).await?))
}

#[derive(Deserialize)]
pub(crate) struct TradesQuery {
    symbol: Option<Symbol>,
    limit: Option<u32>,
}

#[derive(Serialize)]
pub(crate) struct Trades {
    count: usize,
    trades: Vec<Trade>,
}

pub(crate) async fn trades(
    State(app): State<App>,
    Parameters(query): Parameters<TradesQuery>,
) -> Result<Json<Trades>, Refusal> {
    let limit = checked_limit(query.limit)?;
    let symbol = query.symbol;
    let trades =
        app.store.read(move |connection| history::trades(connection, symbol.as_ref(), limit)).await?;
    Ok(Json(Trades { count: trades.len(), trades }))
}

#[derive(Serialize)]
pub(crate) struct ToolPerformance {
    tool_id: u32,
    tool_name: String,
    #[serde(flatten)]
    performance: Performance,
}

pub(crate) async fn performance(
    State(app): State<App>,
    Segments(tool_id): Segments<u32>,
) -> Result<Json<ToolPerformance>, Refusal> {
    let tool_name = tool_name(tool_id)?;
    let performance = app.store.read(move |connection| history::performance(connection, tool_id)).await?;
    Ok(Json(ToolPerformance { tool_id, tool_name, performance }))
}

fn checked_limit(limit: Option<u32>) -> Result<u32, Refusal> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if (1..=HIGHEST_LIMIT).contains(&limit) {
        Ok(limit)
    } else {
        Err(Refusal::unprocessable(format!("limit: must be from 1 to {HIGHEST_LIMIT}")))
    }
}
