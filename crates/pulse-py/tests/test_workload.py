"""Workload files of ``sqlite3``: what is in them, and what cannot break the application."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pulse_perf import PerformanceMonitor
from pulse_perf.sqlite import TracedCursor, connect
from pulse_perf.workload import Workload

SCHEMA = Path(__file__).parents[3] / "schemas" / "workload.json"


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, each valid by the schema."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    text = path.read_text("utf-8")
    assert text.endswith("\n")
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        validator.validate(line)
    return found


def statements(path: Path) -> dict[str, tuple[int, int | None]]:
    """Calls and rows by statement, added up."""
    sums: dict[str, tuple[int, int | None]] = {}
    for line in lines(path):
        if "statement" in line:
            calls, rows = sums.get(line["statement"], (0, 0))
            sums[line["statement"]] = (calls + line["calls"], (rows or 0) + line.get("rows", 0))
    return sums


def test_a_connection_writes_what_it_was_asked(tmp_path: Path, monitor: PerformanceMonitor) -> None:
    path = tmp_path / "w.jsonl"
    connection = connect(":memory:", workload=path, monitor=monitor)
    assert isinstance(connection, sqlite3.Connection)
    connection.executescript("CREATE TABLE t (a INTEGER, b TEXT)")
    for number in range(10):
        connection.execute("INSERT INTO t VALUES (?, ?)", (number, "secret"))
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(10, "x"), (11, "x")])
    cursor = connection.cursor()
    assert isinstance(cursor, TracedCursor)
    assert len(cursor.execute("SELECT a FROM t").fetchall()) == 12
    assert cursor.execute("SELECT b FROM t").fetchone() == ("secret",)
    assert len(cursor.fetchmany(5)) == 5
    assert len(cursor.fetchmany(50)) == 6
    assert [row[0] for row in cursor.execute("SELECT a FROM t WHERE a < ?", (3,))] == [0, 1, 2]
    # Rows that nobody fetches are not returned.
    cursor.execute("SELECT max(a) FROM t")
    connection.execute("UPDATE t SET b = 'y' WHERE a > 5")
    with pytest.raises(sqlite3.OperationalError):
        cursor.execute("SELECT nonsense FROM t")
    cursor.close()
    connection.close()
    header = lines(path)[0]
    assert (header["dialect"], header["has_values"], header["version"]) == ("sqlite", False, 1)
    assert statements(path) == {
        "CREATE TABLE t (a INTEGER, b TEXT)": (1, 0),
        "INSERT INTO t VALUES (?, ?)": (11, 12),
        "SELECT a FROM t": (1, 12),
        "SELECT b FROM t": (1, 12),
        "SELECT a FROM t WHERE a < ?": (1, 3),
        "SELECT max(a) FROM t": (1, 0),
        "UPDATE t SET b = 'y' WHERE a > 5": (1, 6),
        "SELECT nonsense FROM t": (1, 0),
    }
    assert "secret" not in path.read_text("utf-8")
    assert monitor.get_database_stats()["total_queries"] == 18


def test_only_the_time_of_the_database_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only goes on when somebody says so: the database takes 5 per row, the program 1000."""
    now = [0]

    def spend(ticks: int) -> int:
        now[0] += ticks
        return ticks

    monkeypatch.setattr("pulse_perf.sqlite.perf_counter_ns", lambda: now[0])
    path = tmp_path / "w.jsonl"
    connection = connect(":memory:", workload=path, monitor=PerformanceMonitor())
    connection.create_function("spend", 1, spend)
    ten = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT spend(5) FROM n"
    )
    for _ in connection.execute(ten):
        now[0] += 1000
    cursor = connection.execute("SELECT spend(7) UNION ALL SELECT spend(7)")
    now[0] += 1000
    assert cursor.fetchone() == (7,)
    now[0] += 1000
    assert cursor.fetchall() == [(7,)]
    connection.close()
    assert [(line["duration_ns"], line["rows"]) for line in lines(path)[1:]] == [(50, 10), (14, 2)]


def test_values_are_written_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    workload = Workload(path, dialect="sqlite", values=True)
    connection = connect(":memory:", workload=workload, monitor=PerformanceMonitor())
    connection.execute("SELECT ?, ?, ?, ?", (1, "a" * 5000, None, b"bytes")).fetchall()
    connection.execute("SELECT :x, :y", {"x": float("inf"), "y": 2**60}).fetchall()
    connection.execute("SELECT ?, ?", (bytes(5000), float("nan"))).fetchall()
    for value in (1, 1, 2):
        connection.execute("SELECT ?", (value,)).fetchall()
    connection.close()
    found = [(line.get("values"), line["calls"]) for line in lines(path)[1:]]
    assert found == [
        ([1, "a" * 1024, None, {"base64": "Ynl0ZXM="}], 1),
        ({"x": {"real": "inf"}, "y": 2**60}, 1),
        ([{"bytes": 5000}, None], 1),
        ([1], 2),
        ([2], 1),
    ]


