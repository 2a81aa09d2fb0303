"""Labelled questions: loads and writes sets.

A set is a JSONL file: `{"id": ..., "question": ..., "document": KEY or null, "reference": expected answer, optional}`.
A question with `document: null` is not answered by the documents, and the right thing is to refuse it.
Where several documents answer it, `"documents": [KEY, ...]` stands in place of `document`. Where none is named but the
question has an answer, as a pair from a data set has, `"answerable": true` says so. `"tags": [...]` group questions.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEXTS = ("id", "question", "reference")
LISTS = ("documents", "tags")
FIELDS = ("id", "question", "document", "documents", "reference", "tags", "answerable")


@dataclass(frozen=True)
class Question:
    """A question, and the document that answers it; None when no document does, or none is named.

    `others` are more that do. `answerable` follows from the document unless it is given.
    """

    id: str
    question: str
    document: str | None
    reference: str | None = None
    others: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    answerable: bool | None = None

    def __post_init__(self) -> None:
        if self.answerable is None:
            object.__setattr__(self, "answerable", self.document is not None)

    @property
    def documents(self) -> tuple[str, ...]:
        """All documents that answer it."""
        return () if self.document is None else (self.document, *self.others)


class QuestionSetError(ValueError):
    """The set has mistakes; the text lists all of them with their lines."""


def load(path: Path, known: Collection[str] | None = None) -> list[Question]:
    """Read a question set; raises `QuestionSetError` with every mistake in it.

    `known` are the documents that there are, where the caller has them: a set that names another is refused.
    """
    questions: list[Question] = []
    mistakes: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            mistakes.append(f"line {number}: not JSON ({error}): write one JSON object on each line")
            continue
        if not isinstance(entry, dict):
            mistakes.append(f"line {number}: not a JSON object: write one on each line")
            continue
        found = _mistakes(entry) + _unknown(entry, known)
        if isinstance(name := entry.get("id"), str):
            if name in seen:
                found.append(f"id {name!r} is already used on line {seen[name]}: each question needs its own")
            seen.setdefault(name, number)
        mistakes += [f"line {number}: {mistake}" for mistake in found]
        if not found:
            questions.append(_question(entry))
    if not questions and not mistakes:
        mistakes.append("the file has no questions")
    if mistakes:
        raise QuestionSetError(f"{path}: " + "; ".join(mistakes))
    return questions


def _mistakes(entry: dict[str, Any]) -> list[str]:
    mistakes = [f"{field!r} is missing" for field in ("id", "question") if field not in entry]
    if not entry.keys() & {"document", "documents"}:
        mistakes.append("'document' is missing: give its key, null for none, or a list as 'documents'")
    if {"document", "documents"} <= entry.keys():
        mistakes.append("both 'document' and 'documents': give one of the two")
    mistakes += [f"unknown field {field!r}; allowed: {', '.join(FIELDS)}" for field in entry if field not in FIELDS]
    for field in TEXTS:
        if field in entry:
            mistakes += _text(repr(field), entry[field])
    if entry.get("document") is not None:
        mistakes += _text("'document'", entry["document"])
    for field in LISTS:
        mistakes += _texts(field, entry.get(field, []))
    if not isinstance(entry.get("answerable", True), bool):
        mistakes.append(f"'answerable' is {entry['answerable']!r}: give true or false")
    elif entry.get("answerable") is False and (entry.get("document") or entry.get("documents")):
        mistakes.append("'answerable' is false, but a document is named: leave one of the two out")
    return mistakes


def _text(what: str, value: Any) -> list[str]:
    if not isinstance(value, str):
        return [f"{what} is {value!r}, not a string"]
    if any("\ud800" <= character <= "\udfff" for character in value):
        return [f"{what} is {value!r}: half a surrogate pair is no character, mend it"]
    return [] if value.strip() else [f"{what} is empty: give it a text, or leave out what is optional"]


def _texts(field: str, values: Any) -> list[str]:
    if not isinstance(values, list):
        return [f"{field!r} is {values!r}, not a list of strings"]
    mistakes = [mistake for at, value in enumerate(values) for mistake in _text(f"'{field}[{at}]'", value)]
    if not mistakes and len(set(values)) < len(values):
        mistakes.append(f"{field!r} names one twice: name it once")
    return mistakes


def _unknown(entry: dict[str, Any], known: Collection[str] | None) -> list[str]:
    unknown = [] if known is None else [document for document in _documents(entry) if document not in known]
    remedy = "correct it, or ingest it first"
    return [f"document {document!r} is none of the {len(known or ())} known ones: {remedy}" for document in unknown]


def _documents(entry: dict[str, Any]) -> list[str]:
    """Those that are named, whatever else is wrong."""
    given = entry.get("documents", [entry.get("document")])
    return [key for key in given if isinstance(key, str) and key.strip()] if isinstance(given, list) else []


def _question(entry: dict[str, Any]) -> Question:
    documents = _documents(entry)
    return Question(
        entry["id"],
        entry["question"],
        documents[0] if documents else None,
        reference=entry.get("reference"),
        others=tuple(documents[1:]),
        tags=tuple(entry.get("tags", ())),
        answerable=entry.get("answerable"),
    )


def encoded(questions: Iterable[Question]) -> str:
    """Questions as JSONL that `load` reads, each in the same form however it was written."""
    return "".join(f"{json.dumps(_entry(question), ensure_ascii=False)}\n" for question in questions)


def _entry(question: Question) -> dict[str, Any]:
    entry = {"id": question.id, "question": question.question, "documents": list(question.documents)}
    if question.reference is not None:
        entry["reference"] = question.reference
    if question.tags:
        entry["tags"] = list(question.tags)
    return entry | {"answerable": question.answerable}
