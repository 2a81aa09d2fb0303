"""Labelled questions: loads a set, puts it to a target, and says which answers cite the labelled document.

A set is a JSONL file: `{"id": ..., "question": ..., "document": KEY or null, "reference": expected answer, optional}`.
A question with `document: null` is not answered by the documents, and the right thing is to refuse it.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Takes a question, returns a response of the query API.
Target = Callable[[str], dict[str, Any]]
FIELDS = {"id": str, "question": str, "document": str | None, "reference": str}
REQUIRED = ("id", "question", "document")


@dataclass(frozen=True)
class Question:
    """A question and the document that answers it; None when no document does."""

    id: str
    question: str
    document: str | None
    reference: str | None = None


@dataclass(frozen=True)
class Row:
    """What a target made of a question.

    `cited` are the cited documents in the order of the citations, `score` the cosine of the best one, `error` why there
    is no response.
    """

    question: Question
    cited: tuple[str, ...] = ()
    refused: bool = False
    answer: str | None = None
    score: float | None = None
    seconds: float = 0.0
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the labelled document is cited, or an unanswerable question refused."""
        if self.error:
            return False
        return self.refused if self.question.document is None else self.question.document in self.cited


class QuestionSetError(ValueError):
    """The set has mistakes; the text lists all of them with their lines."""


def load(path: Path) -> list[Question]:
    """Read a question set; raises `QuestionSetError` with every mistake in it."""
    questions: list[Question] = []
    mistakes: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            mistakes.append(f"line {number}: not JSON ({error})")
            continue
        if found := _mistakes(entry):
            mistakes += [f"line {number}: {mistake}" for mistake in found]
        elif entry["id"] in seen:
            mistakes.append(f"line {number}: id {entry['id']!r} is already used on line {seen[entry['id']]}")
        else:
            seen[entry["id"]] = number
            questions.append(Question(**entry))
    if not questions and not mistakes:
        mistakes.append("the file has no questions")
    if mistakes:
        raise QuestionSetError(f"{path}: " + "; ".join(mistakes))
    return questions


def _mistakes(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["not a JSON object"]
    mistakes = [f"{field!r} is missing" for field in REQUIRED if field not in entry]
    mistakes += [f"unknown field {field!r}; allowed: {', '.join(FIELDS)}" for field in entry.keys() - FIELDS.keys()]
    for field, kind in FIELDS.items():
        if field in entry and not isinstance(entry[field], kind):
            mistakes.append(f"{field!r} is {entry[field]!r}, not a string")
        elif entry.get(field) == "":
            mistakes.append(f"{field!r} is empty")
    return mistakes


def run(questions: Iterable[Question], target: Target, concurrency: int = 2) -> Iterator[Row]:
    """Put the questions to a target, `concurrency` at a time, and give the rows in order as they come.

    An exception of the target becomes a row's `error`.
    """

    def ask(question: Question) -> Row:
        start = time.monotonic()
        try:
            response = target(question.question)
        except Exception as error:
            return Row(question, error=str(error) or type(error).__name__, seconds=time.monotonic() - start)
        citations = response["citations"]
        return Row(
            question,
            cited=tuple(dict.fromkeys(citation["document"] for citation in citations)),
            refused=response["refused"],
            answer=response["answer"],
            score=max((citation["score"] for citation in citations), default=None),
            seconds=time.monotonic() - start,
        )

    with ThreadPoolExecutor(concurrency) as pool:
        yield from pool.map(ask, questions)


@dataclass(frozen=True)
class Summary:
    """Counts over the rows of a run; `first` are the answers whose first citation is the labelled document."""

    answerable: int
    cited: int
    first: int
    unanswerable: int
    refused: int

    def __str__(self) -> str:
        return (
            f"{self.cited} of {self.answerable} cite the labelled document ({self.first} in first place), "
            f"{self.refused} of {self.unanswerable} refused"
        )


def summarize(rows: Iterable[Row]) -> Summary:
    """Count what was cited and what was refused."""
    answerable, unanswerable = [], []
    for row in rows:
        (unanswerable if row.question.document is None else answerable).append(row)
    return Summary(
        answerable=len(answerable),
        cited=sum(row.ok for row in answerable),
        first=sum(row.cited[:1] == (row.question.document,) for row in answerable),
        unanswerable=len(unanswerable),
        refused=sum(row.ok for row in unanswerable),
    )
