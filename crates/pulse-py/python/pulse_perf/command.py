"""The command ``pulse``: the same program as the binary, started by Python."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from pulse_perf._native import run_command


def main() -> NoReturn:
    """Runs the command line of this process and ends it with the exit code of ``pulse --help``."""
    # Python's handler only sets a flag for the interpreter, which does not run while the program does. The program
    # installs handlers of its own where an interruption has to be reported.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run_command(["pulse", *sys.argv[1:]]))
