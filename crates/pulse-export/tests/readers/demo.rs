//! A real service from end to end: the demo API records what it does, Prometheus scrapes it, and both know the same quantiles.

use pulse_demo::{Character, DemoConfig, DemoServer};
use pulse_export::Exposed;
use pulse_model::{Series, metric, tag};

use crate::http::send;
use crate::prometheus::{NATIVE, QUANTILES, assert_within_one_bucket, gamma};
use crate::prometheus_server::Prometheus;

const REQUESTS: u64 = 200;

#[test]
fn prometheus_and_the_monitor_agree_about_the_demo_api() {
    let character =
        Character { latency: Some("exponential:mean=3ms".parse().unwrap()), ..Character::default() };
    let config =
        DemoConfig { listen: ([127, 0, 0, 1], 0).into(), trades: 100, character, ..DemoConfig::default() };
    let demo = DemoServer::start(config).unwrap();
    let port = demo.addr().port();
    let Some(prometheus) = Prometheus::start(&[NATIVE], &[("demo", port, "/metrics")]) else { return };
    for _ in 0..REQUESTS {
        assert_eq!(send(port, "GET", "/health", &[], b"").unwrap().status, 200);
    }
    let health = Series::new(metric::RESPONSE_TIME).with(tag::ENDPOINT, "/health");
    let ours = demo.monitor().totals().trend(&health);
    assert_eq!(ours.count(), REQUESTS);

    let name =
        "http_server_request_duration_seconds{http_route=\"/health\",http_response_status_code=\"200\"}";
    crate::tools::wait_for("a scrape of all requests", || {
        match prometheus.value(&format!("histogram_count({name})")) {
            count if count == REQUESTS as f64 => Ok(()),
            count => Err(count.to_string()),
        }
    });
    assert_eq!(prometheus.value(&format!("histogram_sum({name})")), ours.sum() as f64 / 1e9);
    for q in QUANTILES {
        let seconds = prometheus.value(&format!("histogram_quantile({q}, {name})"));
        assert_within_one_bucket("/health", q, seconds, &ours, gamma(ours.schema()));
    }

    // The same service as any reader of text sees it, and as one that takes JSON.
    let read = |accept: &str| {
        let answer = send(port, "GET", "/metrics", &[("Accept", accept)], b"").unwrap();
        Exposed::read(accept, &answer.body).unwrap()
    };
    assert_eq!(read("application/json").totals.trend(&health), ours);
    let text = read("application/openmetrics-text");
    for q in QUANTILES {
        let (known, seen) = (ours.quantile(q).unwrap(), text.totals.trend(&health).quantile(q).unwrap());
        let honest = text.widened(&health, seen);
        assert!(honest.lo <= known.hi && known.lo <= honest.hi, "{honest:?} {known:?}");
    }
    demo.stop().unwrap();
}
