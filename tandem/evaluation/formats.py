"""Question sets of others: SQuAD, HotpotQA, BEIR, tables and lines with columns of other names, as fields of a set.

Nothing is checked here but the shape of a file: `questions` checks the fields, whatever file they come from.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tandem_contract.errors import TandemError

SQUAD, HOTPOT, BEIR = "SQuAD", "HotpotQA", "BEIR"
CSV, LINES, ROWS = "a table", "lines with other fields than a set's", "rows of a data set"
PROMPTFOO = re.compile(r"^(?:prompts|providers|tests):", re.MULTILINE)
DELIMITERS = ",;\t"
LONGEST_HEADER = 10_000
# What others call a field, in lower case.
NAMES = {
    "id": ("id", "_id", "qid", "question_id"),
    "question": ("question", "user_input", "query"),
    "reference": (
        *("reference", "references", "answer", "answers", "ground_truth", "ground_truths"),
        *("expected", "expected_answer", "expected_output"),
    ),
    "document": ("document", "documents"),
    "tags": ("tags",),
    "answerable": ("answerable",),
}
SAYS_NO = ("is_impossible", "impossible")
ROW_KEYS = {"messages", "conversations", "instruction", "prompt"}
BEIR_HEADER = ("query-id", "corpus-id")


class Entry(NamedTuple):
    """Fields of a question as a set has them, and where they stand."""

    place: str
    fields: dict[str, Any] | None
    """None where there are none."""


class Found(NamedTuple):
    """What a file is, its questions, and what was left out, in sentences."""

    name: str
    entries: list[Entry]
    notes: list[str]


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark, or in UTF-16 with one; raises `TandemError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TandemError(f"{path}: can't be read ({error}).") from error
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TandemError(
            f"{path}:{line}: isn't UTF-8 (byte 0x{data[error.start]:02x}). Save it as UTF-8, or convert it, e.g. from "
            "Latin-1: iconv -f LATIN1 -t UTF-8 FILE."
        ) from error


def recognised(text: str) -> str | None:
    """What a file is that `tandem eval import` takes; None for a set of this project's own, and for anything else."""
    content = _json(text)
    if isinstance(content, list) or _is_squad(content):
        return _kind(_rows(content))
    first = _json(text.strip().partition("\n")[0])
    if isinstance(first, dict):
        return None if {"document", "documents"} & first.keys() else _kind([first])
    header = _header(text)
    if tuple(header[:2]) == BEIR_HEADER:
        return BEIR
    return CSV if len(header) > 1 and _named(dict.fromkeys(header), "question") else None


def is_promptfoo(text: str) -> bool:
    """Whether it is promptfoo's configuration, which isn't taken."""
    return PROMPTFOO.search(text) is not None


def read(path: Path, document: str | None = None) -> Found | None:
    """The questions of a file, or of BEIR's folder or qrels file; None where it is none of what is taken.

    `document` is the key of the document that answers all of them. Raises `TandemError` for a file that can't be read.
    """
    if qrels := _qrels(path):
        return _beir(qrels)
    text = read_text(path)
    name = recognised(text)
    if name == BEIR:
        raise TandemError(f"{path}: is a part of BEIR's data sets: give the folder that has queries.jsonl and qrels.")
    if name in (None, ROWS):
        return None
    content = _json(text)
    if name == CSV:
        rows = [_cells(row) for row in _table(text, path)]
        first = 2  # below the header
    elif content is None or (isinstance(content, dict) and not _is_squad(content)):
        rows, first = [_json(line) or line for line in text.split("\n") if line.strip()], 1
    else:
        rows, first = _rows(content), 1
    entries = [Entry(f"{path.name}:{at}", _fields(path, at, row, document)) for at, row in enumerate(rows, first)]
    return Found(name, entries, _notes(rows))


def _fields(path: Path, number: int, row: Any, document: str | None) -> dict[str, Any] | None:
    if not isinstance(row, dict):
        return None
    fields: dict[str, Any] = {"id": f"{path.name.partition('.')[0]}-{number}"}
    fields |= {name: row[key] for name in NAMES if (key := _named(row, name)) is not None}
    if facts := row.get("supporting_facts"):
        titles = facts["title"] if isinstance(facts, dict) and "title" in facts else [fact[0] for fact in facts if fact]
        fields["documents"] = list(dict.fromkeys(titles))
        fields["tags"] = [row[key] for key in ("type", "level") if row.get(key)]
    answers = fields.get("reference")
    if isinstance(answers, dict):
        answers = answers.get("text", answers)
    if isinstance(answers, list):
        answers = [answer.get("text") if isinstance(answer, dict) else answer for answer in answers]
        answers = [answer for at, answer in enumerate(answers) if answer not in answers[:at]]
    no_answer = answers == [] or any(row.get(key) is True for key in SAYS_NO)
    if no_answer:
        fields["answerable"] = False
    elif "reference" in fields:
        fields["answerable"] = fields.get("answerable", True)
    if no_answer or "reference" not in fields:
        fields.pop("reference", None)
    else:
        fields["reference"] = answers
    if isinstance(named := fields.get("document"), list | dict):
        fields["documents"] = named
        del fields["document"]
    known = no_answer or document or fields.keys() & {"reference", "answerable"}
    if known and not fields.keys() & {"document", "documents"}:
        fields["document"] = None if no_answer else document
    return fields


