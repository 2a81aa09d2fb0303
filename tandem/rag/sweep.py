"""Sweep: compares bucket, ledger and index, and repairs what events, crashes and retries left behind.

All three are listed in the order of the documents' keys, so they are compared side by side in constant memory.
"""

import hashlib
import heapq
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tandem_contract.errors import Unavailable

from tandem.runtime.retry import Deadline

from .garbage import delete_garbage
from .index_version import IndexVersion
from .ledger import INDEXED, WORKING, Ledger, Row
from .stores.base import Head, VectorIndex

SOURCE = "tandem.sweep"
BATCH = 10  # messages that SQS takes at once
MAX_HINTS = 5000  # a run, so that a long queue isn't made longer by the same again each time
CLOCK_SKEW_SECONDS = 10.0
FULL_AFTER_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True)
class _Object:
    document: str
    version: str
    modified: float


@dataclass
class Summary:
    """What a sweep saw and did."""

    documents: int = 0
    """Documents in the bucket."""
    unindexed: int = 0
    """Documents whose present state is neither indexed nor rejected."""
    oldest_unindexed_seconds: float = 0.0
    """Age of the one that has waited longest."""
    hints: int = 0
    """Documents queued to be looked at again."""
    hints_left_out: int = 0
    """More of them, left to the next run."""
    orphans_deleted: int = 0
    """Chunks in the index that no document owned."""
    garbage_deleted: int = 0
    """Chunks of earlier versions that ingestion had not come to delete."""
    incomplete: int = 0
    """Documents of which chunks were missing in the index."""
    compared_index: bool = False
    """Whether the index was looked at; it isn't while the ledger is as it was, so that search can sleep."""
    stopped: str = ""
    """Why it ended before it was done; the next run begins anew."""
    hinted: set[str] = field(default_factory=set, repr=False)

    def public(self) -> dict[str, Any]:
        """The summary as JSON values."""
        values = asdict(self)
        del values["hinted"]
        return values


