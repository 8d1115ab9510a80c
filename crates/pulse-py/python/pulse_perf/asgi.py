"""Middleware for ASGI applications: FastAPI, Starlette, and what else speaks ASGI.

    app = FastAPI()
    app.add_middleware(MonitorMiddleware)

Every HTTP request is recorded under its route's template (``/users/{id}``), its method and its status. What no route
matched is recorded as one endpoint, ``_unmatched``: paths are the client's choice, and would be without number.

The response time runs from the request's arrival to the moment when the last byte of the response is handed over to the
server, tasks that run in the background afterwards left out. It is recorded *before* that byte is handed over: a client
that has its whole answer was counted, even if the process is killed in the next instant.

- An exception counts as status 500 and is raised again.
- A client that leaves before the response has begun counts as 499, later as the status it was sent.
- WebSockets and lifespan events are passed through.
"""

from __future__ import annotations

from collections.abc import Iterable

from pulse_perf import _native
from pulse_perf._asgi_types import Application, Receive, Scope, Send
from pulse_perf._routes import RouteNames

_LEFT = frozenset({"CancelledError", "Cancelled", "ClientDisconnect"})
"""Exceptions that say that the client is gone: of asyncio, Trio and Starlette."""


class MonitorMiddleware:
    """Records the requests of the application it wraps.

    ``monitor``: where to record; the process's own (:func:`pulse_perf.get_monitor`) by default. ``skip``: route templates
    that are not recorded, for example ``["/metrics"]``.
    """

    def __init__(
        self,
        app: Application,
        *,
        monitor: _native.PerformanceMonitor | None = None,
        skip: Iterable[str] = (),
    ) -> None:
        self.app = app
        self._monitor = monitor
        self._skip = frozenset(skip)
        self._recorder: _native.RouteRecorder | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        recorder = self._recorder
        if recorder is None:
            # The innermost application of mounts overwrites it: only now is it the one that this middleware belongs to.
            names = RouteNames(scope.get("app", self.app), self._skip)
            recorder = self._recorder = _native.RouteRecorder(names.of, self._monitor)
        probe = recorder.begin(scope, send)
        try:
            await self.app(scope, receive, probe)
        except BaseException as error:
            if type(error).__name__ in _LEFT:
                probe.leave()
            else:
                probe.fail()
            raise
        probe.end()
