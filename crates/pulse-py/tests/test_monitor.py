"""What is recorded comes out again, under the documented keys."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import get_type_hints

import pytest

import pulse_core.performance_monitor as core
import pulse_perf
from pulse_perf import PerformanceMonitor, summary

from exposition import requests_by, samples

NEAR = 0.011
"""Relative error of a quantile."""


def test_the_keys_of_a_summary_are_those_of_its_type(monitor: PerformanceMonitor) -> None:
    monitor.record_request("/a", 0.01)
    monitor.set_pool("main", size=5, in_use=2)
    found = monitor.get_summary()
    hints = get_type_hints(summary.Summary)
    assert set(found) == set(hints)
    for part, hint in hints.items():
        value = found[part]  # type: ignore[literal-required]
        if hint is float:
            assert isinstance(value, float), part
        elif part in ("endpoints", "pools"):
            (inner,) = value.values()
            expected = summary.EndpointStats if part == "endpoints" else summary.PoolStats
            assert set(inner) == set(get_type_hints(expected)), part
        else:
            assert set(value) == set(get_type_hints(hint)), part


def test_requests(monitor: PerformanceMonitor) -> None:
    for milliseconds in range(1, 101):
        monitor.record_request("/api/v1/execute", milliseconds / 1000, 500 if milliseconds > 98 else 200)
    monitor.record_request("/health", duration=0.001, status_code=404)
    found = monitor.get_summary()
    assert found["requests"]["total"] == 101
    assert found["requests"]["error_count"] == 3
    assert found["requests"]["error_rate"] == monitor.get_error_rate() == pytest.approx(3 / 101)
    assert found["requests"]["rate_per_second"] == pytest.approx(
        101 / max(found["window"]["covered_seconds"], 1)
    )
    times = monitor.get_response_time_stats()
    assert (times["min"], times["max"], times["count"]) == (1.0, 100.0, 101)
    assert times["avg"] == pytest.approx(5051 / 101)
    assert times["median"] == pytest.approx(50, rel=NEAR)
    # Nearest rank: ⌈0.95 · 101⌉ = 96 of 1, 1, 2, …, 100.
    assert times["p95"] == pytest.approx(95, rel=NEAR)
    assert times["p99"] == pytest.approx(99, rel=NEAR)
    endpoints = monitor.get_endpoint_stats()
    assert set(endpoints) == {"/api/v1/execute", "/health"}
    execute = monitor.get_endpoint_stats("/api/v1/execute")
    assert execute == endpoints["/api/v1/execute"]
    assert (execute["count"], execute["errors"], execute["error_rate"]) == (100, 2, 0.02)
    assert execute["avg_response_time_ms"] == pytest.approx(50.5)
    assert execute["p95_response_time_ms"] == pytest.approx(95, rel=NEAR)
    assert not monitor.get_endpoint_stats("/nobody")
    assert monitor.get_request_rate() > 0


def test_queries(monitor: PerformanceMonitor) -> None:
    for milliseconds in (1, 2, 3, 60):
        monitor.record_db_query(milliseconds / 1000, "select")
    monitor.record_db_statement("UPDATE users SET name = 'secret' WHERE id = 7", 0.2)
    found = monitor.get_database_stats()
    assert found["total_queries"] == 5
    assert found["slow_queries"] == 2
    assert found["avg_time_ms"] == pytest.approx(266 / 5)
    assert found["median_time_ms"] == pytest.approx(3, rel=NEAR)
    assert found["p95_time_ms"] == pytest.approx(200, rel=NEAR)
    slow = monitor.slow_queries()
    assert any("UPDATE users" in str(query) for query in slow)
    assert "secret" not in str(slow)


def test_the_limit_of_slow_queries_is_a_setting() -> None:
    strict = PerformanceMonitor(slow_query=0.001)
    strict.record_db_query(0.002, "select")
    assert strict.get_database_stats()["slow_queries"] == 1


def test_caches_pools_counters_and_timers(monitor: PerformanceMonitor) -> None:
    for _ in range(3):
        monitor.record_cache_hit()
    monitor.record_cache_miss()
    monitor.record_cache_hit("sessions")
    monitor.record_cache_miss("sessions")
    assert monitor.get_cache_stats() == {"hits": 4, "misses": 2, "total": 6, "hit_rate": pytest.approx(4 / 6)}
    monitor.set_pool("main", size=10, in_use=3, waiting=1)
    assert monitor.get_summary()["pools"]["main"] == {"size": 10, "in_use": 3, "waiting": 1}
    monitor.count("orders_placed", 2)
    monitor.count("orders_placed")
    monitor.record_time("price_feed", 0.25)
    _, _, body = monitor.render()
    exported = {name: value for name, _, value in samples(body.decode())}
    assert exported["orders_placed_total"] == 3
    assert exported["price_feed_seconds_sum"] == 0.25


def test_resources(monitor: PerformanceMonitor) -> None:
    found = monitor.get_resource_stats()
    assert 1 < found["memory_mb"] < 100_000
    assert 0 < found["memory_percent"] < 100
    # Also before there was anything to look at, and then not as -0.0.
    assert found["cpu_percent"] >= 0 and not str(found["cpu_percent"]).startswith("-")


def test_a_handle_records_into_its_endpoint(monitor: PerformanceMonitor) -> None:
    endpoint = monitor.endpoint("/orders", method="POST")
    endpoint.record(0.01)
    endpoint.record(0.02, 503)
    endpoint.record(duration=0.03, status_code=201)
    assert requests_by(monitor, "http_route", "http_request_method", "http_response_status_code") == {
        ("/orders", "POST", "200"): 1,
        ("/orders", "POST", "503"): 1,
        ("/orders", "POST", "201"): 1,
    }


def test_methods_are_few(monitor: PerformanceMonitor) -> None:
    for method in ("GET", "XGET"[1:], "BREW", "get", ""):
        monitor.record_route(method, "/x", 0.01, 200)
        monitor.record_request("/y", 0.01, 200, method)
    monitor.record_request("/z", 0.01)
    assert requests_by(monitor, "http_route", "http_request_method") == {
        ("/x", "GET"): 2,
        ("/x", "_OTHER"): 3,
        ("/y", "GET"): 2,
        ("/y", "_OTHER"): 3,
        ("/z", None): 1,
    }


def test_monitors_are_apart(monitor: PerformanceMonitor) -> None:
    name = "/same"
    other = PerformanceMonitor(window_size=60)
    monitor.record_request(name, 0.01)
    other.record_request(name, 0.01)
    other.record_request(name, 0.01)
    assert monitor.get_summary()["requests"]["total"] == 1
    assert other.get_summary()["requests"]["total"] == 2
    assert other.get_summary()["window"]["requested_seconds"] == 60


def test_reset_forgets_the_window_and_not_the_totals(monitor: PerformanceMonitor) -> None:
    monitor.record_request("/a", 0.01)
    monitor.record_db_statement("SELECT 1", 1.0)
    monitor.reset()
    assert monitor.get_summary()["requests"]["total"] == 0
    assert monitor.get_response_time_stats()["max"] == 0
    assert monitor.slow_queries() == []
    monitor.record_request("/a", 0.02)
    assert monitor.get_summary()["requests"]["total"] == 1
    assert requests_by(monitor, "http_route") == {"/a": 2}


def test_equal_names_are_one_endpoint_whichever_object_they_are(monitor: PerformanceMonitor) -> None:
    for number in range(2000):
        monitor.record_request("/route" + str(number % 5), 0.001)
    assert requests_by(monitor, "http_route") == {f"/route{number}": 400 for number in range(5)}


def test_names_that_are_gone_do_not_lend_their_address(monitor: PerformanceMonitor) -> None:
    """A name's memory is used again by the next one; the cache must not take it for the same."""
    for number in range(5000):
        name = f"/{number % 50}" + "x" * 20
        monitor.record_request(name, 0.001)
        del name
    assert requests_by(monitor, "http_route") == {f"/{number}" + "x" * 20: 100 for number in range(50)}


