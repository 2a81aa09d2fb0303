"""Which rows of a split are asked, where not all are: `by_digest(rows)[:most]`."""

import hashlib
from collections.abc import Sequence

from .rows import Row, encoded, messages


def by_digest(rows: Sequence[Row]) -> list[Row]:
    """The rows in an order that says nothing of them, and is the same whatever the order of the files was."""
    return sorted(rows, key=lambda row: hashlib.sha256(encoded([row])).digest())


def gradable(rows: Sequence[Row]) -> list[Row]:
    """The rows with a right answer in words, which a model's can be compared with.

    A call of a tool is none, nor is an answer that is not to be learned.
    """
    last = ((row, messages(row)[-1]) for row in rows)
    return [row for row, answer in last if answer.get("weight", 1) and not answer.get("tool_calls")]


def digest(rows: Sequence[Row]) -> str:
    """SHA-256 (hex) of rows in their order, by which a record says which ones were asked."""
    return hashlib.sha256(encoded(rows)).hexdigest()
