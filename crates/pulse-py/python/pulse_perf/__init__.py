"""Response times, errors and resources of a service, per endpoint and over all its worker processes.

    from pulse_perf import get_monitor, record_request

    record_request("/api/v1/execute", duration=0.05, status_code=200)
    print(get_monitor().get_summary()["response_times"]["p95"])

Durations go in as seconds and come out as milliseconds. Recording never raises an error for a value that cannot be true (a
negative or absurd duration, a status that is none, a name of a megabyte): it is counted as ``monitor_dropped`` or made fit.
Only a wrong type is a ``TypeError``.

Middlewares: :mod:`pulse_perf.asgi`, :mod:`pulse_perf.wsgi`. Databases: :mod:`pulse_perf.dbapi`,
:mod:`pulse_perf.sqlalchemy`, :mod:`pulse_perf.sqlite`. Scraping: :mod:`pulse_perf.prometheus`. Tests:
:mod:`pulse_perf.pytest_plugin`.
"""

from pulse_perf._native import (
    Endpoint,
    PerformanceMonitor,
    configure,
    get_monitor,
    get_performance_summary,
    record_cache_hit,
    record_cache_miss,
    record_db_query,
    record_db_statement,
    record_request,
)

__all__ = [
    "Endpoint",
    "PerformanceMonitor",
    "configure",
    "get_monitor",
    "get_performance_summary",
    "record_cache_hit",
    "record_cache_miss",
    "record_db_query",
    "record_db_statement",
    "record_request",
]
