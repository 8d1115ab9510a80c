"""The WSGI middleware: plain applications, and Flask over a real server."""

from __future__ import annotations

import io
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.error import HTTPError
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from pulse_perf import PerformanceMonitor
from pulse_perf.wsgi import MonitorMiddleware

from exposition import requests_by

RECORDED = ("http_route", "http_request_method", "http_response_status_code")


def call(
    app: Any, monitor: PerformanceMonitor, **environ: Any
) -> tuple[list[str], list[tuple[str, int]], bytes]:
    """Handles one request as a server does: statuses, and what was recorded at each piece of the body."""
    setup_testing_defaults(environ)
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda data: None

    body = MonitorMiddleware(app, monitor=monitor, route=lambda environ: "/route")(environ, start_response)
    pieces, whole = [], b""
    try:
        for piece in body:
            whole += piece
            pieces.append((piece.decode(), sum(requests_by(monitor, "http_route").values())))
    finally:
        if hasattr(body, "close"):
            body.close()
    return statuses, pieces, whole


def app_with(body: Callable[[], Iterable[bytes]], *headers: tuple[str, str], status: str = "200 OK") -> Any:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        return body()

    return app


def generator() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


def test_a_list_is_recorded_before_its_first_byte(monitor: PerformanceMonitor) -> None:
    assert call(app_with(lambda: [b"one"]), monitor) == (["200 OK"], [("one", 1)], b"one")


def test_with_a_known_length_before_the_last_byte(monitor: PerformanceMonitor) -> None:
    _, pieces, _ = call(app_with(generator, ("content-length", "6")), monitor)
    assert pieces == [("one", 0), ("two", 1)]


def test_without_a_length_at_the_end(monitor: PerformanceMonitor) -> None:
    _, pieces, _ = call(app_with(generator), monitor)
    assert pieces == [("one", 0), ("two", 0)]
    assert requests_by(monitor, *RECORDED) == {("/route", "GET", "200"): 1}


def test_a_response_that_is_not_read_to_its_end_is_recorded_when_it_is_closed(
    monitor: PerformanceMonitor,
) -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return generator()

        def close(self) -> None:
            closed.append(True)

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    middleware = MonitorMiddleware(app_with(Body), monitor=monitor, route=lambda environ: "/route")
    body = middleware(environ, lambda *_: lambda data: None)
    assert next(iter(body)) == b"one"
    assert requests_by(monitor, "http_route") == {}
    body.close()  # type: ignore[attr-defined]
    assert closed == [True]
    assert requests_by(monitor, "http_route") == {"/route": 1}


@pytest.mark.parametrize("late", [False, True])
def test_an_exception_is_500_and_raised_again(monitor: PerformanceMonitor, late: bool) -> None:
    def broken() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("it broke")

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        if not late:
            raise RuntimeError("it broke")
        start_response("200 OK", [])
        return broken()

    with pytest.raises(RuntimeError, match="it broke"):
        call(app, monitor)
    assert requests_by(monitor, *RECORDED) == {("/route", "GET", "500"): 1}


def test_the_last_status_counts(monitor: PerformanceMonitor) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError as error:
            start_response("503 Service Unavailable", [], (type(error), error, None))
        return [b""]

    statuses, _, _ = call(app, monitor)
    assert statuses == ["200 OK", "503 Service Unavailable"]
    assert requests_by(monitor, "http_response_status_code") == {"503": 1}


@pytest.mark.parametrize("status", ["", "abc", "9"])
def test_a_status_that_is_none(monitor: PerformanceMonitor, status: str) -> None:
    call(app_with(lambda: [b""], status=status), monitor)
    assert sum(requests_by(monitor, "http_route").values()) == 1


def test_a_file_stays_what_the_server_knows(monitor: PerformanceMonitor) -> None:
    environ: dict[str, Any] = {"wsgi.file_wrapper": FileWrapper}
    setup_testing_defaults(environ)
    app = app_with(lambda: FileWrapper(io.BytesIO(b"abc")))
    body = MonitorMiddleware(app, monitor=monitor)(environ, lambda *_: lambda data: None)
    assert isinstance(body, FileWrapper)
    assert requests_by(monitor, *RECORDED) == {("_unmatched", "GET", "200"): 1}


def test_it_keeps_to_the_standard(monitor: PerformanceMonitor) -> None:
    """The validator of the standard library on both sides of it."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return generator()

    environ: dict[str, Any] = {"QUERY_STRING": ""}
    setup_testing_defaults(environ)
    checked: Any = validator(MonitorMiddleware(validator(app), monitor=monitor))
    body = checked(environ, lambda status, headers, exc_info=None: lambda data: None)
    assert b"".join(body) == b"onetwo"
    body.close()


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def test_flask() -> None:
    flask: Any = pytest.importorskip("flask")
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    monitor = PerformanceMonitor()
    app = flask.Flask(__name__)
    blueprint = flask.Blueprint("api", __name__, url_prefix="/api")

    @app.get("/health")  # type: ignore[untyped-decorator]
    def health() -> str:
        return "ok"

    @blueprint.route("/users/<int:user>", methods=["GET", "POST"])  # type: ignore[untyped-decorator]
    def user(user: int) -> Any:
        return {"user": user}

    @app.get("/broken")  # type: ignore[untyped-decorator]
    def broken() -> str:
        raise RuntimeError

    @app.get("/stream")  # type: ignore[untyped-decorator]
    def stream() -> Any:
        return flask.Response(generator())

    app.register_blueprint(blueprint)
    mounted = DispatcherMiddleware(flask.Flask("outer"), {"/inner": app})
    with make_server(
        "127.0.0.1", 0, MonitorMiddleware(mounted, monitor=monitor), handler_class=Quiet
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for method, path, status in [
            ("GET", "/inner/health", 200),
            ("GET", "/inner/api/users/7", 200),
            ("POST", "/inner/api/users/8", 200),
            ("GET", "/inner/api/users/x", 404),
            ("DELETE", "/inner/health", 405),
            ("GET", "/inner/broken", 500),
            ("GET", "/inner/stream", 200),
            ("GET", "/nobody", 404),
        ]:
            request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}{path}", method=method)
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    assert response.status == status
                    response.read()
            except HTTPError as error:
                assert error.code == status
                error.close()
        server.shutdown()
        thread.join()
    assert requests_by(monitor, *RECORDED) == {
        ("/inner/health", "GET", "200"): 1,
        ("/inner/api/users/<int:user>", "GET", "200"): 1,
        ("/inner/api/users/<int:user>", "POST", "200"): 1,
        ("_unmatched", "GET", "404"): 2,
        ("_unmatched", "DELETE", "405"): 1,
        ("/inner/broken", "GET", "500"): 1,
        ("/inner/stream", "GET", "200"): 1,
    }
