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

from tandem_contract.checks import Checks
from tandem_contract.errors import TandemError

FIELDS = ("id", "question", "document", "documents", "reference", "tags", "answerable")
TEXT = r"(?s)[^\ud800-\udfff]*[^\s\ud800-\udfff][^\ud800-\udfff]*"  # half a surrogate pair is no character


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


def load(path: Path, known: Collection[str] | None = None) -> list[Question]:
    """Read a question set; raises `TandemError`, with every mistake in it.

    `known` are the documents that there are, where the caller has them: a set that names another is refused.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TandemError(f"{path}: can't be read ({error}).") from error
    questions: list[Question] = []
    checks = Checks()
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        own = Checks(f"{path.name}:{number}")
        entry = _entry_of(line, own)
        _check_documents(entry, known, own)
        if isinstance(name := entry.get("id"), str):
            if name in seen:
                own.add("id", f"{name!r} is already used on line {seen[name]}", "Give each question its own.")
            seen.setdefault(name, number)
        checks.mistakes += own.mistakes
        if not own.mistakes:
            questions.append(_question(entry))
    if not questions and not checks.mistakes:
        checks.add("", "the file has no questions", "Write one JSON object on each line.")
    checks.finish(str(path))
    return questions


def _entry_of(line: str, checks: Checks) -> dict[str, Any]:
    """The fields of a line, none where it has none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        checks.add("", f"not JSON ({error})", "Write one JSON object on each line.")
        return {}
    if not isinstance(entry, dict):
        checks.add("", "not a JSON object", "Write one on each line.")
        return {}
    _check_entry(entry, checks)
    return entry


def _check_entry(entry: dict[str, Any], checks: Checks) -> None:
    for field in ("id", "question"):
        if field not in entry:
            checks.missing(field, "Each question has both.")
    if not entry.keys() & {"document", "documents"}:
        checks.missing("document", "Give its key, null for none, or a list as `documents`.")
    if {"document", "documents"} <= entry.keys():
        checks.add("document", "stands beside `documents`", "Give one of the two.")
    checks.known(entry, FIELDS, "a field")
    for field in ("id", "question", "reference"):
        if field in entry:
            _check_text(field, entry[field], checks)
    if entry.get("document") is not None:
        _check_text("document", entry["document"], checks)
    for field in ("documents", "tags"):
        _check_texts(field, entry.get(field, []), checks)
    answerable = checks.flag("answerable", entry.get("answerable", True))
    if answerable is False and any(map(entry.get, ("document", "documents"))):
        checks.add("answerable", "is false, but a document is named", "Leave one of the two out.")


def _check_text(field: str, value: Any, checks: Checks) -> None:
    checks.text(field, value, "a text, whole and not empty", "Write one, or leave out what is optional.", TEXT)


def _check_texts(field: str, values: Any, checks: Checks) -> None:
    if not isinstance(values, list):
        checks.refuse(field, values, "a list of texts", "Write it in brackets.")
        return
    for at, value in enumerate(values):
        _check_text(f"{field}[{at}]", value, checks)
    texts = [value for value in values if isinstance(value, str)]
    if len(set(texts)) < len(texts):
        checks.add(field, "names one twice", "Name it once.")


def _check_documents(entry: dict[str, Any], known: Collection[str] | None, checks: Checks) -> None:
    for document in _documents(entry):
        if known is not None and document not in known:
            unknown = f"{document!r} is none of the {len(known)} known ones"
            checks.add("document", unknown, "Correct it, or ingest it first.")


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
