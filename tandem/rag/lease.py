"""Lease: the right to work on one document, and the writes that need it.

Each write is conditional on the lease being held and not over, so of two workers only one can commit, and a sweep
may treat what a worker with an expired lease wrote as garbage.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import botocore.exceptions

from .ledger import INDEXED, PREFIX, REJECTED, WORKING, Ledger, Row, partition
from .table import Item, is_refused

LEASE_SECONDS = 60.0
HELD = "#lease_owner = :owner AND #lease_until > :now"
OVER = ["lease_owner", "lease_until"]
# Chunks of the version before, to be deleted; appended to what an interrupted worker left.
ALL_GARBAGE = "list_append(if_not_exists(#garbage, :none), if_not_exists(#chunks, :none))"


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
        """Record an attempt before any of its chunks is written. Raises `LeaseLost`."""
        self._write({"attempt": ":attempt"}, values={"attempt": attempt})

    def commit(self, stored: StoredObject, attempt: str, ids: Sequence[str]) -> None:
        """Make an attempt the one that is searched, in one write, and give the lease back. Raises `LeaseLost`."""
        self._finish(
            stored,
            {"status": INDEXED, "current": attempt, "chunks": list(ids), "chunk_count": len(ids)},
            remove=["attempt", "error"],
        )

    def reject(self, stored: StoredObject, reason: str) -> None:
        """Record why the object can't be indexed, search none of its chunks, give back. Raises `LeaseLost`."""
        self._finish(
            stored, {"status": REJECTED, "error": reason, "chunk_count": 0}, remove=["attempt", "current", "chunks"]
        )

    def forget(self) -> None:
        """Delete the row, because the object is gone. Raises `LeaseLost`."""
        # Chunks of an interrupted attempt leave no other trace than the row: make the next sweep look at the index.
        self._ledger.table.delete("sweep", self._index)
        values = {"owner": self._owner, "now": self._ledger.clock()}
        try:
            self._ledger.table.delete(partition(self._index), PREFIX + self._document, condition=HELD, values=values)
        except botocore.exceptions.ClientError as error:
            raise self._translated(error) from error

    def release(self) -> None:
        """Give the lease back and change nothing else; no error if it is lost."""
        try:
            self._write({}, values={}, remove=OVER)
        except LeaseLost:
            return

    def _finish(self, stored: StoredObject, values: Item, remove: list[str]) -> None:
        facts = values | {
            "version": stored.version,
            "size": stored.size,
            "modified": stored.modified,
            "metadata": stored.metadata,
        }
        assign = {"garbage": ALL_GARBAGE} | {name: f":{name}" for name in facts}
        self._write(assign, values=facts | {"none": []}, remove=[*remove, *OVER])

    def _write(
        self, assign: Mapping[str, str], *, values: Item, remove: Sequence[str] = (), condition: str = HELD
    ) -> None:
        now = self._ledger.clock()
        try:
            item = self._ledger.table.update(
                partition(self._index),
                PREFIX + self._document,
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
