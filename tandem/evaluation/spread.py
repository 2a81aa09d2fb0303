"""Aggregates of a run: means in which failures count, and percentiles of latency.

A mean's own interval is `measures.intervals.mean_interval`. Prices are no part of this: they need token counts and the
price rows of `tandem.cost`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tandem.measures.intervals import quantile


class Mean(NamedTuple):
    """The mean over `count` values, of which `failed` are those of failed calls, each 0."""

    value: float
    count: int
    failed: int


class Latency(NamedTuple):
    """Percentiles over the calls that answered, None if none did; `count` are all calls, `failed` those without."""

    p50: float | None
    p95: float | None
    count: int
    failed: int


def mean(values: Iterable[float | None]) -> Mean:
    """The mean of a metric over questions; None is a failed call, which scores 0 and stays in the denominator.

    Raises `ValueError` without values, or where one is not a finite number.
    """
    scores = list(values)
    if not scores:
        raise ValueError("no values: the question set has no question that this metric measures")
    known = _finite(scores)
    return Mean(math.fsum(known) / len(scores), len(scores), len(scores) - len(known))


def latency(seconds: Iterable[float | None]) -> Latency:
    """The percentiles of the seconds that answers took; None is a failed call.

    A failed call has no latency that compares: a refused connection is fast and a timeout is as slow as its limit. So
    it is told apart, and a latency is read beside `failed`.
    """
    calls = list(seconds)
    known = _finite(calls)
    p50, p95 = (percentile(known, share) if known else None for share in (0.5, 0.95))
    return Latency(p50, p95, len(calls), len(calls) - len(known))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie, linear between neighbours.

    It is method 7 of Hyndman and Fan (1996), numpy's default. With up to 21 values p95 lies between the two
    largest. Raises `ValueError` without values.
    """
    if not values:
        raise ValueError("no values to take a percentile of")
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}: it lies between 0 and 1, e.g. 0.95")
    return quantile(sorted(values), share)


def _finite(values: Iterable[float | None]) -> list[float]:
    known = [value for value in values if value is not None]
    if not all(map(math.isfinite, known)):
        raise ValueError("a value is not a finite number")
    return known
