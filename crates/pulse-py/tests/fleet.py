"""Servers with many workers, clients that count what was answered, and somebody who kills."""

from __future__ import annotations

import http.client
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from exposition import samples

APPS = Path(__file__).parent / "apps"
PATIENCE_SECONDS = 60.0
REQUESTS_PER_KILL = 30


class Fleet:
    """A server with its worker processes."""

    def __init__(self, command: Sequence[str], port: int, environment: dict[str, str] | None = None) -> None:
        self.port = port
        inherited = {key: value for key, value in os.environ.items() if key != "PULSE_GROUP"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=APPS,
            env={**inherited, **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stderr: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Fleet:  # noqa: PYI034
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        workers = self.workers()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in workers:
            kill(pid)
        self._reader.join(10)
        if self.process.stderr is not None:
            self.process.stderr.close()
        if kind is not None:
            print("".join(self.stderr[-50:]))

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.stderr.extend(self.process.stderr)

    def get(self, path: str) -> str:
        """The answer to one request, from whichever worker."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read().decode()
            assert response.status == 200, (response.status, body)
            return body
        finally:
            connection.close()

    def workers(self) -> list[int]:
        """The ids of the processes that answer: children of the supervisor, helpers of Python left out."""
        return [pid for pid in children(self.process.pid) if not is_helper(pid)]

    def await_workers(self, count: int, gone: int = 0) -> list[int]:
        """Asks until so many workers are there, of which ``gone`` is none, and one of them answers."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "".join(self.stderr[-50:])
            try:
                answered = int(self.get("/pid"))
            except (OSError, http.client.HTTPException):
                # Waits for the kernel and not for time to pass: whether the port listens shows in the next request.
                select.select([], [], [], 0.01)
                continue
            workers = self.workers()
            if len(workers) == count and gone not in workers and answered in workers:
                return workers
        raise AssertionError(f"{count} workers did not come up: " + "".join(self.stderr[-50:]))

    def recorded(self) -> int:
        """The total of the requests to ``/work``, as one worker says it."""
        return sum(
            int(value)
            for name, labels, value in samples(self.get("/metrics/"))
            if name == "http_server_request_duration_seconds_count" and labels.get("http_route") == "/work"
        )


class Load:
    """Clients that ask for ``/work`` one request after another, and count."""

    def __init__(self, port: int, clients: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self._changed = threading.Condition()
        self.acknowledged = 0
        """Requests that were answered to the last byte."""
        self.broken = 0
        """Requests that were sent and not answered: whether they were handled, nobody knows."""

    def __enter__(self) -> Load:  # noqa: PYI034
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads)

    def await_more(self, requests: int) -> None:
        """Waits until so many more requests were answered."""
        with self._changed:
            enough = self.acknowledged + requests
            assert self._changed.wait_for(lambda: self.acknowledged >= enough, PATIENCE_SECONDS)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:
                # Nothing was sent. Does not take the processor from who is just starting.
                self._stop.wait(0.01)
                continue
            try:
                connection.request("GET", "/work")
                response = connection.getresponse()
                is_answered = len(response.read()) == 1000 and response.status == 200
            except (OSError, http.client.HTTPException):
                is_answered = False
                connection.close()
            with self._changed:
                self.acknowledged += is_answered
                self.broken += not is_answered
                self._changed.notify_all()
        connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def kill(pid: int) -> None:
    """Ends a process that this test has started, and waits until it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], PATIENCE_SECONDS)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        # It has ended in the meantime.
        pass
    return sorted(found)


def is_helper(pid: int) -> bool:
    """Whether it is a process that ``multiprocessing`` runs for itself, or one that has ended."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
    return not command or b"resource_tracker" in command


def segment_files() -> list[Path]:
    """The files of this user's groups in shared memory."""
    return list(Path("/dev/shm").glob(f"pulse-{os.geteuid()}-*"))


def bytes_used(pid: int) -> int:
    """The memory that the group of a supervisor really uses; the file's length is only address space."""
    files = [path for path in segment_files() if f"-supervisor-{pid}-" in path.name]
    return sum(path.stat().st_blocks * 512 for path in files)


def massacre(
    fleet: Fleet, workers: int, kills: int, *, clients: int = 4, seed: int = 1
) -> tuple[Load, list[int]]:
    """Kills workers at random under load, each time waiting for the next to come up. What was acknowledged, and the
    memory that the group's file used after each kill."""
    chance = random.Random(seed)
    used: list[int] = []
    with Load(fleet.port, clients) as load:
        pids = fleet.await_workers(workers)
        for _ in range(kills):
            load.await_more(REQUESTS_PER_KILL)
            victim = chance.choice(pids)
            kill(victim)
            pids = fleet.await_workers(workers, gone=victim)
            used.append(bytes_used(fleet.process.pid))
        load.await_more(REQUESTS_PER_KILL)
    return load, used
