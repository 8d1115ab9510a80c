"""Workload files: which statements a service sends to its database, how often, and how long they take.

JSON Lines, described by ``schemas/workload.json``: a line that names the format, then lines of statements. A line counts the
calls of one statement since the line before about the same one, so that a reader adds them up. Texts of statements are
written as they are sent; values of parameters only when asked for, since they are often personal.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import math
import os
import threading
import warnings
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from time import monotonic
from typing import Any

FORMAT = "pulse-workload"
VERSION = 1

_MAX_PENDING = 1000
"""Statements that are added up in memory before they are written."""
_WRITE_EVERY_SECONDS = 5.0
_MAX_STATEMENT_BYTES = 64 * 1024
_MAX_VALUE_CHARACTERS = 1024
_MAX_VALUE_BYTES = 1024
_MAX_VALUES = 1000
_MAX_SHARED = 64
"""Files that :meth:`Workload.at` keeps open for all."""
_RESERVE_BYTES = 256
"""Room for the line that says what was lost."""


class Workload:
    """Collects statements and appends them to a file. May be used by many threads.

    ``dialect``: of the statements, for example ``sqlite``. ``values``: whether values of parameters are written.
    ``max_bytes``: size of the file beyond which statements are only counted; 64 MiB by default.

    A file that cannot be written (a full disk, a missing folder) never breaks the application: one warning, and from then
    on statements are only counted in :attr:`lost_calls`. After a fork the child goes on with the same file and begins at
    zero.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        dialect: str,
        values: bool = False,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self.path = os.fspath(path)
        self.dialect = dialect
        self.has_values = values
        self.max_bytes = max_bytes
        self.lost_calls = 0
        """Calls that are not in the file and will not be."""
        self._pending: dict[tuple[str, str | None], list[int | None]] = {}
        self._lock = threading.Lock()
        self._next_write = monotonic() + _WRITE_EVERY_SECONDS
        self._is_full = False
        self._has_header = False
        _open_workloads.add(self)

    @classmethod
    def at(cls, path: str | os.PathLike[str], *, dialect: str, values: bool = False) -> Workload:
        """The workload file at ``path`` that everybody in this process shares who asks for it this way."""
        key = (os.path.abspath(path), dialect, values)
        with _shared_lock:
            workload = _shared.get(key)
            if workload is None:
                while len(_shared) >= _MAX_SHARED:
                    _shared.pop(next(iter(_shared))).flush()
                workload = _shared[key] = cls(path, dialect=dialect, values=values)
            return workload

    def add(
        self, statement: str, duration_ns: int, *, calls: int = 1, rows: int | None = None, values: Any = None
    ) -> None:
        """Counts calls of a statement that together took ``duration_ns`` and returned or changed ``rows``."""
        with self._lock:
            if self._is_full or len(statement) > _MAX_STATEMENT_BYTES:
                self.lost_calls += calls
                return
            written = _written_values(values) if self.has_values and values is not None else None
            total = self._pending.setdefault((statement, written), [0, 0, None])
            total[0] = (total[0] or 0) + calls
            total[1] = (total[1] or 0) + max(duration_ns, 0)
            if rows is not None:
                total[2] = (total[2] or 0) + rows
            if len(self._pending) >= _MAX_PENDING or monotonic() >= self._next_write:
                self._write()

    def flush(self) -> None:
        """Writes what is still in memory."""
        with self._lock:
            self._write()

    def __del__(self) -> None:
        # While the interpreter ends, what writing needs may be gone; by then `atexit` has written it.
        with contextlib.suppress(Exception):
            self.flush()

    def _write(self) -> None:
        self._next_write = monotonic() + _WRITE_EVERY_SECONDS
        pending, self._pending = self._pending, {}
        if not pending or self._is_full:
            self.lost_calls += _calls(pending.values())
            return
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._append(descriptor, pending)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            self._give_up(f"the workload file {self.path} cannot be written ({error})", pending)

    def _append(self, descriptor: int, pending: dict[tuple[str, str | None], list[int | None]]) -> None:
        """Writes what fits, and takes it out of ``pending``."""
        room = self.max_bytes - os.fstat(descriptor).st_size - _RESERVE_BYTES
        lines = [] if self._has_header else [_line(self._header())]
        room -= sum(map(len, lines))
        written = []
        for key, total in pending.items():
            line = _line(_entry(*key, *total))
            if len(line) > room:
                break
            room -= len(line)
            lines.append(line)
            written.append(key)
        left = list(pending.values())[len(written) :]
        if left:
            lines.append(_line({"lost_calls": self.lost_calls + _calls(left)}))
        _append_whole(descriptor, b"".join(lines))
        self._has_header = True
        for key in written:
            del pending[key]
        if pending:
            self._give_up(f"the workload file {self.path} has reached its {self.max_bytes} bytes", pending)

    def _give_up(self, reason: str, pending: Mapping[Any, list[int | None]]) -> None:
        self._is_full = True
        self.lost_calls += _calls(pending.values())
        # Even where warnings are errors: the statement that happened to trigger it has nothing to do with it.
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn(f"{reason}; further statements are only counted", RuntimeWarning, stacklevel=2)

    def _header(self) -> dict[str, Any]:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "format": FORMAT,
            "version": VERSION,
            "dialect": self.dialect,
            "recorded": now,
            "has_values": self.has_values,
        }

    def _forget(self) -> None:
        """In a forked child: what is pending belongs to the parent, and a thread of it may have held the lock."""
        self._lock = threading.Lock()
        self._pending = {}
        self.lost_calls = 0


