"""Confidence intervals of the difference between two models that answered the same questions."""

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

TAIL = 0.025  # on either side of a 95 % interval


class Interval(NamedTuple):
    """The mean difference, and the bounds of its 95 % interval."""

    difference: float
    low: float
    high: float


def paired_bootstrap(base: Sequence[float], tuned: Sequence[float], resamples: int = 10_000, seed: int = 0) -> Interval:
    """The mean of `tuned - base` over paired rows, with its percentile bootstrap interval (Efron and Tibshirani, 1993).

    Rows are drawn, not values, so that what makes a question hard for both cancels out. The same input gives the same
    interval. Few rows make it too narrow, and where all differences are equal it has no width at all.
    Raises `ValueError` if the lists are empty, of different lengths, or hold something that is not a number.
    """
    if len(base) != len(tuned):
        raise ValueError(f"{len(base)} base and {len(tuned)} tuned values: a pair needs one of each")
    if not base:
        raise ValueError("no rows to compare: the test split is empty")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}: at least 1")
    differences = [after - before for before, after in zip(base, tuned, strict=True)]
    if not all(map(math.isfinite, differences)):
        raise ValueError("a value is not a finite number")
    draw = random.Random(seed).choices  # noqa: S311 - not a secret
    count = len(differences)
    # fsum is exact, so that the result doesn't depend on the Python version, as that of sum does.
    means = sorted(math.fsum(draw(differences, k=count)) / count for _ in range(resamples))
    return Interval(math.fsum(differences) / count, quantile(means, TAIL), quantile(means, 1 - TAIL))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value at a share of the way through ordered ones, linear between neighbours, as numpy's default."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
