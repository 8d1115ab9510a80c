//! The status at the end of a gRPC call: no field panics, and a message has a limit.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use pulse_http::GrpcStatus;

/// The longest message that is kept, and what is said about a status that is not defined.
const MOST_CHARS: usize = 1024 + 100;

fuzz_target!(|data: &[u8]| fuzz_grpc_status(data));

/// The status; after a line break the message.
pub fn fuzz_grpc_status(data: &[u8]) {
    let mut lines = data.splitn(2, |&byte| byte == b'\n');
    let mut fields = HeaderMap::new();
    for name in ["grpc-status", "grpc-message"] {
        if let Some(Ok(value)) = lines.next().map(HeaderValue::from_bytes) {
            fields.insert(name, value);
        }
    }
    let status = GrpcStatus::of_fields(&fields);
    assert_eq!(status.is_some(), fields.contains_key("grpc-status"));
    if let Some(status) = status {
        let chars = status.message.chars().count();
        assert!(chars <= MOST_CHARS, "a message of {chars} characters");
    }
}
