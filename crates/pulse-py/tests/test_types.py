"""The types that the package declares are those that it has, and they find mistakes in a program that uses it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")

PROGRAM = """
from pulse_core.performance_monitor import get_monitor, record_request
from pulse_perf import PerformanceMonitor
from pulse_perf.perf import Perf

record_request("/api/v1/execute", duration=0.05, status_code=200)
summary = get_monitor().get_summary()
reveal_type(summary["requests"]["rate_per_second"])
reveal_type(summary["endpoints"]["/a"]["p95_response_time_ms"])
reveal_type(PerformanceMonitor(60).endpoint("/a").record(0.1))
reveal_type(get_monitor().get_endpoint_stats()["/a"]["count"])

def test_it(perf: Perf) -> None:
    reveal_type(perf(lambda: None, "p99 < 1s", p95="<50ms").verdict)

record_request("/a", "0.05")
summary["nonsense"]
PerformanceMonitor().get_everything()
"""
REVEALED = [
    '"float"',
    '"float"',
    '"None"',
    '"int"',
    '"str"',
]
ERRORS = ["arg-type", "typeddict-item", "attr-defined"]


def test_stubs_are_those_of_the_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "pulse_perf", "pulse_core"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_program_that_uses_it_is_checked(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", program.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    lines = done.stdout.splitlines()
    revealed = [
        line.split("Revealed type is ")[1].replace("builtins.", "") for line in lines if "Revealed" in line
    ]
    errors = [line.rsplit("[", 1)[1].rstrip("]") for line in lines if "error:" in line and "[" in line]
    assert (revealed, errors) == (REVEALED, ERRORS), done.stdout + done.stderr
