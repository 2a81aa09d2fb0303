"""What stands in a file of questions: its lines, its JSON as it was written, its table; each row with its place."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tandem_contract.checks import shown
from tandem_contract.errors import TandemError

DELIMITERS = ",;\t"
LONGEST_HEADER = 10_000
Wrong = tuple[str, str, str]
"""What is wrong with an entry: field, problem and remedy."""


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


def line(text: str, number: int) -> Row:
    """What a line holds, an object or nothing, and why it has none."""
    try:
        value = parsed(text)
    except (ValueError, RecursionError) as error:
        return Row(number, None, (("", f"not JSON ({error})", "Write one JSON object on each line."),))
    return of_object(number, value, "Write one on each line.")


def of_object(at: int, value: Any, remedy: str) -> Row:
    """A row, refused where its value is no object."""
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


def any_json(text: str) -> Any:
    """What a text is as JSON, whatever stands twice in it; None for nothing."""
    try:
        return json.loads(text, parse_float=Written)
    except (ValueError, RecursionError):
        return None


def header(text: str) -> list[str]:
    """The names in the first line of a table; none where it can't be one."""
    line = text.partition("\n")[0]
    try:
        return next(csv.reader([line], delimiter=_delimiter(text)), []) if len(line) < LONGEST_HEADER else []
    except csv.Error:
        return []


def _delimiter(text: str) -> str:
    return max(DELIMITERS, key=text.partition("\n")[0].count)


def table(text: str, path: Path) -> Iterator[Row]:
    """The rows of a table by its columns; raises `TandemError` where a cell isn't sure to be that of its column."""
    csv.field_size_limit(sys.maxsize)  # of the process, so that what is read doesn't hang on who set it before
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    at = 1
    try:
        names = next(rows, [])
        known = [name.strip().lower() for name in names if name.strip()]
        if again := [name for number, name in enumerate(known) if name in known[:number]]:
            raise TandemError(f"{path}:1: column {again[0]!r} stands twice. Keep one: the other would be lost.")
        while True:
            at = rows.line_num + 1
            if (cells := next(rows, None)) is None:
                return
            if not any(map(str.strip, cells)):
                continue
            wrong: tuple[Wrong, ...] = ()
            if len(cells) != len(names):
                problem = f"{len(cells)} cells are not allowed ({len(names)}, as many as there are columns)"
                wrong = (("the row", problem, "Put a text that has the delimiter or a quote into double quotes."),)
            yield Row(at, dict(zip(names, cells, strict=False)), wrong)
    except csv.Error as error:
        raise TandemError(
            f"{path}:{at}: isn't a whole row of a table ({error}). Put texts into double quotes, and double a quote in "
            "them."
        ) from error
