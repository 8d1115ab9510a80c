"""The fixture ``perf``: calls a function until its targets are decided."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pulse_perf import _native

if TYPE_CHECKING:
    from pulse_perf.judged_target import JudgedTarget

_FIRST_LOOK = 20
_BATCH = 10
"""Calls that are handed over for judgement at once; clusters of slow calls are seen from batch to batch."""
_COMPARISON = re.compile(r"[<>=≤≥]")


class PerformanceFailure(AssertionError):
    """A target is missed, or could not be judged where that was asked for."""


@dataclass(frozen=True)
class Limits:
    """How long a function is called."""

    min_samples: int = _FIRST_LOOK
    """Calls before which nothing is decided."""
    max_samples: int = 100_000
    max_seconds: float = 5.0
    """Time after which no further call begins, the warm-up left out."""
    warm_up_samples: int = 5
    warm_up_seconds: float = 0.5
    """The warm-up ends with whichever of the two comes first; one call is always made."""


@dataclass
class PerfResult:
    """What a function's calls were measured to take."""

    name: str
    targets: list[JudgedTarget] = field(default_factory=list)
    """The verdict on each target."""
    statistics: dict[str, float] | None = None
    """``min``, ``median``, ``mean``, ``p95``, ``p99`` and ``max`` in milliseconds."""
    samples: int = 0
    failures: int = 0
    value: Any = None
    """What the last call returned."""

    @property
    def verdict(self) -> str:
        """The worst verdict of all targets."""
        order = ["PASS", "INCONCLUSIVE", "NO DATA", "FAIL"]
        return max((target["verdict"] for target in self.targets), key=order.index, default="PASS")

    def __str__(self) -> str:
        return "\n".join(describe(target) for target in self.targets) or f"{self.samples} samples"


class Perf:
    """Measures functions in a test.

    ``perf(lambda: client.get("/health"), p95="<50ms")`` calls the function in rounds until every target is decided or the
    limits are reached, and raises :class:`PerformanceFailure` where one is missed. Targets are texts (``"p95 < 50ms"``) or
    keywords: ``p95="<50ms"``, ``p99_9="<1s"``, ``median=``, ``avg=``, ``min=``, ``max=``, ``stddev=``, ``errors="<1%"``,
    ``success=``, ``throughput=">100/s"``.

    A call fails when it raises an exception, or returns something whose ``status_code`` is 400 or more. Without a target
    for ``errors`` or ``success``, an exception is raised at once and a failed response misses the implied ``errors = 0``.
    """

    def __init__(
        self,
        name: str = "",
        *,
        targets: Sequence[str] = (),
        limits: Limits | None = None,
        strict: bool = False,
        is_measured: bool = True,
    ) -> None:
        self.name = name
        self.targets = list(targets)
        self.limits = limits or Limits()
        self.strict = strict
        """Whether a target that could not be decided fails the test."""
        self.is_measured = is_measured
        """Otherwise the function is called once, and nothing is judged."""
        self.results: list[PerfResult] = []

    def __call__(
        self,
        function: Callable[[], Any],
        /,
        *targets: str,
        name: str | None = None,
        limits: Limits | None = None,
        **named_targets: str,
    ) -> PerfResult:
        texts = [*targets, *(_target(key, limit) for key, limit in named_targets.items())] or self.targets
        allows_failures = any(re.match(r"\s*(errors|success)\b", text) for text in texts)
        if not allows_failures:
            texts = [*texts, "errors = 0"]
        measurement = _native.Measurement(texts)
        result = PerfResult(name or self.name)
        self.results.append(result)
        if self.is_measured:
            self._measure(function, measurement, result, limits or self.limits, allows_failures)
        else:
            result.value = function()
            return result
        result.targets = measurement.results()
        result.statistics = measurement.statistics()
        result.samples = measurement.samples
        self._judge(result)
        return result

    def _measure(
        self,
        function: Callable[[], Any],
        measurement: _native.Measurement,
        result: PerfResult,
        limits: Limits,
        allows_failures: bool,
    ) -> None:
        _warm_up(function, limits, allows_failures)
        begin = perf_counter_ns()
        end = begin + int(limits.max_seconds * 1e9)
        next_look = max(limits.min_samples, _FIRST_LOOK)
        samples = 0
        while samples < limits.max_samples and (perf_counter_ns() < end or samples < limits.min_samples):
            size = min(_BATCH, limits.max_samples - samples)
            samples += _batch(function, size, measurement, result, allows_failures)
            if samples >= next_look:
                # Few looks, each at twice as many samples: stopping at the first good moment would flatter.
                next_look = 2 * samples
                if measurement.is_decided():
                    break

    def _judge(self, result: PerfResult) -> None:
        bad = {"FAIL", "NO DATA", "INCONCLUSIVE"} if self.strict else {"FAIL", "NO DATA"}
        missed = [target for target in result.targets if target["verdict"] in bad]
        if missed:
            raise PerformanceFailure("\n".join(describe(target) for target in missed))


def describe(target: JudgedTarget) -> str:
    """A judged target in one line."""
    line = f"{target['verdict']}: {target['target']}"
    if target["value"] is not None:
        interval = "" if target["lo"] == target["hi"] else f" (95% interval {target['lo']} – {target['hi']})"
        line += f", measured {target['value']}{interval} from {target['samples']} samples"
    return f"{line}: {target['reason']}" if target["reason"] else line


def _target(key: str, limit: str) -> str:
    """``p99_9="<1s"`` as a text of the grammar: ``p99.9 <1s``."""
    if not isinstance(limit, str) or not _COMPARISON.search(limit):
        raise ValueError(f"{key}={limit!r} has no comparison: write for example {key}='<50ms'")
    return f"{key.replace('_', '.')} {limit}"


def _warm_up(function: Callable[[], Any], limits: Limits, allows_failures: bool) -> None:
    """The first calls are about caches and connections, not about the function."""
    end = perf_counter_ns() + int(limits.warm_up_seconds * 1e9)
    for _ in range(max(limits.warm_up_samples, 1)):
        try:
            function()
        except Exception:
            if not allows_failures:
                raise
        if perf_counter_ns() >= end:
            break


def _batch(
    function: Callable[[], Any],
    size: int,
    measurement: _native.Measurement,
    result: PerfResult,
    allows_failures: bool,
) -> int:
    succeeded: list[int] = []
    failed: list[int] = []
    value: Any = None
    begin = now = perf_counter_ns()
    for _ in range(size):
        start = perf_counter_ns()
        try:
            value = function()
        except Exception:
            now = perf_counter_ns()
            if not allows_failures:
                raise
            failed.append(now - start)
            continue
        now = perf_counter_ns()
        status = getattr(value, "status_code", None)
        (failed if isinstance(status, int) and status >= 400 else succeeded).append(now - start)
    measurement.add(succeeded, failed, now - begin)
    result.failures += len(failed)
    result.value = value
    return size
