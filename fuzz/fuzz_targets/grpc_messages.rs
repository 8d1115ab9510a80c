//! Messages of gRPC and what a service says about their types: no bytes panic, a message as JSON is JSON, and where it can
//! be written back it means the same.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pulse_plan::{GrpcMethod, ProtoSources, ProtoTypes};

/// Every kind of field, and the types that have a JSON form of their own.
const PROTO: &str = r#"
    syntax = "proto3";
    import "google/protobuf/any.proto";
    import "google/protobuf/duration.proto";
    import "google/protobuf/field_mask.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    service S { rpc M(A) returns (A); }
    enum E { ZERO = 0; ONE = 1; }
    message A {
        double a = 1; float b = 2; int64 c = 3; uint32 d = 4; sint32 e = 5; fixed64 f = 6; bool g = 7; string h = 8;
        bytes i = 9; E j = 10; A k = 11; repeated A l = 12; map<string, A> m = 13; map<int64, double> n = 14;
        oneof o { string p = 15; A q = 16; }
        repeated E r = 17; optional bool s = 18;
        google.protobuf.Any t = 19; google.protobuf.Duration u = 20; google.protobuf.FieldMask v = 21;
        google.protobuf.Struct w = 22; google.protobuf.Timestamp x = 23; google.protobuf.Int64Value y = 24;
    }
"#;

/// Small enough that inputs of the fuzzer's size exceed it.
const LIMIT: usize = 32 << 10;

static METHOD: LazyLock<GrpcMethod> = LazyLock::new(|| {
    let sources = ProtoSources { files: vec!["a.proto".to_owned()], import_paths: Vec::new() };
    let files = BTreeMap::from([("a.proto".to_owned(), PROTO.as_bytes().to_vec())]);
    let types = sources.compile(&files).expect("it compiles");
    types.method("S", "M").expect("it is there")
});

fuzz_target!(|data: &[u8]| fuzz_grpc_messages(data));

/// The first byte chooses: a message of our own types; or descriptions of types, each with two bytes of its length in front,
/// and after them a message.
pub fn fuzz_grpc_messages(data: &[u8]) {
    match data.split_first() {
        Some((choice, bytes)) if choice & 1 == 0 => message(bytes),
        Some((_, bytes)) => descriptors(bytes),
        None => {}
    }
}

fn message(bytes: &[u8]) {
    let mut json = Vec::new();
    if METHOD.decode(bytes, &mut json, LIMIT).is_err() {
        return;
    }
    assert!(json.len() <= LIMIT, "{} bytes of JSON", json.len());
    assert!(is_json(&json), "{}", String::from_utf8_lossy(&json));
    // What is deeper than JSON may be, or stands for no value, cannot be written back.
    if let Ok(written) = METHOD.encode(&json) {
        let mut again = Vec::new();
        let read = METHOD.decode(&written, &mut again, LIMIT);
        assert!(read.is_ok(), "{read:?}: {}", String::from_utf8_lossy(&json));
        assert_eq!(json.len(), again.len(), "maps have no order, everything else is the same");
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

fn descriptors(mut bytes: &[u8]) {
    let mut files = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (file, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        files.push(file.to_vec());
        bytes = rest;
    }
    let last = files.pop().unwrap_or_default();
    let missing = ProtoTypes::missing_files(&files);
    match ProtoTypes::of_descriptors(&files) {
        Ok(types) => {
            assert!(missing.is_ok_and(|missing| missing.is_empty()), "nothing that is imported is missing");
            if let Ok(method) = types.method("S", "M") {
                let mut json = Vec::new();
                let decoded = method.decode(&last, &mut json, LIMIT);
                assert!(json.len() <= LIMIT, "{} bytes of JSON", json.len());
                assert!(decoded.is_err() || is_json(&json), "{}", String::from_utf8_lossy(&json));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
