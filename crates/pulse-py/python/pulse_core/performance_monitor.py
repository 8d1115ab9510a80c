"""The performance monitor under the name that services import it by.

from pulse_core.performance_monitor import get_monitor, record_request

record_request("/api/v1/execute", duration=0.05, status_code=200)
summary = get_monitor().get_summary()
print(f"P95 response time: {summary['response_times']['p95']:.2f}ms")
"""

from pulse_perf import (
    PerformanceMonitor,
    get_monitor,
    get_performance_summary,
    record_cache_hit,
    record_cache_miss,
    record_db_query,
    record_request,
)

__all__ = [
    "PerformanceMonitor",
    "get_monitor",
    "get_performance_summary",
    "record_cache_hit",
    "record_cache_miss",
    "record_db_query",
    "record_request",
]
