"""The metrics of all workers for Prometheus, as an ASGI and as a WSGI application.

    app.mount("/metrics", make_asgi_app())                                                   # FastAPI, Starlette
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()})         # Flask

The format is what the scraper asks for in ``Accept``: Prometheus text, OpenMetrics, or protobuf with native histograms.
Whichever worker answers, the totals are those of all. Only ``GET`` and ``HEAD`` are answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pulse_perf import _native
from pulse_perf._asgi_types import Application, Receive, Scope, Send

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_READING = frozenset({"GET", "HEAD"})


def make_asgi_app(monitor: _native.PerformanceMonitor | None = None) -> Application:
    """An ASGI application that answers every path with the metrics of ``monitor``, by default the process's own."""

    async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            # Refuses a WebSocket before it is opened.
            await send({"type": "websocket.close", "code": 1000})
            return
        found = {b"accept": b"", b"accept-encoding": b""}
        for name, value in scope["headers"]:
            lower = name.lower()
            if lower in found:
                # Several fields of one name mean the same as one with commas.
                found[lower] = found[lower] + b", " + value if found[lower] else value
        accept, encodings = (value.decode("latin-1") for value in found.values())
        status, headers, body = _answer(monitor, scope["method"], accept, encodings)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    return metrics


def make_wsgi_app(monitor: _native.PerformanceMonitor | None = None) -> WSGIApplication:
    """A WSGI application that answers every path with the metrics of ``monitor``, by default the process's own."""

    def metrics(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        accept, encodings = environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", "")
        status, headers, body = _answer(monitor, method, accept, encodings)
        start_response("200 OK" if status == 200 else "405 Method Not Allowed", headers)
        return [body]

    return metrics


def _answer(
    monitor: _native.PerformanceMonitor | None, method: str, accept: str, encodings: str
) -> tuple[int, list[tuple[str, str]], bytes]:
    if method not in _READING:
        return 405, [("Allow", "GET, HEAD"), ("Content-Length", "0")], b""
    source = _native.get_monitor() if monitor is None else monitor
    content_type, encoding, body = source.render(accept, encodings)
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    headers.append(("Vary", "Accept, Accept-Encoding"))
    if encoding is not None:
        headers.append(("Content-Encoding", encoding))
    return 200, headers, b"" if method == "HEAD" else body


async def _live(receive: Receive, send: Send) -> None:
    """The lifespan of an application that has nothing to start or stop, where it is served by itself."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
