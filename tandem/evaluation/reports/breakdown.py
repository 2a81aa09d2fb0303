"""What a mean hides: how runs do by tag, and which questions changed sides."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..comparison import left_out
from ..questions import Question
from ..runs import Measured, Run
from ..scoring import measured
from .content import CORRECTNESS, FORMAT, counted, label, listed

REFUSAL = "refusal_accuracy"
SHOWN = (CORRECTNESS, FORMAT, REFUSAL)
SIDES = ("exact_match", FORMAT, REFUSAL)
"""Metrics of 0 and 1, of which a question is on one side."""


MOST_TAGS = 40


class Turned(NamedTuple):
    """A question that only one of two runs has right."""

    number: int
    """On the page, from 1."""
    question: Question
    metric: str
    right: bool
    """Whether it is right now, and was wrong in the first run."""


Tags = Mapping[str, Mapping[str, Sequence[Measured | None]]]
"""Metric -> tag -> how each run does, None where it isn't measured."""


def by_tag(runs: Sequence[Run]) -> Tags:
    """How runs do in the questions of each of the most frequent tags, by the metrics that a reader goes by."""
    counts = Counter(tag for question in runs[0].questions for tag in question.tags)
    tags = sorted(sorted(counts, key=lambda tag: (-counts[tag], tag))[:MOST_TAGS])
    found = {
        metric: {tag: [_within(run, metric, tag) for run in runs] for tag in tags}
        for metric in SHOWN
        if any(metric in run.metrics for run in runs)
    }
    return {
        metric: {tag: values for tag, values in rows.items() if any(values)} for metric, rows in found.items() if tags
    }


def hidden(runs: Sequence[Run], tags: Tags) -> list[str]:
    """Sentences about tags in which a run has nothing right, though its mean isn't 0."""
    said = []
    for metric, rows in tags.items():
        for at, run in enumerate(runs):
            none = [
                f"{tag} ({counted(value.count, 'question')})"
                for tag, values in rows.items()
                if (value := values[at]) and not value.value
            ]
            if none and run.metrics[metric].value:
                said.append(f"{run.name} has 0 in {label(metric)} in {listed(none)}, which its mean hides.")
    return said


def turned(first: Run, run: Run) -> list[Turned]:
    """The questions that changed sides, by the metrics of 0 and 1 that both runs measured alike."""
    places: Mapping[Question, int] = {question: at for at, question in enumerate(run.questions)}
    lacking = left_out(first, run)
    found = []
    for metric in SIDES:
        if metric not in first.metrics or metric in lacking:
            continue
        for at, question in enumerate(first.questions):
            before, after = first.scores[metric][at], run.scores[metric][places[question]]
            if None not in (before, after) and before != after:
                found.append(Turned(at + 1, question, metric, bool(after)))
    return found


def sides(first: Run, run: Run) -> str:
    """How many questions changed sides, in a sentence; empty where none did."""
    every = turned(first, run)
    parts = []
    for metric in dict.fromkeys(each.metric for each in every):
        right = sum(each.right for each in every if each.metric == metric)
        wrong = sum(not each.right for each in every if each.metric == metric)
        parts.append(f"in {label(metric)} {right:,} turned right, {wrong:,} wrong")
    return f"{run.name} against {first.name}: {'; '.join(parts)}." if parts else ""


def _within(run: Run, metric: str, tag: str) -> Measured | None:
    if metric not in run.metrics:
        return None
    places = [at for at, question in enumerate(run.questions) if tag in question.tags]
    scores = {metric: [run.scores[metric][at] for at in places]}
    if all(score is None for score in scores[metric]):
        return None
    return measured([run.questions[at] for at in places], scores, [run.replies[at] for at in places])[metric]
