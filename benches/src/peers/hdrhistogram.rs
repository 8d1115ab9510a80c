//! `hdrhistogram` with a recorder per thread: no labels, no export, only the histogram.

use std::sync::Mutex;

use hdrhistogram::Histogram;
use hdrhistogram::sync::SyncHistogram;

use crate::Recorder;

pub(crate) fn recorder() -> Recorder {
    let histogram = Histogram::<u64>::new(2).expect("two digits are allowed");
    let shared: Mutex<SyncHistogram<u64>> = Mutex::new(histogram.into_sync());
    Recorder::new("hdrhistogram (recorder per thread, two digits)").handle(move || {
        let mut recorder = shared.lock().expect("nothing panics while it is held").recorder();
        Box::new(move |times, _| {
            for time in times {
                recorder.saturating_record(time.as_nanos() as u64);
            }
        })
    })
}
