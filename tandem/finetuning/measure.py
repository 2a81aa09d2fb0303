"""Measurement of a tuned model against its base: the same code wherever the models answered."""

from collections.abc import Mapping, Sequence
from typing import Any

from tandem.measures.intervals import once, paired_interval
from tandem.measures.metrics import exact_match, format_adherence, token_f1

from .dataset.rows import Row, json_line
from .dataset.sample import prompt

BASE, TUNED = "base", "tuned"


def measure(
    rows: Sequence[Row], answers: Mapping[str, Sequence[str | None]], form: Mapping[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Each metric's mean for both models, and the difference with its 95 % interval.

    A missing answer is wrong, and a prompt that is in several rows counts once.
    """
    prompts = [json_line({"messages": prompt(row), "tools": row.tools}) for row in rows]
    references = [row.messages[-1][1] for row in rows]
    metrics = {"exact_match": exact_match, "token_f1": token_f1}
    if form:
        metrics["format_adherence"] = lambda answer, _: format_adherence(answer, form)
    result = {}
    for name, metric in metrics.items():
        values = {
            which: once(
                prompts,
                [
                    metric(answer, reference) if answer and answer.strip() else 0.0
                    for answer, reference in zip(said, references, strict=True)
                ],
            )
            for which, said in answers.items()
        }
        interval = paired_interval(values[BASE], values[TUNED])
        result[name] = {
            **{which: sum(values[which]) / len(values[which]) for which in (BASE, TUNED)},
            "difference": interval.difference,
            "interval": [interval.low, interval.high],
        }
    return result


def answer_lines(rows: Sequence[Row], answers: Mapping[str, Sequence[str | None]]) -> str:
    """The content of `answers.jsonl`: a line a row, with its prompt, its reference and what both models said.

    An answer that is None is empty there.
    """
    return "".join(
        json_line(
            {
                "prompt": prompt(row),
                "reference": row.messages[-1][1],
                BASE: answers[BASE][at] or "",
                TUNED: answers[TUNED][at] or "",
            }
        )
        for at, row in enumerate(rows)
    )
