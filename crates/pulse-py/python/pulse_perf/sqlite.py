"""A connection of ``sqlite3`` that measures its statements and may write them to a workload file.

    connection = connect("orders.db", workload="orders.jsonl")

It is a :class:`sqlite3.Connection` in every other respect. A statement's duration is the time that SQLite spends on it:
executing and fetching, not what the program does between two rows.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from time import perf_counter_ns
from typing import Any

from pulse_perf import _native
from pulse_perf.dbapi import record_statement
from pulse_perf.workload import Workload


def connect(
    database: Any,
    *arguments: Any,
    workload: Workload | str | os.PathLike[str] | None = None,
    values: bool = False,
    monitor: _native.PerformanceMonitor | None = None,
    **named: Any,
) -> TracedConnection:
    """Connects as :func:`sqlite3.connect` does. ``workload``: a file, or a :class:`~pulse_perf.workload.Workload` that
    several connections share. ``values``: whether a file gets the values of parameters, with which ``pulse db`` measures
    what the program really asks; they are often personal. ``monitor``: where queries are recorded, by default the process's own."""
    named.setdefault("factory", TracedConnection)
    connection: TracedConnection = sqlite3.connect(database, *arguments, **named)
    if workload is not None and not isinstance(workload, Workload):
        workload = Workload.at(workload, dialect="sqlite", values=values)
    connection.workload = workload
    connection.monitor = monitor
    return connection


class TracedConnection(sqlite3.Connection):
    """A connection whose cursors are :class:`TracedCursor`."""

    workload: Workload | None = None
    monitor: _native.PerformanceMonitor | None = None

    def cursor(self, factory: Any = None) -> Any:
        """A cursor, which is measured unless ``factory`` makes another."""
        return super().cursor(TracedCursor if factory is None else factory)

    # The shortcuts of `sqlite3` make their cursor without asking `cursor`.

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        return self.cursor().executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> Any:
        return self.cursor().executescript(sql_script)

    def close(self) -> None:
        """Closes the connection and writes what is still in memory to the workload file."""
        super().close()
        if self.workload is not None:
            self.workload.flush()


class TracedCursor(sqlite3.Cursor):
    """A cursor that knows how long its statement takes until the last row."""

    _statement: str | None = None
    _values: Any = None
    _duration_ns = 0
    _rows = 0

    def execute(self, sql: str, parameters: Any = (), /) -> TracedCursor:
        self._begin(sql, parameters)
        return self._run(super().execute, sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> TracedCursor:
        self._begin(sql, None)
        return self._run(super().executemany, sql, parameters)

    def executescript(self, sql_script: str, /) -> TracedCursor:
        self._begin(sql_script, None)
        return self._run(super().executescript, sql_script)

    def fetchone(self) -> Any:
        row = self._fetch(super().fetchone)
        if row is None:
            self._end()
        else:
            self._rows += 1
        return row

    def fetchmany(self, size: int | None = None) -> list[Any]:
        wanted = self.arraysize if size is None else size
        rows: list[Any] = self._fetch(super().fetchmany, wanted)
        self._rows += len(rows)
        if len(rows) < wanted:
            self._end()
        return rows

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._fetch(super().fetchall)
        self._rows += len(rows)
        self._end()
        return rows

    def __next__(self) -> Any:
        begin = perf_counter_ns()
        try:
            row = super().__next__()
        except BaseException:
            self._duration_ns += perf_counter_ns() - begin
            self._end()
            raise
        self._duration_ns += perf_counter_ns() - begin
        self._rows += 1
        return row

    def close(self) -> None:
        self._end()
        super().close()

    def __del__(self) -> None:
        # Rows that nobody fetched to the end. While the interpreter ends, what this needs may be gone.
        with contextlib.suppress(Exception):
            self._end()

    def _begin(self, sql: str, values: Any) -> None:
        """A new statement ends the one before, of which perhaps not all rows were fetched."""
        self._end()
        self._statement, self._values = sql, values
        self._duration_ns = self._rows = 0

    def _run(self, method: Any, *arguments: Any) -> TracedCursor:
        begin = perf_counter_ns()
        try:
            method(*arguments)
        except BaseException:
            self._duration_ns = perf_counter_ns() - begin
            self._end()
            raise
        self._duration_ns = perf_counter_ns() - begin
        if self.description is None:
            self._rows = max(self.rowcount, 0)
            self._end()
        return self

    def _fetch(self, method: Any, *arguments: Any) -> Any:
        begin = perf_counter_ns()
        try:
            return method(*arguments)
        finally:
            self._duration_ns += perf_counter_ns() - begin

    def _end(self) -> None:
        statement, self._statement = self._statement, None
        if not isinstance(statement, str):
            return
        connection = self.connection
        record_statement(getattr(connection, "monitor", None), statement, self._duration_ns / 1e9)
        workload = getattr(connection, "workload", None)
        if workload is not None:
            workload.add(statement, self._duration_ns, rows=self._rows, values=self._values)
        self._values = None
