"""Which rows of a split are asked, where not all are."""

import hashlib
from collections.abc import Sequence

from .rows import Row, encoded, messages


def sample(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows, by the digest of each: the same ones in the same order, whatever the order of the files."""
    return sorted(rows, key=_digest)[:most]


def gradable(rows: Sequence[Row]) -> list[Row]:
    """The rows with a right answer in words, which a model's can be compared with.

    A call of a tool is none, nor is an answer that is not to be learned.
    """
    last = ((row, messages(row)[-1]) for row in rows)
    return [row for row, answer in last if answer.get("weight", 1) and not answer.get("tool_calls")]


def digest(rows: Sequence[Row]) -> str:
    """SHA-256 (hex) of rows in their order, by which a record says which ones were asked."""
    return hashlib.sha256(encoded(rows)).hexdigest()


def _digest(row: Row) -> str:
    return hashlib.sha256(encoded([row])).hexdigest()
