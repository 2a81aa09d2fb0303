"""Labelled questions: loads and writes sets.

A set is a JSONL file: `{"id": ..., "question": ..., "document": KEY or null, "reference": expected answer, optional}`.
A question with `document: null` is not answered by the documents, and the right thing is to refuse it.
Where several documents answer it, `"documents": [KEY, ...]` stands in place of `document`, or, with grades,
`{KEY: GRADE, ...}`. Where none is named but the question has an answer, as a pair from a data set has,
`"answerable": true` says so. Several right answers are a list as `reference`. `"tags": [...]` group questions.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem_contract.checks import Checks, is_number

from . import formats, rows

FIELDS = ("id", "question", "document", "documents", "reference", "tags", "answerable")
TEXT = r"(?s)[^\ud800-\udfff]*[^\s\ud800-\udfff][^\ud800-\udfff]*"  # half a surrogate pair is no character


@dataclass(frozen=True)
class Question:
    """A question, and the document that answers it; None when no document does, or none is named.

    `others` are more that do, `grades` how well each document does, in their order, where that was given.
    `alternatives` are more right answers than `reference`. `answerable` follows from the document unless it is given.
    """

    id: str
    question: str
    document: str | None
    reference: str | None = None
    others: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    answerable: bool | None = None
    alternatives: tuple[str, ...] = ()
    grades: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.answerable is None:
            object.__setattr__(self, "answerable", self.document is not None)

    @property
    def documents(self) -> tuple[str, ...]:
        """All documents that answer it."""
        return () if self.document is None else (self.document, *self.others)

    @property
    def relevance(self) -> Mapping[str, float]:
        """How well each document answers it; 1 where no grades were given."""
        return dict(zip(self.documents, self.grades or [1.0] * len(self.documents), strict=True))

    @property
    def references(self) -> tuple[str, ...]:
        """All answers that are right."""
        return () if self.reference is None else (self.reference, *self.alternatives)


def load(path: Path, known: Collection[str] | None = None) -> list[Question]:
    """Read a question set; raises `TandemError`, with every mistake in it.

    `known` are the documents that there are, where the caller has them: a set that names another is refused.
    """
    text = rows.read_text(path)
    checks = Checks()
    if (name := formats.recognised(text)) or formats.is_promptfoo(text):
        what = f"it is {name}" if name else "it is promptfoo's configuration"
        source = "FOLDER" if name == formats.BEIR else path.name
        remedy = f"Make a set of it: tandem eval import {source} --to questions.jsonl."
        takes = "Write its questions and answers as CSV with columns `question` and `reference`, and import that."
        checks.add(path.name, f"isn't a question set: {what}", remedy if name else takes)
        checks.finish(str(path))
    lines = (rows.line(line, at) for at, line in enumerate(text.split("\n"), 1) if line.strip())
    entries = (formats.Entry(f"{path.name}:{at}", entry, wrong) for at, entry, wrong in lines)
    return _checked(entries, known, checks, str(path))


def load_others(path: Path, document: str | None = None) -> tuple[list[Question], formats.Found] | None:
    """Read questions of another format that `formats` knows; None if it is none of these.

    Raises `TandemError`, with every mistake in it.
    """
    if (found := formats.read(path, document)) is None:
        return None
    return _checked(found.entries, None, Checks(), f"{path} ({found.name})"), found


def _checked(
    entries: Iterable[formats.Entry], known: Collection[str] | None, checks: Checks, subject: str
) -> list[Question]:
    questions: list[Question] = []
    seen: dict[str, str] = {}
    for place, entry, wrong in entries:
        before, own = len(checks.mistakes), checks.at(place)
        for mistake in wrong:
            own.add(*mistake)
        if entry is None:
            continue
        _check_entry(entry, own)
        _check_documents(entry, known, own)
        if isinstance(name := _text(entry.get("id")), str):
            if name in seen:
                own.add("id", f"{name!r} is already used on line {seen[name]}", "Give each question its own.")
            seen.setdefault(name, place.rpartition(":")[2])
        if len(checks.mistakes) == before:
            questions.append(_question(entry))
    if not questions and not checks.mistakes:
        checks.add("", "the file has no questions", "Write one JSON object on each line.")
    checks.finish(subject)
    return questions


def _check_entry(entry: dict[str, Any], checks: Checks) -> None:
    for field in ("id", "question"):
        if field not in entry:
            checks.missing(field, "Each question has both.")
    if not entry.keys() & {"document", "documents"}:
        checks.missing("document", "Give its key, null for none, or a list as `documents`.")
    if {"document", "documents"} <= entry.keys():
        checks.add("document", "stands beside `documents`", "Give one of the two.")
    checks.known(entry, FIELDS, "a field")
    for field in ("id", "question"):
        if field in entry:
            _check_text(field, entry[field], checks)
    if "reference" in entry:
        _check_references(entry["reference"], checks)
    if entry.get("document") is not None:
        _check_text("document", entry["document"], checks)
    if isinstance(graded := entry.get("documents"), dict):
        for key, grade in graded.items():
            _check_text("documents", key, checks)
            if not is_number(grade) or grade < 0:
                checks.refuse(f"documents.{key}", grade, "a grade from 0 up", "Write a number, 0 for not relevant.")
    else:
        _check_texts("documents", entry.get("documents", []), checks)
    _check_texts("tags", entry.get("tags", []), checks)
    answerable = checks.flag("answerable", entry.get("answerable", True))
    several = entry.get("documents")
    relevant = any(several.values()) if isinstance(several, dict) else several
    named = entry.get("document") not in (None, "") or bool(relevant)
    if answerable is False and named:
        checks.add("answerable", "is false, but a document is named", "Leave one of the two out.")
    asked = entry.keys() & {"document", "documents"} and not named
    if entry.get("reference") not in (None, "", []) and asked and entry.get("answerable", False) is False:
        remedy = "If it has an answer, add answerable: true; else leave the reference out."
        checks.add("reference", "stands beside a question that is to be refused: no document answers it", remedy)


def _check_text(field: str, value: Any, checks: Checks) -> None:
    value = _text(value)
    checks.text(field, value, "a text, whole and not empty", "Write one, or leave out what is optional.", TEXT)


def _text(value: Any) -> Any:
    """A number as the text that was meant; all else as it is."""
    return str(value) if is_number(value) else value


def _check_references(value: Any, checks: Checks) -> None:
    if not isinstance(value, list):
        _check_text("reference", value, checks)
    elif value:
        for at, each in enumerate(value):
            _check_text(f"reference[{at}]", each, checks)
    else:
        checks.add("reference", "is an empty list", "Leave it out, or write the right answers in it.")


def _check_texts(field: str, values: Any, checks: Checks) -> None:
    if not isinstance(values, list):
        checks.refuse(field, values, "a list of texts", "Write it in brackets.")
        return
    for at, value in enumerate(values):
        _check_text(f"{field}[{at}]", value, checks)
    texts = [_text(value) for value in values if isinstance(_text(value), str)]
    if len(set(texts)) < len(texts):
        checks.add(field, "names one twice", "Name it once.")


def _check_documents(entry: dict[str, Any], known: Collection[str] | None, checks: Checks) -> None:
    for document in _documents(entry):
        if known is not None and document not in known:
            unknown = f"{document!r} is none of the {len(known)} known ones"
            checks.add("document", unknown, "Correct it, or ingest it first.")


def _documents(entry: dict[str, Any]) -> dict[str, float]:
    """Those that are named and relevant, whatever else is wrong, and their grades."""
    given = entry.get("documents", [entry.get("document")])
    if isinstance(given, dict):
        return {key: grade for key, grade in given.items() if key.strip() and is_number(grade) and grade > 0}
    texts = map(_text, given) if isinstance(given, list) else ()
    return {key: 1.0 for key in texts if isinstance(key, str) and key.strip()}


def _question(entry: dict[str, Any]) -> Question:
    grades = _documents(entry)
    documents = tuple(grades)
    given = entry.get("reference")
    references = tuple(dict.fromkeys(map(_text, given if isinstance(given, list) else [given])))
    return Question(
        _text(entry["id"]),
        _text(entry["question"]),
        documents[0] if documents else None,
        reference=references[0],
        others=documents[1:],
        tags=tuple(map(_text, entry.get("tags", ()))),
        answerable=entry.get("answerable"),
        alternatives=references[1:],
        grades=tuple(map(float, grades.values())) if isinstance(entry.get("documents"), dict) else (),
    )


def encoded(questions: Iterable[Question]) -> str:
    """Questions as JSONL that `load` reads, each in the same form however it was written."""
    return "".join(f"{json.dumps(_entry(question), ensure_ascii=False)}\n" for question in questions)


def _entry(question: Question) -> dict[str, Any]:
    documents = dict(question.relevance) if question.grades else list(question.documents)
    entry = {"id": question.id, "question": question.question, "documents": documents}
    if question.reference is not None:
        entry["reference"] = list(question.references) if question.alternatives else question.reference
    if question.tags:
        entry["tags"] = list(question.tags)
    return entry | {"answerable": question.answerable}
