"""Statements and connection pools of SQLAlchemy engines.

    engine = create_engine(...)
    instrument(engine)

Every statement is recorded with its duration and its kind, slow ones with their text (literals replaced), one that failed
too. The engine's pool shows its size and how many of its connections are in use.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from sqlalchemy import event

from pulse_perf import _native
from pulse_perf.dbapi import record_statement

_BEGIN = "_pulse_begin"


def instrument(
    engine: Any, *, pool: str = "sqlalchemy", monitor: _native.PerformanceMonitor | None = None
) -> None:
    """Records what ``engine`` does in ``monitor``, by default the process's own. ``pool`` is the name of its pool.

    An ``AsyncEngine`` is instrumented through its synchronous one. A second call for an engine changes nothing.
    """
    engine = getattr(engine, "sync_engine", engine)
    if getattr(engine, "_pulse_is_instrumented", False):
        return
    engine._pulse_is_instrumented = True
    _record_statements(engine, monitor)
    _watch_pool(engine, pool, monitor)


def _record_statements(engine: Any, monitor: _native.PerformanceMonitor | None) -> None:
    def begin(
        connection: Any, cursor: Any, statement: Any, parameters: Any, context: Any, many: bool
    ) -> None:
        setattr(context, _BEGIN, perf_counter())

    def end(connection: Any, cursor: Any, statement: Any, parameters: Any, context: Any, many: bool) -> None:
        _record(monitor, statement, context)

    def fail(failure: Any) -> None:
        _record(monitor, failure.statement, failure.execution_context)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)


def _record(monitor: _native.PerformanceMonitor | None, statement: Any, context: Any) -> None:
    # An error while connecting has no context; one while reading the result comes after the statement was recorded.
    began = getattr(context, _BEGIN, None)
    if began is not None:
        setattr(context, _BEGIN, None)
        record_statement(monitor, statement, perf_counter() - began)


def _watch_pool(engine: Any, name: str, monitor: _native.PerformanceMonitor | None) -> None:
    def show(returned: int) -> None:
        pool = engine.pool
        if hasattr(pool, "checkedout") and hasattr(pool, "size"):
            target: Any = _native.get_monitor() if monitor is None else monitor
            target.set_pool(name, size=pool.size(), in_use=max(pool.checkedout() - returned, 0))

    event.listen(engine, "checkout", lambda *_: show(0))
    # It is announced before it is back in the pool.
    event.listen(engine, "checkin", lambda *_: show(1))
