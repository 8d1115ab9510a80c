//! `pulse-monitor`.

use pulse_monitor::{Config, Monitor};

use crate::Recorder;

pub(crate) fn recorder() -> Recorder {
    let monitor = Monitor::new(Config::default());
    let by_name = monitor.clone();
    Recorder::new("pulse-monitor")
        .handle(move || {
            let endpoint = monitor.endpoint("/api/v1/resources/0/items");
            Box::new(move |times, _| times.iter().for_each(|&time| endpoint.record(time, 200)))
        })
        .named(move || {
            let monitor = by_name.clone();
            Box::new(move |times, labels| {
                for (&time, label) in times.iter().zip(labels.iter().cycle()) {
                    monitor.record_request(label, time, 200);
                }
            })
        })
}