def test_a_connection_writes_values_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    connection = connect(":memory:", workload=path, values=True, monitor=PerformanceMonitor())
    connection.execute("SELECT ?", (7,)).fetchall()
    connection.close()
    assert [line.get("values") for line in lines(path)] == [None, [7]]
    assert lines(path)[0]["has_values"] is True


def test_texts_that_no_utf_8_has(tmp_path: Path) -> None:
    workload = Workload(tmp_path / "w.jsonl", dialect="sqlite", values=True)
    workload.add("SELECT '\ud800ä'", 1, values=["\udfff"])
    workload.flush()
    assert lines(tmp_path / "w.jsonl")[1]["statement"] == "SELECT '\ud800ä'"


def test_connections_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    for _ in range(5):
        connection = connect(":memory:", workload=path, monitor=PerformanceMonitor())
        connection.execute("SELECT 1").fetchall()
        connection.close()
    found = lines(path)
    assert [line for line in found if "format" in line] == found[:1]
    assert statements(path) == {"SELECT 1": (5, 5)}


def test_threads_lose_nothing(tmp_path: Path) -> None:
    workload = Workload(tmp_path / "w.jsonl", dialect="sqlite")

    def work() -> None:
        for number in range(2000):
            workload.add(f"SELECT {number}", 1, rows=1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    workload.flush()
    assert statements(tmp_path / "w.jsonl") == {f"SELECT {number}": (4, 4) for number in range(2000)}


def add_many(workload: Workload, count: int) -> None:
    for number in range(count):
        workload.add(f"SELECT {number}", 1, calls=2)


def test_a_file_has_a_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    workload = Workload(path, dialect="sqlite", max_bytes=50_000)
    with pytest.warns(RuntimeWarning, match="has reached its 50000 bytes"):
        add_many(workload, 5000)
    workload.add("SELECT 'later'", 1)
    workload.flush()
    assert 40_000 < path.stat().st_size <= 50_000
    written = sum(calls for calls, _ in statements(path).values())
    assert written + workload.lost_calls == 10_001
    assert "lost_calls" in lines(path)[-1]


def test_a_statement_that_is_too_long_is_counted(tmp_path: Path) -> None:
    workload = Workload(tmp_path / "w.jsonl", dialect="sqlite")
    workload.add("SELECT '" + "x" * 1_000_000 + "'", 1)
    workload.add("SELECT 1", 1)
    workload.flush()
    assert workload.lost_calls == 1
    assert statements(tmp_path / "w.jsonl") == {"SELECT 1": (1, 0)}


@pytest.mark.parametrize("path", ["/dev/full", "/nowhere/at/all.jsonl", "/proc/version", "nul\0"])
@pytest.mark.filterwarnings("error")
def test_a_file_that_cannot_be_written_breaks_nothing(path: str, recwarn: pytest.WarningsRecorder) -> None:
    workload = Workload(path, dialect="sqlite")
    connection = connect(":memory:", workload=workload, monitor=PerformanceMonitor())
    for _ in range(3):
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
        workload.flush()
    connection.close()
    assert workload.lost_calls == 3


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path) -> None:
    """A process whose files may not grow beyond 20 000 bytes; the limit cuts a write short, as a full disk does."""
    path = tmp_path / "w.jsonl"
    code = f"""
import resource, signal, warnings
from pulse_perf.workload import Workload
warnings.simplefilter("ignore")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
workload = Workload({str(path)!r}, dialect="sqlite")
for number in range(3000):
    workload.add(f"SELECT {{number}}", 1)
    if number % 100 == 0:
        workload.flush()
workload.flush()
print(workload.lost_calls)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    written = sum(calls for calls, _ in statements(path).values())
    assert written > 100
    assert written + int(done.stdout) == 3000
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_after_a_fork_both_write_their_own(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    workload = Workload(path, dialect="sqlite")
    workload.add("SELECT 'parent'", 1)
    child = os.fork()
    if child == 0:
        workload.add("SELECT 'child'", 1)
        workload.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    workload.flush()
    assert statements(path) == {"SELECT 'parent'": (1, 0), "SELECT 'child'": (1, 0)}


def test_what_is_left_is_written_at_the_end_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    code = f"""
from pulse_perf.sqlite import connect
connect(":memory:", workload={str(path)!r}).execute("SELECT 7").fetchall()
"""
    subprocess.run([sys.executable, "-W", "ignore::ResourceWarning", "-c", code], check=True, timeout=60)
    assert statements(path) == {"SELECT 7": (1, 1)}
