//! `cargo bench` in this folder: the cost of a record by handle and by name, library by library, with criterion's statistics.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pulse_benches::{Workload, recorders};

fn record(criterion: &mut Criterion) {
    let workload = Workload::default();
    for (way, is_handle) in [("handle", true), ("name", false)] {
        let mut group = criterion.benchmark_group(way);
        group.throughput(Throughput::Elements(workload.times.len() as u64));
        for recorder in recorders() {
            let make = if is_handle { &recorder.by_handle } else { &recorder.by_name };
            let Some(make) = make else { continue };
            let mut batch = make();
            group.bench_function(recorder.name, |bencher| {
                bencher.iter(|| batch(&workload.times, &workload.labels));
                (recorder.upkeep)();
            });
        }
        group.finish();
    }
}

criterion_group!(benches, record);
criterion_main!(benches);
