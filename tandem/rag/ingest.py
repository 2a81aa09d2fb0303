"""Ingestion of documents: makes the index equal to their present state.

Events are hints: they only name a document. What is done depends on what S3 has at that moment, so the same event
twice, events out of order and a delete before its create all end in the same state.

The documents of a batch are leased, embedded, written and committed together: one each would take three times the
requests. One that can't be indexed takes no other with it.

A long document is written in parts, and each is recorded when it is in the index, so that another call goes on after
the last one (docs/adr/0017).
"""

import hashlib
import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import botocore.exceptions
from tandem_contract.errors import Unavailable

from tandem.models.embed import Embedder
from tandem.runtime.retry import Deadline

from . import reading
from .chunk import Chunk
from .documents import check_size
from .documents.section import Rejected
from .garbage import delete_attempt, delete_garbage
from .index_version import NO_ACTIVE, IndexVersion
from .lease import Indexed, Lease, LeaseLost, StoredObject
from .ledger import INDEXED, Ledger, Part, Row
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
    """`indexed`, `unchanged`, `deleted`, `rejected`, or `unfinished`: call again to go on, or to begin."""
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
        [(_, outcome)] = self.converge_all([document], deadline)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def converge_all(self, documents: Sequence[str], deadline: Deadline) -> Iterator[tuple[str, Outcome | Exception]]:
        """As `converge`, of up to 100 objects: what becomes of each, or what `converge` would raise, as they end."""
        if deadline.remaining() < LEAST_SECONDS:
            raise TimeoutError("no time left in this invocation")
        version = self.ledger.active()
        if version is None:
            raise Unavailable(NO_ACTIVE)
        leases = Lease.acquire_all(self.ledger, version.index, documents)
        held = {document: lease for document, lease in leases.items() if isinstance(lease, Lease)}
        yield from ((document, error) for document, error in leases.items() if isinstance(error, Exception))
        yield from _Batch(self, version, self.open_index(version), deadline, held).converge()


class _Work(NamedTuple):
    """A document that was read."""

    document: str
    lease: Lease
    stored: StoredObject
    read: Reading
    chunks: Sequence[Chunk]
    """All of them, if they are one part."""


