"""Many processes, exact totals: real servers under load, whose workers are killed at random."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from fleet import Fleet, free_port, massacre, segment_files

KILLS = int(os.environ.get("PULSE_TEST_KILLS", "50"))
"""Restarts of all servers together, divided by how long each needs for one."""
WORKERS = 3


def gunicorn(*arguments: str, app: str) -> Callable[[int], list[str]]:
    return lambda port: [
        *("gunicorn", "--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}", "--log-level", "warning"),
        *("--keep-alive", "5", "--graceful-timeout", "5", *arguments, app),
    ]


def uvicorn(port: int) -> list[str]:
    return [
        *("uvicorn", "--workers", str(WORKERS), "--host", "127.0.0.1", "--port", str(port)),
        *("--log-level", "warning", "asgi_app:app"),
    ]


BYTES_PER_THREAD = 2 * 16 * 1024
"""Chunks of cells that a thread of these applications needs."""
UVICORN_WORKER = ("--worker-class", "uvicorn_worker.UvicornWorker")
SERVERS = [
    pytest.param(gunicorn(app="wsgi_app:app"), 0.5, 1, id="gunicorn"),
    pytest.param(gunicorn("--preload", app="wsgi_app:app"), 0.2, 1, id="gunicorn-preload"),
    pytest.param(gunicorn("--threads", "3", app="wsgi_app:app"), 0.1, 3, id="gunicorn-threads"),
    pytest.param(
        gunicorn(*UVICORN_WORKER, "--preload", app="asgi_app:app"), 0.1, 1, id="gunicorn-uvicorn-preload"
    ),
    pytest.param(gunicorn(*UVICORN_WORKER, app="asgi_app:app"), 0.06, 1, id="gunicorn-uvicorn"),
    pytest.param(uvicorn, 0.04, 1, id="uvicorn-spawn"),
]


@pytest.fixture(autouse=True)
def _servers_are_installed() -> None:
    for module in ("gunicorn", "uvicorn", "uvicorn_worker", "fastapi"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


@pytest.mark.parametrize(("command", "share", "threads"), SERVERS)
def test_totals_are_exact_whatever_is_killed(
    command: Callable[[int], list[str]], share: float, threads: int
) -> None:
    port = free_port()
    with Fleet(command(port), port) as fleet:
        fleet.await_workers(WORKERS)
        load, used = massacre(fleet, WORKERS, max(round(KILLS * share), 2))
        # Whichever worker answers.
        totals = {fleet.recorded() for _ in range(4 * WORKERS)}
    (total,) = totals
    # What was answered was counted; what was not answered may have been handled.
    assert load.acknowledged <= total <= load.acknowledged + load.broken
    # One more process does not mean one more slot: the memory does not grow with the number of kills. It may grow with
    # threads that have not recorded before, and with durations of a magnitude that has not been seen.
    assert used[0] > 0
    assert max(used) <= used[0] + WORKERS * threads * BYTES_PER_THREAD, used


def test_a_named_group_of_programs_that_do_not_know_each_other() -> None:
    code = """
import pulse_perf, sys
for _ in range(1000):
    pulse_perf.record_request("/work", 0.001)
_, _, body = pulse_perf.get_monitor().render()
(line,) = [line for line in body.decode().splitlines() if "duration_seconds_count" in line]
print(line.split()[-1], [worker["worker"] for worker in pulse_perf.get_monitor().workers()], flush=True)
sys.stdin.read()
"""
    group = f"test-{os.getpid()}"
    processes = []
    try:
        for _ in range(3):
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                env={**os.environ, "PULSE_GROUP": group},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            processes.append(process)
            assert process.stdout is not None
            last = process.stdout.readline().strip()
        assert last == "3000 [0, 1, 2]"
        (path,) = [path for path in segment_files() if path.name.endswith(group)]
        path.unlink()
    finally:
        for process in processes:
            process.communicate(timeout=30)


FORKS = """
import os, signal, sys
import pulse_perf
from pulse_perf import record_request

early = sys.argv[1] == "early"
if early:
    record_request("/work", 0.001)

def child(depth):
    for _ in range(1000):
        record_request("/work", 0.001)
    if depth:
        fork(depth - 1)
    os.kill(os.getpid(), signal.SIGKILL)

def fork(depth):
    pids = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            child(depth)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL

fork(1)
record_request("/work", 0.001)
total = 3 * 1000 + 9 * 1000 + 1 + early
_, _, body = pulse_perf.get_monitor().render()
(line,) = [line for line in body.decode().splitlines() if line.startswith("http_server_request_duration_seconds_count")]
assert line.endswith(f" {total}"), (line, total)
assert pulse_perf.get_monitor().warnings() == []
"""


@pytest.mark.parametrize("first_use", ["early", "late"])
def test_plain_forks_after_the_import(first_use: str) -> None:
    """Children and grandchildren that are killed as soon as they have recorded, whether the parent had begun or not."""
    environment = {key: value for key, value in os.environ.items() if key != "PULSE_GROUP"}
    done = subprocess.run(
        [sys.executable, "-c", FORKS, first_use],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing(method: str, tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "script.py")
    with open(script, "w") as file:
        file.write(f"""
import multiprocessing
import pulse_perf

def work(number):
    for _ in range(100):
        pulse_perf.record_request("/work", 0.001)
    return number

if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(3) as pool:
        assert pool.map(work, range(20), chunksize=1) == list(range(20))
        _, _, body = pulse_perf.get_monitor().render()
        assert b"duration_seconds_count" in body
        (line,) = [line for line in body.decode().splitlines() if "duration_seconds_count" in line]
        assert line.endswith(" 2000"), line
""")
    environment = {key: value for key, value in os.environ.items() if key != "PULSE_GROUP"}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
