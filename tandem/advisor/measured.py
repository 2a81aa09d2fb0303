"""Measured facts from evaluation runs.

Correctness is `token_f1`, whatever else was measured: any run with references has it, it needs no model, and it tells
34 francs from 43, which an embedder hardly does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from tandem.evaluation.comparison import left_out
from tandem.evaluation.runs import Run

from .facts import TARGETS, Facts, FactsError, Interval

SOURCES = {"correctness": "token_f1", "format_adherence": "format_adherence"}
"""Which metric of a run a measured fact is."""
STACK = "stack"
ALONE = ("bedrock", "endpoint")
PLACES = 3


def with_runs(facts: Facts, runs: Mapping[str, Run]) -> Facts:
    """The facts with what runs measured of their targets; raises `FactsError` with every mistake.

    Only runs that compare are taken: on the same questions, and with the same form. What the file has measured of a
    target already is a mistake, since nobody could tell which of both the advice is from.
    """
    mistakes = [mistake for target, run in runs.items() for mistake in _mistakes(target, run, facts)]
    first = next(iter(runs.values()), None)
    mistakes += [mistake for run in runs.values() if first for mistake in _apart(first, run)]
    if mistakes:
        raise FactsError("\n".join(mistakes))
    measured = {metric: dict(found) for metric, found in facts.measured.items()}
    for target, run in runs.items():
        for metric, source in SOURCES.items():
            if found := run.metrics.get(source):
                values = (Decimal(str(round(value, PLACES))) for value in (found.value, found.low, found.high))
                measured.setdefault(metric, {})[target] = Interval(*values)
    return replace(facts, measured=measured)


def _mistakes(target: str, run: Run, facts: Facts) -> Iterable[str]:
    where = f"--run {target}={run.name}"
    if target not in TARGETS:
        yield f"{where}: there is no target {target!r}; there are {', '.join(TARGETS)}"
        return
    kind = run.target.get("kind")
    if target in ("rag", "hybrid") and kind in ALONE:
        yield f"{where}: the run asked a model alone ({kind}); give a run of a stack, or base or tuned"
    if target in ("base", "tuned") and kind == STACK:
        yield f"{where}: the run asked a stack, which retrieves; give a run of a model alone, or rag or hybrid"
    if not any(source in run.metrics for source in SOURCES.values()):
        yield f"{where}: it has neither {' nor '.join(SOURCES.values())}; run it with references, or with --format"
    for metric in SOURCES:
        if SOURCES[metric] in run.metrics and facts.found(metric, target):
            yield f"{where}: the file has measured.{metric}.{target} too; take it out there, or leave out the run"


def _apart(first: Run, run: Run) -> Iterable[str]:
    """Why two runs' measurements can't stand beside each other."""
    if run.digest != first.digest:
        yield f"{run.name} answered other questions than {first.name}: give runs on one question set"
    for source in SOURCES.values():
        if source in first.metrics and source in run.metrics and source in (why := left_out(first, run)):
            yield f"{source} of {run.name} doesn't compare with that of {first.name}: {why[source]}"
