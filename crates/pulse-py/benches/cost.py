"""What recording costs, beside other libraries: nanoseconds per call, as Markdown.

    pip install pulse-perf starlette prometheus_client opentelemetry-sdk starlette_exporter prometheus-fastapi-instrumentator
    python crates/pulse-py/benches/cost.py

All candidates run in one process, in turns, round after round; the figure is the median over the rounds, the spread that of
the middle half. The loop itself is in the figures of the first table (its own row says what it is), and so is building the
arguments, since a caller does that too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import repeat
from time import perf_counter_ns
from typing import Any

import prometheus_client
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette_exporter import PrometheusMiddleware

import pulse_perf
from pulse_perf.asgi import MonitorMiddleware

Loop = Callable[[int], None]
PACKAGES = (
    "pulse-perf",
    "prometheus_client",
    "opentelemetry-sdk",
    "starlette",
    "starlette_exporter",
    "prometheus-fastapi-instrumentator",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=151)
    parser.add_argument("--calls", type=int, default=4_000, help="calls per round and candidate")
    parser.add_argument("--requests", type=int, default=400, help="requests per round and candidate")
    arguments = parser.parse_args()
    gc.collect()
    gc.freeze()
    print(f"Python {platform.python_version()}, {cpu()}; medians of {arguments.rounds} rounds in turns.\n")
    print(", ".join(f"{package} {version(package)}" for package in PACKAGES) + "\n")
    print("| call | ns | middle half |\n|---|---:|---:|")
    for name, times in in_turns(recorders(), arguments.rounds, arguments.calls):
        print(f"| {name} | {statistics.median(times):.0f} | {spread(times)} |")
    print("\n| request through a Starlette route, with | ns | more than without |\n|---|---:|---:|")
    requests = in_turns(middlewares(), arguments.rounds, arguments.requests)
    bare = requests[0][1]
    for name, times in requests:
        # Round by round, so that what slows a whole round down is in neither.
        more = statistics.median(with_it - without for with_it, without in zip(times, bare, strict=True))
        print(f"| {name} | {statistics.median(times):.0f} | {more:.0f} |")


def in_turns(
    candidates: Sequence[tuple[str, Loop]], rounds: int, calls: int
) -> list[tuple[str, list[float]]]:
    """Nanoseconds per call of each candidate in each round, the warm-up left out."""
    for _, loop in candidates:
        loop(calls)
    times: list[list[float]] = [[] for _ in candidates]
    for number in range(rounds):
        # Nobody always comes after the same neighbour.
        shift = number % len(candidates)
        order = [*range(shift, len(candidates)), *range(shift)]
        for index in order:
            begin = perf_counter_ns()
            candidates[index][1](calls)
            times[index].append((perf_counter_ns() - begin) / calls)
    return [(name, times[index]) for index, (name, _) in enumerate(candidates)]


def recorders() -> list[tuple[str, Loop]]:
    monitor = pulse_perf.PerformanceMonitor()
    endpoint = monitor.endpoint("/api/v1/execute")
    module_level, method, handle = pulse_perf.record_request, monitor.record_request, endpoint.record
    route = pulse_perf._native.record_route
    names = [f"/api/v1/resource/{number}" for number in range(16)]
    registry = prometheus_client.CollectorRegistry()
    labels = ("route", "method", "status")
    prometheus = prometheus_client.Histogram("h", "Times.", labels, registry=registry)
    bound = prometheus.labels("/api/v1/execute", "GET", "200")
    meter = MeterProvider(metric_readers=[InMemoryMetricReader()]).get_meter("bench")
    telemetry = meter.create_histogram("http.server.request.duration", unit="s")

    def empty(calls: int) -> None:
        for _ in repeat(None, calls):
            pass

    def nothing(*_: object) -> None:
        return None

    def python_function(calls: int) -> None:
        for _ in repeat(None, calls):
            nothing("/api/v1/execute", 0.05, 200)

    def record_request(calls: int) -> None:
        for _ in repeat(None, calls):
            module_level("/api/v1/execute", 0.05, 200)

    def by_keywords(calls: int) -> None:
        for _ in repeat(None, calls):
            module_level("/api/v1/execute", duration=0.05, status_code=200)

    def with_method(calls: int) -> None:
        for _ in repeat(None, calls):
            route("GET", "/api/v1/execute", 0.05, 200)

    def sixteen(calls: int) -> None:
        for _ in repeat(None, calls // 16):
            for name in names:
                module_level(name, 0.05, 200)

    def new_strings(calls: int) -> None:
        for _ in repeat(None, calls // 16):
            for name in names:
                module_level("" + name[:4] + name[4:], 0.05, 200)

    def of_a_monitor(calls: int) -> None:
        for _ in repeat(None, calls):
            method("/api/v1/execute", 0.05, 200)

    def through_handle(calls: int) -> None:
        for _ in repeat(None, calls):
            handle(0.05, 200)

    def prometheus_labels(calls: int) -> None:
        for _ in repeat(None, calls):
            prometheus.labels("/api/v1/execute", "GET", "200").observe(0.05)

    def prometheus_bound(calls: int) -> None:
        for _ in repeat(None, calls):
            bound.observe(0.05)

    def open_telemetry(calls: int) -> None:
        for _ in repeat(None, calls):
            telemetry.record(
                0.05,
                {
                    "http.route": "/api/v1/execute",
                    "http.request.method": "GET",
                    "http.response.status_code": 200,
                },
            )

    return [
        ("the empty loop", empty),
        ("a Python function that does nothing", python_function),
        ("`record_request(name, seconds, status)`", record_request),
        ("the same with keywords", by_keywords),
        ("the same, 16 endpoints in turn", sixteen),
        ("the same, each name a new string", new_strings),
        ("`record_route(method, route, seconds, status)`", with_method),
        ("`monitor.record_request(…)`", of_a_monitor),
        ("`endpoint.record(seconds, status)`", through_handle),
        ("`prometheus_client`: `labels(…).observe(…)`", prometheus_labels),
        ("`prometheus_client`: `observe` of a bound child", prometheus_bound),
        ("`opentelemetry`: `record` with attributes", open_telemetry),
    ]


def middlewares() -> list[tuple[str, Loop]]:
    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    bare, monitored, exported, instrumented = (
        Starlette(routes=[Route("/users/{user}", endpoint)]) for _ in range(4)
    )
    monitored.add_middleware(MonitorMiddleware)
    exported.add_middleware(PrometheusMiddleware, group_paths=True)
    Instrumentator(registry=prometheus_client.CollectorRegistry()).instrument(instrumented)
    return [
        ("nothing", driven(bare)),
        ("pulse-perf", driven(monitored)),
        ("starlette_exporter", driven(exported)),
        ("prometheus-fastapi-instrumentator", driven(instrumented)),
    ]


def driven(app: Starlette) -> Loop:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        pass

    async def run(requests: int) -> None:
        for number in range(requests):
            scope = {
                "type": "http",
                "method": "GET",
                "path": f"/users/{number}",
                "raw_path": b"/users/1",
                "query_string": b"",
                "root_path": "",
                "headers": [(b"host", b"localhost")],
                "scheme": "http",
                "server": ("127.0.0.1", 80),
            }
            await app(scope, receive, send)

    return lambda requests: asyncio.run(run(requests))


def spread(times: list[float]) -> str:
    low, _, high = statistics.quantiles(times, n=4)
    return f"{low:.0f} – {high:.0f}"


def cpu() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or sys.platform


if __name__ == "__main__":
    main()
