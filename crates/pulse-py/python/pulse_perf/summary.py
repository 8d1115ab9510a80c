"""The dictionaries that a monitor answers with. Times are milliseconds, rates of errors and hits are shares from 0 to 1.

All figures of one summary are about one interval, its ``window``. Nothing is ever absent: where nothing was recorded, a figure
is 0, and the count beside it says that there is nothing behind it.
"""

from __future__ import annotations

from typing import TypedDict


class Window(TypedDict):
    """The time that figures are about."""

    requested_seconds: float
    covered_seconds: float
    """What the figures really cover: less where the monitor is younger."""
    gap_seconds: float
    """Part of it in which the monitor did not get to look for more than ten seconds at a time."""


class Requests(TypedDict):
    """Numbers of requests; one failed with status 400 and above, unless configured otherwise."""

    total: int
    rate_per_second: float
    error_count: int
    error_rate: float


class ResponseTimes(TypedDict):
    """Response times in milliseconds. ``…_bounds`` are the smallest and the largest value that a figure can have."""

    count: int
    min: float
    max: float
    avg: float
    median: float
    p95: float
    p99: float
    median_bounds: list[float]
    p95_bounds: list[float]
    p99_bounds: list[float]


class EndpointStats(TypedDict):
    """Figures of one endpoint, all methods and statuses together."""

    count: int
    errors: int
    error_rate: float
    rate_per_second: float
    avg_response_time_ms: float
    p95_response_time_ms: float
    p95_bounds_ms: list[float]
    max_response_time_ms: float
    total_time_ms: float
    """All response times together: what to improve first."""


class DatabaseStats(TypedDict):
    """Figures of database statements."""

    total_queries: int
    avg_time_ms: float
    median_time_ms: float
    p95_time_ms: float
    p95_bounds_ms: list[float]
    max_time_ms: float
    slow_queries: int
    """Statements that took longer than the limit of slow ones."""


class CacheStats(TypedDict):
    """Figures of all caches together."""

    hits: int
    misses: int
    total: int
    hit_rate: float


class ResourceStats(TypedDict):
    """What the processes use; 0 where the system does not tell."""

    cpu_percent: float
    """Of one core: four busy cores are 400."""
    memory_percent: float
    memory_mb: float
    workers: int
    threads: int
    descriptors: int


class PoolStats(TypedDict):
    """State of a pool, of all workers together."""

    size: int
    in_use: int
    waiting: int


class Summary(TypedDict):
    """What ``get_summary()`` returns."""

    uptime: float
    """Seconds since this process began to monitor."""
    timestamp: float
    """Unix time in seconds."""
    window: Window
    requests: Requests
    response_times: ResponseTimes
    endpoints: dict[str, EndpointStats]
    database: DatabaseStats
    cache: CacheStats
    resources: ResourceStats
    pools: dict[str, PoolStats]


class Worker(TypedDict):
    """A process that records."""

    worker: int
    """Its number, the value of the label ``worker``: numbers stay small, whatever is restarted."""
    pid: int
