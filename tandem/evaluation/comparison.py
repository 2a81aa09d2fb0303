"""Comparison of two runs on the same questions: what is better, what is worse, and what isn't certain."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tandem_contract.errors import TandemError

from tandem.measures.intervals import Interval, paired_interval

from .runs import Run
from .scoring import by_text

REFERENCED = ("exact_match", "token_f1", "similarity")
BETTER, WORSE, UNSURE = "better", "worse", "not sure"


@dataclass(frozen=True)
class Difference:
    """A metric of two runs over the questions that it applies to in both; one that is asked again counts once."""

    metric: str
    before: float
    after: float
    interval: Interval
    """Of `after - before`, from differences question by question."""
    count: int
    verdict: str
    """`better` or `worse` where the test leaves no doubt, so that the interval leaves out zero; else `not sure`."""
    failed: tuple[int, int] = (0, 0)
    """Of the questions, those whose call failed in `before` and in `after`: each counts as 0."""
    answered: "Difference | None" = None
    """The same over the questions that both runs answered; None where no call failed, or all did."""
    repeated: int = 0
    """How many times a question was asked again."""

    @property
    def by_failures(self) -> bool:
        """Whether the verdict hangs on failed calls: over the questions that both answered it is another."""
        return self.verdict != UNSURE and self.answered is not None and self.answered.verdict != self.verdict


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
        known = [
            pair
            for pair in pairs
            if before.scores[metric][pair[0]] is not None and after.scores[metric][pair[1]] is not None
        ]
        if known:
            differences.append(_difference(metric, before, after, known))
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
    if metric in ("exact_match", "token_f1"):
        yield "metric"
    if metric == "format_adherence" or (by_format and metric in REFERENCED):
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


def _difference(metric: str, before: Run, after: Run, pairs: Sequence[tuple[int, int]]) -> Difference:
    groups = by_text([before.questions[old] for old, _ in pairs])
    old, new = (
        [math.fsum(run.scores[metric][pairs[at][side]] or 0.0 for at in group) / len(group) for group in groups]
        for side, run in enumerate((before, after))
    )
    lost = [
        [any(run.replies[pairs[at][side]].error for at in group) for group in groups]
        for side, run in enumerate((before, after))
    ]
    interval = paired_interval(old, new)
    both = [pairs[at] for group, *away in zip(groups, *lost, strict=True) if not any(away) for at in group]
    return Difference(
        metric,
        *(math.fsum(side) / len(side) for side in (old, new)),
        interval,
        len(groups),
        BETTER if interval.low > 0 else WORSE if interval.high < 0 else UNSURE,
        failed=(sum(lost[0]), sum(lost[1])),
        answered=_difference(metric, before, after, both) if both and len(both) < len(pairs) else None,
        repeated=len(pairs) - len(groups),
    )
