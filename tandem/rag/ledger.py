"""The ledger: what is true about every document, kept in DynamoDB.

Items, by `pk` and `sk`:
- `active`, `active`: the index version that is written and searched (`IndexVersion`).
- `index#<index>`, `document#<S3 key>`: one document in one index version (`Row`).
- `index#<index>#long`, `<S3 key>`: the same of a key that leaves no room for the prefix.
- `attempt#<attempt>`, `<number>`: a finished part of a document that has several (`Part`).
- `made`, `<index>`: an index version that this environment has made an index of.
- `sweep`, `<index>`: what the last sweep that found nothing to repair saw.
"""

import heapq
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

import botocore.exceptions

from .index_version import IndexVersion
from .table import Item, Table, Update, is_refused

INDEXED, REJECTED, WORKING = "indexed", "rejected", "working"
PREFIX, LONG = "document#", "#long"
ELSEWHERE = "attribute_not_exists(#endpoint) OR #endpoint <> :endpoint"
BATCH = 100
LONGEST_KEY = 1024
"""Bytes of a sort key that DynamoDB takes, as long as the longest S3 key."""


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
    """The attempt that is or was being written in parts."""
    chunks: Sequence[str] = ()
    """Ids of the chunks of `current`, if it was written in one part."""
    parts: int = 0
    """In how many parts `current` was written, if in several: they name its chunks."""
    garbage: Sequence[str] = ()
    """Ids of chunks that are to be deleted."""
    garbage_attempts: Sequence[str] = ()
    """Attempts whose parts are to be deleted with their chunks."""
    chunk_count: int = 0
    error: str = ""
    """Why the document was rejected."""
    warnings: Sequence[str] = ()
    """What of it couldn't be read or was left out."""
    extractor: int = 0
    """Version of what read it, `reading.EXTRACTOR`; 0 of releases that recorded none."""
    lease_owner: str = ""
    lease_until: float = 0.0
    """Unix seconds until which `lease_owner` alone works on the document."""
    updated_at: float = 0.0
    """Unix seconds of the last write, but for leases that were taken and given back with nothing done."""

    @property
    def attempts_in_parts(self) -> list[str]:
        """The attempts whose chunks their parts may name, and not this row."""
        return [attempt for attempt in (self.current if self.parts else "", self.attempt) if attempt]

    @property
    def has_chunks(self) -> bool:
        """Whether anything of the document was written before, wanted or not."""
        return bool(self.chunks or self.garbage or self.garbage_attempts or self.attempts_in_parts)

    @classmethod
    def from_item(cls, item: Item) -> "Row":
        """Read an item; one that a later release wrote may hold more."""
        return cls(document_of(item), **{name: item[name] for name in cls._fields if name in item})


class Part(NamedTuple):
    """A part of a document's chunks that is in the index."""

    number: int
    """From 0."""
    digest: str
    """Of the object, and of all chunks that were made of it: parts of another text are of no use."""
    chunks: Sequence[str]
    """Ids."""


