"""Lease: the right to work on one document, and the writes that need it.

Each write is conditional on the lease being held and not over, so of two workers only one can commit, and a sweep
may treat what a worker with an expired lease wrote as garbage.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import botocore.exceptions

from .ledger import INDEXED, REJECTED, WORKING, Ledger, Part, Row, part_key, place
from .reading import EXTRACTOR
from .table import Item, is_refused

LEASE_SECONDS = 60.0
HELD = "#lease_owner = :owner AND #lease_until > :now"
OVER = ["lease_owner", "lease_until"]
# Chunks of the version before, to be deleted; appended to what an interrupted worker left.
ALL_GARBAGE = "list_append(if_not_exists(#garbage, :none), if_not_exists(#chunks, :none))"
MORE_ATTEMPTS = "list_append(if_not_exists(#garbage_attempts, :none), :given_up)"


class Busy(Exception):
    """Another worker has the lease."""


class LeaseLost(Exception):
    """The lease was over before the work was; another worker may have begun."""


@dataclass(frozen=True)
class StoredObject:
    """What S3 says about an object."""

    version: str
    """ETag."""
    size: int
    modified: float
    """Unix seconds."""
    metadata: list[str]
    """User metadata as sorted `key=value`."""


class Lease:
    """A lease on a document in an index version; see `acquire`."""

    def __init__(self, ledger: Ledger, index: str, document: str):
        self._ledger, self._index, self._document = ledger, index, document
        self._place = place(index, document)
        self._owner = uuid.uuid4().hex
        self._until = 0.0
        self.row = Row(document)

    @classmethod
    def acquire(cls, ledger: Ledger, index: str, document: str) -> "Lease":
        """Take the lease, also over one that has expired; `row` is then the document's. Raises `Busy`."""
        lease = cls(ledger, index, document)
        lease._until = ledger.clock() + LEASE_SECONDS
        try:
            lease._write(
                {"status": "if_not_exists(#status, :working)", "lease_owner": ":owner", "lease_until": ":until"},
                values={"working": WORKING, "until": lease._until},
                condition="attribute_not_exists(#lease_until) OR #lease_until <= :now",
            )
        except LeaseLost as error:
            raise Busy(f"another worker has the lease on {document!r}") from error
        return lease

    def keep(self) -> None:
        """Extend the lease if a third of it has passed; call it between steps. Raises `LeaseLost`."""
        now = self._ledger.clock()
        if self._until - now < LEASE_SECONDS * 2 / 3:
            self._write({"lease_until": ":until"}, values={"until": now + LEASE_SECONDS})
            self._until = now + LEASE_SECONDS

    def begin_attempt(self, attempt: str) -> None:
        """Record an attempt before any of its chunks is written, and give up the one before. Raises `LeaseLost`."""
        given_up = [self.row.attempt] if self.row.attempt else []
        self._write(
            {"attempt": ":attempt", "garbage_attempts": MORE_ATTEMPTS},
            values={"attempt": attempt, "given_up": given_up, "none": []},
        )

    def finish_part(self, part: Part) -> None:
        """Record a part of the attempt whose chunks are written. Raises `LeaseLost`."""
        try:
            self._ledger.table.put_while(
                f"attempt#{self.row.attempt}",
                part_key(part.number),
                {"digest": part.digest, "chunks": part.chunks},
                of=self._place,
                holds=HELD,
                using={"owner": self._owner, "now": self._ledger.clock()},
            )
        except botocore.exceptions.ClientError as error:
            raise self._translated(error) from error

    def commit(
        self, stored: StoredObject, count: int, warnings: Sequence[str], *, chunks: Sequence[str] = (), parts: int = 0
    ) -> None:
        """Make the attempt the one that is searched, in one write, and give the lease back. Raises `LeaseLost`.

        The ids of its chunks, `count` of them, are `chunks`, or stand in its `parts`.
        """
        named = {"parts": parts} if parts else {"chunks": chunks}
        facts = {"status": INDEXED, "current": self.row.attempt, "chunk_count": count, "warnings": warnings, **named}
        given_up = [self.row.current] if self.row.parts else []
        self._finish(stored, facts, given_up, remove=["attempt", "error", *({"parts", "chunks"} - named.keys())])

    def reject(self, stored: StoredObject, reason: str) -> None:
        """Record why the object can't be indexed, search none of its chunks, give back. Raises `LeaseLost`."""
        self._finish(
            stored,
            {"status": REJECTED, "error": reason, "chunk_count": 0},
            self.row.attempts_in_parts,
            remove=["attempt", "current", "chunks", "parts", "warnings"],
        )

    def forget(self) -> None:
        """Delete the row, because the object is gone. Raises `LeaseLost`."""
        # Chunks of an interrupted attempt leave no other trace than the row: make the next sweep look at the index.
        self._ledger.table.delete("sweep", self._index)
        values = {"owner": self._owner, "now": self._ledger.clock()}
        try:
            self._ledger.table.delete(*self._place, condition=HELD, values=values)
        except botocore.exceptions.ClientError as error:
            raise self._translated(error) from error

    def release(self) -> None:
        """Give the lease back and change nothing else; no error if it is lost."""
        try:
            self._write({}, values={}, remove=OVER)
        except LeaseLost:
            return

    def _finish(self, stored: StoredObject, values: Item, given_up: list[str], remove: list[str]) -> None:
        facts = values | {
            "version": stored.version,
            "size": stored.size,
            "modified": stored.modified,
            "metadata": stored.metadata,
            "extractor": EXTRACTOR,
        }
        assign = {"garbage": ALL_GARBAGE, "garbage_attempts": MORE_ATTEMPTS} | {name: f":{name}" for name in facts}
        self._write(assign, values=facts | {"none": [], "given_up": given_up}, remove=[*remove, *OVER])

    def _write(
        self, assign: Mapping[str, str], *, values: Item, remove: Sequence[str] = (), condition: str = HELD
    ) -> None:
        now = self._ledger.clock()
        try:
            item = self._ledger.table.update(
                *self._place,
                condition=condition,
                values=values | {"owner": self._owner, "now": now},
                assign={**assign, "updated_at": ":now"},
                remove=remove,
            )
        except botocore.exceptions.ClientError as error:
            raise self._translated(error) from error
        self.row = Row.from_item(item)

    def _translated(self, error: botocore.exceptions.ClientError) -> Exception:
        return LeaseLost(f"the lease on {self._document!r} is over") if is_refused(error) else error
