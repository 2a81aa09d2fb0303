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

from tandem_contract.checks import shown
from tandem_contract.errors import TandemError

SQUAD, HOTPOT, BEIR = "SQuAD", "HotpotQA", "BEIR"
CSV, LINES, ROWS = "a table", "lines with other fields than a set's", "rows of a data set"
PROMPTFOO = re.compile(r"^(?:prompts|providers|tests):", re.MULTILINE)
DELIMITERS = ",;\t"
LONGEST_HEADER = 10_000
# What others call a field, in lower case; of several in one row the first is taken. `answer` is among the last: beside
# another name it is what a model answered (ragas).
NAMES = {
    "id": ("id", "_id", "qid", "question_id"),
    "question": ("question", "user_input", "query"),
    "reference": (
        *("reference", "references", "ground_truth", "ground_truths"),
        *("expected", "expected_answer", "expected_output", "answer", "answers"),
    ),
    "document": ("document", "documents"),
    "tags": ("tags",),
    "answerable": ("answerable",),
}
SAYS_NO = ("is_impossible", "impossible")
YES_OR_NO = dict.fromkeys(("true", "yes", "y", "1", "1.0"), True) | dict.fromkeys(
    ("false", "no", "n", "0", "0.0"), False
)
LISTS = ("reference", "document", "tags")
# A list, an array or an object as Python prints it, or a list of JSON that broke off.
PYTHONS = re.compile(r"\s*(?:\[\s*['\"]|\{\s*')")
ROW_KEYS = {"messages", "conversations", "instruction", "prompt"}
BEIR_HEADER = ("query-id", "corpus-id")


Wrong = tuple[str, str, str]
"""What is wrong with an entry: field, problem and remedy."""


class Entry(NamedTuple):
    """Fields of a question as a set has them, and where they stand."""

    place: str
    fields: dict[str, Any] | None
    """None where there are none."""
    wrong: tuple[Wrong, ...] = ()


class Row(NamedTuple):
    """What a file holds, its line, or its number in an array, and what is wrong with it."""

    at: int
    value: Any
    wrong: tuple[Wrong, ...] = ()


class Written(float):
    """A number with a point or an exponent, whose text is as it was written: 1.10 isn't 1.1 as a text."""

    text: str

    def __new__(cls, text: str) -> "Written":
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __str__(self) -> str:
        return self.text


class Twice(ValueError):
    """A key stands twice in an object, so that one of its values would be lost."""


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
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TandemError(
            f"{path}:{line}: isn't UTF-8 (byte 0x{data[error.start]:02x}). Save it as UTF-8, or convert it, e.g. from "
            "Latin-1: iconv -f LATIN1 -t UTF-8 FILE."
        ) from error
    return text if "\n" in text else text.replace("\r", "\n")  # as old spreadsheets end lines


def recognised(text: str) -> str | None:
    """What a file is that `tandem eval import` takes; None for a set of this project's own, and for anything else."""
    content = _json(text)
    if isinstance(content, list) or _is_squad(content):
        return _kind(_rows(content))
    first = _json(text.strip().partition("\n")[0])
    if isinstance(first, dict):
        return None if _is_own(first) else _kind([first])
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
    if name == CSV:
        rows = list(_table(text, path))
    elif isinstance(content := _json(text), list) or _is_squad(content):
        rows = [_object(at, value, "Make each question one.") for at, value in _whole(text, path)]
    else:
        rows = [line(each, at) for at, each in enumerate(text.split("\n"), 1) if each.strip()]
    objects = [row.value for row in rows if isinstance(row.value, dict)]
    if document is None and not any(row.wrong or _says_what_is_right(row.value) for row in rows):
        looked = ", ".join((*NAMES["reference"], *NAMES["document"], *NAMES["answerable"], *SAYS_NO))
        raise TandemError(
            f"{path}: nothing in it says what the right answers are: none of {looked} is there. Rename the column or "
            "field that does, or name the document that has the answers, with --document."
        )
    entries = [_entry(path, row, document, name == CSV) for row in rows]
    return Found(name, entries, _notes(objects))


