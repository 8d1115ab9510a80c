"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import importlib.util

import pytest

HAS_BENCHMARK = importlib.util.find_spec("pytest_benchmark") is not None
WITHOUT_BENCHMARK = ("-p", "no:benchmark", "-p", "no:cacheprovider")
WITH_BENCHMARK = ("-p", "no:cacheprovider")
BESIDE = [
    WITHOUT_BENCHMARK,
    pytest.param(
        WITH_BENCHMARK,
        marks=pytest.mark.skipif(not HAS_BENCHMARK, reason="pytest-benchmark is not installed"),
    ),
]

THREE_TESTS = """
    def test_plain(): pass

    def test_measured(perf):
        perf(lambda: None, p95="<1s")

    def test_measured_twice(perf):
        perf(lambda: None, "p95 < 1s", name="first")
        perf(lambda: None, "max < 1s", name="second")
"""


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    # The run inside must not inherit what the run outside was started with.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@pytest.mark.parametrize("plugins", BESIDE)
def test_targets_that_are_met_pass(pytester: pytest.Pytester, plugins: tuple[str, ...]) -> None:
    pytester.makepyfile(THREE_TESTS)
    result = pytester.runpytest_subprocess(*plugins, "-W", "error")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "*performance (times in ms)*",
            "test *median*p95*verdict",
            "test_measured *PASS",
            "first *PASS",
            "second *PASS",
        ]
    )


def test_a_missed_target_fails_with_its_figures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import itertools
        import time

        def test_slow(perf):
            # Times that differ, so that the interval has a width on every machine.
            times = itertools.cycle(range(2, 12))
            perf(lambda: time.sleep(next(times) / 1000), p95="<1ms")
        """
    )
    result = pytester.runpytest_subprocess(*WITHOUT_BENCHMARK)
    result.assert_outcomes(failed=1)
    figures = r"measured \d+\.\d+ms \(95% interval .* – .*\) from \d+ samples"
    result.stdout.re_match_lines([rf"E +pulse_perf\.perf\.PerformanceFailure: FAIL: p95 < 1ms, {figures}"])


@pytest.mark.parametrize("plugins", BESIDE)
@pytest.mark.parametrize(
    ("option", "passed", "skipped"),
    [("--benchmark-only", 2, 1), ("--benchmark-skip", 1, 2), ("--benchmark-disable", 3, 0)],
)
def test_options_of_pytest_benchmark(
    pytester: pytest.Pytester, plugins: tuple[str, ...], option: str, passed: int, skipped: int
) -> None:
    pytester.makepyfile(THREE_TESTS)
    result = pytester.runpytest_subprocess(*plugins, option)
    result.assert_outcomes(passed=passed, skipped=skipped)


@pytest.mark.skipif(not HAS_BENCHMARK, reason="pytest-benchmark is not installed")
def test_benchmarks_and_performance_tests_side_by_side(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        THREE_TESTS
        + """
    import pytest

    @pytest.mark.parametrize("n", [1, 2])
    def test_many(perf, n):
        perf(lambda: n, p50="<1s")

    def test_benchmark(benchmark):
        benchmark(lambda: None)

    def test_both(perf, benchmark):
        benchmark(lambda: None)
        perf(lambda: None, p50="<1s")
    """
    )
    pytester.runpytest_subprocess(*WITH_BENCHMARK, "--benchmark-only").assert_outcomes(passed=6, skipped=1)
    pytester.runpytest_subprocess(*WITH_BENCHMARK, "--benchmark-skip").assert_outcomes(passed=1, skipped=6)
    pytester.runpytest_subprocess(*WITH_BENCHMARK).assert_outcomes(passed=7)


def test_disabled_calls_once_and_judges_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(perf):
            calls = []
            result = perf(lambda: calls.append(1) or "answer", p95="<1ns")
            assert calls == [1]
            assert result.value == "answer"
            assert result.targets == []
        """
    )
    pytester.runpytest_subprocess(*WITHOUT_BENCHMARK, "--benchmark-disable").assert_outcomes(passed=1)


