//! Workloads of any format: nothing panics, and a line that is understood is written as one that means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_db::workload::{Line, WorkloadBuilder, read_workload_from};

fuzz_target!(|data: &[u8]| fuzz_workload(data));

/// A file.
pub fn fuzz_workload(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(read) = Line::parse(line) else {
            continue;
        };
        let written = read.written();
        assert_eq!(Line::parse(written.as_bytes()).as_ref(), Ok(&read), "{written}");
    }
    let mut builder = WorkloadBuilder::new(1);
    if let Err(error) = read_workload_from(data, "fuzz", &mut builder) {
        assert!(!error.to_string().is_empty());
        return;
    }
    let workload = builder.finish();
    assert!(workload.skipped.iter().all(|skipped| skipped.count > 0), "{:?}", workload.skipped);
    let calls = workload.statements.iter().map(|statement| statement.calls);
    assert_eq!(workload.calls(), calls.sum::<u64>());
}
