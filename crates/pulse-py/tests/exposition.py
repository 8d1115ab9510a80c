"""Reading Prometheus text, as far as the tests need it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pulse_perf import PerformanceMonitor

_LINE = re.compile(r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """The samples of Prometheus text: name, labels, value."""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is not None:
            yield match["name"], dict(_LABEL.findall(match["labels"] or "")), float(match["value"])


def requests_by(monitor: PerformanceMonitor, *labels: str) -> dict[Any, int]:
    """How many requests were recorded by the values of some labels; of one label, by its value alone."""
    _, _, body = monitor.render()
    counts: dict[Any, int] = {}
    for name, found, value in samples(body.decode()):
        if name == "http_server_request_duration_seconds_count" and value > 0:
            key: Any = tuple(found.get(label) for label in labels)
            key = key[0] if len(labels) == 1 else key
            counts[key] = counts.get(key, 0) + int(value)
    return counts
