"""The pytest plugin: the fixture ``perf``, the markers ``performance`` and ``pulse_target``, and ``--benchmark-only``.

    @pytest.mark.performance
    def test_health(perf, client):
        perf(lambda: client.get("/health"), p95="<50ms")

It lives beside pytest-benchmark: the options that both know mean the same for tests of either.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Generator
from typing import Any

import pytest

from pulse_perf.perf import Limits, Perf, PerfResult, describe

_RESULTS = pytest.StashKey[list[PerfResult]]()
_SHARED_OPTIONS = {
    "--benchmark-only": (
        "benchmark_only",
        "Only run tests that measure (with the fixture perf or benchmark).",
    ),
    "--benchmark-skip": ("benchmark_skip", "Skip tests that measure (with the fixture perf or benchmark)."),
    "--benchmark-disable": ("benchmark_disable", "Call what tests measure only once, and judge nothing."),
}


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    group = parser.getgroup("pulse", "performance tests")
    group.addoption(
        "--perf-seconds",
        type=float,
        default=None,
        help="The longest time a function is measured for, in seconds (5).",
    )
    group.addoption(
        "--perf-strict", action="store_true", help="A target that could not be decided fails the test."
    )
    if not _brings_benchmark(pluginmanager):
        for option, (name, text) in _SHARED_OPTIONS.items():
            group.addoption(option, action="store_true", default=False, dest=name, help=text)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "performance: a test of how fast something is; select with -m performance"
    )
    config.addinivalue_line(
        "markers",
        'pulse_target(*targets, min_samples=…, max_samples=…, max_seconds=…): targets such as "p95 < 50ms" for every'
        " call of perf in the test that names none itself",
    )
    config.stash[_RESULTS] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, Any, Any]:
    if config.pluginmanager.hasplugin("benchmark"):
        # pytest-benchmark takes a test for a benchmark when it uses the fixture of that name.
        changed = {id(names): names for names in map(_fixture_names, items) if _only_perf(names)}
        for names in changed.values():
            names.append("benchmark")
        try:
            return (yield)
        finally:
            for names in changed.values():
                names.remove("benchmark")
    for item in items:
        measures = bool({"perf", "benchmark"} & set(_fixture_names(item)))
        if config.getoption("benchmark_only", False) and not measures:
            item.add_marker(pytest.mark.skip(reason="it measures nothing (--benchmark-only)"))
        elif config.getoption("benchmark_skip", False) and measures:
            item.add_marker(pytest.mark.skip(reason="it measures (--benchmark-skip)"))
    return (yield)


@pytest.fixture
def perf(request: pytest.FixtureRequest) -> Generator[Perf, None, None]:
    """Measures a function against targets: ``perf(lambda: client.get("/health"), p95="<50ms")``."""
    config = request.config
    targets: list[str] = []
    limits: dict[str, Any] = {}
    # The nearest marker comes last, so that its limits win.
    for marker in reversed(list(request.node.iter_markers("pulse_target"))):
        targets.extend(marker.args)
        limits.update(marker.kwargs)
    if config.getoption("perf_seconds") is not None:
        limits["max_seconds"] = config.getoption("perf_seconds")
    fixture = Perf(
        request.node.name,
        targets=targets,
        limits=Limits(**limits),
        strict=config.getoption("perf_strict"),
        is_measured=not config.getoption("benchmark_disable", False),
    )
    yield fixture
    config.stash[_RESULTS].extend(fixture.results)
    for result in fixture.results:
        for target in result.targets:
            request.node.user_properties.append(("pulse_target", describe(target)))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    results = [result for result in config.stash[_RESULTS] if result.statistics is not None]
    if not results:
        return
    terminalreporter.section("performance (times in ms)")
    width = max(len("test"), *(len(result.name) for result in results))
    columns = ("min", "median", "mean", "p95", "p99", "max")
    heads = "".join(f"{name:>11}" for name in columns)
    terminalreporter.write_line(f"{'test':<{width}}{heads}{'samples':>9}  verdict")
    for result in results:
        figures = "".join(f"{(result.statistics or {})[name]:>11.4f}" for name in columns)
        terminalreporter.write_line(f"{result.name:<{width}}{figures}{result.samples:>9}  {result.verdict}")
        for target in result.targets:
            if target["verdict"] == "INCONCLUSIVE":
                terminalreporter.write_line(f"  {describe(target)}")


def _brings_benchmark(pluginmanager: pytest.PytestPluginManager) -> bool:
    """Whether pytest-benchmark, whose options these are, is loaded or will be: plugins come in no particular order."""
    if pluginmanager.hasplugin("benchmark"):
        return True
    if pluginmanager.is_blocked("benchmark") or os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        return False
    return importlib.util.find_spec("pytest_benchmark") is not None


def _fixture_names(item: pytest.Item) -> list[str]:
    names: list[str] = getattr(item, "fixturenames", [])
    return names


def _only_perf(names: list[str]) -> bool:
    return "perf" in names and "benchmark" not in names
