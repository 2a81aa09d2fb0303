"""Published memory of training on several GPUs; `python -m tests.unit.finetuning.sizing_sharded` prints the tables of
docs/sizing-measurements.md. `sizing_sharded.csv` has the cases: memory in GB of one GPU, `rows` and `tokens` those
of one GPU too.
"""

import csv
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from tandem.finetuning.backends.base_models import MODELS
from tandem.finetuning.backends.instances import HEADROOM
from tandem.finetuning.backends.shapes import ModelShape
from tandem.finetuning.backends.sizing import MemoryEstimate, TrainingFootprint, estimate
from tests.unit.finetuning import sizing_cases

ATTENTION = sizing_cases.ATTENTION
MODELS = sizing_cases.MODELS | {
    "Llama-3.1-70B": MODELS["meta-llama/Llama-3.1-70B"].shape,
    "Qwen2.5-32B": MODELS["Qwen/Qwen2.5-32B"].shape,
}

# What each program keeps. FSDP1 adds gradients up in 16 bits and gathers no layer ahead; with adapters two layers'
# tensors exist at once, which the fitted cases say and no source that we know.
FSDP1 = TrainingFootprint(reduced=2, gathered=1)
FULL, ADAPTER = replace(FSDP1, step=4), replace(FSDP1, layers=2)
PROGRAMS = {
    "full 16, whole": replace(FULL, full=2, moments=4, step=2, whole_logits=True),
    "full, tiles": FULL,
    # A kernel that leaves the gradient where the logit in 32 bits was: beside that, the head's gradient in 16.
    "full, own loss": replace(FULL, whole_logits=True, loss=6),
    "adapter, whole": replace(ADAPTER, whole_logits=True),
    "adapter, tiles": ADAPTER,
    "adapter, own loss": replace(ADAPTER, whole_logits=True, loss=6),
    "FSDP2 adapter, tiles": TrainingFootprint(adapter=2),
    "FSDP2 full, tiles": TrainingFootprint(),
    "FSDP2 full, whole": TrainingFootprint(whole_logits=True),
}


class Case(NamedTuple):
    """A published run. `lacks` says why the formula doesn't apply to it; its other fields are as published then."""

    case: str
    source: str
    model: str
    method: str
    program: str
    gpus: str
    gpu_gb: str
    rows: str
    tokens: str
    allocated: str
    total: str
    outcome: str
    """`ran`, `failed`, or `no result`, which is not the same."""
    lacks: str

    @property
    def fitted(self) -> bool:
        """Whether the constants for several ranks come from it."""
        return self.model == "Llama-3-8B" and self.method != "full" and self.outcome == "ran"

    @property
    def published(self) -> float | None:
        """GB allocated, or else in total; None of a run that gave no result."""
        return float(self.allocated or self.total) if self.outcome == "ran" else None

    def estimate(self) -> MemoryEstimate:
        """What the sizing says."""
        model: ModelShape = MODELS[self.model]
        model = replace(model, context_tokens=max(model.context_tokens, int(self.tokens)))
        return estimate(
            model,
            self.method,
            int(self.tokens),
            int(self.rows),
            world=int(self.gpus),
            modules=ATTENTION,
            footprint=PROGRAMS[self.program],
        )

    def error(self) -> float:
        """0.1 is 10 % too much; of the allocated memory where it is published."""
        assert self.published
        found = self.estimate()
        return (found.allocated if self.allocated else found.total) / self.published - 1

    def fits(self) -> bool:
        """Whether the check before a run would let it through."""
        return self.estimate().total * (1 + HEADROOM) <= float(self.gpu_gb)


def _cases() -> list[Case]:
    with Path(__file__).with_suffix(".csv").open(newline="") as file:
        return [Case(**row) for row in csv.DictReader(file)]


CASES = _cases()
MEASURED = [case for case in CASES if case.program and case.outcome == "ran"]
ENDED = [case for case in CASES if case.program and case.outcome != "ran"]
LACKING = [case for case in CASES if case.lacks]


def _table(head: str, lines: Iterable[Iterable[str]]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *("| " + " | ".join(line) + " |" for line in lines)])


def _settings(case: Case) -> list[str]:
    return [case.case, case.model, case.method, case.program, case.gpus, f"{case.rows} x {case.tokens}"]


def measured() -> str:
    """The cases with a peak, as Markdown."""
    lines = []
    for case in MEASURED:
        found, cells = case.estimate(), [*_settings(case), "yes" if case.fitted else ""]
        for published, ours in ((case.allocated, found.allocated), (case.total, found.total)):
            error = f"{100 * (ours / float(published) - 1):+.1f} %" if published else ""
            cells += [published, f"{ours:.2f}", error]
        lines.append(cells)
    head = "| case | model | method | program | GPUs | rows x tokens | fitted | allocated | ours | error "
    return _table(head + "| total | ours | error |", lines)


def ended() -> str:
    """The cases that failed, or gave no result, as Markdown."""
    lines = [
        [*_settings(case), case.outcome, case.gpu_gb, f"{case.estimate().total:.0f}", "yes" if case.fits() else "no"]
        for case in ENDED
    ]
    head = "| case | model | method | program | GPUs | rows x tokens | outcome | GB of a GPU | ours | fits, by ours |"
    return _table(head, lines)


def lacking() -> str:
    """The other cases, by source and what they lack, as Markdown."""
    lines = []
    for (source, lacks), cases in groupby(LACKING, lambda case: (case.source, case.lacks)):
        found = list(cases)
        what = dict.fromkeys(
            f"{case.model} {case.method}, {case.gpus} GPUs, {case.rows or '?'} x {case.tokens or '?'}" for case in found
        )
        lines.append([_ranges([int(case.case) for case in found]), source, "; ".join(what), lacks])
    return _table("| cases | source | runs | lacks |", lines)


def _ranges(numbers: list[int]) -> str:
    """`1-3, 7` for 1, 2, 3 and 7."""
    runs = [[each for _, each in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


if __name__ == "__main__":
    print(measured(), ended(), lacking(), sep="\n\n")
