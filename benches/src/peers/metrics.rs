//! `metrics` with `metrics-exporter-prometheus`. Its histograms keep every value until the exporter's upkeep sorts them
//! into buckets, which therefore belongs to the cost of a record.

use std::sync::Arc;

use metrics::{Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use crate::Recorder;
use crate::peers::BOUNDS;

const METADATA: Metadata<'_> = Metadata::new("pulse_benches", Level::INFO, None);

pub(crate) fn recorder() -> Recorder {
    let builder = PrometheusBuilder::new().set_buckets(&BOUNDS).expect("there are bounds");
    let library: Arc<PrometheusRecorder> = Arc::new(builder.build_recorder());
    let (by_name, by_handle, handle) = (Arc::clone(&library), Arc::clone(&library), library.handle());
    let mut recorder = Recorder::new("metrics + metrics-exporter-prometheus")
        .handle(move || {
            let key = key("/api/v1/resources/0/items");
            let histogram = by_handle.register_histogram(&key, &METADATA);
            Box::new(move |times, _| times.iter().for_each(|time| histogram.record(time.as_secs_f64())))
        })
        .named(move || {
            let library = Arc::clone(&by_name);
            Box::new(move |times, labels| {
                for (time, label) in times.iter().zip(labels.iter().cycle()) {
                    library.register_histogram(&key(label), &METADATA).record(time.as_secs_f64());
                }
            })
        });
    recorder.upkeep = Box::new(move || handle.run_upkeep());
    recorder
}

fn key(endpoint: &str) -> Key {
    let labels = vec![Label::new("endpoint", endpoint.to_owned()), Label::new("status", "200")];
    Key::from_parts("http_request_duration_seconds", labels)
}
