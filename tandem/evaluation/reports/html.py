"""The report as one HTML page that needs nothing else: no script, no file, no connection. Templates have its markup."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tandem_contract import __version__

from tandem.reporting.escape import clipped, fit

from ..comparison import Difference
from ..questions import Question
from ..runs import Reply, Run
from . import breakdown, content
from .content import CORRECTNESS, FORMAT, label

HERE = Path(__file__).parent
SCALES = (0.1, 0.25, 0.5, 0.75, 1.0)  # how far a plot of differences goes from 0
SHOWN = 240
"""Characters of a text before it is folded."""
WORST = 5
FILTERS = (
    content.about, content.counted, content.failures, content.heading, label, content.listed, content.lost,
    content.meaning, content.measured, content.price, content.question_set, content.seconds, content.signed,
    content.spoke, clipped,
)  # fmt: skip
NAMES = ("CORRECTNESS", "FORMAT", "MARKS", "NOT_MEASURED")


def render(runs: Sequence[Run], differences: Mapping[str, list[Difference]]) -> str:
    """The page for 1 to 6 runs on the same questions; `differences` to the first run, by the names of the others.

    The same input gives the same bytes. Raises `TandemError` for runs that can't be shown together.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    content.check(runs)
    first, *others = runs
    numbered, tags = list(enumerate(runs, 1)), breakdown.by_tag(runs)
    trimmed: Any = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    pages = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, **trimmed)
    pages.filters |= {function.__name__: function for function in FILTERS}
    pages.filters |= {"on": _on, "cut": _cut, "configuration": _configuration, "thousands": "{:,}".format}
    pages.globals |= {name: getattr(content, name) for name in NAMES}
    return fit(
        pages.get_template("report.html.j2").render(
            title=f"Evaluation of {content.listed([run.name for run in runs])}",
            style=Markup((HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
            version=__version__,
            runs=runs,
            first=first,
            others=others,
            numbered=numbered,
            findings=content.findings(runs, differences),
            cautions=[*content.cautions(runs, differences), *breakdown.hidden(runs, tags)],
            tags=tags,
            most_tags=breakdown.MOST_TAGS,
            all_tags=len({tag for question in first.questions for tag in question.tags}),
            turned=[(breakdown.sides(first, run), breakdown.turned(first, run)) for run in others],
            groups=content.metric_groups(runs),
            slowest=max((run.latency.p95 or 0 for run in runs), default=0),
            worst=[(run, _lowest(run, first.questions)) for run in runs if CORRECTNESS in run.metrics],
            questions=list(_answers(numbered, first.questions)),
            **_picture(numbered),
            **_differences(numbered, differences),
        )
    )


def _picture(numbered: Sequence[tuple[int, Run]]) -> dict[str, Any]:
    """Which runs the picture shows, each with its number, and by which metrics."""
    runs = [run for _, run in numbered]
    by_content, by_form = ([run.name for run in content.alike(metric, runs)] for metric in (CORRECTNESS, FORMAT))
    both = [name for name in by_content if name in by_form]
    one, other = (CORRECTNESS, FORMAT) if by_content else (FORMAT, CORRECTNESS)
    shown = both or by_content or by_form
    return {
        "both": [pair for pair in numbered if pair[1].name in both],
        "one": one if shown else None,
        "other": other,
        "by_one": [pair for pair in numbered if pair[1].name in shown],
        "lacking": [run.name for run in runs if run.name not in shown] if shown else [],
    }


def _differences(numbered: Sequence[tuple[int, Run]], differences: Mapping[str, list[Difference]]) -> dict[str, Any]:
    """The differences by metric, and how far their plot goes from 0."""
    (_, first), *others = numbered
    rows = [(number, run, found) for number, run in others for found in differences[run.name]]
    widest = max((max(abs(found.interval.low), abs(found.interval.high)) for *_, found in rows), default=0.0)
    metrics = dict.fromkeys(found.metric for *_, found in rows)
    return {
        "compared": {metric: [row for row in rows if row[2].metric == metric] for metric in metrics},
        "verdicts": len(rows),
        "far": next((scale for scale in SCALES if widest <= scale), SCALES[-1]),
        "not_compared": [reason for _, run in others for reason in content.not_compared(first, run)],
    }


def _lowest(run: Run, questions: Sequence[Question]) -> list[tuple[float, int, Question, Reply]]:
    """The answerable questions that a run does worst on, with their numbers on the page."""
    numbers = {question: number for number, question in enumerate(questions, 1)}
    scored = sorted((score, place) for place, score in enumerate(run.scores[CORRECTNESS]) if score is not None)
    return [
        (score, numbers[run.questions[place]], run.questions[place], run.replies[place])
        for score, place in scored[:WORST]
    ]


def _answers(numbered: Sequence[tuple[int, Run]], questions: Sequence[Question]) -> Iterator[tuple[Question, list]]:
    """Each question, and what each run made of it; runs on the same questions may have them in another order."""
    places = [{question: place for place, question in enumerate(run.questions)} for _, run in numbered]
    for question in questions:
        yield (
            question,
            [
                (number, run, run.replies[at[question]], list(_scores(run, at[question])))
                for (number, run), at in zip(numbered, places, strict=True)
            ],
        )


def _scores(run: Run, place: int) -> Iterator[str]:
    said = {FORMAT: "form kept", breakdown.REFUSAL: "answered" if run.questions[place].answerable else "refused"}
    for metric in breakdown.SHOWN:
        value = run.scores[metric][place] if metric in run.scores else None
        if value is not None:
            yield f"{'✓' if value else '✗'} {said[metric]}" if metric in said else f"{value:.2f} {label(metric)}"


def _configuration(run: Run) -> Iterable[tuple[str, str]]:
    facts: dict[str, Any] = {f"target: {key}": value for key, value in run.target.items()}
    facts |= {f"setting: {key}": value for key, value in run.settings.items()}
    facts |= {"question set": run.digest, "started": run.started_at, "finished": run.finished_at}
    return ((key, _plain(value)) for key, value in facts.items())


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "none" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _on(value: float, scale: tuple[float, float] = (0, 1)) -> str:
    """The place of a value on a scale."""
    return f"{100 * (value - scale[0]) / (scale[1] - scale[0]):.2f}%"


def _cut(text: str) -> tuple[str, str]:
    """A long text's beginning and its rest, cut at a space or the end of a line where there is one."""
    if len(text) <= SHOWN * 1.25:
        return text, ""
    at = max(text.rfind(" ", SHOWN // 2, SHOWN), text.rfind("\n", SHOWN // 2, SHOWN))
    at = at + 1 if at > 0 else SHOWN
    return text[:at], text[at:]
