"""The ASGI middleware, event by event."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from pulse_perf import PerformanceMonitor
from pulse_perf.asgi import MonitorMiddleware

from exposition import requests_by

START = {"type": "http.response.start", "status": 200, "headers": []}
LAST = {"type": "http.response.body", "body": b"x"}
PART = {"type": "http.response.body", "body": b"x", "more_body": True}
FILE = {"type": "http.response.pathsend", "path": "/etc/hostname"}


class Route:
    path = "/route"


class ClientDisconnect(Exception):
    """As Starlette has it."""


def drive(
    monitor: PerformanceMonitor, app: Any, *, on_send: Callable[[Any], None] | None = None, **scope: Any
) -> None:
    """Handles one request."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if on_send is not None:
            on_send(message)

    request = {"type": "http", "method": "GET", "path": "/route", "headers": [], **scope}
    asyncio.run(MonitorMiddleware(app, monitor=monitor)(request, receive, send))


def answers(*messages: dict[str, Any], then: BaseException | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Route
        for message in messages:
            await send(message)
        if then is not None:
            raise then

    return app


@pytest.mark.parametrize(
    ("messages", "error", "status"),
    [
        ([START, LAST], None, "200"),
        ([{**START, "status": 404}, LAST], None, "404"),
        ([START, PART, PART, LAST], None, "200"),
        ([START, FILE], None, "200"),
        # The server answers for the application.
        ([], None, "500"),
        ([], RuntimeError("broken"), "500"),
        ([START, PART], RuntimeError("broken in the middle"), "500"),
        # A client that leaves is no failure of the service once it was answered.
        ([], asyncio.CancelledError(), "499"),
        ([], ClientDisconnect(), "499"),
        ([START, PART], ClientDisconnect(), "200"),
        ([START, PART], None, "200"),
        # What happens after the response changes nothing.
        ([START, LAST], RuntimeError("in a background task"), "200"),
        ([], KeyboardInterrupt(), "500"),
    ],
)
def test_statuses(
    monitor: PerformanceMonitor, messages: list[dict[str, Any]], error: BaseException | None, status: str
) -> None:
    if error is None:
        drive(monitor, answers(*messages))
    else:
        with pytest.raises(type(error)):
            drive(monitor, answers(*messages, then=error))
    assert requests_by(monitor, "http_route", "http_response_status_code") == {("/route", status): 1}


def test_a_request_is_recorded_before_its_last_byte_leaves(monitor: PerformanceMonitor) -> None:
    """A client that has its whole answer was counted, even when the process is killed in the next instant."""
    seen = []
    drive(
        monitor,
        answers(START, PART, LAST),
        on_send=lambda message: seen.append(
            (message["type"][14:], sum(requests_by(monitor, "http_route").values()))
        ),
    )
    assert seen == [("start", 0), ("body", 0), ("body", 1)]


@pytest.mark.parametrize(
    ("method", "start"),
    [
        ("GET", {**START, "headers": [(b"content-length", b"0")]}),
        ("GET", {**START, "status": 204}),
        ("GET", {**START, "status": 304}),
        ("HEAD", START),
    ],
)
def test_an_answer_without_a_body_is_whole_with_its_head(
    monitor: PerformanceMonitor, method: str, start: dict[str, Any]
) -> None:
    seen = []
    drive(
        monitor,
        answers(start, {"type": "http.response.body"}),
        on_send=lambda _: seen.append(sum(requests_by(monitor, "http_route").values())),
        method=method,
    )
    assert seen == [1, 1]


def test_headers_may_be_any_iterable(monitor: PerformanceMonitor) -> None:
    seen = []
    start = {**START, "headers": iter([(b"content-length", b"0")])}
    drive(monitor, answers(start, LAST), on_send=lambda message: seen.extend(message.get("headers", ())))
    assert seen == [(b"content-length", b"0")]


def test_the_time_of_background_work_is_left_out(monitor: PerformanceMonitor) -> None:
    """What runs after the last byte cannot be in the response time, since that was recorded before."""
    recorded = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Route
        await send(START)
        await send(LAST)
        recorded.append(monitor.get_summary()["requests"]["total"])

    drive(monitor, app)
    assert recorded == [1]
    assert monitor.get_summary()["requests"]["total"] == 1


def test_a_request_that_its_scope_refers_to_is_collected(monitor: PerformanceMonitor) -> None:
    """Frameworks put the request, and with it ``send``, into the scope."""

    class Watched:
        pass

    watched: list[weakref.ref[Watched]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        marker = Watched()
        watched.append(weakref.ref(marker))
        scope.update(route=Route, send=send, marker=marker)
        await send(START)
        await send(LAST)

    drive(monitor, app)
    gc.collect()
    assert watched[0]() is None


def test_messages_that_are_not_as_they_should_be_are_the_server_s_business(
    monitor: PerformanceMonitor,
) -> None:
    strange: list[Any] = [
        None,
        [],
        {},
        {"type": 7},
        {"type": "http.response.start"},
        {**START, "status": "200"},
    ]
    passed_on: list[Any] = []
    drive(monitor, answers(*strange, LAST), on_send=passed_on.append)
    assert passed_on == [*strange, LAST]
    assert requests_by(monitor, "http_route", "http_response_status_code") == {("/route", None): 1}


def test_a_route_that_breaks_names_nothing(monitor: PerformanceMonitor) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)

    drive(monitor, app)
    drive(monitor, app, app_root_path="", root_path="/somewhere/else", endpoint=drive)
    assert requests_by(monitor, "http_route") == {"_unmatched": 2}
