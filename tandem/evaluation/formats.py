"""Question sets of others: SQuAD, HotpotQA, BEIR, tables and lines with columns of other names, as fields of a set.

Nothing is checked here but the shape of a file: `questions` checks the fields, whatever file they come from.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tandem_contract.checks import shown
from tandem_contract.errors import TandemError

from .rows import Row, Twice, Wrong, any_json, header, line, of_object, parsed, read_text, table

SQUAD, HOTPOT, BEIR = "SQuAD", "HotpotQA", "BEIR"
CSV, LINES, ROWS = "a table", "lines with other fields than a set's", "rows of a data set"
PROMPTFOO = re.compile(r"^(?:prompts|providers|tests):", re.MULTILINE)
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


class Entry(NamedTuple):
    """Fields of a question as a set has them, and where they stand."""

    place: str
    fields: dict[str, Any] | None
    """None where there are none."""
    wrong: tuple[Wrong, ...] = ()


class Found(NamedTuple):
    """What a file is, its questions, and what was left out, in sentences."""

    name: str
    entries: list[Entry]
    notes: list[str]


def recognised(text: str) -> str | None:
    """What a file is that `tandem eval import` takes; None for a set of this project's own, and for anything else."""
    return _recognised(text, any_json(text))


def _recognised(text: str, content: Any) -> str | None:
    if isinstance(content, list) or _is_squad(content):
        return _kind(_rows(content))
    first = any_json(text.strip().partition("\n")[0])
    if isinstance(first, dict):
        return None if _is_own(first) else _kind([first])
    names = header(text)
    if tuple(names[:2]) == BEIR_HEADER:
        return BEIR
    return CSV if len(names) > 1 and _named(dict.fromkeys(names), "question") else None


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
    content = any_json(text)
    name = _recognised(text, content)
    if name == BEIR:
        raise TandemError(f"{path}: is a part of BEIR's data sets: give the folder that has queries.jsonl and qrels.")
    if name in (None, ROWS):
        return None
    if name == CSV:
        rows = list(table(text, path))
    elif isinstance(content, list) or _is_squad(content):
        rows = [of_object(at, value, "Make each question one.") for at, value in _whole(text, path)]
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


def _cells(row: Mapping[str, str], wrong: list[Wrong]) -> dict[str, Any]:
    """What a line of a table holds; empty cells are none, and neither are columns beside the one that is taken."""
    passed = _passed_over(row)
    found = {column: _cell(column, text, wrong) for column, text in row.items() if column and column not in passed}
    return {column: value for column, value in found.items() if value not in ("", [])}


def _cell(column: str, text: str, wrong: list[Wrong]) -> Any:
    """What a cell holds: a list as JSON, tags with commas between them; else its text."""
    if text.lstrip().startswith("[") and isinstance(content := any_json(text), list):
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
    return path if path.suffix == ".tsv" and tuple(header(read_text(path)))[:2] == BEIR_HEADER else None


def _beir(path: Path) -> Found:
    queries = path.parent.parent / "queries.jsonl"
    lines = [any_json(line) for line in read_text(queries).split("\n") if line.strip()]
    grades: dict[str, dict[str, float]] = {}
    for number, row, _ in table(read_text(path), path):
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
