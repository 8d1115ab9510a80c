"""Hooks for queries: DB-API connections, SQLAlchemy engines, and ``sqlite3``."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from pulse_perf import PerformanceMonitor
from pulse_perf.dbapi import monitored

from exposition import samples


def kinds(monitor: PerformanceMonitor) -> dict[str, int]:
    """How many queries of which kind."""
    _, _, body = monitor.render()
    return {
        labels["kind" if "kind" in labels else "db_operation_name"]: int(value)
        for name, labels, value in samples(body.decode())
        if name == "db_client_operation_duration_seconds_count" and value > 0
    }


def test_a_connection_of_any_driver(monitor: PerformanceMonitor) -> None:
    with monitored(sqlite3.connect(":memory:"), monitor=monitor) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        cursor = connection.cursor()
        assert cursor.execute("INSERT INTO t VALUES (?, ?)", (1, 2)) is cursor
        cursor.executemany("INSERT INTO t VALUES (?, ?)", [(3, 4), (5, 6)])
        cursor.arraysize = 7
        assert cursor.execute("SELECT * FROM t ORDER BY a").fetchall() == [(1, 2), (3, 4), (5, 6)]
        assert [row[0] for row in connection.execute("SELECT a FROM t ORDER BY a")] == [1, 3, 5]
        assert (cursor.arraysize, cursor.rowcount) == (7, -1)
        connection.commit()
        with pytest.raises(sqlite3.OperationalError):
            cursor.execute("SELECT * FROM nowhere")
    connection.close()
    assert kinds(monitor) == {"schema": 1, "insert": 2, "select": 3}


def test_what_is_not_text_is_a_query_all_the_same(monitor: PerformanceMonitor) -> None:
    class Cursor:
        def execute(self, query: Any, parameters: Any = None) -> None:
            pass

        def callproc(self, name: str) -> str:
            return name

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __iter__(self) -> Any:
            return iter([1, 2])

    class Connection:
        def cursor(self) -> Cursor:
            return Cursor()

    with monitored(Connection(), monitor=monitor).cursor() as cursor:
        cursor.execute(query="SELECT 1")
        cursor.execute(b"SELECT 2")
        cursor.execute(object())
        assert cursor.callproc("recalculate") == "recalculate"
        assert list(cursor) == [1, 2]
    assert kinds(monitor) == {"select": 2, "other": 1, "call": 1}


def test_sqlalchemy(monitor: PerformanceMonitor) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from pulse_perf.sqlalchemy import instrument

    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.QueuePool, pool_size=3)
    for _ in range(2):
        instrument(engine, pool="main", monitor=monitor)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (a)"))
        connection.execute(sqlalchemy.text("INSERT INTO t VALUES (:a)"), [{"a": 1}, {"a": 2}])
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM t")).scalar() == 2
        assert monitor.get_summary()["pools"]["main"] == {"size": 3, "in_use": 1, "waiting": 0}
        with pytest.raises(sqlalchemy.exc.OperationalError):
            connection.execute(sqlalchemy.text("SELECT * FROM nowhere"))
    assert monitor.get_summary()["pools"]["main"] == {"size": 3, "in_use": 0, "waiting": 0}
    engine.dispose()
    assert kinds(monitor) == {"schema": 1, "insert": 1, "select": 2}


def test_an_engine_without_a_pool(monitor: PerformanceMonitor) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from pulse_perf.sqlalchemy import instrument

    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.NullPool)
    instrument(engine, monitor=monitor)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
    assert kinds(monitor) == {"select": 1}
    assert monitor.get_summary()["pools"] == {}


def test_a_database_that_cannot_be_reached(monitor: PerformanceMonitor) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from pulse_perf.sqlalchemy import instrument

    engine = sqlalchemy.create_engine("sqlite:////nowhere/at/all.db")
    instrument(engine, monitor=monitor)
    with pytest.raises(sqlalchemy.exc.OperationalError):
        engine.connect()
    assert kinds(monitor) == {}
