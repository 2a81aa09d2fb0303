"""The ledger: what is true about every document, kept in DynamoDB.

Items, by `pk` and `sk`:
- `active`, `active`: the index version that is written and searched (`IndexVersion`).
- `index#<index>`, `document#<S3 key>`: one document in one index version (`Row`).
- `sweep`, `<index>`: what the last sweep that found nothing to repair saw.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

import botocore.exceptions

from .index_version import IndexVersion
from .table import Item, Table, is_refused

INDEXED, REJECTED, WORKING = "indexed", "rejected", "working"
PREFIX = "document#"
BATCH = 100


class Row(NamedTuple):
    """A document in an index version."""

    document: str
    """S3 key."""
    status: str = WORKING
    """What became of `version`: `indexed` (searchable as soon as the index refreshes), `rejected`, or `working`."""
    version: str = ""
    """ETag of the object that `status` is about; compare it with the object's ETag."""
    size: int = 0
    """Bytes."""
    modified: float = 0.0
    """When the object was written, in Unix seconds."""
    metadata: Sequence[str] = ()
    """The object's user metadata as `key=value`."""
    current: str = ""
    """The attempt whose chunks are searched; empty if none."""
    attempt: str = ""
    """The attempt that is or was being written."""
    chunks: Sequence[str] = ()
    """Ids of the chunks of `current`."""
    garbage: Sequence[str] = ()
    """Ids of chunks that are to be deleted."""
    chunk_count: int = 0
    error: str = ""
    """Why the document was rejected."""
    lease_owner: str = ""
    lease_until: float = 0.0
    """Unix seconds until which `lease_owner` alone works on the document."""
    updated_at: float = 0.0
    """Unix seconds of the last write."""

    @classmethod
    def from_item(cls, item: Item) -> "Row":
        """Read an item; one that a later release wrote may hold more."""
        return cls(item["sk"].removeprefix(PREFIX), **{name: item[name] for name in cls._fields if name in item})


class Ledger:
    """Reads the ledger, and the few writes that need no lease."""

    def __init__(self, client: Any, table: str, clock: Callable[[], float] = time.time):
        self.table, self.clock = Table(client, table), clock

    def active(self) -> IndexVersion | None:
        """The active index version, or None before the first deployment has finished."""
        item = self.table.get("active", "active")
        if item is None:
            return None
        return IndexVersion(**{name: item[name] for name in IndexVersion._fields if name in item})

    def activate(self, version: IndexVersion) -> bool:
        """Make a version the active one if none is, or one in another store, which is gone; return whether it was done.

        In the same store the active one stays, since moving it is a run, but for the secret of its embedder.
        """
        values = version._asdict()
        elsewhere = "attribute_not_exists(#endpoint) OR #endpoint <> :endpoint"
        if self.table.put_if("active", "active", values, elsewhere):
            return True
        self.table.put_if("active", "active", values, "#index = :index")
        return False

    def row(self, index: str, document: str) -> Row | None:
        """One document, or None if the ledger doesn't know it."""
        item = self.table.get(partition(index), PREFIX + document)
        return Row.from_item(item) if item else None

    def rows(self, index: str) -> Iterator[Row]:
        """All documents of an index version, sorted by key (as UTF-8), a page at a time."""
        return map(Row.from_item, self.table.query(partition(index)))

    def current_attempts(self, index: str, documents: Collection[str]) -> dict[str, str]:
        """The attempt that is searched now, of each of these documents that has one."""
        keys = [PREFIX + document for document in sorted(documents)]
        found: dict[str, str] = {}
        for at in range(0, len(keys), BATCH):
            for item in self.table.batch_get(partition(index), keys[at : at + BATCH], ["current"]):
                if "current" in item:
                    found[item["sk"].removeprefix(PREFIX)] = item["current"]
        return found

    def clear_garbage(self, index: str, row: Row) -> None:
        """Forget garbage that was deleted, unless more has come since."""
        self._update_if(
            index, row, condition="#garbage = :garbage", values={"garbage": row.garbage}, assign={}, remove=["garbage"]
        )

    def mark_incomplete(self, index: str, row: Row) -> bool:
        """Have a document indexed again because its chunks are missing; return False if it has changed since."""
        return self._update_if(
            index,
            row,
            condition="#current = :current AND (attribute_not_exists(#lease_until) OR #lease_until <= :now)",
            values={"current": row.current, "status": WORKING},
            assign={"status": ":status"},
            remove=["version"],
        )

    def swept(self, index: str) -> Item:
        """What `set_swept` last recorded: `digest` and `at`; empty if nothing."""
        return self.table.get("sweep", index) or {}

    def set_swept(self, index: str, digest: str) -> None:
        """Record the digest of an index version's rows when index and ledger agreed."""
        values = {"digest": digest, "at": self.clock()}
        self.table.update("sweep", index, values=values, assign={"digest": ":digest", "at": ":at"})

    def _update_if(
        self, index: str, row: Row, *, condition: str, values: Item, assign: Item, remove: list[str]
    ) -> bool:
        try:
            self.table.update(
                partition(index),
                PREFIX + row.document,
                condition=condition,
                values=values | {"now": self.clock()},
                assign=assign | {"updated_at": ":now"},
                remove=remove,
            )
        except botocore.exceptions.ClientError as error:
            if is_refused(error):
                return False
            raise
        return True


def partition(index: str) -> str:
    """The partition of an index version's documents."""
    return f"index#{index}"
