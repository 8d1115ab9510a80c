//! `prometheus`, the library of `TiKV`.

use prometheus::{HistogramOpts, HistogramVec};

use crate::Recorder;
use crate::peers::BOUNDS;

pub(crate) fn recorder() -> Recorder {
    let options =
        HistogramOpts::new("http_request_duration_seconds", "Response times.").buckets(BOUNDS.to_vec());
    let family = HistogramVec::new(options, &["endpoint", "status"]).expect("the options are valid");
    let by_name = family.clone();
    Recorder::new("prometheus")
        .handle(move || {
            let histogram = family.with_label_values(&["/api/v1/resources/0/items", "200"]);
            Box::new(move |times, _| times.iter().for_each(|time| histogram.observe(time.as_secs_f64())))
        })
        .named(move || {
            let family = by_name.clone();
            Box::new(move |times, names| {
                for (time, name) in times.iter().zip(names.iter().cycle()) {
                    family.with_label_values(&[name.as_str(), "200"]).observe(time.as_secs_f64());
                }
            })
        })
}