@dataclass
class _Batch:
    """The work on some documents, under their leases."""

    ingester: Ingester
    version: IndexVersion
    index: VectorIndex
    deadline: Deadline
    held: dict[str, Lease]
    """Of the documents that are not done."""
    waiting: list[_Work] = field(default_factory=list)
    """To be written together."""

    def converge(self) -> Iterator[tuple[str, Outcome | Exception]]:
        try:
            for document in list(self.held):
                yield from self._next(document)
            yield from self._write_waiting()
        finally:
            for document in list(self.held):
                self._end(document)

    def _next(self, document: str) -> Iterator[tuple[str, Outcome | Exception]]:
        with reading.folder() as folder:
            found: Outcome | _Work | Exception
            try:
                found = self._read(document, folder / "document")
            except Exception as error:
                found = error
            if not isinstance(found, _Work):
                yield self._ended(document, found)
            elif found.read.count > PART:
                yield from self._write_waiting()  # it may take all the time
                yield self._ended(document, self._in_parts(found))
            else:
                self.waiting.append(found)
        if sum(len(work.chunks) for work in self.waiting) >= EMBEDDED_AT_ONCE:
            yield from self._write_waiting()

    def _ended(self, document: str, outcome: Outcome | Exception) -> tuple[str, Outcome | Exception]:
        """What became of a document; its lease is given back if it ended in an error."""
        if isinstance(outcome, Exception):
            self._end(document)
        self.held.pop(document, None)
        return document, outcome

    def _end(self, document: str) -> None:
        self.held.pop(document).release(worked=True)

    def _keep(self, document: str) -> None:
        """Extend all leases; of those that are lost only this document's is an error now, the others' when it is
        their turn."""
        for each, lease in self.held.items():
            try:
                lease.keep()
            except LeaseLost:
                if each == document:
                    raise

    def _read(self, document: str, file: Path) -> Outcome | _Work:
        """Read it if there is anything to be indexed."""
        lease = self.held[document]
        if self.deadline.remaining() < LEAST_SECONDS:  # others of the batch took it, which is no failure of this one
            lease.release()
            return Outcome("unfinished", chunks=lease.row.chunk_count)
        self._keep(document)
        try:
            answer = self._get(document)
        except Rejected as error:
            listed = self._listed(document)
            return self._rejected(lease, listed, error) if listed else self._deleted(lease)
        if answer is None:
            return self._deleted(lease)
        stored = StoredObject(
            version=answer["ETag"].strip('"'),
            size=answer["ContentLength"],
            modified=answer["LastModified"].timestamp(),
            metadata=sorted(f"{key}={value}" for key, value in answer.get("Metadata", {}).items()),
        )
        with closing(answer["Body"]) as body:
            if _is_indexed(lease.row, stored):
                self._delete_garbage(lease.row)
                lease.release()
                return Outcome("unchanged", chunks=lease.row.chunk_count, warnings=lease.row.warnings)
            try:
                check_size(stored.size, self.ingester.max_megabytes)
                read = self._extract(document, body, answer.get("ContentType", ""), file)
            except Rejected as error:
                return self._rejected(lease, stored, error)
        return _Work(document, lease, stored, read, list(read.chunks()) if read.count <= PART else [])

    def _rejected(self, lease: Lease, stored: StoredObject, error: Rejected) -> Outcome:
        lease.reject(stored, str(error))
        self._delete_garbage(lease.row)
        return Outcome("rejected", reason=str(error))

    def _get(self, document: str) -> dict[str, Any] | None:
        """The object, or None. A name that ends in `/` is a folder that the console made, not a document.

        Raises `Rejected` for one that S3 gives to nobody as it is; what only this role may not read is an error, since
        the role's rights can be mended.
        """
        if document.endswith("/"):
            return None
        try:
            return self.ingester.s3.get_object(Bucket=self.ingester.bucket, Key=document)
        except botocore.exceptions.ClientError as error:
            code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
            if code in ("NoSuchKey", "404"):
                return None
            # S3 API reference, GetObject: errors; S3 user guide, "Using server-side encryption with customer-provided
            # keys": the message is the only sign.
            if code == "InvalidObjectState":
                remedy = "restore it, then `tandem redrive`"
                raise Rejected(f"is archived ({error.response.get('StorageClass', 'Glacier')}): {remedy}") from error
            if code == "InvalidRequest" and "Server Side Encryption" in message:
                raise Rejected("is encrypted by a key that S3 doesn't have (SSE-C): store it without") from error
            raise

    def _listed(self, document: str) -> StoredObject | None:
        """What the bucket's list says of an object that can't be read."""
        answer = self.ingester.s3.list_objects_v2(Bucket=self.ingester.bucket, Prefix=document, MaxKeys=1)
        for entry in answer.get("Contents", []):
            if entry["Key"] == document:
                return StoredObject(entry["ETag"].strip('"'), entry["Size"], entry["LastModified"].timestamp(), [])
        return None

    def _deleted(self, lease: Lease) -> Outcome:
        self._forget(lease)
        return Outcome("deleted")

    def _extract(self, document: str, body: Any, content_type: str, file: Path) -> Reading:
        with file.open("wb") as target:
            while block := body.read(BLOCK):
                target.write(block)
                self._keep(document)
        return reading.read(
            file,
            document,
            content_type,
            self.deadline,
            lambda: self._keep(document),
            tokens=self.version.chunk_tokens,
            overlap=self.version.chunk_overlap,
        )

    def _write_waiting(self) -> Iterator[tuple[str, Outcome | Exception]]:
        """Write what waits, together, or if that is refused each alone."""
        waiting, self.waiting = self.waiting, []
        groups = [waiting] if waiting else []
        while groups:
            group = groups.pop()
            try:
                outcomes = self._write_together(group)
            except Exception as error:
                if len(group) > 1 and not isinstance(error, Unavailable | TimeoutError):
                    groups += [[work] for work in group]
                    continue
                outcomes = [error] * len(group)
            for work, outcome in zip(group, outcomes, strict=True):
                yield self._ended(work.document, outcome)

    def _write_together(self, group: Sequence[_Work]) -> list[Outcome | Exception]:
        texts = [chunk.embedded for work in group for chunk in work.chunks]
        vectors = iter(self._embed(texts, group[0].document))
        records = [
            _stored_chunk(chunk, next(vectors), work, work.lease.owner) for work in group for chunk in work.chunks
        ]
        ids = iter(self.index.write(records, self.deadline.within(STEP_SECONDS)))
        commits = [
            (work.lease, Indexed(work.stored, work.read.count, work.read.warnings, [next(ids) for _ in work.chunks]))
            for work in group
        ]
        errors = Lease.commit_all(self.ingester.ledger, commits)
        return [error or self._indexed(work) for work, error in zip(group, errors, strict=True)]

    def _in_parts(self, work: _Work) -> Outcome | Exception:
        try:
            done = self._write_parts(work)
            if done < work.read.count:
                work.lease.release()
                return Outcome("unfinished", chunks=done)
            return self._indexed(work)
        except Exception as error:
            return error

    def _indexed(self, work: _Work) -> Outcome:
        lag = self.ingester.ledger.clock() - work.stored.modified
        self._delete_garbage(work.lease.row)
        return Outcome("indexed", chunks=work.read.count, warnings=work.read.warnings, lag_seconds=lag)

    def _write_parts(self, work: _Work) -> int:
        """Write what isn't written yet, and commit if time suffices; return how many chunks are in the index.

        Whoever asks again for the rest can rely on it that at least one part was written, or an error raised.
        """
        lease, stored, read = work.lease, work.stored, work.read
        made_of = [stored.version, stored.metadata, read.digest(), PART]
        digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
        found = self.ingester.ledger.parts(lease.row.attempt)
        finished = {part.number: len(part.chunks) for part in found if part.digest == digest}
        if not finished:
            lease.begin_attempt(uuid.uuid4().hex)
        chunks, slowest = read.chunks(), 0.0
        count = -(-read.count // PART)
        for number in range(count):
            part = list(itertools.islice(chunks, PART))
            if number in finished:
                continue
            if slowest and self.deadline.remaining() < LEAST_SECONDS + 1.5 * slowest:
                return sum(finished.values())
            started = time.monotonic()
            vectors = self._embed([chunk.embedded for chunk in part], work.document)
            pairs = zip(part, vectors, strict=True)
            records = [_stored_chunk(chunk, vector, work, lease.row.attempt) for chunk, vector in pairs]
            ids = self.index.write(records, self.deadline.within(STEP_SECONDS))
            lease.finish_part(Part(number, digest, ids))
            finished[number] = len(ids)
            slowest = max(slowest, time.monotonic() - started)
        lease.keep()
        lease.commit(Indexed(stored, read.count, read.warnings, parts=count))
        return read.count

    def _embed(self, texts: Sequence[str], document: str) -> list[list[float]]:
        embedder = self.ingester.open_embedder(self.version)
        vectors: list[list[float]] = []
        for at in range(0, len(texts), EMBEDDED_AT_ONCE):
            some = texts[at : at + EMBEDDED_AT_ONCE]
            vectors += embedder.documents(some, self.deadline.within(STEP_SECONDS))
            self._keep(document)
        return vectors

    def _forget(self, lease: Lease) -> None:
        row, ledger = lease.row, self.ingester.ledger
        self.index.delete([*row.chunks, *row.garbage], self.deadline)
        for attempt in (*row.attempts_in_parts, *row.garbage_attempts):
            delete_attempt(ledger, self.index, attempt, self.deadline, lease.keep)
        lease.forget()

    def _delete_garbage(self, row: Row) -> None:
        delete_garbage(self.ingester.ledger, self.version.index, self.index, row, self.deadline)


def _is_indexed(row: Row, stored: StoredObject) -> bool:
    """Whether nothing is to be done. An object that was written again as it was is read again by a better reader:
    that is how re-reading is asked for."""
    if (row.status, row.version, list(row.metadata)) != (INDEXED, stored.version, stored.metadata):
        return False
    return row.modified == stored.modified or row.extractor >= reading.EXTRACTOR


def _stored_chunk(chunk: Chunk, vector: list[float], work: _Work, attempt: str) -> StoredChunk:
    record: StoredChunk = {
        "embedding": vector,
        "text": chunk.searched,
        "position": chunk.position,
        "document": work.document,
        "version": work.stored.version,
        "attempt": attempt,
        "metadata": work.stored.metadata,
    }
    if chunk.text != chunk.searched:
        record["cited"] = chunk.text
    if chunk.page is not None:
        record["page"] = chunk.page
    if chunk.heading is not None:
        record["heading"] = chunk.heading
    return record
