"""An ASGI application with something to do, its process id, and its metrics."""

from __future__ import annotations

import os
from typing import Any

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from pulse_perf.asgi import MonitorMiddleware
from pulse_perf.prometheus import make_asgi_app

app = FastAPI()
app.add_middleware(MonitorMiddleware, skip=["/metrics", "/pid"])
app.mount("/metrics", make_asgi_app())


@app.get("/work")
async def work() -> Any:
    return PlainTextResponse("x" * 1000)


@app.get("/pid")
async def pid() -> Any:
    return PlainTextResponse(str(os.getpid()))
