//! The target grammar: what it reads, what it writes, and what it says about mistakes.

use proptest::prelude::*;
use pulse_model::Target;

#[test]
fn readings() {
    for (text, canonical) in [
        ("p95 < 200ms", "p95 < 200ms"),
        ("p95<200ms", "p95 < 200ms"),
        (" p(99.9) <= 1.5s ", "p99.9 <= 1.5s"),
        ("median < 12ms", "p50 < 12ms"),
        ("mean < 100 ms", "avg < 100ms"),
        ("max < 2s", "max < 2s"),
        ("response_time.p95 < 200ms", "p95 < 200ms"),
        ("service_time.p99.9 < 50ms", "service_time.p99.9 < 50ms"),
        ("p95{endpoint=GET /health} < 50ms", "p95{endpoint=\"GET /health\"} < 50ms"),
        ("p95{endpoint=\"a, b\", outcome=ok} ≤ 50ms", "p95{endpoint=\"a, b\",outcome=\"ok\"} <= 50ms"),
        ("errors < 0.1%", "errors < 0.1%"),
        ("errors == 0", "errors = 0"),
        ("success_rate > 99%", "success > 99%"),
        ("success > 99.9%", "success > 99.9%"),
        ("throughput > 100/s", "throughput > 100/s"),
        ("throughput >= 100 req/s", "throughput >= 100/s"),
        ("dropped = 0", "dropped = 0"),
        ("checks ≥ 99%", "checks >= 99%"),
        ("body_bytes.max < 10KB", "body_bytes.max < 10000B"),
        ("p99 / p50 < 5", "p99 / p50 < 5"),
        ("service_time.p99/avg <= 2.5", "service_time.p99 / avg <= 2.5"),
        ("memory_growth < 50MB per 1000 requests", "memory_growth < 50000000B per 1000 requests"),
        ("memory_growth < 2KB", "memory_growth < 2000B"),
        ("cpu < 80%", "cpu < 80%"),
        ("cpu < 150%", "cpu < 150%"),
        ("cpu_per_request < 2ms", "cpu_per_request < 2ms"),
        ("degradation < 1.5", "degradation < 1.5"),
        ("duration < 5s", "duration < 5s"),
        ("lost_messages = 0", "lost_messages = 0"),
    ] {
        let target: Target = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(target.to_string(), canonical);
        assert_eq!(canonical.parse::<Target>().as_ref(), Ok(&target), "{canonical}");
    }
}

#[test]
fn mistakes_say_where_and_what() {
    for (text, at, part) in [
        ("", 0, "comparison"),
        ("p95", 3, "comparison"),
        ("p95 200ms", 9, "comparison"),
        ("< 200ms", 0, "what to compare is missing"),
        ("p101 < 5ms", 0, "not between p0 and p100"),
        ("p0 < 5ms", 0, "not between p0 and p100"),
        ("p95 < 200", 6, "needs a unit of time"),
        ("p95 < 1%", 6, "needs a unit of time"),
        ("p95 <", 5, "a limit is missing"),
        ("p95 < fast", 6, "does not start with a number"),
        ("p95 < -5ms", 6, "does not start with a number"),
        ("p95 < 5 parsecs", 6, "`parsecs` is not a unit"),
        ("errors < 5ms", 9, "a share (1%) or a count"),
        ("errors < 101%", 9, "above 100%"),
        ("throughput > 100ms", 13, "per second"),
        ("latency < 5ms", 0, "`latency` is not a statistic"),
        ("p95{endpoint} < 5ms", 4, "name=value"),
        ("p99 / fast < 5", 0, "`fast` is not a statistic"),
        ("p99 / p50 < 5ms", 12, "a plain number"),
        ("cpu < 5", 6, "a share, for example 80%"),
        ("memory_growth < 5ms", 16, "unit of size"),
        ("memory_growth < 5MB per few requests", 16, "not a number of requests"),
        ("p95 < 5ms per 10 requests", 6, "only memory_growth"),
        ("p95{endpoint=x < 5ms", 13, "closing }"),
        ("p95{endpoint=x} 5ms", 16, "comparison"),
    ] {
        let error = text.parse::<Target>().expect_err(text);
        assert!(error.reason.contains(part), "{text}: {error}");
        assert_eq!(error.at, at, "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<Target>();
    }

    #[test]
    fn what_is_read_is_written_and_read_again(text in "(p[1-9][0-9]?|avg|max|errors|success|dropped) ?(<|<=|>|>=|=) ?[0-9]{1,3}(ms|%|s|us|)") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
        }
    }
}
