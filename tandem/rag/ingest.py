"""Ingestion of one document: makes the index equal to its present state.

Events are hints: they only name a document. What is done depends on what S3 has at that moment, so the same event
twice, events out of order and a delete before its create all end in the same state.

A long document is written in parts, and each is recorded when it is in the index, so that another call goes on after
the last one (docs/adr/0017).
"""

import hashlib
import itertools
import json
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions
from tandem_contract.errors import Unavailable

from tandem.models.embed import Embedder
from tandem.runtime.retry import Deadline

from . import reading
from .chunk import Chunk
from .documents import check_size
from .documents.section import Rejected
from .garbage import delete_attempt, delete_garbage
from .index_version import IndexVersion
from .lease import Lease, StoredObject
from .ledger import INDEXED, Ledger, Part
from .reading import Reading
from .stores.base import StoredChunk, VectorIndex

PART = 400
"""Chunks of a part. A document of one part has their ids in its row."""
EMBEDDED_AT_ONCE = 64  # between two looks at the lease
STEP_SECONDS = 30.0
LEAST_SECONDS = 30.0  # with less, a document or its next part is left to another call
BLOCK = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """What became of a document."""

    status: str
    """`indexed`, `unchanged`, `deleted`, `rejected`, or `unfinished`: call again to go on."""
    reason: str = ""
    """Why it was rejected."""
    chunks: int = 0
    """In the index; of an unfinished document those that are."""
    warnings: Sequence[str] = ()
    """What of it was lost."""
    lag_seconds: float | None = None
    """From the object's modification to the commit; only when indexed."""


@dataclass(frozen=True)
class Ingester:
    """What ingestion works with."""

    s3: Any
    bucket: str
    ledger: Ledger
    open_index: Callable[[IndexVersion], VectorIndex]
    open_embedder: Callable[[IndexVersion], Embedder]
    max_megabytes: float

    def converge(self, document: str, deadline: Deadline) -> Outcome:
        """Make index and ledger equal to the object with this key.

        Raises `Busy` while another worker is at it, `Unavailable` when a service is away, `LeaseLost` when the work
        took too long, `TimeoutError` when there was no time for any of it; the document is then as it was, and another
        call finishes the work.
        """
        version = self.ledger.active()
        if version is None:
            raise Unavailable("no index is active yet: the deployment hasn't finished")
        lease = Lease.acquire(self.ledger, version.index, document)
        work = _Work(self, document, version, self.open_index(version), lease, deadline)
        try:
            return work.converge()
        except BaseException:
            lease.release()
            raise


