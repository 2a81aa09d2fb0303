"""Comparison of two runs on the same questions: what is better, what is worse, and what isn't certain."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tandem_contract.errors import TandemError

from tandem.measures.intervals import Interval, paired_bootstrap

from .runs import Run

BETTER, WORSE, UNSURE = "better", "worse", "not sure"


@dataclass(frozen=True)
class Difference:
    """A metric of two runs over the questions that it applies to in both."""

    metric: str
    before: float
    after: float
    interval: Interval
    """Of `after - before`, from differences question by question."""
    count: int
    verdict: str
    """`better` or `worse` where the interval leaves out zero, else `not sure`."""


def compare(before: Run, after: Run, common: bool = False) -> list[Difference]:
    """Every metric that both runs measured in the same way, in the order of `before`.

    Raises `TandemError` if the question sets differ; with `common` the questions that both have are compared.
    """
    pairs = _pairs(before, after, common)
    lacking = left_out(before, after)
    differences = []
    for metric in before.metrics:
        if metric in lacking:
            continue
        values = [
            (first, second)
            for old, new in pairs
            if (first := before.scores[metric][old]) is not None and (second := after.scores[metric][new]) is not None
        ]
        if values:
            differences.append(_difference(metric, values))
    return differences


def left_out(before: Run, after: Run) -> dict[str, str]:
    """The metrics that can't be compared: why, and what to do."""
    found = {}
    for metric in dict.fromkeys((*before.metrics, *after.metrics)):
        lacking = [run.name for run in (before, after) if metric not in run.metrics]
        settings = _depends(metric, before, after)
        setting = next((key for key in settings if before.settings.get(key) != after.settings.get(key)), None)
        if lacking:
            found[metric] = f"not measured in {lacking[0]}"
        elif setting:
            found[metric] = f"measured with another --{setting}: run both with the same one, from the kept answers"
    return found


def _depends(metric: str, *runs: Run) -> Iterable[str]:
    """The settings that decide what a value means; that of k is in the metric's name."""
    if metric == "similarity":
        yield "similarity"
    by_format = any("(?P<answer>" in str((run.settings.get("format") or {}).get("regex")) for run in runs)
    if metric == "format_adherence" or (by_format and metric in ("exact_match", "token_f1", "similarity")):
        yield "format"


def _pairs(before: Run, after: Run, common: bool) -> list[tuple[int, int]]:
    """The places of the same questions in both runs."""
    if before.digest != after.digest and not common:
        raise TandemError(_counted(before, after))
    places = {question: at for at, question in enumerate(after.questions)}
    pairs = [(at, places[question]) for at, question in enumerate(before.questions) if question in places]
    if not pairs:
        raise TandemError(f"{before.name} and {after.name} have no question in common: run both on one set.")
    return pairs


def _counted(before: Run, after: Run) -> str:
    first, second = set(before.questions), set(after.questions)
    return (
        f"{before.name} and {after.name} are runs on different question sets: {len(first - second)} questions only in "
        f"{before.name}, {len(second - first)} only in {after.name}, {len(first & second)} in both. Run both on one "
        "set, or compare those in both with --common."
    )


def _difference(metric: str, values: Iterable[tuple[float, float]]) -> Difference:
    old, new = (list(side) for side in zip(*values, strict=True))
    interval = paired_bootstrap(old, new)
    verdict = BETTER if interval.low > 0 else WORSE if interval.high < 0 else UNSURE
    return Difference(metric, *(math.fsum(side) / len(old) for side in (old, new)), interval, len(old), verdict)
