"""What people copy from the documentation runs as it stands."""

import subprocess
import sys

SNIPPET = """\
from pulse_core.performance_monitor import get_monitor, record_request
record_request("/api/v1/execute", duration=0.05, status_code=200)
monitor = get_monitor(); summary = monitor.get_summary()
print(f"Request rate: {summary['requests']['rate_per_second']:.2f} req/s")
print(f"P95 response time: {summary['response_times']['p95']:.2f}ms")
"""


def test_the_snippet_runs_as_it_stands() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SNIPPET], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    rate, p95 = done.stdout.splitlines()
    assert rate == "Request rate: 1.00 req/s"
    # The bucket of 50 ms is at most 1.1 % wide on either side.
    assert p95.startswith("P95 response time: ") and p95.endswith("ms")
    assert abs(float(p95.removeprefix("P95 response time: ").removesuffix("ms")) - 50) <= 0.011 * 50
