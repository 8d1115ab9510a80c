//! Suite files: no text panics, mistakes point into the text, and what was read without a mistake makes a suite or says
//! why not.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pulse_plan::{Overrides, SuiteFile};

fuzz_target!(|data: &[u8]| fuzz_suite(data));

/// One text.
pub fn fuzz_suite(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let environment = |name: &str| (name.len() % 2 == 0).then(|| "x".to_owned());
    let file = match SuiteFile::parse("fuzz.toml", text, &environment) {
        Ok(file) => file,
        Err(errors) => {
            assert!(!errors.errors.is_empty(), "a refusal without a mistake");
            for error in &errors.errors {
                assert!(text.get(error.span.clone()).is_some(), "{error} points outside the text");
            }
            return;
        }
    };
    // No file exists: what names one must say so.
    if let Ok(suite) = file.into_suite(&BTreeMap::new(), &Overrides::default(), None) {
        assert!(suite.cases.iter().all(|case| !case.targets.is_empty()), "a case judges nothing");
    }
}
