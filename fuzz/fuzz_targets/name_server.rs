//! What name servers answer: no bytes panic, and there are no more addresses than bytes for them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_http::NameServerAnswer;

/// The shortest record with an address: a name of one byte, type, class, time to live, length and four bytes.
const RECORD: usize = 15;

fuzz_target!(|data: &[u8]| fuzz_name_server(data));

/// One message.
pub fn fuzz_name_server(data: &[u8]) {
    match NameServerAnswer::parse(data) {
        Ok(addresses) => assert!(addresses.len() * RECORD <= data.len(), "{} addresses", addresses.len()),
        Err(error) => {
            let shown = error.to_string();
            assert!(shown.starts_with("answers with") || shown == "does not know the name", "{shown}");
            assert!(shown.len() < 200, "{shown}");
        }
    }
}
