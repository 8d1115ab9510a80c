//! `/api/v1/stream`: a quote every 100 ms, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::Event;
use futures_util::Stream;
use futures_util::stream::unfold;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::answer::Refusal;
use crate::extract::Parameters;
use crate::names::Symbol;
use crate::quotes::{SYMBOLS, quote_at};
use crate::routes::App;
use crate::socket::{MOST_STREAMS, QuotesQuery};

const QUOTE_EVERY: Duration = Duration::from_millis(100);

/// A stream while it goes on.
struct Quotes {
    symbol: Option<Symbol>,
    turn: usize,
    ticks: Interval,
    closing: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

pub(crate) async fn quotes(
    State(app): State<App>,
    Parameters(query): Parameters<QuotesQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{MOST_STREAMS} quote streams are open already"),
        )
    })?;
    let mut ticks = interval(QUOTE_EVERY);
    // A slow reader gets fewer quotes, never a burst of old ones.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let quotes = Quotes { symbol: query.symbol, turn: 0, ticks, closing: app.closing.clone(), _place: place };
    Ok(Sse::new(unfold(quotes, next)))
}

/// The next quote; `None` when the server stops.
async fn next(mut quotes: Quotes) -> Option<(Result<Event, Infallible>, Quotes)> {
    tokio::select! {
        _ = quotes.ticks.tick() => {}
        // A lost sender means the end, too.
        _ = quotes.closing.wait_for(|closing| *closing) => return None,
    }
    let next = SYMBOLS[quotes.turn % SYMBOLS.len()];
    let symbol = quotes.symbol.as_ref().map_or(next, Symbol::as_str);
    let event = Event::default().event("quote").id(quotes.turn.to_string());
    let event = event.json_data(quote_at(symbol, Timestamp::now())).ok()?;
    quotes.turn += 1;
    Some((Ok(event), quotes))
}
