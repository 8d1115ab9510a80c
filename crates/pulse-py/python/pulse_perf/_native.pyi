from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, final, overload

from pulse_perf.judged_target import JudgedTarget
from pulse_perf.summary import (
    CacheStats,
    DatabaseStats,
    EndpointStats,
    ResourceStats,
    ResponseTimes,
    Summary,
    Worker,
)

__all__ = [
    "Endpoint",
    "Measurement",
    "PerformanceMonitor",
    "RequestProbe",
    "RouteRecorder",
    "configure",
    "get_monitor",
    "get_performance_summary",
    "record_cache_hit",
    "record_cache_miss",
    "record_db_query",
    "record_db_statement",
    "record_request",
    "record_route",
    "run_command",
]

@final
class PerformanceMonitor:
    """Records what a service does, and says what it was. May be used by any number of threads."""

    def __new__(
        cls,
        window_size: float = 300.0,
        *,
        slow_query: float = 0.05,
        max_series: int = 2000,
        error_status: int = 400,
        group: str | int | None = None,
    ) -> PerformanceMonitor:
        """A monitor of its own.

        ``window_size``: the seconds that summaries are about, 1 to 3600. ``slow_query``: queries that take at least so many
        seconds are kept with their text. ``max_series``: what comes later is recorded as ``_other``. ``error_status``: the
        lowest status that counts as an error. ``group``: the name of the processes that count together, or the process id
        of their supervisor; without one the process counts alone.
        """

    def record_request(
        self, endpoint: str, duration: float, status_code: int = 200, method: str | None = None
    ) -> None:
        """Records a request: its route's template (never the raw path), how many seconds it took, its status."""

    def record_route(self, method: str, route: str, duration: float, status: int, /) -> None:
        """The same for middlewares: fast where the route is the same object each time, whatever the method is."""

    def record_db_query(self, duration: float, query_type: str = "other") -> None:
        """Records a query of a kind, for example ``select``, that took so many seconds."""

    def record_db_statement(self, statement: str, duration: float) -> None:
        """Records a statement. The kind is its first keyword; slow ones are kept with their text, literals replaced."""

    def record_cache_hit(self, cache: str | None = None) -> None:
        """A cache had what was asked for."""

    def record_cache_miss(self, cache: str | None = None) -> None:
        """It did not."""

    def count(self, name: str, count: int = 1) -> None:
        """Adds to a counter of the service's own."""

    def record_time(self, name: str, duration: float) -> None:
        """Records a duration in seconds under a name of the service's own."""

    def set_pool(
        self, name: str, *, size: int | None = None, in_use: int | None = None, waiting: int | None = None
    ) -> None:
        """Says how many connections a pool holds, how many are in use, and how many wait for one."""

    def endpoint(self, name: str, *, method: str | None = None) -> Endpoint:
        """An endpoint, found once: the fastest way to record its requests."""

    def get_summary(self) -> Summary:
        """All figures of the last ``window_size`` seconds."""

    def get_request_rate(self) -> float:
        """Requests per second."""

    def get_error_rate(self) -> float:
        """Share of failed requests, 0 to 1."""

    def get_response_time_stats(self) -> ResponseTimes:
        """Response times of all requests in milliseconds."""

    @overload
    def get_endpoint_stats(self, endpoint: None = None) -> dict[str, EndpointStats]:
        """Figures by endpoint."""

    @overload
    def get_endpoint_stats(self, endpoint: str) -> EndpointStats:
        """Figures of one endpoint; an empty dictionary where it had no request."""

    def get_cache_stats(self) -> CacheStats:
        """Hits and misses."""

    def get_database_stats(self) -> DatabaseStats:
        """Figures of database statements."""

    def get_resource_stats(self) -> ResourceStats:
        """CPU time and memory of the processes."""

    def slow_queries(self) -> list[dict[str, Any]]:
        """The slowest queries of this process with their text."""

    def workers(self) -> list[Worker]:
        """The processes that record into this monitor."""

    def warnings(self) -> list[str]:
        """What does not work as it should, for example a group that cannot be shared."""

    def reset(self) -> None:
        """Forgets what summaries are about. What is exported goes on counting."""

    def render(self, accept: str = "", accept_encoding: str = "") -> tuple[str, str | None, bytes]:
        """The totals of all workers for a scraper: content type, content encoding, body."""