def test_a_monitor_that_is_gone_is_not_kept() -> None:
    class Name(str):
        """A string that can be watched."""

    name = Name("/watched")
    watched = weakref.ref(name)
    monitor = PerformanceMonitor()
    monitor.record_request(name, 0.01)
    del name
    gc.collect()
    assert watched() is None, "only plain strings are kept"
    monitor.record_request("/a", 0.01)


def test_threads(monitor: PerformanceMonitor) -> None:
    def work() -> None:
        for _ in range(10_000):
            monitor.record_request("/shared", 0.001)
            pulse_perf.record_request("/threads", 0.001)

    before = requests_by(pulse_perf.get_monitor(), "http_route").get("/threads", 0)
    for _ in range(3):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert requests_by(monitor, "http_route") == {"/shared": 120_000}
    assert requests_by(pulse_perf.get_monitor(), "http_route")["/threads"] - before == 120_000


def test_the_process_has_one_monitor() -> None:
    assert core.get_monitor() is pulse_perf.get_monitor() is core.get_monitor()
    assert isinstance(core.get_monitor(), core.PerformanceMonitor)
    before = core.get_performance_summary()
    core.record_request("/core", duration=0.05, status_code=500)
    core.record_db_query(0.01, "insert")
    core.record_db_query(duration=0.01, query_type="insert")
    core.record_cache_hit()
    core.record_cache_miss()
    after = core.get_performance_summary()
    assert after["requests"]["error_count"] == before["requests"]["error_count"] + 1
    assert after["database"]["total_queries"] == before["database"]["total_queries"] + 2
    assert after["cache"]["total"] == before["cache"]["total"] + 2
    with pytest.raises(RuntimeError, match="in use already"):
        pulse_perf.configure(window_size=60)


def test_the_clock_of_a_summary(monitor: PerformanceMonitor) -> None:
    found = monitor.get_summary()
    assert abs(found["timestamp"] - time.time()) < 60
    assert 0 <= found["uptime"] < 3600
