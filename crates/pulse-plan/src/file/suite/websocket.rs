//! Cases that send messages over WebSocket connections: `websocket = "/ws/…"`.

use pulse_model::Nanos;

use crate::file::names::Scope;
use crate::file::reader::{Field, TableReader};
use crate::file::suite::amount::Amount;
use crate::file::suite::case::{WebSocketEntry, Work};
use crate::suite::MESSAGE_ID;

const MAX_CONNECTIONS: u64 = 100_000;
const MAX_MESSAGES: u64 = 10_000_000;
/// The longest payload, in bytes.
const MAX_PAYLOAD_BYTES: usize = 1 << 20;
const DEFAULT_PAYLOAD: &str = "{\"type\":\"ping\",\"id\":${id}}";

pub(crate) fn read(
    field: &Field<'_>,
    table: &TableReader<'_>,
    fixed: &Scope<'_>,
    defaults: &Amount,
) -> Option<Work> {
    let amount = Amount::read_budget(table).or(defaults);
    let number = |key, most, default| {
        let field: Option<Field<'_>> = table.get(key);
        field.and_then(|field| field.integer(1..=most, "10")).unwrap_or(default) as u32
    };
    let (connections, messages) =
        (number("connections", MAX_CONNECTIONS, 10), number("messages", MAX_MESSAGES, 100));
    let interval = table.get("interval").and_then(|field| field.duration("\"10ms\""));
    let timeout = table.get("timeout").and_then(|field| field.time_span("\"5s\""));
    let payload = table.get("payload").and_then(|field| read_payload(&field));
    let path = read_path(field, fixed)?;
    let entry = WebSocketEntry {
        path,
        connections,
        messages,
        interval: interval.unwrap_or(Nanos::from_millis(10)),
        payload: payload.unwrap_or_else(|| DEFAULT_PAYLOAD.to_owned()),
        timeout: timeout.unwrap_or(Nanos::from_secs(5)),
    };
    let limits = amount.counted(u64::from(connections) * u64::from(messages));
    Some(Work::WebSocket { entry, limits })
}

/// A path of the service, or a URL of its own.
fn read_path(field: &Field<'_>, fixed: &Scope<'_>) -> Option<String> {
    const HELP: &str = "write a path of the service, for example websocket = \"/ws/quotes\"";
    let text = fixed.text(field, "\"/ws/quotes\"")?;
    if text.starts_with('/') {
        return Some(text);
    }
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "ws" | "wss") && url.has_host() => Some(url.to_string()),
        _ => {
            field.error(format!("`{text}` is neither a path nor a ws:// or wss:// URL"), HELP);
            None
        }
    }
}

fn read_payload(field: &Field<'_>) -> Option<String> {
    let text = field.text("'{\"type\":\"ping\",\"id\":${id}}'")?;
    if text.is_empty() || text.len() > MAX_PAYLOAD_BYTES {
        field.error("a payload has 1 byte to 1 MiB", "leave it out for a JSON ping");
        return None;
    }
    if let Some((at, _)) = text.match_indices("${").find(|(at, _)| !text[*at..].starts_with(MESSAGE_ID)) {
        let message = format!("a payload has no variable but `{MESSAGE_ID}`, the number of the message");
        field.error_at(field.span_within(at..text.len()), message, None);
    }
    Some(text.to_owned())
}
