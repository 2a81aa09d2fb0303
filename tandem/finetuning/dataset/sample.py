"""Which rows of a split are asked, where not all are: `sample(gradable(rows), most)`; and what they ask."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from .rows import Row, encoded, messages


def by_digest(rows: Iterable[Row]) -> list[Row]:
    """The rows in an order that says nothing of them, and is the same whatever the order of the files was."""
    return sorted(rows, key=_digest)


def sample(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows, the first `by_digest`, in the order that they came in."""
    chosen = {id(row) for row in by_digest(rows)[:most]}
    return [row for row in rows if id(row) in chosen]


def gradable(rows: Sequence[Row]) -> list[Row]:
    """The rows with a right answer in words, which a model's can be compared with.

    A call of a tool is none, nor is an answer that is not to be learned.
    """
    last = ((row, messages(row)[-1]) for row in rows)
    return [row for row, answer in last if answer.get("weight", 1) and not answer.get("tool_calls")]


def digest(rows: Iterable[Row]) -> str:
    """SHA-256 (hex) of a sample, by which a record says which rows were asked; their order doesn't matter."""
    return hashlib.sha256(b"".join(sorted(map(_digest, rows)))).hexdigest()


def _digest(row: Row) -> bytes:
    return hashlib.sha256(encoded([row])).digest()


def prompt(row: Row) -> list[dict[str, Any]]:
    """What a model is asked: the messages before the last answer, as chat APIs take them, which know no weights."""
    return [{key: value for key, value in turn.items() if key != "weight"} for turn in messages(row)[:-1]]
