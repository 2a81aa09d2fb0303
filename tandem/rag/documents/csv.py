"""Sections of CSV: a table, whose first row is its header."""

import csv
import io
from collections.abc import Iterator
from itertools import islice

from .outline import Outline, filled
from .section import Rejected, Section, decode

DELIMITERS = ",;\t|"
SAMPLE_ROWS = 50
MAX_FIELD = 100_000_000
"""As large as a document: an unclosed quote takes the rest of it."""


def sections(data: bytes) -> Iterator[Section]:
    """Yield the rows, with the first that has several fields as the header."""
    text = decode(data)
    csv.field_size_limit(MAX_FIELD)
    outline = Outline()
    try:
        first = text.partition("\n")[0]
        says = first.lower().startswith("sep=") and len(first) == len("sep=;")  # spreadsheets write and obey it
        delimiter = first[-1] if says else _delimiter(text)
        lines = io.StringIO(text.partition("\n")[2] if says else text, newline="")
        yield from outline.sheet(filter(None, map(filled, csv.reader(lines, delimiter=delimiter))))
    except csv.Error as error:
        raise Rejected(f"the CSV is damaged ({error}): export it again with quotes around its fields") from error
    yield from outline.end()


def _delimiter(text: str) -> str:
    """The delimiter that gives most of the first rows the same number of fields, and more than one.

    `csv.Sniffer` goes by characters that recur, and may take a letter for one.
    """

    def fit(delimiter: str) -> tuple[float, int]:
        rows = islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), SAMPLE_ROWS)
        widths = [len(fields) for fields in rows if fields]
        usual = max(set(widths), key=lambda width: (widths.count(width), width), default=1)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0), usual

    return max(DELIMITERS, key=fit)
