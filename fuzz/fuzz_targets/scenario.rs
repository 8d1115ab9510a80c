//! Scenario files: no text panics, mistakes point into the text, and what was read without a mistake makes a plan or says
//! why not.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pulse_plan::{Overrides, PlanError, ScenarioFile};

fuzz_target!(|data: &[u8]| fuzz_scenario(data));

/// One text.
pub fn fuzz_scenario(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let environment = |name: &str| (name.len() % 2 == 0).then(|| "x".to_owned());
    let file = match ScenarioFile::parse("fuzz.toml", text, &environment) {
        Ok(file) => file,
        Err(errors) => {
            assert!(!errors.errors.is_empty(), "a refusal without a mistake");
            for error in &errors.errors {
                assert!(text.get(error.span.clone()).is_some(), "{error} points outside the text");
            }
            return;
        }
    };
    // Half of the files that are asked for exist.
    let files: BTreeMap<String, Vec<u8>> = file
        .needs()
        .iter()
        .filter(|name| name.len() % 2 == 0)
        .map(|name| (name.clone(), b"a,b\n1,2\n".to_vec()))
        .collect();
    if let Err(PlanError::File(errors)) = file.into_plan(&files, &Overrides::default()) {
        assert!(!errors.errors.is_empty(), "a refusal without a mistake");
    }
}