def _notes(rows: Sequence[Any]) -> list[str]:
    taken = {*(name for names in NAMES.values() for name in names), *SAYS_NO, "supporting_facts", "type", "level"}
    left = dict.fromkeys(key for row in rows if isinstance(row, dict) for key in row if key.lower() not in taken)
    return [f"left out, since a question set has no place for them: {', '.join(left)}"] if left else []


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_squad(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("data"), list)


def _rows(content: Any) -> list[Any]:
    """The questions of a file that is one JSON value; those of SQuAD stand in paragraphs of articles."""
    if isinstance(content, list):
        return content
    rows: list[Any] = []
    for article in content["data"]:
        if not isinstance(article, dict) or not isinstance(article.get("paragraphs"), list):
            rows.append(article)
            continue
        for paragraph in article["paragraphs"]:
            asked = paragraph.get("qas") if isinstance(paragraph, dict) else None
            rows += asked if isinstance(asked, list) else [paragraph]
    return rows


def _kind(rows: Sequence[Any]) -> str | None:
    first = rows[0] if rows else None
    if not isinstance(first, dict):
        return None
    if _named(first, "question") is None:
        return BEIR if {"_id", "text"} <= first.keys() else ROWS if ROW_KEYS & first.keys() else None
    if "supporting_facts" in first:
        return HOTPOT
    return SQUAD if isinstance(first.get("answers"), dict | list) else LINES


def _named(row: Mapping[str, Any], name: str) -> str | None:
    """The key of a row that holds this field."""
    keys = {key.strip().lower(): key for key in row if isinstance(key, str)}
    return next((keys[known] for known in NAMES[name] if known in keys), None)


def _header(text: str) -> list[str]:
    line = text.partition("\n")[0]
    return next(csv.reader([line], delimiter=_delimiter(text)), []) if len(line) < LONGEST_HEADER else []


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(DELIMITERS, key=header.count)


def _table(text: str, path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(sys.maxsize)  # of the process, so that what is read doesn't hang on who set it before
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        yield from rows
    except csv.Error as error:
        raise TandemError(f"{path}:{rows.line_num + 1}: can't be read as a table ({error}).") from error


def _cells(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What a line of a table holds; empty cells are none."""
    found = {column: _cell(column, value) for column, value in row.items() if column}
    return {column: value for column, value in found.items() if value not in ("", [])}


def _cell(column: str, value: Any) -> Any:
    """What a cell holds: a list as JSON, yes or no, tags with commas between them; else its text."""
    text = " ".join(value) if isinstance(value, list) else (value or "")
    if text.startswith("[") and isinstance(content := _json(text), list):
        return content
    if column.strip().lower() in ("answerable", *SAYS_NO):
        return {"true": True, "false": False}.get(text.strip().lower(), text)  # what else it says is refused later
    if column.strip().lower() == "tags":
        return [tag.strip() for tag in text.split(",") if tag.strip()]
    return text


def _qrels(path: Path) -> Path | None:
    """BEIR's file of which document answers which query: of its folder that of the test split, or the only one."""
    if path.is_dir():
        found = sorted(path.glob("qrels/*.tsv"))
        chosen = [file for file in found if file.stem == "test"] or found
        if len(chosen) != 1:
            what = f"has {len(found)} files of qrels" if found else "has no qrels/*.tsv, as a folder of BEIR's has"
            raise TandemError(f"{path}: {what}: give the file.")
        return chosen[0]
    return path if path.suffix == ".tsv" and tuple(_header(read_text(path)))[:2] == BEIR_HEADER else None


def _beir(path: Path) -> Found:
    queries = path.parent.parent / "queries.jsonl"
    lines = [_json(line) for line in read_text(queries).split("\n") if line.strip()]
    grades: dict[str, dict[str, float]] = {}
    for number, row in enumerate(_table(read_text(path), path), 2):
        try:
            grades.setdefault(row["query-id"], {})[row["corpus-id"]] = max(float(row["score"]), 0.0)
        except (KeyError, TypeError, ValueError) as error:
            raise TandemError(f"{path}:{number}: isn't a query, a document and a grade ({error}).") from error
    texts = {str(line["_id"]): line.get("text") for line in lines if isinstance(line, dict) and "_id" in line}
    if lacking := [query for query in grades if query not in texts]:
        raise TandemError(f"{queries} lacks {len(lacking)} queries of {path.name}, the first: {lacking[0]}.")
    entries = [
        Entry(f"{path.name}: query {query}", {"id": query, "question": texts[query], "documents": found})
        for query, found in grades.items()
        if any(found.values())
    ]
    return Found(
        BEIR,
        entries,
        [
            "documents are named by their ids in corpus.jsonl: ingest them under these keys",
            f"{len(texts)} queries are there, {len(grades)} of them in {path.name}, {len(entries)} of these with a "
            "document that is relevant",
        ],
    )
