"""Middleware for WSGI applications: Flask, and what else speaks WSGI.

    app = Flask(__name__)
    app.wsgi_app = MonitorMiddleware(app.wsgi_app)

Every request is recorded under its route's template (``/users/<int:id>``), its method and its status. Flask and Bottle
leave the route where the middleware finds it; for another framework ``route`` says it. What no route matched is recorded as
one endpoint, ``_unmatched``: paths are the client's choice, and would be without number.

The response time runs from the call of the application to the moment when the last byte of the response is handed over to
the server. It is recorded *before* that byte is handed over, where its length is known (from a list, or by
``Content-Length``), and else when the server closes the response. An exception counts as status 500 and is raised again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pulse_perf import _native
from pulse_perf._routes import UNMATCHED

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_INTERNAL_SERVER_ERROR = 500


class MonitorMiddleware:
    """Records the requests of the application it wraps.

    ``monitor``: where to record; the process's own (:func:`pulse_perf.get_monitor`) by default. ``route``: from the
    environment of a request that was handled to the template of its route, ``None`` for one that no route matched.
    ``skip``: templates that are not recorded, for example ``["/metrics"]``.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        monitor: _native.PerformanceMonitor | None = None,
        route: Callable[[WSGIEnvironment], str | None] | None = None,
        skip: Iterable[str] = (),
    ) -> None:
        self.app = app
        self._record = _native.record_route if monitor is None else monitor.record_route
        self._route = route or route_template
        self._skip = frozenset(skip)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = _Request(self, environ, start_response)
        try:
            body = self.app(environ, request.start)
        except BaseException:
            request.finish(_INTERNAL_SERVER_ERROR)
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(body, (list, tuple)) or (isinstance(wrapper, type) and isinstance(body, wrapper)):
            # All of it is there; a file is sent by the server itself, which must see what it is.
            request.finish()
            return body
        return _Body(body, request)

    def path(self, environ: WSGIEnvironment) -> str | None:
        """The template of the request's route, as far as it is known by now."""
        try:
            return self._route(environ)
        except Exception:  # noqa: BLE001
            # A function of the application's own, or a route that has no template after all.
            return None

    def record(self, environ: WSGIEnvironment, name: str, seconds: float, status: int) -> None:
        """Records one request."""
        if name not in self._skip:
            self._record(environ.get("REQUEST_METHOD", ""), name, seconds, status)


def route_template(environ: WSGIEnvironment) -> str | None:
    """The template of the route that Flask or Bottle has found for a request; ``None`` when there is none."""
    request = environ.get("werkzeug.request")
    if request is not None:
        rule = getattr(request, "url_rule", None)
        return None if rule is None else str(rule.rule)
    route = environ.get("bottle.route")
    return None if route is None else str(route.rule)


class _Request:
    """One request that is under way."""

    __slots__ = (
        "_begin",
        "_environ",
        "_is_recorded",
        "_middleware",
        "_name",
        "_script",
        "_start_response",
        "_status",
        "left",
    )

    def __init__(
        self, middleware: MonitorMiddleware, environ: WSGIEnvironment, start_response: StartResponse
    ) -> None:
        self._begin = perf_counter()
        self._middleware = middleware
        self._environ = environ
        self._script: str = environ.get("SCRIPT_NAME", "")
        self._start_response = start_response
        self._status = 0
        self._name: str | None = None
        self._is_recorded = False
        self.left: int | None = None
        """Bytes of the body that are still to come; ``None`` where nothing says it."""

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        try:
            self._status = int(status[:3])
            self.left = next(
                (int(value) for name, value in headers if name.lower() == "content-length"), None
            )
        except (TypeError, ValueError):
            # The server will say what is wrong with them.
            self.left = None
        # Flask forgets its request when it has handled it.
        self._name = self._find_name()
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)

    def finish(self, status: int | None = None) -> None:
        """Records it, once."""
        if self._is_recorded:
            return
        self._is_recorded = True
        seconds = perf_counter() - self._begin
        name = self._name or self._find_name() or UNMATCHED
        self._middleware.record(
            self._environ, name, seconds, status or self._status or _INTERNAL_SERVER_ERROR
        )

    def _find_name(self) -> str | None:
        """The template with what the request's path had before it: applications may lie below others."""
        path = self._middleware.path(self._environ)
        return self._environ.get("SCRIPT_NAME", "")[len(self._script) :] + path if path else None


class _Body:
    """A response that notices its last byte."""

    __slots__ = ("_body", "_iterator", "_request")

    def __init__(self, body: Iterable[bytes], request: _Request) -> None:
        self._body = body
        self._iterator = iter(body)
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        request = self._request
        try:
            chunk = next(self._iterator)
        except StopIteration:
            request.finish()
            raise
        except BaseException:
            request.finish(_INTERNAL_SERVER_ERROR)
            raise
        if request.left is not None:
            request.left -= len(chunk)
            if request.left <= 0:
                request.finish()
        return chunk

    def close(self) -> None:
        self._request.finish()
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