def test_markers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.performance
        @pytest.mark.pulse_target("p50 < 1s", "p95 < 2s", min_samples=200, max_samples=200)
        def test_marked(perf):
            result = perf(lambda: None)
            assert [target["target"] for target in result.targets] == ["p50 < 1s", "p95 < 2s", "errors = 0"]
            assert result.samples == 200
            own = perf(lambda: None, p99="<3s")
            assert [target["target"] for target in own.targets] == ["p99 < 3s", "errors = 0"]

        @pytest.mark.pulse_target("p50 < 1s", max_samples=100)
        class TestClass:
            @pytest.mark.pulse_target("p95 < 2s", max_samples=60)
            def test_nearest_limits_win(self, perf):
                result = perf(lambda: None)
                assert [target["target"] for target in result.targets] == ["p50 < 1s", "p95 < 2s", "errors = 0"]
                assert perf.limits.max_samples == 60

        def test_other(): pass
        """
    )
    pytester.runpytest_subprocess(*WITHOUT_BENCHMARK, "--strict-markers").assert_outcomes(passed=3)
    result = pytester.runpytest_subprocess(*WITHOUT_BENCHMARK, "-m", "performance")
    result.assert_outcomes(passed=1, deselected=2)


def test_calls_that_fail(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import itertools
        import pytest
        from pulse_perf.perf import PerformanceFailure

        class Response:
            def __init__(self, status): self.status_code = status

        def breaks():
            raise ConnectionError("refused")

        def test_an_exception_is_raised_at_once(perf):
            with pytest.raises(ConnectionError, match="refused"):
                perf(breaks, p95="<1s")

        def test_a_fast_error_is_no_success(perf):
            with pytest.raises(PerformanceFailure, match="FAIL: errors = 0"):
                perf(lambda: Response(500), p95="<1s")

        def test_some_may_fail(perf):
            turns = itertools.cycle([Response(200)] * 9 + [Response(503)])
            result = perf(lambda: next(turns), p95="<1s", errors="<20%", throughput=">1/s")
            assert result.verdict == "PASS"
            assert 0 < result.failures < result.samples / 5

        def test_exceptions_count_where_failures_are_expected(perf):
            with pytest.raises(PerformanceFailure, match="errors < 20%, measured 100.00%"):
                perf(breaks, errors="<20%")
        """
    )
    pytester.runpytest_subprocess(*WITHOUT_BENCHMARK).assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('p95="50ms"', "write for example p95='<50ms'"),
        ("p95=50", "write for example p95='<50ms'"),
        ('p95="<50"', "needs a unit of time"),
        ('p95="<<50ms"', "p95"),
        ('speed="<50ms"', "speed"),
        ('"memory_growth < 1MB"', "cannot be measured by calling a function"),
        ('"service_time.p95 < 1ms"', "cannot be measured by calling a function"),
        ("'p95{endpoint=\"/x\"} < 1ms'", "cannot be measured by calling a function"),
    ],
)
def test_targets_with_mistakes_are_explained(pytester: pytest.Pytester, arguments: str, message: str) -> None:
    pytester.makepyfile(f"def test_it(perf): perf(lambda: None, {arguments})")
    result = pytester.runpytest_subprocess(*WITHOUT_BENCHMARK)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *ValueError: *{message}*".replace("[", "[[]")])


def test_what_cannot_be_decided_fails_only_when_strict(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.pulse_target("p99.9 < 1s", max_samples=100)
        def test_few_samples(perf):
            assert perf(lambda: None).verdict == "INCONCLUSIVE"
        """
    )
    result = pytester.runpytest_subprocess(*WITHOUT_BENCHMARK)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["*INCONCLUSIVE: p99.9 < 1s*100 samples are too few to judge; at least 10000*"]
    )
    pytester.runpytest_subprocess(*WITHOUT_BENCHMARK, "--perf-strict").assert_outcomes(failed=1)


def test_clear_answers_come_early(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(perf):
            assert perf(lambda: None, p50="<1h").samples < 1000
        """
    )
    pytester.runpytest_subprocess(*WITHOUT_BENCHMARK).assert_outcomes(passed=1)


def test_verdicts_are_properties_of_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(perf): perf(lambda: None, p50='<1h')")
    pytester.runpytest_subprocess(*WITHOUT_BENCHMARK, "--junit-xml=report.xml").assert_outcomes(passed=1)
    report = (pytester.path / "report.xml").read_text("utf-8")
    assert '<property name="pulse_target" value="PASS: p50 &lt; 1h' in report