@dataclass(frozen=True)
class _Work:
    """The work on one document, under its lease."""

    ingester: Ingester
    document: str
    version: IndexVersion
    index: VectorIndex
    lease: Lease
    deadline: Deadline

    def converge(self) -> Outcome:
        answer = self._get()
        if answer is None:
            self._forget()
            return Outcome("deleted")
        stored = StoredObject(
            version=answer["ETag"].strip('"'),
            size=answer["ContentLength"],
            modified=answer["LastModified"].timestamp(),
            metadata=sorted(f"{key}={value}" for key, value in answer.get("Metadata", {}).items()),
        )
        with closing(answer["Body"]) as body:
            if self._is_indexed(stored):
                self._delete_garbage()
                self.lease.release()
                return Outcome("unchanged", chunks=self.lease.row.chunk_count, warnings=self.lease.row.warnings)
            with reading.folder() as folder:
                try:
                    check_size(stored.size, self.ingester.max_megabytes)
                    read = self._read(body, answer.get("ContentType", ""), folder / "document")
                except Rejected as error:
                    self.lease.reject(stored, str(error))
                    self._delete_garbage()
                    return Outcome("rejected", reason=str(error))
                return self._index(stored, read)

    def _index(self, stored: StoredObject, read: Reading) -> Outcome:
        if read.count <= PART:
            self._write_at_once(stored, read)
        elif (done := self._write_parts(stored, read)) < read.count:
            self.lease.release()
            return Outcome("unfinished", chunks=done)
        lag = self.ingester.ledger.clock() - stored.modified
        self._delete_garbage()
        return Outcome("indexed", chunks=read.count, warnings=read.warnings, lag_seconds=lag)

    def _is_indexed(self, stored: StoredObject) -> bool:
        """Whether nothing is to be done. An object that was written again as it was is read again by a better reader:
        that is how re-reading is asked for."""
        row = self.lease.row
        if (row.status, row.version, list(row.metadata)) != (INDEXED, stored.version, stored.metadata):
            return False
        return row.modified == stored.modified or row.extractor >= reading.EXTRACTOR

    def _get(self) -> dict[str, Any] | None:
        """The object, or None. A name that ends in `/` is a folder that the console made, not a document."""
        if self.document.endswith("/"):
            return None
        try:
            return self.ingester.s3.get_object(Bucket=self.ingester.bucket, Key=self.document)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise

    def _read(self, body: Any, content_type: str, file: Path) -> Reading:
        with file.open("wb") as target:
            while block := body.read(BLOCK):
                target.write(block)
                self.lease.keep()
        return reading.read(
            file,
            self.document,
            content_type,
            self.deadline,
            self.lease.keep,
            tokens=self.version.chunk_tokens,
            overlap=self.version.chunk_overlap,
        )

    def _write_at_once(self, stored: StoredObject, read: Reading) -> None:
        chunks = list(read.chunks())
        vectors = self._embed(chunks)
        self.lease.begin_attempt(uuid.uuid4().hex)
        ids = self._write(stored, chunks, vectors)
        self.lease.commit(stored, len(ids), read.warnings, chunks=ids)

    def _write_parts(self, stored: StoredObject, read: Reading) -> int:
        """Write what isn't written yet, and commit if time suffices; return how many chunks are in the index.

        Whoever asks again for the rest can rely on it that at least one part was written, or an error raised.
        """
        made_of = [stored.version, stored.metadata, read.digest(), PART]
        digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
        found = self.ingester.ledger.parts(self.lease.row.attempt)
        finished = {part.number: len(part.chunks) for part in found if part.digest == digest}
        if not finished:
            self.lease.begin_attempt(uuid.uuid4().hex)
        chunks, slowest = read.chunks(), 0.0
        count = -(-read.count // PART)
        for number in range(count):
            part = list(itertools.islice(chunks, PART))
            if number in finished:
                continue
            if slowest and self.deadline.remaining() < LEAST_SECONDS + 1.5 * slowest:
                return sum(finished.values())
            started = time.monotonic()
            ids = self._write(stored, part, self._embed(part))
            self.lease.finish_part(Part(number, digest, ids))
            finished[number] = len(ids)
            slowest = max(slowest, time.monotonic() - started)
        self.lease.keep()
        self.lease.commit(stored, read.count, read.warnings, parts=count)
        return read.count

    def _embed(self, chunks: Sequence[Chunk]) -> list[list[float]]:
        embedder = self.ingester.open_embedder(self.version)
        vectors: list[list[float]] = []
        for at in range(0, len(chunks), EMBEDDED_AT_ONCE):
            texts = [chunk.embedded for chunk in chunks[at : at + EMBEDDED_AT_ONCE]]
            vectors += embedder.documents(texts, self.deadline.within(STEP_SECONDS))
            self.lease.keep()
        return vectors

    def _write(self, stored: StoredObject, chunks: Sequence[Chunk], vectors: Sequence[list[float]]) -> list[str]:
        attempt = self.lease.row.attempt
        pairs = zip(chunks, vectors, strict=True)
        records = [_stored_chunk(*pair, self.document, stored, attempt) for pair in pairs]
        return self.index.write(records, self.deadline.within(STEP_SECONDS))

    def _forget(self) -> None:
        row, ledger = self.lease.row, self.ingester.ledger
        self.index.delete([*row.chunks, *row.garbage], self.deadline)
        for attempt in (*row.attempts_in_parts, *row.garbage_attempts):
            delete_attempt(ledger, self.index, attempt, self.deadline, self.lease.keep)
        self.lease.forget()

    def _delete_garbage(self) -> None:
        delete_garbage(self.ingester.ledger, self.version.index, self.index, self.lease.row, self.deadline)


def _stored_chunk(chunk: Chunk, vector: list[float], document: str, stored: StoredObject, attempt: str) -> StoredChunk:
    record: StoredChunk = {
        "embedding": vector,
        "text": chunk.searched,
        "position": chunk.position,
        "document": document,
        "version": stored.version,
        "attempt": attempt,
        "metadata": stored.metadata,
    }
    if chunk.text != chunk.searched:
        record["cited"] = chunk.text
    if chunk.page is not None:
        record["page"] = chunk.page
    if chunk.heading is not None:
        record["heading"] = chunk.heading
    return record
