//! Made-up market prices: a function of symbol and time, so that two clients always see the same market.

use std::f64::consts::TAU;

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::stamp;
use crate::money::Cents;
use crate::tools::{digest_bytes, mix};

/// The symbols of the deterministic data set and of the quote stream.
pub(crate) const SYMBOLS: [&str; 12] =
    ["SPY", "QQQ", "IWM", "AAPL", "MSFT", "NVDA", "AMZN", "META", "TSLA", "JPM", "XOM", "BRK.B"];

/// One quote as sent over the WebSocket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Quote<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) symbol: &'a str,
    pub(crate) price: Cents,
    pub(crate) bid: Cents,
    pub(crate) ask: Cents,
    pub(crate) timestamp: String,
}

/// The quote of `symbol` at `now`.
pub(crate) fn quote_at(symbol: &str, now: Timestamp) -> Quote<'_> {
    let price = price_at(symbol, now);
    let spread = price.0 / 10_000 + 1;
    Quote {
        kind: "quote",
        symbol,
        price,
        bid: Cents(price.0 - spread),
        ask: Cents(price.0 + spread),
        timestamp: stamp(now),
    }
}

/// The price of `symbol` at `now`: two sine waves of ±2 % and ±0.3 % around its base price.
pub(crate) fn price_at(symbol: &str, now: Timestamp) -> Cents {
    let base = base_price_cents(symbol);
    // Each symbol has its own phase, else the whole market would move as one.
    let seconds = now.as_millisecond() as f64 / 1e3 + (base % 977) as f64;
    let swing = 0.02 * (TAU * seconds / 600.0).sin() + 0.003 * (TAU * seconds / 7.0).sin();
    Cents((base as f64 * (1.0 + swing)).round() as i64)
}

/// The price around which a symbol moves, from 20 to 500 US dollars, in cents.
pub(crate) fn base_price_cents(symbol: &str) -> i64 {
    2_000 + (mix(digest_bytes(0, symbol.as_bytes())) % 48_001).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quotes_are_positive_and_ordered(symbol in "[A-Z0-9.]{1,12}", second in 0_i64..4_000_000_000) {
            let now = Timestamp::from_second(second).unwrap();
            let quote = quote_at(&symbol, now);
            prop_assert!(Cents(0) < quote.bid && quote.bid < quote.price && quote.price < quote.ask);
            prop_assert_eq!(&quote, &quote_at(&symbol, now));
            let base = base_price_cents(&symbol) as f64;
            prop_assert!((quote.price.0 as f64 / base - 1.0).abs() < 0.025);
        }
    }
}
