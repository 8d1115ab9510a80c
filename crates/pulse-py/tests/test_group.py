"""Which processes count together."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from typing import Any

import pytest

from pulse_perf import _group


def test_a_name_in_the_environment_is_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_GROUP", "orders")
    assert _group.own_group() == "orders"
    monkeypatch.setenv("PULSE_GROUP", "")
    assert _group.own_group() != ""


def test_a_program_that_nobody_forked_is_the_root_of_its_family() -> None:
    code = "import os\nfrom pulse_perf._group import own_group\nprint(own_group() == os.getpid())"
    environment = {key: value for key, value in os.environ.items() if key != "PULSE_GROUP"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "True"


def of_a_child(connection: Any) -> None:
    connection.send(_group.own_group())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_children_have_the_root_of_their_parent(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULSE_GROUP", raising=False)
    context: Any = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=of_a_child, args=(theirs,))
    process.start()
    assert ours.poll(60)
    assert ours.recv() == _group.own_group()
    process.join(60)
    ours.close()
    theirs.close()


def test_an_orphan_is_not_of_the_family_of_whoever_adopts_it() -> None:
    code = """
import os
from pulse_perf._group import own_group
root = own_group()
read, write = os.pipe()
if os.fork() == 0:
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent:
            pass
        found = own_group()
        os.write(write, str(found in (os.getpid(), root)).encode())
    os._exit(0)
os.close(write)
print(os.read(read, 100).decode())
"""
    environment = {key: value for key, value in os.environ.items() if key != "PULSE_GROUP"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("pid", [0, -1, 2**31 - 1])
def test_a_process_that_is_not_there(pid: int) -> None:
    assert _group.read_process(pid) is None
    assert _group.family_root(pid) is None
