"""The applications that answer a scraper."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from pulse_perf import PerformanceMonitor
from pulse_perf.prometheus import make_asgi_app, make_wsgi_app

from exposition import requests_by

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def by_asgi(
    monitor: PerformanceMonitor, method: str, headers: list[tuple[str, str]]
) -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers]
    app: Any = make_asgi_app(monitor)
    asyncio.run(app({"type": "http", "method": method, "headers": raw}, receive, send))
    start, body = sent
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


def by_wsgi(
    monitor: PerformanceMonitor, method: str, headers: list[tuple[str, str]]
) -> tuple[int, dict[str, str], bytes]:
    environ: dict[str, Any] = {"REQUEST_METHOD": method}
    setup_testing_defaults(environ)
    for name, value in headers:
        key = "HTTP_" + name.upper().replace("-", "_")
        environ[key] = environ[key] + "," + value if key in environ else value
    started: list[Any] = []
    body = make_wsgi_app(monitor)(environ, lambda *arguments: started.append(arguments))  # type: ignore[arg-type]
    ((status, found),) = started
    return int(status[:3]), dict(found), b"".join(body)


@pytest.mark.parametrize("ask", [by_asgi, by_wsgi])
@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        ([], TEXT),
        ([("Accept", "*/*")], TEXT),
        (
            [("accept", "text/plain;version=0.0.4;q=0.5, application/openmetrics-text;version=1.0.0;q=0.8")],
            OPEN_METRICS,
        ),
        (
            [("accept", "text/plain;q=0.1"), ("accept", "application/openmetrics-text;version=1.0.0")],
            OPEN_METRICS,
        ),
        ([("accept", f"{PROTOBUF},text/plain;q=0.5".replace("; ", ";"))], PROTOBUF),
    ],
)
def test_the_format_is_negotiated(
    monitor: PerformanceMonitor, ask: Any, headers: list[tuple[str, str]], content_type: str
) -> None:
    monitor.record_request("/a", 0.01, method="GET")
    status, found, body = ask(monitor, "GET", headers)
    assert status == 200
    assert found["Content-Type"].split("; escaping")[0] == content_type
    assert found["Content-Length"] == str(len(body))
    assert b"http_server_request_duration_seconds" in body


@pytest.mark.parametrize("ask", [by_asgi, by_wsgi])
def test_compression(monitor: PerformanceMonitor, ask: Any) -> None:
    monitor.record_request("/a", 0.01)
    _, found, body = ask(monitor, "GET", [("accept-encoding", "br, gzip")])
    assert found["Content-Encoding"] == "gzip"
    assert b"http_server_request_duration_seconds" in gzip.decompress(body)


@pytest.mark.parametrize("ask", [by_asgi, by_wsgi])
def test_methods(monitor: PerformanceMonitor, ask: Any) -> None:
    status, found, body = ask(monitor, "HEAD", [])
    assert (status, body) == (200, b"")
    assert int(found["Content-Length"]) > 0
    status, found, body = ask(monitor, "POST", [])
    assert (status, found["Allow"], body) == (405, "GET, HEAD", b"")


def test_the_own_monitor_is_the_default() -> None:
    import pulse_perf

    pulse_perf.record_request("/by-default", 0.01)
    _, _, body = by_wsgi(None, "GET", [])  # type: ignore[arg-type]
    assert b'http_route="/by-default"' in body


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text;version=1.0.0"])
def test_the_reader_of_prometheus_client_agrees(monitor: PerformanceMonitor, accept: str) -> None:
    pytest.importorskip("prometheus_client")
    from prometheus_client import parser
    from prometheus_client.openmetrics import parser as open_metrics

    for number in range(100):
        monitor.record_request(f"/route/{number % 3}", number / 1000, 200 + number % 2 * 300, "GET")
    _, _, body = monitor.render(accept)
    read = open_metrics.text_string_to_metric_families if accept else parser.text_string_to_metric_families
    families = {family.name: family for family in read(body.decode())}
    family = families["http_server_request_duration_seconds"]
    counts = {
        (sample.labels["http_route"], sample.labels["http_response_status_code"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_count")
    }
    assert counts == requests_by(monitor, "http_route", "http_response_status_code")


def test_lifespan_where_it_is_served_by_itself() -> None:
    events = iter(["lifespan.startup", "lifespan.shutdown"])
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": next(events)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    app: Any = make_asgi_app(PerformanceMonitor())
    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
