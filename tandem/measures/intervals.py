"""How sure a mean is, and a difference between two models that answered the same questions.

A difference is tested by flipping signs: if both models are alike, each question's difference could as well have the
other sign. Where all differences are of one size, as those of 0 and 1 are, that is the sign test (McNemar's, exact).
Six questions that differ are the least that can be sure at 5 %: five of one sign come by chance once in 16 times.
"""

import math
import random
from collections.abc import Hashable, Sequence
from typing import NamedTuple

LEVEL = 0.05
TAIL = LEVEL / 2  # on either side of a 95 % interval
Z = 1.959963984540054  # the normal distribution's quantile at 1 - TAIL
Z_99 = 2.5758293035489004
EXACT = 12
"""Up to so many values all their subsets are looked at, beyond it a sample."""
SUBSETS = 10_000
ALIKE = 1e-9


class Interval(NamedTuple):
    """The mean difference, the bounds of its 95 % interval, and the two-sided p value of no difference.

    A bound of 0 belongs to the interval: 0 lies outside of it exactly where `p` is below 5 %.
    """

    difference: float
    low: float
    high: float
    p: float


def paired_interval(base: Sequence[float], tuned: Sequence[float], seed: int = 0) -> Interval:
    """The mean of `tuned - base` over paired values from 0 to 1, with its 95 % interval and its p value.

    The interval holds the middle 95 % of the means of subsets of the differences (Hartigan, "Using subsample values as
    typical values", 1969), which is what the flipping of signs doesn't refuse. Where the differences are of one size,
    it is widened to the exact interval of their signs (Clopper and Pearson), so that it has a width. Below six values
    it is -1 to 1. Of up to 12 values all subsets are looked at, of more 10,000: the same input gives the same interval.
    Raises `ValueError` if the lists are empty, of different lengths, or hold something that is not a number.
    """
    if len(base) != len(tuned):
        raise ValueError(f"{len(base)} base and {len(tuned)} tuned values: a pair needs one of each")
    differences = [after - before for before, after in zip(base, tuned, strict=True)]
    mean = _mean(differences)
    differing = [value for value in differences if abs(value) > ALIKE]
    if not differing:
        return Interval(0.0, 0.0, 0.0, 1.0) if len(differences) > 5 else Interval(0.0, -1.0, 1.0, 1.0)
    subsets = _subsets(differences, seed)
    low, high = _typical(subsets) or (-1.0, 1.0)
    size = max(map(abs, differing))
    if size - min(map(abs, differing)) <= ALIKE:
        up = sum(value > 0 for value in differing)
        p = _sign_test(up, len(differing))
        share = size * len(differing) / len(differences)
        least, most = (share * (2 * bound - 1) for bound in _clopper_pearson(up, len(differing)))
        low, high = min(low, least), max(high, most)
    else:
        few = len(differing) <= EXACT
        p = _flip_test(_subsets(differing, seed) if few else subsets, mean, sampled=not few)
    # A share of a sample and its quantile may differ by a hair.
    if p >= LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    else:
        low, high = (max(low, ALIKE), high) if mean > 0 else (low, min(high, -ALIKE))
    return Interval(mean, low, high, p)


def mean_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mean of values from 0 to 1.

    Of a share, where all are 0 or 1, Wilson's (1927), which has a width at 0 and 1 too; else as that of
    `paired_interval`, and from 0 to 1 below six values. Raises `ValueError` without values, or where one is not a
    finite number.
    """
    mean, count = _mean(values), len(values)
    if all(value in (0, 1) for value in values):
        middle, spread = mean + Z**2 / (2 * count), Z * math.sqrt(mean * (1 - mean) / count + (Z / (2 * count)) ** 2)
        low, high = ((middle + side) / (1 + Z**2 / count) for side in (-spread, spread))
    else:
        low, high = _typical(_subsets(values, seed)) or (0.0, 1.0)
    return min(max(low, 0.0), mean), max(min(high, 1.0), mean)


def once(keys: Sequence[Hashable], values: Sequence[float]) -> list[float]:
    """A value for each key, the mean of its own: what is asked again tells nothing new."""
    found: dict[Hashable, list[float]] = {}
    for key, value in zip(keys, values, strict=True):
        found.setdefault(key, []).append(value)
    return [math.fsum(own) / len(own) for own in found.values()]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value at a share of the way through ordered ones, linear between neighbours, as numpy's default."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _mean(values: Sequence[float]) -> float:
    if not values:
        raise ValueError("no rows to compare: the test split is empty")
    if not all(map(math.isfinite, values)):
        raise ValueError("a value is not a finite number")
    # fsum is exact, so that the result doesn't depend on the Python version, as that of sum does.
    return math.fsum(values) / len(values)


def _typical(subsets: Sequence[tuple[float, int]]) -> tuple[float, float] | None:
    """The middle 95 % of the means of subsets; None where these are too few to say so."""
    means = sorted(total / count for total, count in subsets if count)
    rank = math.floor(TAIL * (len(means) + 1))
    return (means[rank - 1], means[-rank]) if rank else None


def _sign_test(up: int, count: int) -> float:
    """The two-sided p value of so many of one sign."""
    side = sum(math.comb(count, number) for number in range(min(up, count - up) + 1))
    return min(2 * side / 2**count, 1.0)


def _flip_test(subsets: Sequence[tuple[float, int]], mean: float, *, sampled: bool) -> float:
    """The two-sided p value of a sum whose signs could be others; of a sample the upper bound of its 99 % interval.

    Flipping a subset gives a sum as far on the other side where the subset's own sum is 0 or beyond.
    """
    reached = float(sum((total if mean > 0 else -total) <= ALIKE for total, _ in subsets))
    if sampled:
        reached += Z_99 * math.sqrt(reached)  # so that no draw of subsets makes a verdict
    return min(2 * reached / len(subsets), 1.0)


def _subsets(values: Sequence[float], seed: int) -> list[tuple[float, int]]:
    """Sum and number of the members of each subset, the empty one first; of many values, of a sample of subsets."""
    tables = []
    for at in range(0, len(values), 8):
        table = [(0.0, 0)]
        for value in values[at : at + 8]:
            table += [(total + value, count + 1) for total, count in table]
        tables.append(table)
    if len(values) <= EXACT:
        found = [(0.0, 0)]
        for table in tables:
            found = [(total + more, count + members) for more, members in table for total, count in found]
        return found
    draw = random.Random(seed).randbytes  # noqa: S311 - not a secret
    found = [(0.0, 0)]
    for _ in range(SUBSETS - 1):
        total, members = 0.0, 0
        for table, byte in zip(tables, draw(len(tables)), strict=True):
            more, number = table[byte % len(table)]
            total, members = total + more, members + number
        found.append((total, members))
    return found


def _clopper_pearson(up: int, count: int) -> tuple[float, float]:
    """The exact 95 % interval of the share of one sign."""
    return (0.0 if not up else _share(up, count)), (1.0 if up == count else 1 - _share(count - up, count))


def _share(least: int, count: int) -> float:
    """The share at which `least` or more of `count` come by a chance of 2.5 %."""
    ways = [math.lgamma(count + 1) - math.lgamma(n + 1) - math.lgamma(count - n + 1) for n in range(least, count + 1)]
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        yes, no = math.log(middle), math.log1p(-middle)
        chance = math.fsum(math.exp(way + n * yes + (count - n) * no) for n, way in enumerate(ways, least))
        low, high = (middle, high) if chance < TAIL else (low, middle)
    return low
