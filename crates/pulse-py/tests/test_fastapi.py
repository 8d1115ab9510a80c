"""The ASGI middleware in FastAPI and Starlette, over a real server. Runs with every version that is supported."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import fastapi
import httpx
import pytest
import starlette
import uvicorn
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Host, Mount, Route

from pulse_perf import PerformanceMonitor
from pulse_perf.asgi import MonitorMiddleware

from exposition import requests_by

pytest.importorskip("websockets")
from websockets.sync.client import connect

STARLETTE = tuple(map(int, starlette.__version__.split(".")[:2]))
FASTAPI = tuple(map(int, fastapi.__version__.split(".")[:2]))
PLAIN = "/v1" if FASTAPI >= (0, 137) else ""
"""What is before the path of a plain route in an included router: before, a router's own prefix was not."""
RECORDED = ("http_route", "http_request_method", "http_response_status_code")


class Server:
    """A uvicorn in a thread, on a port of its own."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", ws="websockets-sansio", **settings)
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> httpx.Client:
        self._thread.start()
        # A connection for each request: after an error in a background task the server closes it.
        self.client = httpx.Client(
            base_url=f"http://{self.host}", timeout=30, trust_env=False, headers={"Connection": "close"}
        )
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(30)
        self._socket.close()


def items() -> APIRouter:
    router = APIRouter(prefix="/items")

    @router.get("/{item}")
    def item(item: int) -> dict[str, int]:
        return {"item": item}

    @router.post("")
    def create() -> dict[str, str]:
        return {}

    async def plain(request: Request) -> PlainTextResponse:
        return PlainTextResponse("plain")

    router.add_route("/items/plain/{rest:path}", plain)
    return router


def application(monitor: PerformanceMonitor) -> FastAPI:
    app = FastAPI()
    app.add_middleware(MonitorMiddleware, monitor=monitor)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/users/{user}/orders/{order:path}")
    def order(user: str, order: str) -> dict[str, str]:
        return {"user": user, "order": order}

    @app.get("/missing/{thing}")
    def missing(thing: str) -> None:
        raise HTTPException(404)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("it broke")

    @app.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"a" * 10_000, b"b" * 10_000]))

    @app.get("/background")
    def background(tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(broken)
        return {}

    @app.websocket("/echo/{name}")
    async def echo(websocket: WebSocket, name: str) -> None:
        await websocket.accept()
        await websocket.send_text(name)
        await websocket.close()

    version = APIRouter(prefix="/v1")
    version.include_router(items())
    app.include_router(version, prefix="/api")
    app.include_router(version, prefix="/beta")

    # Below mounts: another FastAPI, with a parameter in its own path, and a Starlette in it.
    tenant = FastAPI()
    tenant.include_router(items())

    @tenant.get("/about")
    def about() -> dict[str, str]:
        return {}

    async def leaf(request: Request) -> PlainTextResponse:
        return PlainTextResponse("leaf")

    tenant.mount(
        "/deep", Starlette(routes=[Route("/leaf/{n}", leaf), Mount("/more", routes=[Route("/x", leaf)])])
    )
    app.mount("/tenants/{tenant}", tenant)
    return app


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[httpx.Client, PerformanceMonitor]]:
    monitor = PerformanceMonitor()
    with Server(application(monitor)) as client:
        yield client, monitor


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/health", "/health", 200),
        ("GET", "/users/7/orders/2024/05/1", "/users/{user}/orders/{order:path}", 200),
        ("GET", "/missing/9", "/missing/{thing}", 404),
        ("GET", "/broken", "/broken", 500),
        ("GET", "/stream", "/stream", 200),
        ("GET", "/background", "/background", 200),
        ("GET", "/api/v1/items/7", "/api/v1/items/{item}", 200),
        ("GET", "/beta/v1/items/7", "/beta/v1/items/{item}", 200),
        ("GET", "/api/v1/items/x", "/api/v1/items/{item}", 422),
        ("POST", "/api/v1/items", "/api/v1/items", 200),
        ("GET", f"/api{PLAIN}/items/plain/a/b", f"/api{PLAIN}/items/plain/{{rest:path}}", 200),
        ("GET", f"/beta{PLAIN}/items/plain/a/b", f"/beta{PLAIN}/items/plain/{{rest:path}}", 200),
        ("PUT", "/health", "/health", 405),
        ("BREW", "/health", "/health", 405),
        ("GET", "/nobody/knows", "_unmatched", 404),
        ("GET", "/api/v1/nobody", "_unmatched", 404),
        ("GET", "/health/", "_unmatched", 307),
        ("GET", "/openapi.json", "/openapi.json", 200),
        ("GET", "/tenants/42/openapi.json", "/tenants/{tenant}/openapi.json", 200),
        ("GET", "/tenants/42/docs", "/tenants/{tenant}/docs", 200),
        ("GET", "/tenants/42/about", "/tenants/{tenant}/about", 200),
        ("GET", "/tenants/43/about", "/tenants/{tenant}/about", 200),
        ("GET", "/tenants/43/items/1", "/tenants/{tenant}/items/{item}", 200),
        ("GET", "/tenants/43/deep/leaf/1", "/tenants/{tenant}/deep/leaf/{n}", 200),
        ("GET", "/tenants/44/deep/more/x", "/tenants/{tenant}/deep/more/x", 200),
        ("GET", "/tenants/45/nobody", "/tenants/{tenant}", 404),
    ],
)
def test_requests_are_named_by_their_template(
    served: tuple[httpx.Client, PerformanceMonitor], method: str, path: str, route: str, status: int
) -> None:
    client, monitor = served
    for _ in range(3):
        before = requests_by(monitor, *RECORDED)
        assert client.request(method, path).status_code == status
        after = requests_by(monitor, *RECORDED)
        new = {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}
        assert new == {(route, method if method != "BREW" else "_OTHER", str(status)): 1}


def test_websockets_are_passed_through(served: tuple[httpx.Client, PerformanceMonitor]) -> None:
    client, monitor = served
    before = requests_by(monitor, "http_route")
    with connect(f"ws://{client.base_url.netloc.decode()}/echo/me", proxy=None) as socket:
        assert socket.recv() == "me"
    assert requests_by(monitor, "http_route") == before


def test_lifespan_is_passed_through() -> None:
    events = []
    monitor = PerformanceMonitor()

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        events.append((await receive())["type"])
        await send({"type": "lifespan.startup.complete"})

    async def run() -> None:
        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            events.append(message["type"])

        await MonitorMiddleware(inner, monitor=monitor)({"type": "lifespan"}, receive, send)

    asyncio.run(run())
    assert events == ["lifespan.startup", "lifespan.startup.complete"]
    assert requests_by(monitor, "http_route") == {}


def test_around_an_application_and_below_other_middleware() -> None:
    monitor = PerformanceMonitor()
    app = application(PerformanceMonitor())

    async def passes(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    with Server(MonitorMiddleware(app, monitor=monitor, skip=["/health"])) as client:
        for path in ("/health", "/api/v1/items/7", "/tenants/1/about", "/nobody"):
            client.get(path)
    assert requests_by(monitor, "http_route") == {
        "/api/v1/items/{item}": 1,
        "/tenants/{tenant}/about": 1,
        "_unmatched": 1,
    }


def test_by_host_and_below_mounts_of_starlette() -> None:
    monitor = PerformanceMonitor()
    inner = application(PerformanceMonitor())
    app = Starlette(routes=[Host("127.0.0.1", inner), Mount("/{other}", inner)])
    app.add_middleware(MonitorMiddleware, monitor=monitor)
    with Server(app) as client:
        for _ in range(2):
            for path in ("/health", "/docs", "/openapi.json", "/tenants/1/about"):
                client.get(path)
                client.get("/anything" + path, headers={"Host": "elsewhere"})
    names = ("/health", "/docs", "/openapi.json", "/tenants/{tenant}/about")
    expected = {prefix + name: 2 for prefix in ("", "/{other}") for name in names}
    assert requests_by(monitor, "http_route") == expected


def test_inside_a_mounted_application() -> None:
    monitor = PerformanceMonitor()
    app = FastAPI()
    app.mount("/outer", application(monitor))
    with Server(app) as client:
        client.get("/outer/health")
        client.get("/outer/tenants/1/about")
    assert requests_by(monitor, "http_route") == {"/health": 1, "/tenants/{tenant}/about": 1}


# Before, Starlette did not take it out of the path.
@pytest.mark.skipif(STARLETTE < (0, 35), reason="Starlette has known the root_path only since 0.35")
def test_behind_a_proxy_that_strips_a_prefix() -> None:
    monitor = PerformanceMonitor()
    app = application(monitor)
    with Server(app, root_path="/proxied") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/tenants/1/about").status_code == 200
    assert requests_by(monitor, "http_route") == {"/health": 1, "/tenants/{tenant}/about": 1}


def test_one_endpoint_under_two_paths_of_starlette() -> None:
    monitor = PerformanceMonitor()

    async def both(request: Request) -> PlainTextResponse:
        return PlainTextResponse("x")

    app = Starlette(routes=[Route("/one/{n}", both), Route("/two/{n}", both)])
    app.add_middleware(MonitorMiddleware, monitor=monitor)
    with Server(app) as client:
        for path in ("/one/1", "/two/1", "/two/2"):
            client.get(path)
    assert requests_by(monitor, "http_route") == {"/one/{n}": 1, "/two/{n}": 2}
