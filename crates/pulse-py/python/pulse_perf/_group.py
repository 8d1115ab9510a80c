"""Which processes belong together, and so share one monitor.

All processes that a supervisor has started for one service must agree on a name without talking to each other:

- ``PULSE_GROUP`` in the environment is the name, whatever else holds.
- Otherwise it is the *root* of the family: up from this process through everything that was forked without starting
  another program (gunicorn's workers, ``os.fork``, ``multiprocessing`` with ``fork``), and from a process that
  ``multiprocessing`` has spawned (``uvicorn --workers``) to the one that asked for it.

A process that nobody has forked or spawned is the root of a family of its own: what it forks later counts with it.
"""

from __future__ import annotations

import multiprocessing
import os
from typing import NamedTuple

# From <linux/sched.h>: forked but did not execute another program.
_FORKED_WITHOUT_EXEC = 0x00000040
# A chain of parents that is longer has a circle in it, which only a namespace of process ids can show.
_MAX_DEPTH = 64


class Process(NamedTuple):
    """What ``/proc/PID/stat`` says about a process."""

    pid: int
    parent: int
    flags: int

    def was_forked(self) -> bool:
        """Whether it still runs the program of its parent."""
        return bool(self.flags & _FORKED_WITHOUT_EXEC)


def own_group() -> str | int | None:
    """The group of this process: a name, or the id of the family's root. ``None`` where nothing tells it."""
    named = os.environ.get("PULSE_GROUP")
    if named:
        return named
    root = family_root(os.getpid())
    return None if root is None else root.pid


def family_root(pid: int) -> Process | None:
    """The process that stands for the family of ``pid``; ``None`` without ``/proc``."""
    process = _fork_root(pid)
    spawned_by = multiprocessing.parent_process()
    if process is None or spawned_by is None or spawned_by.pid is None:
        return process
    # A spawned process has started another program, so that its fork root is itself. One that is gone is no root any
    # more: nobody else can find its name either.
    return _fork_root(spawned_by.pid) or process


def _fork_root(pid: int) -> Process | None:
    """Up through everything that was forked without starting another program."""
    process = read_process(pid)
    for _ in range(_MAX_DEPTH):
        if process is None or not process.was_forked():
            break
        parent = read_process(process.parent)
        if parent is None or _program(parent.pid) != _program(process.pid):
            # Its parent has ended, and whoever adopted it has nothing to do with it.
            break
        process = parent
    return process


def read_process(pid: int) -> Process | None:
    """Reads ``/proc/PID/stat``; ``None`` when there is no such process, or no ``/proc``."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
        # The name, in brackets, may hold blanks and brackets itself.
        fields = stat[stat.rindex(b")") + 2 :].split()
        return Process(pid, int(fields[1]), int(fields[6]))
    except (OSError, ValueError, IndexError):
        return None


def _program(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None
