//! What a service exposes: no answer panics, mistakes point into the text, and what was read can be exposed and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pulse_export::{
    Escaping, Exposed, ExposedError, OtlpOrigin, RemoteWriteOrigin, from_json, json, open_metrics, otlp,
    protobuf, remote_write,
};

fuzz_target!(|data: &[u8]| fuzz_exposed(data));

/// One answer: its first byte chooses the content type, the rest is the body.
pub fn fuzz_exposed(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let kinds =
        ["text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0", "application/json"];
    let exposed = match Exposed::read(kinds[usize::from(choice) % kinds.len()], body) {
        Ok(exposed) => exposed,
        Err(ExposedError::Text(error)) => {
            let text = std::str::from_utf8(body).expect("a text was read");
            let line = text.split('\n').nth(error.line - 1).expect("the line is there");
            assert!(error.column <= line.chars().count() + 1, "{error} points outside the text");
            return;
        }
        Err(_) => return,
    };
    for (series, bounds) in &exposed.bounds {
        assert!(bounds.is_sorted(), "{series}: {bounds:?}");
        if let Some(quantile) = exposed.totals.trend(series).quantile(0.5) {
            let widened = exposed.widened(series, quantile);
            assert!(widened.lo <= quantile.lo && quantile.hi <= widened.hi, "{series}");
        }
    }
    for escaping in [Escaping::Underscores, Escaping::Dots, Escaping::Values, Escaping::AllowUtf8] {
        let text = open_metrics(&exposed.totals, escaping);
        let again = Exposed::read("application/openmetrics-text", &text);
        assert!(again.is_ok(), "{again:?}\n{}", String::from_utf8_lossy(&text));
        protobuf(&exposed.totals, escaping);
    }
    otlp(&exposed.totals, &OtlpOrigin::default());
    remote_write(&exposed.totals, &RemoteWriteOrigin::default());
    let again = from_json(&json(&exposed.totals)).expect("our own JSON is read");
    assert_eq!(again, exposed.totals);
}
