//! JSON pointers into answers: no text panics, and what is found is what a whole document would give.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_engine::{JsonPlaces, JsonPointers, json_equals, json_text};
use serde_json::Value;

fuzz_target!(|data: &[u8]| fuzz_json_pointers(data));

/// Pointers with spaces between them, and from the second line on the answer.
pub fn fuzz_json_pointers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (first, document) = text.split_once('\n').unwrap_or(("", text));
    let mut pointers = JsonPointers::default();
    let asked: Vec<&str> = first.split(' ').collect();
    asked.iter().for_each(|pointer| _ = pointers.add(pointer));
    let mut places = JsonPlaces::new();
    pointers.find(document, &mut places);
    assert_eq!(places.len(), asked.len());
    let whole = serde_json::from_str::<Value>(document);
    for (pointer, place) in asked.iter().zip(&places) {
        let found = place.clone().map(|place| &document[place]);
        if let Some(raw) = found {
            json_text(raw);
        }
        // A document that cannot be held as a whole may have places that can be found.
        let Ok(whole) = &whole else {
            continue;
        };
        let expected = whole.pointer(pointer);
        let value = found.map(|raw| serde_json::from_str::<Value>(raw).expect("a part of JSON is JSON"));
        assert_eq!(value.as_ref(), expected, "{pointer:?}");
        if let (Some(raw), Some(value)) = (found, value) {
            assert!(json_equals(raw, &value), "{raw} is not itself");
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(json_text(raw).as_deref(), Some(&*text), "{raw}");
        }
    }
}
