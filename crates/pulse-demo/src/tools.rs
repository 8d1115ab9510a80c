//! The mock tool executor: 52 trading tools that give the same answer to the same question.

use serde::Serialize;
use serde_json::Value;

use crate::quotes::base_price_cents;

/// Tools are numbered from 1 to this.
pub const TOOLS: u32 = 52;

/// The answer of one tool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolSignal {
    /// The tool, 1 to [`TOOLS`].
    pub tool_id: u32,
    /// Its name, see [`tool_name`].
    pub tool_name: String,
    /// −1 sell, 0 hold, 1 buy.
    pub signal: i8,
    /// Confidence, from 0.5 to 1.
    pub score: f64,
    /// What the tool looked at.
    pub metadata: SignalMetadata,
}

/// The market figures behind a [`ToolSignal`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SignalMetadata {
    /// Price in US dollars: `data.price` where that is a positive number, else a made-up one near the symbol's price.
    pub price: f64,
    /// Shares traded: `data.volume` where that is a whole number, else a made-up one.
    pub volume: u64,
}

/// There is no tool with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no tool {0}; tools are numbered from 1 to {TOOLS}")]
pub struct UnknownTool(
    /// The number asked for.
    pub u32,
);

/// The name of a tool: five are named, the rest are called `Tool N`.
pub fn tool_name(tool_id: u32) -> Result<String, UnknownTool> {
    Ok(match tool_id {
        1 => "RSI Momentum".to_owned(),
        2 => "MACD Signal".to_owned(),
        3 => "Volume Spike".to_owned(),
        4 => "Moving Average Cross".to_owned(),
        5 => "Bollinger Bands".to_owned(),
        6..=TOOLS => format!("Tool {tool_id}"),
        _ => return Err(UnknownTool(tool_id)),
    })
}

/// Runs one tool on a symbol. The answer depends on nothing but the arguments; the order of keys in `data` does not
/// matter. Whoever needs a time stamp adds it.
///
/// ```
/// let signal = pulse_demo::execute_tool(1, &serde_json::json!({"price": 501.25}), "SPY")?;
/// assert_eq!(signal.tool_name, "RSI Momentum");
/// assert_eq!(signal.metadata.price, 501.25);
/// assert!((-1..=1).contains(&signal.signal) && (0.5..=1.0).contains(&signal.score));
/// # Ok::<(), pulse_demo::UnknownTool>(())
/// ```
pub fn execute_tool(tool_id: u32, data: &Value, symbol: &str) -> Result<ToolSignal, UnknownTool> {
    let tool_name = tool_name(tool_id)?;
    let digest = mix(digest_bytes(u64::from(tool_id), symbol.as_bytes()) ^ digest_value(data));
    // Disjoint bits of the digest, so that the parts of an answer do not move together.
    let signal = (digest % 3) as i8 - 1;
    // One division, so that the score is the number nearest to its four decimals.
    let score = (5_000 + (digest >> 8) % 5_001) as f64 / 10_000.0;
    let drift_cents = ((digest >> 24) % 401) as f64 - 200.0;
    let given_price = data.get("price").and_then(Value::as_f64).filter(|price| *price > 0.0);
    let price = given_price.unwrap_or_else(|| (base_price_cents(symbol) as f64 + drift_cents) / 100.0);
    let volume = data.get("volume").and_then(Value::as_u64).unwrap_or(100_000 + (digest >> 40) % 9_900_000);
    Ok(ToolSignal { tool_id, tool_name, signal, score, metadata: SignalMetadata { price, volume } })
}

/// FNV-1a (64 bit) from a seed: stable over versions and platforms, which the standard hasher does not promise.
pub(crate) fn digest_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ mix(seed);
    bytes.iter().fold(start, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finalizer of `SplitMix64`: every input bit reaches every output bit.
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A digest in which the order of keys does not count, because whether a map keeps it depends on build features.
/// Recursion is bounded: the JSON reader refuses more than 128 levels.
fn digest_value(value: &Value) -> u64 {
    match value {
        Value::Null => 1,
        Value::Bool(flag) => 2 + u64::from(*flag),
        Value::Number(number) => digest_bytes(4, number.to_string().as_bytes()),
        Value::String(text) => digest_bytes(5, text.as_bytes()),
        Value::Array(items) => {
            items.iter().fold(6, |digest, item| mix(digest.rotate_left(5) ^ digest_value(item)))
        }
        Value::Object(fields) => fields.iter().fold(7, |digest, (key, item)| {
            digest.wrapping_add(mix(digest_bytes(8, key.as_bytes()) ^ digest_value(item)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_have_the_names_of_the_interface() {
        for (id, name) in [
            (1, "RSI Momentum"),
            (2, "MACD Signal"),
            (3, "Volume Spike"),
            (4, "Moving Average Cross"),
            (5, "Bollinger Bands"),
            (6, "Tool 6"),
            (52, "Tool 52"),
        ] {
            assert_eq!(tool_name(id).as_deref(), Ok(name));
        }
        for id in [0, 53, u32::MAX] {
            assert_eq!(tool_name(id), Err(UnknownTool(id)));
            assert_eq!(execute_tool(id, &json!({}), "SPY"), Err(UnknownTool(id)));
        }
        assert_eq!(UnknownTool(53).to_string(), "there is no tool 53; tools are numbered from 1 to 52");
    }

    #[test]
    fn answers_depend_on_every_argument_and_on_nothing_else() {
        let asked = execute_tool(7, &json!({"a": 1, "b": [2, {"c": null}]}), "SPY").unwrap();
        let again = execute_tool(7, &json!({"b": [2, {"c": null}], "a": 1}), "SPY").unwrap();
        assert_eq!(asked, again);
        let others = [
            execute_tool(8, &json!({"a": 1, "b": [2, {"c": null}]}), "SPY").unwrap(),
            execute_tool(7, &json!({"a": 1, "b": [2, {"c": true}]}), "SPY").unwrap(),
            execute_tool(7, &json!({"a": 1, "b": [2, {"c": null}]}), "QQQ").unwrap(),
        ];
        for other in others {
            assert_ne!(asked.metadata.volume, other.metadata.volume);
        }
    }

    #[test]
    fn all_three_signals_occur() {
        let mut seen = [0; 3];
        for id in 1..=TOOLS {
            let signal = execute_tool(id, &json!({}), "SPY").unwrap().signal;
            seen[usize::try_from(signal + 1).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
    }

    #[test]
    fn given_market_figures_are_kept_and_nonsense_is_not() {
        let kept = execute_tool(3, &json!({"price": 12.5, "volume": 77}), "SPY").unwrap().metadata;
        assert_eq!(kept, SignalMetadata { price: 12.5, volume: 77 });
        for data in [
            json!({"price": -1, "volume": -1}),
            json!({"price": "x", "volume": 1.5}),
            json!([1]),
            json!(null),
        ] {
            let made_up = execute_tool(3, &data, "SPY").unwrap().metadata;
            assert!(made_up.price > 0.0 && made_up.volume >= 100_000, "{data}: {made_up:?}");
        }
    }

    proptest! {
        #[test]
        fn signals_stay_in_their_ranges(id in 1..=TOOLS, symbol in ".{0,20}", number: f64, text in ".{0,20}") {
            let data = json!({"price": number, "note": text});
            let answer = execute_tool(id, &data, &symbol).unwrap();
            prop_assert!((-1..=1).contains(&answer.signal));
            prop_assert!((0.5..=1.0).contains(&answer.score));
            prop_assert!(answer.metadata.price > 0.0);
        }
    }
}
