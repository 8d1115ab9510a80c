"""What the tests share."""

import pytest

from pulse_perf import PerformanceMonitor

pytest_plugins = ["pytester"]


@pytest.fixture
def monitor() -> PerformanceMonitor:
    """A monitor that nobody else records into."""
    return PerformanceMonitor()
