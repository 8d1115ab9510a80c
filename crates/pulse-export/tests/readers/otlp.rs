//! A collector stub in Python, made of the official messages, takes a request; what it decoded is compared with the snapshot.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use pulse_export::{OTLP_CONTENT_TYPE, OtlpOrigin, OtlpRejected, otlp, otlp_rejected};
use pulse_model::Histogram;
use serde_json::{Value, json};

use crate::data::{distributions, snapshot};
use crate::http::send;
use crate::tools::python_with;

/// What the collector got, and the body of its answer. `None` when the messages are missing.
fn collected(body: &[u8]) -> Option<(Value, Vec<u8>)> {
    let python = python_with("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/otlp_collector.py");
    let mut collector = Command::new(python).arg(script).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(collector.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap().parse().unwrap();
    let answer = send(port, "POST", "/v1/metrics", &[("Content-Type", OTLP_CONTENT_TYPE)], body);
    let printed = lines.next();
    let _ = collector.kill();
    let _ = collector.wait();
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200);
    Some((serde_json::from_str(&printed.unwrap().unwrap()).unwrap(), answer.body))
}

/// Number of a field that protobuf's JSON writes as text, or leaves out when it is zero.
fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| value.as_str().map_or(0, |text| text.parse().unwrap()))
}

fn assert_same(route: &str, point: &Value, histogram: &Histogram) {
    let schema = i32::from(histogram.schema().get());
    assert_eq!(number(&point["count"]), i64::try_from(histogram.count()).unwrap(), "{route}");
    assert_eq!(number(&point["zeroCount"]), i64::try_from(histogram.zeros()).unwrap(), "{route}");
    assert_eq!(number(&point["scale"]), i64::from(schema), "{route}");
    let seconds = |nanos: Option<u64>| nanos.map(|nanos| nanos as f64 / 1e9);
    assert_eq!(point["sum"].as_f64().unwrap(), histogram.sum() as f64 / 1e9, "{route}");
    assert_eq!(point["min"].as_f64(), seconds(histogram.min()), "{route}");
    assert_eq!(point["max"].as_f64(), seconds(histogram.max()), "{route}");
    let offset = number(&point["positive"]["offset"]);
    let counts = point["positive"]["bucketCounts"].as_array().cloned().unwrap_or_default();
    let gamma = 2_f64.powf(0.5_f64.powi(schema));
    let read: Vec<(f64, f64, i64)> = (offset..)
        .zip(&counts)
        .map(|(index, count)| (gamma.powf(index as f64), gamma.powf(index as f64 + 1.0), number(count)))
        .filter(|&(_, _, count)| count > 0)
        .collect();
    let ours: Vec<_> = histogram.buckets().filter(|bucket| bucket.upper > 0).collect();
    assert_eq!(read.len(), ours.len(), "{route}");
    for ((lower, upper, count), bucket) in read.into_iter().zip(ours) {
        assert_eq!(count, i64::try_from(bucket.count).unwrap(), "{route}");
        // Bounds of whole nanoseconds are off by rounding where they are small.
        if bucket.lower > 10_000 {
            let (ours_lower, ours_upper) = ((bucket.lower - 1) as f64 / 1e9, bucket.upper as f64 / 1e9);
            let half = gamma.sqrt() * 1.001;
            assert!((ours_lower / half..=ours_lower * half).contains(&lower), "{route} {lower} {bucket:?}");
            assert!((ours_upper / half..=ours_upper * half).contains(&upper), "{route} {upper} {bucket:?}");
        }
    }
}

#[test]
fn official_messages_decode_the_request() {
    let origin = OtlpOrigin {
        resource: vec![("service.name".to_owned(), "shop".to_owned())],
        start_unix_nanos: 1_700_000_000_000_000_001,
        now_unix_nanos: 1_700_000_060_000_000_002,
    };
    let Some((got, answer)) = collected(&otlp(&snapshot(), &origin)) else { return };
    assert_eq!(got["path"], "/v1/metrics");
    assert_eq!(got["content_type"], "application/x-protobuf");
    assert_eq!(got["complete"], true, "a field that the messages do not have");
    let resource = &got["request"]["resourceMetrics"][0];
    let service = json!({"key": "service.name", "value": {"stringValue": "shop"}});
    assert_eq!(resource["resource"]["attributes"], json!([service]));
    let metrics = resource["scopeMetrics"][0]["metrics"].as_array().unwrap();
    let metric =
        |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("{name}"));

    let requests = metric("http.server.request.duration");
    assert_eq!(requests["unit"], "s");
    let histograms = &requests["exponentialHistogram"];
    assert_eq!(histograms["aggregationTemporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
    let points = histograms["dataPoints"].as_array().unwrap();
    for (route, histogram) in distributions() {
        let attribute = json!({"key": "http.route", "value": {"stringValue": route}});
        let status = json!({"key": "http.response.status_code", "value": {"intValue": "200"}});
        let point = points
            .iter()
            .find(|point| point["attributes"].as_array().unwrap().contains(&attribute))
            .unwrap_or_else(|| panic!("{route}"));
        assert!(point["attributes"].as_array().unwrap().contains(&status), "{route}");
        assert_eq!(point["startTimeUnixNano"], "1700000000000000001");
        assert_eq!(point["timeUnixNano"], "1700000060000000002");
        assert_same(&route, point, &histogram);
    }
    let sum = &metric("cache.requests")["sum"];
    assert_eq!((&sum["isMonotonic"], &sum["dataPoints"][0]["asInt"]), (&json!(true), &json!("7")));
    assert_eq!(metric("process.cpu.time")["sum"]["dataPoints"][0]["asDouble"], json!(12.345_678_901));
    metric("größe 花火");
    let rejected = OtlpRejected { points: 2, message: "two were too old".to_owned() };
    assert_eq!(otlp_rejected(&answer), Some(rejected));
}
