"""Measured facts from evaluation runs.

Correctness is `token_f1`, whatever else was measured: any run with references has it, it needs no model, and it tells
34 francs from 43, which an embedder hardly does.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from tandem_contract.checks import Checks

from tandem.evaluation.comparison import left_out
from tandem.evaluation.runs import Run

from .facts import TARGETS, Facts, Interval

SOURCES = {"correctness": "token_f1", "format_adherence": "format_adherence"}
"""Which metric of a run a measured fact is."""
STACK = "stack"
ALONE = ("bedrock", "endpoint")
PLACES = 3


def with_runs(facts: Facts, runs: Mapping[str, Run]) -> Facts:
    """The facts with what runs measured of their targets; raises `Mistakes`.

    Only runs that compare are taken: on the same questions, and with the same form. What the file has measured of a
    target already is a mistake, since nobody could tell which of both the advice is from.
    """
    checks = Checks()
    for target, run in runs.items():
        _check(target, run, facts, checks)
        _check_alike(next(iter(runs.values())), run, checks)
    checks.finish("--run")
    measured = {metric: dict(found) for metric, found in facts.measured.items()}
    for target, run in runs.items():
        for metric, source in SOURCES.items():
            if found := run.metrics.get(source):
                values = (Decimal(str(round(value, PLACES))) for value in (found.value, found.low, found.high))
                measured.setdefault(metric, {})[target] = Interval(*values)
    return replace(facts, measured=measured)


def _check(target: str, run: Run, facts: Facts, checks: Checks) -> None:
    where, kind = f"{target}={run.name}", run.target.get("kind")
    if target not in TARGETS:
        checks.add(where, f"there is no target {target!r}", f"Name {', '.join(TARGETS)}.")
        return
    if target in ("rag", "hybrid") and kind in ALONE:
        checks.add(where, f"the run asked a model alone ({kind})", "Give a run of a stack, or name base or tuned.")
    if target in ("base", "tuned") and kind == STACK:
        checks.add(where, "the run asked a stack, which retrieves", "Give a run of a model, or name rag or hybrid.")
    if not any(source in run.metrics for source in SOURCES.values()):
        lacking = f"it has neither {' nor '.join(SOURCES.values())}"
        checks.add(where, lacking, "Run it with references, or with --format.")
    for metric in SOURCES:
        if SOURCES[metric] in run.metrics and facts.found(metric, target):
            both = f"the file has measured.{metric}.{target} too"
            checks.add(where, both, "Take it out there, or leave out the run.")


def _check_alike(first: Run, run: Run, checks: Checks) -> None:
    """Two runs' measurements can stand beside each other."""
    if run.digest != first.digest:
        checks.add("", f"{run.name} answered other questions than {first.name}", "Give runs on one question set.")
    for source in SOURCES.values():
        if source in first.metrics and source in run.metrics and source in (why := left_out(first, run)):
            apart = f"{source} of {run.name} doesn't compare with that of {first.name}: it was"
            checks.add("", *f"{apart} {why[source]}".rsplit(": ", 1))
