"""Calibration: from which score on a passage answers a question, with an embedder and some documents."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tandem_contract.errors import TandemError

from .questions import Question


class Found(NamedTuple):
    """What a question finds, without an answer."""

    answerable: bool
    score: float | None
    """Cosine of the best passage; None where nothing was found, which is refused whatever the threshold."""
    exact: bool
    """Whether a passage holds an identifier of the question, which lets it through whatever the threshold."""

    def passes(self, threshold: float) -> bool:
        """Whether a model would be asked, as `tandem.rag.answer.gate` has it."""
        return self.score is not None and (self.exact or self.score >= threshold)


class Threshold(NamedTuple):
    """A threshold, and what it does to the questions."""

    value: float
    refused: Sequence[bool]
    """Whether each of the questions that the documents answer is refused."""
    let_through: Sequence[bool]
    """Whether each of the others isn't."""

    @property
    def error(self) -> float:
        """The two shares of mistakes, added."""
        return sum(self.refused) / len(self.refused) + sum(self.let_through) / len(self.let_through)


def found(question: Question, response: Mapping[str, Any]) -> Found:
    """What a response of the query API says of a question; raises `TandemError` for one of another shape."""
    try:
        places = response["retrieved"]
        score = max((finite(place["score"]) for place in places), default=None)
        exact = any(place.get("exact", False) for place in places)
        return Found(bool(question.answerable), score, exact)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise TandemError(f"the response has another shape ({type(error).__name__}: {error})") from error


def finite(value: Any) -> float:
    """A number; raises `ValueError` for what is none."""
    if not math.isfinite(number := float(value)):
        raise ValueError(f"{value} is no number")
    return number


def check_kinds(questions: Iterable[Question]) -> None:
    """Raises `TandemError` unless there are questions of both kinds: the other functions need some."""
    kinds = {bool(question.answerable) for question in questions}
    if len(kinds) < 2:
        missing = "that no document answers (`document: null`)" if True in kinds else "that the documents answer"
        raise TandemError(
            f"The question set has no question {missing}: a threshold is between both kinds, so add some."
        )


def at(questions: Sequence[Found], value: float) -> Threshold:
    """What a threshold does to the questions."""
    good, bad = ([each for each in questions if each.answerable is kind] for kind in (True, False))
    return Threshold(value, [not it.passes(value) for it in good], [it.passes(value) for it in bad])


def proposed(questions: Sequence[Found]) -> Threshold:
    """The threshold with the fewest mistakes, both shares counting the same; of several, that in the widest gap.

    At least 0, as `minScore` is. Raises `TandemError` if no threshold is better than one that refuses all, or nothing.
    """
    scores = sorted({max(0.0, each.score) for each in questions if each.score is not None})
    gaps = [(low, high) for low, high in zip([0.0, *scores], scores, strict=False) if low < high] or [(0.0, 1.0)]
    best = min(((at(questions, (low + high) / 2).error, low - high, low, high) for low, high in gaps))
    low, high = best[2:]
    middle = (low + high) / 2
    short = round(middle, 2)
    threshold = at(questions, short if low < short <= high else round(middle, 4))
    if threshold.error >= 1:
        raise TandemError(
            "No threshold separates these questions: what the documents don't answer scores as high as what they do. "
            "Read `tandem ask` on some of both: another embedder, or other questions."
        )
    return threshold
