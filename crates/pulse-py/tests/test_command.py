"""The command ``pulse`` of the wheel is the program itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest

PULSE = Path(sysconfig.get_path("scripts")) / "pulse"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Runs write a report into the current folder.
    monkeypatch.chdir(tmp_path)


def pulse(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [str(PULSE), *arguments]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (["--version"], {0}),
        (["load", "--users", "many"], {2}),
        # Nobody listens there: a port that needs privileges.
        (["load", "http://127.0.0.1:1/", "--duration", "1s"], {3}),
        # Missed targets; on a machine that is too busy for any measurement, an invalid one.
        (["demo", "--duration", "1s", "--error-rate", "100%"], {98, 99}),
    ],
)
def test_exit_codes(arguments: list[str], codes: set[int]) -> None:
    done = pulse(*arguments)
    assert done.returncode in codes, done.stderr


def test_all_of_a_report_arrives_in_a_pipe() -> None:
    done = pulse("demo", "--duration", "1s", "--out", "json=-")
    assert done.stdout.rstrip().endswith("}"), done.stdout[-200:]


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = pulse("--help", stdout=writer)
    os.close(writer)
    assert "Traceback" not in done.stderr and "panicked" not in done.stderr


def test_ctrl_c_ends_a_run_with_its_report() -> None:
    command = [str(PULSE), "demo", "--duration", "60s"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    # The first line of progress says that the load is on.
    line = process.stderr.readline()
    while line and "s" not in line:
        line = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Target:" in stdout
    assert "KeyboardInterrupt" not in stderr


def test_arguments_that_no_utf_8_has() -> None:
    done = subprocess.run(
        [os.fsencode(PULSE), b"report", b"/nowhere/\xff.pulse"], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
