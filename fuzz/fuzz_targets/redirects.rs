//! Where redirects lead: no location panics, and what comes out can be asked for and stays within the service.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_engine::redirect_target;
use pulse_http::{Origin, RequestWriter};

fuzz_target!(|data: &[u8]| fuzz_redirects(data));

/// A `Location`.
pub fn fuzz_redirects(data: &[u8]) {
    for (origin, asked) in [("http://h:8000", "/a/b?c=1"), ("https://[::1]", "/")] {
        let origin = Origin::parse(origin).expect("an origin");
        match redirect_target(&origin, asked, data) {
            Ok(target) => {
                let mut request = Vec::new();
                let written = RequestWriter::start(&mut request, "GET", &target, &origin.authority());
                assert!(written.is_ok(), "{target:?} cannot be asked for");
                // The empty reference means the place where one is.
                assert_eq!(redirect_target(&origin, &target, b""), Ok(target), "the same place");
            }
            Err(message) => {
                assert!(!message.chars().any(char::is_control), "{message:?}");
                assert!(message.chars().count() < 500, "{message:?}");
            }
        }
    }
}
