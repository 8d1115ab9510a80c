"""What the tests share."""

from __future__ import annotations

import os

import pytest

from pulse_perf import PerformanceMonitor

pytest_plugins = ["pytester"]

_missing: list[str] = []


@pytest.fixture
def monitor() -> PerformanceMonitor:
    """A monitor that nobody else records into."""
    return PerformanceMonitor()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    reason = str(report.longrepr)
    if report.skipped and ("is not installed" in reason or "could not import" in reason):
        _missing.append(reason)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped and "could not import" in str(report.longrepr):
        _missing.append(str(report.longrepr))


def pytest_sessionfinish(session: pytest.Session) -> None:
    # A laptop may lack a framework; in CI everything is installed, and what is missing is a failure.
    if _missing and os.environ.get("CI") == "true":
        print("\nmissing, and CI must have it:", *_missing, sep="\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
