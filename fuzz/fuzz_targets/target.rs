//! The grammar of targets: no text panics, and what was understood is shown in words that mean the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_model::Target;

fuzz_target!(|data: &[u8]| fuzz_target_grammar(data));

/// One text.
pub fn fuzz_target_grammar(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(target) = text.parse::<Target>() else {
        return;
    };
    let shown = target.to_string();
    match shown.parse::<Target>() {
        Ok(again) => assert_eq!(again.to_string(), shown, "{text:?} is shown differently the second time"),
        Err(error) => panic!("{text:?} is shown as {shown:?}, which is refused: {error}"),
    }
}
