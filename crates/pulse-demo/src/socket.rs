//! `/ws/quotes`: a quote every 100 ms, and an answer to every ping.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::answer::Refusal;
use crate::extract::Parameters;
use crate::names::Symbol;
use crate::quotes::{SYMBOLS, quote_at};
use crate::routes::App;

/// How many streams may be open at the same time.
pub(crate) const MOST_STREAMS: usize = 4_096;

/// The largest message that is read, in bytes.
const LARGEST_MESSAGE_BYTES: usize = 64 << 10;

const QUOTE_EVERY: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
pub(crate) struct QuotesQuery {
    pub(crate) symbol: Option<Symbol>,
}

pub(crate) async fn quotes(
    State(app): State<App>,
    Parameters(query): Parameters<QuotesQuery>,
    request: Request,
) -> Result<Response, Refusal> {
    let (mut parts, _) = request.into_parts();
    // Taken apart by hand, because the extractor would refuse in plain text.
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await.map_err(|rejection| {
        Refusal::new(rejection.status(), format!("/ws/quotes: {}", rejection.body_text()))
    })?;
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{MOST_STREAMS} quote streams are open already"),
        )
    })?;
    let closing = app.closing.clone();
    Ok(upgrade.max_message_size(LARGEST_MESSAGE_BYTES).on_upgrade(async move |socket| {
        let _place = place;
        // An error here is the client's going away, which nobody is left to be told about.
        let _ = stream(socket, query.symbol, closing).await;
    }))
}

async fn stream(
    mut socket: WebSocket,
    symbol: Option<Symbol>,
    mut closing: watch::Receiver<bool>,
) -> Result<(), axum::Error> {
    let mut ticks = interval(QUOTE_EVERY);
    // A slow reader gets fewer quotes, never a burst of old ones.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for turn in 0_usize.. {
        loop {
            let answer = tokio::select! {
                _ = ticks.tick() => break,
                () = closed(&mut closing) => {
                    let frame = CloseFrame { code: close_code::AWAY, reason: "the server is shutting down".into() };
                    return socket.send(Message::Close(Some(frame))).await;
                }
                message = socket.recv() => match message.transpose()? {
                    None => return Ok(()),
                    Some(Message::Text(text)) => reply(&text),
                    Some(Message::Binary(_)) => unknown("a message must be text"),
                    // The library answers pings and closes of the protocol itself.
                    Some(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => continue,
                },
            };
            socket.send(Message::text(answer)).await?;
        }
        let symbol = symbol.as_ref().map_or(SYMBOLS[turn % SYMBOLS.len()], Symbol::as_str);
        let quote = serde_json::to_string(&quote_at(symbol, Timestamp::now())).map_err(axum::Error::new)?;
        socket.send(Message::text(quote)).await?;
    }
    Ok(())
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // A function of its own, because the guard that `wait_for` returns must not live across the sending. A lost
    // sender means the end, too.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// A ping comes back as it is, under the type `pong`.
fn reply(text: &str) -> String {
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(mut message) if message.get("type").is_some_and(|kind| kind == "ping") => {
            message.insert("type".to_owned(), "pong".into());
            Value::Object(message).to_string()
        }
        Ok(_) => unknown("the type must be ping"),
        Err(_) => unknown("a message must be a JSON object"),
    }
}

fn unknown(detail: &str) -> String {
    json!({"type": "error", "detail": detail}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        for (message, expected) in [
            (r#"{"type":"ping"}"#, json!({"type": "pong"})),
            (r#"{"type":"ping","id":7,"x":[1]}"#, json!({"type": "pong", "id": 7, "x": [1]})),
            (r#"{"type":"subscribe"}"#, json!({"type": "error", "detail": "the type must be ping"})),
            ("{}", json!({"type": "error", "detail": "the type must be ping"})),
            ("[1]", json!({"type": "error", "detail": "a message must be a JSON object"})),
            ("\u{0}", json!({"type": "error", "detail": "a message must be a JSON object"})),
        ] {
            assert_eq!(serde_json::from_str::<Value>(&reply(message)).unwrap(), expected, "{message}");
        }
    }
}