def line(text: str, number: int) -> Row:
    """What a line holds, an object or nothing, and why it has none."""
    try:
        value = parsed(text)
    except (ValueError, RecursionError) as error:
        return Row(number, None, (("", f"not JSON ({error})", "Write one JSON object on each line."),))
    return _object(number, value, "Write one on each line.")


def _object(at: int, value: Any, remedy: str) -> Row:
    return Row(at, value) if isinstance(value, dict) else Row(at, None, (("", "not a JSON object", remedy),))


def parsed(text: str) -> Any:
    """JSON, its numbers as they were written; raises `ValueError` where it is none, or a key stands twice."""
    return json.loads(text, object_pairs_hook=_pairs, parse_float=Written)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        again = next(name for name in names if names.count(name) > 1)
        raise Twice(f"{again!r} stands in it twice: {shown(found)}")
    return found


def _whole(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    try:
        return enumerate(_rows(parsed(text)), 1)
    except Twice as error:
        raise TandemError(f"{path}: in an object {error}. Keep one of the two.") from error


def _entry(path: Path, row: Row, document: str | None, is_table: bool) -> Entry:
    place = f"{path.name}:{row.at}"
    if row.wrong:
        return Entry(place, None, row.wrong)
    wrong: list[Wrong] = []
    cells = _cells(row.value, wrong) if is_table else row.value
    fields = _fields(f"{path.name.partition('.')[0]}-{row.at}", cells, document, wrong)
    return Entry(place, None if wrong else fields, tuple(wrong))


def _fields(name: str, row: dict[str, Any], document: str | None, wrong: list[Wrong]) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": name}
    fields |= {name: row[key] for name in NAMES if (key := _named(row, name)) is not None}
    if facts := row.get("supporting_facts"):
        if (titles := _titles(facts)) is None:
            remedy = "Give [[title, sentence], ...], or {title: [...]}."
            wrong.append(("supporting_facts", f"{shown(facts)} has no titles of documents", remedy))
        fields["documents"] = titles
        fields["tags"] = [row[key] for key in ("type", "level") if row.get(key)]
    answers = fields.get("reference")
    if isinstance(answers, dict):
        answers = answers.get("text", answers)
    if isinstance(answers, list):
        answers = [answer.get("text") if isinstance(answer, dict) else answer for answer in answers]
    if "answerable" in fields:
        fields["answerable"] = _flag(fields["answerable"])
    no_answer = answers == []
    for key in SAYS_NO:
        said = _flag(row.get(_keys(row).get(key)))
        if said not in (None, True, False):
            wrong.append((key, f"{shown(said)} is not allowed (true or false)", "Write one of the two."))
        no_answer = no_answer or said is True
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


def _titles(facts: Any) -> list[Any] | None:
    """The titles of HotpotQA's facts, each once: pairs of a title and a sentence, or columns of them."""
    titles: Any = facts.get("title") if isinstance(facts, dict) else facts
    if isinstance(facts, list):
        titles = [fact[0] if isinstance(fact, list) else None for fact in facts if fact]
    is_titles = isinstance(titles, list) and all(isinstance(title, str) for title in titles)
    return list(dict.fromkeys(titles)) if is_titles else None


def _flag(value: Any) -> Any:
    """true or false, however it is written; anything else as it is."""
    return value if isinstance(value, bool) else YES_OR_NO.get(str(value).strip().lower(), value)


def _notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    taken = {*(name for names in NAMES.values() for name in names), *SAYS_NO, "supporting_facts", "type", "level"}
    left = dict.fromkeys(key for row in rows for key in row if key and key.strip().lower() not in taken)
    passed = dict.fromkeys(pair for row in rows for pair in _passed_over(row).items())
    notes = [f"left out, since {key!r} is there, which is taken: {other!r}" for other, key in passed]
    return notes + ([f"left out, since a question set has no place for them: {', '.join(left)}"] if left else [])


def _json(text: str) -> Any:
    """What a text is as JSON, whatever stands twice in it; None for nothing."""
    try:
        return json.loads(text, parse_float=Written)
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


def _keys(row: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a row as they are written, by what is looked for."""
    return {key.strip().lower(): key for key in row}


def _named(row: Mapping[str, Any], name: str) -> str | None:
    """The key of a row that holds this field."""
    keys = _keys(row)
    return next((keys[known] for known in NAMES[name] if known in keys), None)


def _passed_over(row: Mapping[str, Any]) -> dict[str, str]:
    """The keys that stand beside another name of the same field, and the one that is taken."""
    keys, found = _keys(row), {}
    for names in NAMES.values():
        there = [keys[known] for known in names if known in keys]
        found |= dict.fromkeys(there[1:], there[0] if there else "")
    return found


def _is_own(row: Mapping[str, Any]) -> bool:
    """Whether it is meant as a line of a set of this project's own, mistakes or not."""
    others = {known for names in NAMES.values() for known in names} - {*NAMES, "documents"}
    return "id" in row and bool({"document", "documents"} & row.keys()) and not others & _keys(row).keys()


def _says_what_is_right(row: Mapping[str, Any]) -> bool:
    keys = {*SAYS_NO, "supporting_facts"}
    return bool(keys & _keys(row).keys()) or any(_named(row, name) for name in ("reference", "document", "answerable"))


def _header(text: str) -> list[str]:
    line = text.partition("\n")[0]
    try:
        return next(csv.reader([line], delimiter=_delimiter(text)), []) if len(line) < LONGEST_HEADER else []
    except csv.Error:
        return []


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(DELIMITERS, key=header.count)


def _table(text: str, path: Path) -> Iterator[Row]:
    """The rows of a table by its columns; raises `TandemError` where a cell isn't sure to be that of its column."""
    csv.field_size_limit(sys.maxsize)  # of the process, so that what is read doesn't hang on who set it before
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    at = 1
    try:
        names = next(rows)
        known = [name.strip().lower() for name in names if name.strip()]
        if again := [name for number, name in enumerate(known) if name in known[:number]]:
            raise TandemError(f"{path}:1: column {again[0]!r} stands twice. Keep one: the other would be lost.")
        while True:
            at = rows.line_num + 1
            if (cells := next(rows, None)) is None:
                return
            wrong: tuple[Wrong, ...] = ()
            if cells and len(cells) != len(names):
                problem = f"{len(cells)} cells are not allowed ({len(names)}, as many as there are columns)"
                wrong = (("the row", problem, "Put a text that has the delimiter or a quote into double quotes."),)
            if cells:
                yield Row(at, dict(zip(names, cells, strict=False)), wrong)
    except csv.Error as error:
        raise TandemError(
            f"{path}:{at}: isn't a whole row of a table ({error}). Put texts into double quotes, and double a quote in "
            "them."
        ) from error


def _cells(row: Mapping[str, str], wrong: list[Wrong]) -> dict[str, Any]:
    """What a line of a table holds; empty cells are none, and neither are columns beside the one that is taken."""
    passed = _passed_over(row)
    found = {column: _cell(column, text, wrong) for column, text in row.items() if column and column not in passed}
    return {column: value for column, value in found.items() if value not in ("", [])}


def _cell(column: str, text: str, wrong: list[Wrong]) -> Any:
    """What a cell holds: a list as JSON, tags with commas between them; else its text."""
    if text.lstrip().startswith("[") and isinstance(content := _json(text), list):
        return content
    name = column.strip().lower()
    if PYTHONS.match(text) and any(name in NAMES[field] for field in LISTS):
        remedy = "Write it with json.dumps, or all of them with pandas.DataFrame.to_json(orient='records', lines=True)."
        wrong.append((column, f"{shown(text)} begins as a list or an object, and isn't JSON", remedy))
    if name == "tags":
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
    for number, row, _ in _table(read_text(path), path):
        try:
            query, document, grade = row["query-id"], row["corpus-id"], max(float(row["score"]), 0.0)
        except (KeyError, ValueError) as error:
            raise TandemError(f"{path}:{number}: isn't a query, a document and a grade ({error}).") from error
        if (before := grades.setdefault(query, {}).setdefault(document, grade)) != grade:
            what = f"query {query} and document {document} have the grade {before:g} above, and {grade:g} here"
            raise TandemError(f"{path}:{number}: {what}. Keep one of the two.")
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
