"""A target with its verdict."""

from __future__ import annotations

from typing import Literal, TypedDict


class JudgedTarget(TypedDict):
    """The figures are texts with their units; ``None`` where nothing was measured."""

    target: str
    verdict: Literal["PASS", "INCONCLUSIVE", "NO DATA", "FAIL"]
    value: str | None
    lo: str | None
    """Lower end of the 95 % interval; the value itself for a fact of the run, such as a share of errors."""
    hi: str | None
    samples: int
    reason: str | None
    """Why it is not simply passed or failed."""
