"""Statements of a database connection, recorded with their duration: for every driver that follows PEP 249.

    connection = monitored(psycopg.connect(...))

The connection and its cursors behave as before; ``execute``, ``executemany`` and ``callproc`` are measured. A statement
that fails was still sent, and counts. For SQLAlchemy there is :mod:`pulse_perf.sqlalchemy`, and for workload files of
SQLite :mod:`pulse_perf.sqlite`.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from pulse_perf import _native

_CURSOR = frozenset({"execute", "executemany", "callproc"})
_CONNECTION = frozenset({"execute", "executemany"})
"""Shortcuts that some drivers have: they make a cursor, which is measured here since it is not made through ``cursor``."""


def monitored(connection: Any, *, monitor: _native.PerformanceMonitor | None = None) -> Any:
    """A connection whose statements are recorded in ``monitor``, by default the process's own."""
    return _Connection(connection, monitor)


class _Proxy:
    """Another object with some of its methods measured."""

    __slots__ = ("_inner", "_monitor")

    def __init__(self, inner: Any, monitor: _native.PerformanceMonitor | None) -> None:
        object.__setattr__(self, "_inner", inner)
        object.__setattr__(self, "_monitor", monitor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._inner, name, value)

    def _measured(self, method: Callable[..., Any], kind: str | None) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            begin = perf_counter()
            try:
                result = method(*arguments, **named)
            finally:
                seconds = perf_counter() - begin
                statement = next(iter(arguments or named.values()), None) if kind is None else None
                record_statement(self._monitor, statement, seconds, kind)
            # Cursors return themselves, connections a new one.
            if result is self._inner:
                return self
            return _Cursor(result, self._monitor) if hasattr(result, "fetchone") else result

        return call


class _Cursor(_Proxy):
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._measured(value, "call" if name == "callproc" else None) if name in _CURSOR else value

    def __iter__(self) -> Any:
        return iter(self._inner)

    def __next__(self) -> Any:
        return next(self._inner)

    def __enter__(self) -> Any:
        entered = self._inner.__enter__()
        return self if entered is self._inner else entered

    def __exit__(self, *error: object) -> Any:
        return self._inner.__exit__(*error)


class _Connection(_Proxy):
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._measured(value, None) if name in _CONNECTION else value

    def cursor(self, *arguments: Any, **named: Any) -> Any:
        return _Cursor(self._inner.cursor(*arguments, **named), self._monitor)

    def __enter__(self) -> Any:
        entered = self._inner.__enter__()
        return self if entered is self._inner else entered

    def __exit__(self, *error: object) -> Any:
        return self._inner.__exit__(*error)


def record_statement(
    monitor: _native.PerformanceMonitor | None, statement: Any, seconds: float, kind: str | None = None
) -> None:
    """Records a statement, or a query of a known ``kind``. What is not text (objects that compose SQL) is of kind ``other``."""
    if isinstance(statement, (bytes, bytearray)):
        statement = statement.decode("utf-8", "replace")
    target: Any = _native if monitor is None else monitor
    if isinstance(statement, str):
        target.record_db_statement(statement, seconds)
    else:
        target.record_db_query(seconds, kind or "other")