class Ledger:
    """Reads the ledger, and the few writes that need no lease."""

    def __init__(self, client: Any, table: str, clock: Callable[[], float] = time.time):
        self.table, self.clock = Table(client, table), clock

    def active(self) -> IndexVersion | None:
        """The active index version, or None before the first deployment has finished."""
        item = self.table.get("active", "active")
        return None if item is None else _version(item)

    def made(self) -> list[IndexVersion]:
        """The index versions of `set_made`."""
        return [_version(item) for item in self.table.query("made")]

    def set_made(self, version: IndexVersion) -> None:
        """Record that there is an index of this version, for who has to drop all of them."""
        self.table.put_if("made", version.index, version._asdict(), ELSEWHERE)

    def activate(self, version: IndexVersion) -> bool:
        """Make a version the active one if none is, or one in another store, which is gone; return whether it was done.

        In the same store the active one stays, since moving it is a run, but for the secret of its embedder.
        """
        values = version._asdict()
        if self.table.put_if("active", "active", values, ELSEWHERE):
            return True
        self.table.put_if("active", "active", values, "#index = :index")
        return False

    def row(self, index: str, document: str) -> Row | None:
        """One document, or None if the ledger doesn't know it."""
        item = self.table.get(*place(index, document))
        return Row.from_item(item) if item else None

    def rows(self, index: str) -> Iterator[Row]:
        """All documents of an index version, sorted by key (as UTF-8), a page at a time.

        As they are or were a moment ago, at half the price: ask for one again by `row` before it is acted on.
        """
        partitions = partition(index), long_partition(index)
        usual, long = (map(Row.from_item, self.table.query(pk, consistent=False)) for pk in partitions)
        return heapq.merge(usual, long, key=lambda row: row.document.encode())

    def attributes(self, index: str, documents: Collection[str], names: Sequence[str]) -> dict[str, Item]:
        """Some attributes of these documents' rows, by document; those that aren't there are left out."""
        places: dict[str, list[str]] = {}
        for document in sorted(documents):
            pk, sk = place(index, document)
            places.setdefault(pk, []).append(sk)
        return {
            document_of({"pk": pk, **item}): item
            for pk, sks in places.items()
            for at in range(0, len(sks), BATCH)
            for item in self.table.batch_get(pk, sks[at : at + BATCH], names)
        }

    def rows_of(self, index: str, documents: Collection[str]) -> dict[str, Row]:
        """The rows of these documents, whole."""
        found = self.attributes(index, documents, Row._fields[1:])
        known = set(Row._fields)
        return {
            document: Row(document, **{name: item[name] for name in item.keys() & known})
            for document, item in found.items()
        }

    def current_attempts(self, index: str, documents: Collection[str]) -> dict[str, str]:
        """The attempt that is searched now, of each of these documents that has one."""
        rows = self.attributes(index, documents, ["current"])
        return {document: row["current"] for document, row in rows.items() if "current" in row}

    def parts(self, attempt: str) -> list[Part]:
        """The finished parts of an attempt, in order."""
        items = self.table.query(f"attempt#{attempt}") if attempt else ()
        return [Part(int(item["sk"]), item["digest"], item["chunks"]) for item in items]

    def delete_part(self, attempt: str, part: Part) -> None:
        """Forget a part whose chunks were deleted."""
        self.table.delete(f"attempt#{attempt}", part_key(part.number))

    def chunks(self, row: Row) -> list[str]:
        """Ids of a document's chunks that the index should hold: of `current`, and of finished parts of `attempt`."""
        parts = (part for attempt in row.attempts_in_parts for part in self.parts(attempt))
        return [*row.chunks, *(chunk for part in parts for chunk in part.chunks)]

    def clear_garbage(self, index: str, row: Row) -> None:
        """Forget garbage that was deleted, unless more has come since."""
        garbage = {"garbage": row.garbage, "garbage_attempts": row.garbage_attempts}
        values = {name: found for name, found in garbage.items() if found}
        condition = " AND ".join(f"#{name} = :{name}" for name in values)
        self._update_if(index, row, condition=condition, values=values, assign={}, remove=[*values])

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
        self.table.update(Update("sweep", index, values, assign={"digest": ":digest", "at": ":at"}))

    def forget_swept(self, index: str) -> None:
        """Have the next sweep look at the index, whatever the rows say."""
        self.table.delete("sweep", index)

    def _update_if(
        self, index: str, row: Row, *, condition: str, values: Item, assign: Item, remove: list[str]
    ) -> bool:
        update = Update(
            *place(index, row.document),
            values | {"now": self.clock()},
            assign=assign | {"updated_at": ":now"},
            remove=remove,
            condition=condition,
        )
        try:
            self.table.update(update)
        except botocore.exceptions.ClientError as error:
            if is_refused(error):
                return False
            raise
        return True


def _version(item: Item) -> IndexVersion:
    return IndexVersion(**{name: item[name] for name in IndexVersion._fields if name in item})


def place(index: str, document: str) -> tuple[str, str]:
    """The keys of a document's row."""
    if len((PREFIX + document).encode()) <= LONGEST_KEY:
        return partition(index), PREFIX + document
    return long_partition(index), document


def document_of(item: Item) -> str:
    """The document that a row with these keys is about."""
    return item["sk"] if item["pk"].endswith(LONG) else item["sk"].removeprefix(PREFIX)


def partition(index: str) -> str:
    """The partition of an index version's documents."""
    return f"index#{index}"


def long_partition(index: str) -> str:
    """The partition of those with the longest keys."""
    return partition(index) + LONG


def part_key(number: int) -> str:
    """The sort key of a part."""
    return f"{number:06}"
