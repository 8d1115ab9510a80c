//! `prometheus-client`, the library of the Prometheus project.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::Recorder;
use crate::peers::BOUNDS;

type Labels = Vec<(&'static str, String)>;

pub(crate) fn recorder() -> Recorder {
    let family =
        Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(|| Histogram::new(BOUNDS));
    let by_name = family.clone();
    Recorder::new("prometheus-client")
        .handle(move || {
            let histogram = family.get_or_create(&labels("/api/v1/resources/0/items")).clone();
            Box::new(move |times, _| times.iter().for_each(|time| histogram.observe(time.as_secs_f64())))
        })
        .named(move || {
            let family = by_name.clone();
            Box::new(move |times, names| {
                for (time, name) in times.iter().zip(names.iter().cycle()) {
                    family.get_or_create(&labels(name)).observe(time.as_secs_f64());
                }
            })
        })
}

fn labels(endpoint: &str) -> Labels {
    vec![("endpoint", endpoint.to_owned()), ("status", "200".to_owned())]
}
