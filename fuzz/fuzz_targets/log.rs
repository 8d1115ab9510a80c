//! Logs of statements: no line panics or hangs, limits hold, and it makes no difference in which pieces a log arrives.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use pulse_db::workload::{
    MAX_SAMPLES, MAX_SKIPPED, MAX_STATEMENTS, ReadOutcome, Workload, WorkloadBuilder, WorkloadFormat,
    read_workload_from,
};

/// A line by which the file shows that it is a log, whatever follows.
const FIRST: &[u8] = b"(0.001) SELECT 1; args=()\n";

fuzz_target!(|data: &[u8]| fuzz_log(data));

/// The length of the pieces, then the log.
pub fn fuzz_log(data: &[u8]) {
    let Some((&piece, log)) = data.split_first() else {
        return;
    };
    if log.contains(&0) {
        return;
    }
    let log = [FIRST, log].concat();
    let (outcome, workload) = read(&log[..]);
    assert_eq!(outcome.format, WorkloadFormat::Log);
    assert!(workload.statements.len() <= MAX_STATEMENTS && workload.skipped.len() <= MAX_SKIPPED);
    for statement in &workload.statements {
        assert!(statement.calls > 0 && !statement.form.is_empty(), "{statement:?}");
        assert!((1..=MAX_SAMPLES).contains(&statement.samples.len()), "{statement:?}");
        assert!(statement.durations.count() <= statement.calls, "{statement:?}");
    }
    let in_pieces = read(Pieces { rest: &log, length: usize::from(piece) + 1 });
    assert_eq!((outcome, workload), in_pieces);
}

fn read(log: impl Read) -> (ReadOutcome, Workload) {
    let mut builder = WorkloadBuilder::new(1);
    let outcome = read_workload_from(log, "fuzz.log", &mut builder).expect("a text can be read");
    (outcome, builder.finish())
}

/// A stream that gives a few bytes at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    length: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.length.min(buffer.len()).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(piece);
        self.rest = rest;
        Ok(length)
    }
}