_open_workloads: weakref.WeakSet[Workload] = weakref.WeakSet()
_shared: dict[tuple[str, str, bool], Workload] = {}
_shared_lock = threading.Lock()


def _flush_all() -> None:
    for workload in list(_open_workloads):
        workload.flush()


def _forget_all() -> None:
    global _shared_lock
    _shared_lock = threading.Lock()
    for workload in list(_open_workloads):
        workload._forget()


atexit.register(_flush_all)
os.register_at_fork(after_in_child=_forget_all)


def _calls(totals: Iterable[list[int | None]]) -> int:
    return sum(total[0] or 0 for total in totals)


def _entry(
    statement: str, values: str | None, calls: int | None, duration_ns: int | None, rows: int | None
) -> dict[str, Any]:
    entry: dict[str, Any] = {"statement": statement, "calls": calls, "duration_ns": duration_ns}
    if rows is not None:
        entry["rows"] = rows
    if values is not None:
        entry["values"] = json.loads(values)
    return entry


def _line(value: Mapping[str, Any]) -> bytes:
    # Lone surrogates, which no UTF-8 has, are escaped as everything else beyond ASCII.
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _append_whole(descriptor: int, data: bytes) -> None:
    """Appends all of it, or nothing: half a line would spoil the file for its reader."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    done = 0
    try:
        while done < len(data):
            done += os.write(descriptor, data[done:])
    except OSError:
        # Only when nobody else has appended in the meantime.
        if done and os.fstat(descriptor).st_size == end + done:
            os.ftruncate(descriptor, end)
        raise


def _written_values(values: Any) -> str:
    """The values of parameters as JSON: a list by position, or an object by name."""
    if isinstance(values, Mapping):
        shown: Any = {str(name): _value(value) for name, value in list(values.items())[:_MAX_VALUES]}
    elif isinstance(values, Sequence) and not isinstance(values, (str, bytes)):
        shown = [_value(value) for value in values[:_MAX_VALUES]]
    else:
        shown = []
    return json.dumps(shown)


def _value(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else _without_word(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        written = bytes(value)
        if len(written) > _MAX_VALUE_BYTES:
            return {"bytes": len(written)}
        return {"base64": base64.b64encode(written).decode("ascii")}
    return str(value)[:_MAX_VALUE_CHARACTERS]


def _without_word(value: float) -> dict[str, str] | None:
    """Numbers that JSON has no word for. What is no number is a null for SQLite, too."""
    return None if math.isnan(value) else {"real": "inf" if value > 0 else "-inf"}