@final
class Endpoint:
    """One endpoint of a monitor."""

    def record(self, duration: float, status_code: int = 200) -> None:
        """Records a request: how many seconds it took, and its status."""

@final
class RouteRecorder:
    """Records requests of an ASGI application by the identity of their route."""

    def __new__(
        cls,
        names: Callable[[MutableMapping[str, Any], str | None], tuple[str | None, bool]],
        monitor: PerformanceMonitor | None = None,
    ) -> RouteRecorder:
        """For a monitor, by default the process's own. ``names``: the name of the route of a scope, ``None`` for one that is
        not recorded, and whether every request of that route has this name."""

    def begin(
        self, scope: MutableMapping[str, Any], send: Callable[[MutableMapping[str, Any]], Awaitable[None]], /
    ) -> RequestProbe:
        """Begins a request: what is returned takes the place of ``send``."""

@final
class RequestProbe:
    """One request: sees the messages of its response and passes them on."""

    def __call__(self, message: MutableMapping[str, Any], /) -> Awaitable[None]:
        """Passes a message on."""

    def end(self) -> None:
        """The application has returned."""

    def fail(self) -> None:
        """The application has raised an exception."""

    def leave(self) -> None:
        """The client has gone."""

@final
class Measurement:
    """Samples of a function with the targets it must meet."""

    def __new__(cls, targets: list[str]) -> Measurement:
        """``ValueError`` for a text that is not a target, and for one that calling a function cannot measure."""

    def add(self, succeeded: list[int], failed: list[int], elapsed_ns: int) -> None:
        """Adds a batch of calls: their durations in nanoseconds, and how long the batch took."""

    @property
    def samples(self) -> int:
        """Number of calls."""

    def is_decided(self) -> bool:
        """Whether more samples would hardly change the answer."""

    def results(self) -> list[JudgedTarget]:
        """The verdict on each target."""

    def statistics(self) -> dict[str, float] | None:
        """``min``, ``median``, ``mean``, ``p95``, ``p99``, ``max`` in milliseconds."""

def configure(
    *,
    window_size: float = 300.0,
    slow_query: float = 0.05,
    max_series: int = 2000,
    error_status: int = 400,
    group: str | int | None = None,
) -> None:
    """Makes the process's monitor with other settings. ``RuntimeError`` when it is in use already."""

def get_monitor() -> PerformanceMonitor:
    """The process's own monitor, made on first use."""

def get_performance_summary() -> Summary:
    """``get_monitor().get_summary()``."""

def record_request(endpoint: str, duration: float, status_code: int = 200, method: str | None = None) -> None:
    """Records a request: its route's template (never the raw path), how many seconds it took, its status."""

def record_route(method: str, route: str, duration: float, status: int, /) -> None:
    """The same for middlewares: fast where the route is the same object each time, whatever the method is."""

def record_db_query(duration: float, query_type: str = "other") -> None:
    """Records a query of a kind, for example ``select``, that took so many seconds."""

def record_db_statement(statement: str, duration: float) -> None:
    """Records a statement. The kind is its first keyword; slow ones are kept with their text, literals replaced."""

def record_cache_hit(cache: str | None = None) -> None:
    """A cache had what was asked for."""

def record_cache_miss(cache: str | None = None) -> None:
    """It did not."""

def run_command(arguments: list[str]) -> int:
    """Runs the program ``pulse`` and returns its exit code. The first argument is the program's name."""
