"""Values that cannot be true are counted, never raised; only a wrong type is an error."""

from __future__ import annotations

import http
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from pulse_perf import PerformanceMonitor

from exposition import requests_by, samples


def invalid(monitor: PerformanceMonitor) -> float:
    _, _, body = monitor.render()
    return sum(
        value
        for name, labels, value in samples(body.decode())
        if name.startswith("pulse_monitor_dropped") and labels.get("reason") == "invalid"
    )


@pytest.mark.parametrize(
    "duration",
    [math.nan, math.inf, -math.inf, -0.001, -1e-12, 1e300, 10**400, -(10**400), 1e12, Decimal("NaN")],
)
def test_durations_that_cannot_be_true_are_counted(monitor: PerformanceMonitor, duration: Any) -> None:
    monitor.record_request("/a", duration)
    monitor.endpoint("/a").record(duration)
    monitor.record_db_query(duration)
    monitor.record_db_statement("SELECT 1", duration)
    monitor.record_time("feed", duration)
    monitor.record_route("GET", "/a", duration, 200)
    assert invalid(monitor) == 6
    assert monitor.get_summary()["requests"]["total"] == 0
    assert monitor.get_database_stats()["total_queries"] == 0


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (1, 1000),
        (True, 1000),
        (Decimal("0.5"), 500),
        (Fraction(1, 4), 250),
        (1e-9, 1e-6),
    ],
)
def test_durations_of_any_number(monitor: PerformanceMonitor, duration: Any, milliseconds: float) -> None:
    monitor.record_request("/a", duration)
    assert monitor.get_response_time_stats()["max"] == pytest.approx(milliseconds)
    assert invalid(monitor) == 0


# What is no status has no label for it, and counts as an error.
@pytest.mark.parametrize(
    ("status", "label"),
    [
        (200, "200"),
        (http.HTTPStatus.NOT_FOUND, "404"),
        (599, "599"),
        (0, None),
        (99, None),
        (600, None),
        (-1, None),
        (65_736, None),
        (10**30, None),
    ],
)
def test_statuses(monitor: PerformanceMonitor, status: int, label: str | None) -> None:
    monitor.record_request("/a", 0.01, status)
    monitor.record_route("GET", "/a", 0.01, status)
    monitor.endpoint("/a").record(0.01, status)
    assert requests_by(monitor, "http_response_status_code") == {label: 3}
    assert monitor.get_error_rate() == (0 if label == "200" else 1)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("", "_unnamed"),
        ("\n\0", "_unnamed"),
        ("/a\r\nb\x1b[31m", "/ab[31m"),
        ("/\udcff\ud800", "/" + "\ufffd" * 6),
        ("/" + "x" * 1_000_000, "/" + "x" * 127),
        ("ä" * 1_000_000, "ä" * 64),
        ("/" + "x" * 1_000_000 + "\ud800", "/" + "x" * 127),
        ('quo"te\\', 'quo\\"te\\\\'),
    ],
)
def test_names(monitor: PerformanceMonitor, name: str, label: str) -> None:
    for _ in range(2):
        monitor.record_request(name, 0.01)
    monitor.endpoint(name).record(0.01)
    assert requests_by(monitor, "http_route") == {label: 3}
    # Everything else that has a name takes any name too.
    monitor.record_db_query(0.01, name)
    monitor.record_db_statement(name, 1.0)
    monitor.record_cache_hit(name)
    monitor.count(name)
    monitor.record_time(name, 0.01)
    monitor.set_pool(name, size=1)
    monitor.record_route(name, name, 0.01, 200)
    assert monitor.get_summary()["requests"]["total"] == 4
    assert isinstance(monitor.slow_queries(), list)


def test_counts_beyond_their_range(monitor: PerformanceMonitor) -> None:
    monitor.count("small", -5)
    monitor.count("large", 10**30)
    monitor.set_pool("p", size=10**30, in_use=-1)
    assert monitor.get_summary()["pools"]["p"]["in_use"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (None, 0.1, 200),
        (b"/a", 0.1, 200),
        (5, 0.1, 200),
        ("/a", "0.1", 200),
        ("/a", None, 200),
        ("/a", 0.1, "200"),
        ("/a", 0.1, 200.5),
        ("/a", 0.1, 200, 7),
        ("/a",),
        ("/a", 0.1, 200, "GET", 1),
    ],
)
def test_a_wrong_type_is_an_error_of_the_program(
    monitor: PerformanceMonitor, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(TypeError):
        monitor.record_request(*arguments)


@pytest.mark.parametrize(
    "settings",
    [
        {"window_size": -1},
        {"window_size": 1e300},
        {"window_size": math.inf},
        {"slow_query": -math.inf},
        {"max_series": 0},
        {"max_series": 10**15},
        {"error_status": 0},
    ],
)
def test_settings_beyond_their_range_are_moved_into_it(settings: dict[str, Any]) -> None:
    monitor = PerformanceMonitor(**settings)
    monitor.record_request("/a", 0.01)
    assert monitor.get_summary()["requests"]["total"] == 1
    assert 1 <= monitor.get_summary()["window"]["requested_seconds"] <= 3600


def test_settings_that_are_no_numbers() -> None:
    with pytest.raises(ValueError, match="window_size"):
        PerformanceMonitor(math.nan)
    with pytest.raises(TypeError):
        PerformanceMonitor("300")  # type: ignore[arg-type]


def test_a_million_paths_are_bounded(monitor: PerformanceMonitor) -> None:
    monitor = PerformanceMonitor(max_series=100)
    for number in range(20_000):
        monitor.record_request(f"/path/{number}", 0.001)
    by_route = requests_by(monitor, "http_route")
    assert len(by_route) <= 101
    assert sum(by_route.values()) == 20_000
    assert by_route["_other"] > 19_000
