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

from collections.abc import Awaitable, Iterable
from time import perf_counter

from pulse_perf import _native
from pulse_perf._asgi_types import Application, Message, Receive, Scope, Send
from pulse_perf._routes import RouteNames

_LEFT = frozenset({"CancelledError", "Cancelled", "ClientDisconnect"})
"""Exceptions that say that the client is gone: of asyncio, Trio and Starlette."""
_CLIENT_CLOSED_REQUEST = 499
_INTERNAL_SERVER_ERROR = 500
_EMPTY_STATUSES = frozenset({204, 304})
_NO_BYTES = (b"content-length", b"0")


def _has_no_body(scope: Scope, message: Message) -> bool:
    """Whether the client has its whole answer with the head of the response."""
    headers = message.get("headers")
    # Any iterable of pairs is allowed, but only a list may be looked at without using it up.
    return scope["method"] == "HEAD" or (type(headers) is list and _NO_BYTES in headers)


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
        self._record = _native.record_route if monitor is None else monitor.record_route
        self._skip = frozenset(skip)
        self._names: RouteNames | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin = perf_counter()
        names = self._names
        if names is None:
            # The innermost application of mounts overwrites it: only now is it the one that this middleware belongs to.
            names = self._names = RouteNames(scope.get("app", self.app), self._skip)
        # Where this middleware itself is below a mount, names begin there.
        mounted_at = scope["root_path"] if "app_root_path" in scope else None
        status = 0
        is_recorded = False

        # Not a coroutine itself: it returns the one of `send`, which saves making another for each message.
        def observe(message: Message) -> Awaitable[None]:
            nonlocal status, is_recorded
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
                is_last = status in _EMPTY_STATUSES or _has_no_body(scope, message)
            else:
                is_last = (
                    kind == "http.response.body" and not message.get("more_body")
                ) or kind == "http.response.pathsend"
            if is_last and not is_recorded:
                is_recorded = True
                name = names.of(scope, mounted_at)
                if name is not None:
                    self._record(scope["method"], name, perf_counter() - begin, status)
            return send(message)

        try:
            await self.app(scope, receive, observe)
        except BaseException as error:
            if type(error).__name__ not in _LEFT:
                status = _INTERNAL_SERVER_ERROR
            elif status == 0:
                status = _CLIENT_CLOSED_REQUEST
            raise
        finally:
            if not is_recorded:
                # A server answers 500 for an application that returns without a response.
                name = names.of(scope, mounted_at)
                if name is not None:
                    status = status or _INTERNAL_SERVER_ERROR
                    self._record(scope["method"], name, perf_counter() - begin, status)
