//! `opentelemetry` with its SDK: bound instruments as handles, attributes by name.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};

use crate::Recorder;
use crate::peers::BOUNDS;

pub(crate) fn recorder() -> Recorder {
    // A reader, as without one the SDK records nothing.
    let provider = SdkMeterProvider::builder().with_reader(ManualReader::builder().build()).build();
    let meter = provider.meter("pulse_benches");
    let histogram =
        meter.f64_histogram("http.server.request.duration").with_boundaries(BOUNDS.to_vec()).build();
    let by_name = histogram.clone();
    // The provider has to live as long as its instruments are measured.
    let provider = Arc::new(provider);
    Recorder::new("opentelemetry (handle = bound instrument)")
        .handle(move || {
            let _alive = Arc::clone(&provider);
            let bound = histogram.bind(&attributes("/api/v1/resources/0/items"));
            Box::new(move |times, _| times.iter().for_each(|time| bound.record(time.as_secs_f64())))
        })
        .named(move || {
            let histogram = by_name.clone();
            Box::new(move |times, names| {
                for (time, name) in times.iter().zip(names.iter().cycle()) {
                    histogram.record(time.as_secs_f64(), &attributes(name));
                }
            })
        })
}

fn attributes(endpoint: &str) -> [KeyValue; 2] {
    [KeyValue::new("http.route", endpoint.to_owned()), KeyValue::new("http.response.status_code", 200)]
}
