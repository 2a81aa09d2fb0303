"""What stands in a file of rows: JSONL, a JSON array, CSV, Parquet, each also packed by gzip; told by the content."""

import csv
import gzip
import importlib
import io
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from . import strict_json
from .fields import FORMATS, LISTS, TEXTS
from .strict_json import TWICE

HEAD = 4096  # bytes that tell what a file is
LOOKED_AT = 1 << 24  # bytes, to tell why a first line is no JSON
NO_TEXT_ALLOWED = 3  # lines; more of them are one mistake, of the whole file
BETWEEN = " \t\r\n"
TO_UTF8 = "`iconv -f {} -t UTF-8 FILE > NEW` makes it UTF-8"
# By the first bytes: what the file is, and how to make rows of it.
KINDS = (
    (b"\xff\xfe", "text in UTF-16", TO_UTF8.format("UTF-16")),
    (b"\xfe\xff", "text in UTF-16", TO_UTF8.format("UTF-16")),
    (b"ARROW1", "an Arrow file", "`datasets.Dataset.from_file(FILE).to_json(NEW)` makes rows of it"),
    (b"\xff\xff\xff\xff", "an Arrow stream", "`datasets.Dataset.from_file(FILE).to_json(NEW)` makes rows of it"),
    (b"PK\x03\x04", "a ZIP archive, or a sheet of Excel", "Unpack it, or save the sheet as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0", "a document of old Office", "Save the sheet as CSV in UTF-8"),
    (b"\x1f\x8b", "packed by gzip twice", "`gunzip FILE` unpacks it once"),
    (b"BZh", "packed by bzip2", "`bunzip2 FILE` unpacks it"),
    (b"\xfd7zXZ\x00", "packed by xz", "`unxz FILE` unpacks it"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", "`unzstd FILE` unpacks it"),
    (b"SQLite format 3", "a database of SQLite", "`sqlite3 -csv -header FILE 'select ...' > NEW.csv` makes rows of it"),
    (b"%PDF", "a PDF", "Rows have to be written from it: questions, and their answers"),
    (b"<", "HTML or XML", "If a web page was saved in place of the file, fetch the file itself"),
)
Stream = BinaryIO | gzip.GzipFile


class Entry(NamedTuple):
    """A value of a file with its line (1 is the first; a row of Parquet has its number)."""

    line: int
    value: Any
    wrong: tuple[tuple[str, str, str], ...] = ()
    """Key, problem and remedy of what is wrong with it as JSON or CSV; the value may be half of what was meant."""


class NotRows(Exception):
    """The whole file can't be read as rows; the text is what it is, `remedy` how to convert it."""

    def __init__(self, problem: str, remedy: str, line: int | None = None) -> None:
        """`line` is where reading ended, if anywhere."""
        super().__init__(problem)
        self.remedy, self.line = remedy, line


def entries(path: Path) -> Iterator[Entry]:
    """Give every value of a file; raises `NotRows` where it is no file of rows."""
    with path.open("rb") as opened:
        stream: Stream = opened if opened.seekable() else io.BytesIO(opened.read())  # a pipe is read once
        if stream.read(2) == b"\x1f\x8b":
            stream.seek(0)
            stream = gzip.GzipFile(fileobj=stream)
        try:
            stream.seek(0)
            head = stream.read(HEAD)
            stream.seek(0)
            yield from _read(path, stream, head)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise NotRows(f"it is packed by gzip and damaged: {error}", "Fetch it again.") from error


def _read(path: Path, stream: Stream, head: bytes) -> Iterator[Entry]:
    if head.startswith(b"PAR1"):
        return _parquet(path, stream)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for start, kind, remedy in KINDS:
        if (text if start == b"<" else head).startswith(start):
            raise NotRows(f"it is {kind}, not rows", f"{remedy.replace('FILE', path.name)}.")
    if b"\0" in head:
        if head[257:262] == b"ustar":
            raise NotRows("it is a tar archive, not rows", f"`tar -xf {path.name}` unpacks it.")
        remedy = f"If it is text in UTF-16, {TO_UTF8.format('UTF-16LE').replace('FILE', path.name)}."
        raise NotRows("it has zero bytes: it is no text in UTF-8", remedy)
    if text.startswith(b"["):
        return _elements(stream.read(), path)
    if delimiter := _delimiter(path, text):
        return _table(stream, path, delimiter)
    return _lines(stream, path)


def _said_twice(twice: list[str]) -> tuple[tuple[str, str, str], ...]:
    """What is wrong with the keys that stand twice; empties the list."""
    found = tuple((key, *TWICE) for key in twice)
    twice.clear()
    return found


def _lines(stream: Stream, path: Path) -> Iterator[Entry]:
    decoder, twice = strict_json.decoder()
    good, bad, no_text = 0, 0, []
    # Not by str.splitlines: a line separator of Unicode may stand in a JSON text.
    for line, data in enumerate(stream, start=1):
        if line == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901
        if not data or data.isspace():
            continue
        try:
            value = decoder.decode(str(data, "utf-8"))
        except UnicodeDecodeError as error:
            no_text.append(line)
            yield _unreadable(line, data, error)
        except (ValueError, RecursionError) as error:
            twice.clear()
            if not good + bad:
                _look_at_whole(path, stream, data)
            bad += 1
            yield _unreadable(line, data, error)
        else:
            if not good + bad and (key := _wrapped(value)):
                raise NotRows("it is one JSON object, not rows", _unwrap(key, path))
            good += isinstance(value, dict)
            yield Entry(line, value, _said_twice(twice) if twice else ())
    if len(no_text) > NO_TEXT_ALLOWED:
        problem = f"{len(no_text)} of its lines are no UTF-8, the first is {no_text[0]}"
        remedy = f"{TO_UTF8.format('LATIN1').replace('FILE', path.name)}, if it is in Latin-1."
        raise NotRows(problem, remedy, no_text[0])
    if not good and bad > 1:
        remedy = "Write one JSON object a line (JSONL), or a JSON array, CSV with a line of column names, or Parquet."
        raise NotRows("none of its lines is a JSON object", remedy)


def _unreadable(line: int, data: bytes, error: Exception) -> Entry:
    from tandem_contract.checks import shown

    text = data.decode("utf-8", "backslashreplace").rstrip("\r\n")
    problem = f"{shown(text)} is not allowed (one JSON object a line, in UTF-8)"
    return Entry(line, None, (("the row", problem, f"Mend it: {error}."),))


def _look_at_whole(path: Path, stream: Stream, first: bytes) -> None:
    """Raise `NotRows` if what doesn't end on its first line is JSON over several, or is no JSON at all."""
    if first.lstrip().startswith(b"{'"):
        remedy = "Write it with json.dumps, not str or repr."
        raise NotRows("its rows are in Python's notation, with single quotes, not in JSON", remedy)
    after = stream.tell()
    text = (first + stream.read(LOOKED_AT)).decode("utf-8", "replace")
    stream.seek(after)
    try:
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return
    if "\n" not in text.lstrip()[:end]:
        return
    if key := _wrapped(value):
        raise NotRows("it is one JSON object, not rows", _unwrap(key, path))
    remedy = f"`jq -c . {path.name} > NEW.jsonl` writes one a line."
    raise NotRows("its JSON objects stand over several lines each", remedy)


def _wrapped(value: Any) -> str | None:
    """The key under which an object holds a list of rows, if it does."""
    if not isinstance(value, dict) or any(field in value for field in FORMATS.values()):
        return None
    for key, held in value.items():
        if isinstance(held, list) and held and isinstance(held[0], dict) and held[0].keys() & set(FORMATS.values()):
            return key
    return None


def _unwrap(key: str, path: Path) -> str:
    return f"""`jq -c '.{json.dumps(key)}[]' {path.name} > NEW.jsonl` writes the rows that it holds."""


def _elements(content: bytes, path: Path) -> Iterator[Entry]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        remedy = f"{TO_UTF8.format('LATIN1').replace('FILE', path.name)}, if it is in Latin-1."
        raise NotRows(f"it is no text in UTF-8: {error}", remedy) from error
    decoder, twice = strict_json.decoder()
    line, counted = 1, 0
    at = _next(text, text.index("[") + 1)
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = decoder.raw_decode(text, at)
            at = _next(text, at)
            if text[at : at + 1] == ",":
                at = _next(text, at + 1)
                if text[at : at + 1] == "]":
                    raise json.JSONDecodeError("Expecting value", text, at)
            elif text[at : at + 1] != "]":
                raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
        except (ValueError, RecursionError) as error:
            raise NotRows(f"it is no whole JSON array: {error}", "Mend it.", getattr(error, "lineno", line)) from error
        yield Entry(line, value, _said_twice(twice) if twice else ())
    if (after := _next(text, at + 1)) < len(text):
        line = text.count("\n", 0, after) + 1
        raise NotRows("something follows its JSON array", "Keep the array alone, or one object a line.", line)


def _next(text: str, at: int) -> int:
    while text[at : at + 1] in BETWEEN and at < len(text):
        at += 1
    return at


def _delimiter(path: Path, head: bytes) -> str | None:
    """What stands between the columns of a table with a line of names; None for anything else."""
    first = head.partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r")
    if first.startswith("{"):
        return None
    found = {mark: [name.strip(' "') for name in first.split(mark)] for mark in ",;\t" if mark in first}
    known = [mark for mark, names in found.items() if set(names) & TEXTS]
    if known:
        return known[0]
    is_table = {".csv", ".tsv"} & set(path.suffixes)
    return max(found, key=lambda mark: len(found[mark]), default=",") if is_table else None


def _table(stream: Stream, path: Path, delimiter: str) -> Iterator[Entry]:
    csv.field_size_limit(sys.maxsize)
    decoder, twice = strict_json.decoder()
    # The stream's own lines: a text wrapper would close it.
    texts = (str(data.removeprefix(b"\xef\xbb\xbf") if not at else data, "utf-8") for at, data in enumerate(stream))
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    line = 1
    try:
        names = [name.strip() for name in next(reader)]
        if again := [name for number, name in enumerate(names) if name in names[:number]]:
            raise NotRows(f"column {again[0]!r} stands twice", "Keep one: the other would be lost.", 1)
        while True:
            line = reader.line_num + 1
            if (cells := next(reader, None)) is None:
                return
            if not cells:
                continue
            wrong: tuple[tuple[str, str, str], ...] = ()
            if len(cells) != len(names):
                problem = f"{len(cells)} cells are not allowed ({len(names)}, as many as there are columns)"
                wrong = (("the row", problem, "Put a text that has the delimiter or a quote into double quotes."),)
            pairs = zip(names, cells, strict=False)
            row = {name: _cell(name, cell, decoder) for name, cell in pairs if cell}
            yield Entry(line, row, wrong + _said_twice(twice))
    except UnicodeDecodeError as error:
        remedy = f"{TO_UTF8.format('WINDOWS-1252').replace('FILE', path.name)}, if it is a sheet of Excel."
        raise NotRows(f"it is a table in another encoding than UTF-8: {error}", remedy) from error
    except csv.Error as error:
        raise NotRows(
            f"it is no whole CSV: {error}", "Put texts into double quotes, and double a quote in them.", line
        ) from error


def _cell(name: str, cell: str, decoder: json.JSONDecoder) -> Any:
    """The list of a column that holds lists, which a table has as JSON; else the text."""
    if name in LISTS:
        try:
            return decoder.decode(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _parquet(path: Path, stream: Stream) -> Iterator[Entry]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")  # no requirement: it is large, and few need it
    except ImportError as error:
        remedy = (
            "`pip install pyarrow` lets it be read; or save it as JSONL: "
            f"pandas.read_parquet({path.name!r}).to_json('NEW.jsonl', orient='records', lines=True)."
        )
        raise NotRows("it is a Parquet file, and the package pyarrow isn't installed", remedy) from error
    try:
        batches = parquet.ParquetFile(stream).iter_batches()
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(rows, start=1):
            yield Entry(number, row)
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise NotRows(f"it is a damaged Parquet file: {error}", "Fetch it again.") from error