class Sweep:
    """One run."""

    def __init__(
        self,
        *,
        s3: Any,
        bucket: str,
        sqs: Any,
        queue_url: str,
        ledger: Ledger,
        index: VectorIndex,
        version: IndexVersion,
        deadline: Deadline,
    ):
        self._s3, self._bucket, self._sqs, self._queue_url = s3, bucket, sqs, queue_url
        self._ledger, self._index, self._name, self._deadline = ledger, index, version.index, deadline
        self._store = version.endpoint.encode()
        self._clock = ledger.clock
        self._waiting: list[str] = []
        self.summary = Summary()

    def run(self, full: bool = False) -> Summary:
        """Sweep until done or out of time. `full` looks at the index even if the ledger is as it was."""
        try:
            digest = self._compare_bucket()
            swept = self._ledger.swept(self._name)
            if full or digest != swept.get("digest") or self._clock() - swept["at"] > FULL_AFTER_SECONDS:
                self._compare_index()
        except Unavailable as error:
            self.summary.stopped = str(error)
        self._send_hints()
        return self.summary

    def _compare_bucket(self) -> str:
        """Queue every document that bucket and ledger disagree on; return the digest of the store and its rows.

        (Of the store: an index of the same name in another one has none of the chunks that the rows speak of.)
        """
        digest = hashlib.sha256(self._store)
        for document, stored, row in outer_join(self._objects(), self._rows(digest)):
            self._check_time()
            if row and not self._is_live(row):
                deleted = delete_garbage(self._ledger, self._name, self._index, row, self._deadline)
                self.summary.garbage_deleted += deleted
            if stored:
                self.summary.documents += 1
                if row and row.version == stored.version and row.status != WORKING:
                    continue
                self.summary.unindexed += 1
                age = self._clock() - stored.modified
                self.summary.oldest_unindexed_seconds = max(self.summary.oldest_unindexed_seconds, age)
            if not (row and self._is_live(row)):
                self._hint(document)
        return digest.hexdigest()

    def _compare_index(self) -> None:
        """Delete chunks that no document owns; queue documents whose chunks are missing."""
        self.summary.compared_index = True
        digest, settled = hashlib.sha256(self._store), True
        chunks = itertools.groupby(self._index.heads(self._deadline), key=lambda head: head.document)
        heads = (_Chunks(document, list(group)) for document, group in chunks)
        for document, row, found in outer_join(self._rows(digest), heads):
            self._check_time()
            # What was written a moment ago may not be visible yet, so another look is needed.
            settled &= not (row and self._is_recent(row))
            seen = {head.id for head in found.heads} if found else set()
            if seen != set(self._ledger.chunks(row) if row else ()):
                settled = False
                self._repair(document, row, seen)
        if settled:
            self._ledger.set_swept(self._name, digest.hexdigest())

    def _repair(self, document: str, row: Row | None, seen: set[str]) -> None:
        # A lease is in the ledger before any chunk that was written under it is in the index. So a row that is read
        # after a chunk was seen says for certain whether the chunk belongs to anyone.
        fresh = self._ledger.row(self._name, document)
        if fresh and self._is_live(fresh):
            return
        owned = set(self._ledger.chunks(fresh) if fresh else ())
        if orphans := sorted(seen - owned):
            self._index.delete(orphans, self._deadline)
            self.summary.orphans_deleted += len(orphans)
        same = row and fresh and fresh.current == row.current and fresh.status == INDEXED
        if same and not self._is_recent(fresh) and owned - seen and self._ledger.mark_incomplete(self._name, fresh):
            self.summary.incomplete += 1
            self._hint(document)

    def _is_live(self, row: Row) -> bool:
        return row.lease_until > self._clock() - CLOCK_SKEW_SECONDS

    def _is_recent(self, row: Row) -> bool:
        # A worker that died leaves its lease, and may have written until that was over.
        return self._clock() - max(row.updated_at, row.lease_until) < self._index.settle_seconds

    def _check_time(self) -> None:
        if not self._deadline.remaining():
            raise Unavailable("out of time")

    def _objects(self) -> Iterator[_Object]:
        """The bucket's documents, in the order of S3: by key as UTF-8."""
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            for entry in page.get("Contents", []):
                if not entry["Key"].endswith("/"):
                    yield _Object(entry["Key"], entry["ETag"].strip('"'), entry["LastModified"].timestamp())

    def _rows(self, digest: "hashlib._Hash") -> Iterator[Row]:
        for row in self._ledger.rows(self._name):
            digest.update(json.dumps(row._asdict(), sort_keys=True).encode())
            yield row

    def _hint(self, document: str) -> None:
        if document in self.summary.hinted:
            return
        if self.summary.hints == MAX_HINTS:
            self.summary.hints_left_out += 1
            return
        self.summary.hinted.add(document)
        self.summary.hints += 1
        self._waiting.append(document)
        if len(self._waiting) == BATCH:
            self._send_hints()

    def _send_hints(self) -> None:
        entries = [
            {"Id": str(at), "MessageBody": json.dumps(hint(self._bucket, document))}
            for at, document in enumerate(self._waiting)
        ]
        if entries:
            # What SQS doesn't take now, the next run finds again.
            self._sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        self._waiting = []


@dataclass(frozen=True)
class _Chunks:
    document: str
    heads: list[Head]


def hint(bucket: str, document: str) -> dict[str, Any]:
    """The message that has ingestion look at a document: the part of an S3 event that ingestion reads."""
    return {"source": SOURCE, "detail": {"bucket": {"name": bucket}, "object": {"key": document}}}


def outer_join(left: Iterable[Any], right: Iterable[Any]) -> Iterator[tuple[str, Any, Any]]:
    """Pair up two streams sorted by `document`: (document, left or None, right or None)."""

    def tagged(side: int, items: Iterable[Any]) -> Iterator[tuple[str, int, Any]]:
        return ((item.document, side, item) for item in items)

    merged = heapq.merge(tagged(0, left), tagged(1, right), key=lambda entry: entry[:2])
    for document, group in itertools.groupby(merged, key=lambda entry: entry[0]):
        pair = [None, None]
        for _, side, item in group:
            pair[side] = item
        yield document, pair[0], pair[1]
