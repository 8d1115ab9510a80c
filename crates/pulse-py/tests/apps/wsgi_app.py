"""A WSGI application with something to do, its process id, and its metrics."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from pulse_perf.prometheus import make_wsgi_app
from pulse_perf.wsgi import MonitorMiddleware

METRICS = make_wsgi_app()


def inner(environ: Any, start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/metrics/":
        return METRICS(environ, start_response)
    body = b"x" * 1000 if path == "/work" else str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


app = MonitorMiddleware(inner, route=lambda environ: environ["PATH_INFO"], skip=["/metrics/", "/pid"])
