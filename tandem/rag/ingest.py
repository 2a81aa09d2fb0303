"""Ingestion of one document: makes the index equal to its present state.

Events are hints: they only name a document. What is done depends on what S3 has at that moment, so the same event
twice, events out of order and a delete before its create all end in the same state.
"""

import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import botocore.exceptions
from tandem_contract.errors import Unavailable

from tandem.models.embed import Embedder
from tandem.runtime.retry import Deadline

from .chunk import BYTES_PER_TOKEN, Chunk, chunk
from .documents import check_size, extract
from .documents.section import Loss, Rejected, Section
from .index_version import IndexVersion
from .lease import Lease, StoredObject
from .ledger import INDEXED, Ledger
from .stores.base import StoredChunk, VectorIndex

# The ledger's row names each chunk, three times at worst (current, and two generations of garbage), and DynamoDB's
# limit for an item is 400 KB. By default this is some 1,000 pages.
MAX_CHUNKS = 5000
# Between two looks at the lease: so many chunks, and at most so long.
EMBEDDED_AT_ONCE, WRITTEN_AT_ONCE = 64, 400
STEP_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """What became of a document."""

    status: str
    """`indexed`, `unchanged`, `deleted` or `rejected`."""
    reason: str = ""
    """Why it was rejected."""
    chunks: int = 0
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
        took too long; the document is then as it was, and another call finishes the work.
        """
        version = self.ledger.active()
        if version is None:
            raise Unavailable("no index is active yet: the deployment hasn't finished")
        lease = Lease.acquire(self.ledger, version.index, document)
        try:
            return self._converge(document, version, lease, deadline)
        except BaseException:
            lease.release()
            raise

    def _converge(self, document: str, version: IndexVersion, lease: Lease, deadline: Deadline) -> Outcome:
        index = self.open_index(version)
        answer = self._get(document)
        if answer is None:
            index.delete([*lease.row.chunks, *lease.row.garbage], deadline)
            lease.forget()
            return Outcome("deleted")
        stored = StoredObject(
            version=answer["ETag"].strip('"'),
            size=answer["ContentLength"],
            modified=answer["LastModified"].timestamp(),
            metadata=sorted(f"{key}={value}" for key, value in answer.get("Metadata", {}).items()),
        )
        row = lease.row
        with closing(answer["Body"]) as body:
            if (row.status, row.version, list(row.metadata)) == (INDEXED, stored.version, stored.metadata):
                self._delete_garbage(index, version, lease, deadline)
                lease.release()
                return Outcome("unchanged", chunks=row.chunk_count)
            try:
                check_size(stored.size, self.max_megabytes)
                chunks = _chunks(document, answer.get("ContentType", ""), body.read(), version, lease)
            except Rejected as error:
                lease.reject(stored, str(error))
                self._delete_garbage(index, version, lease, deadline)
                return Outcome("rejected", reason=str(error))
        vectors = self._embed(chunks, version, lease, deadline)
        attempt = uuid.uuid4().hex
        lease.begin_attempt(attempt)
        ids: list[str] = []
        for at in range(0, len(chunks), WRITTEN_AT_ONCE):
            lease.keep()
            part = slice(at, at + WRITTEN_AT_ONCE)
            pairs = zip(chunks[part], vectors[part], strict=True)
            records = [_stored_chunk(*pair, document, stored, attempt) for pair in pairs]
            ids += index.write(records, deadline.within(STEP_SECONDS))
        lease.commit(stored, attempt, ids)
        outcome = Outcome("indexed", chunks=len(ids), lag_seconds=self.ledger.clock() - stored.modified)
        self._delete_garbage(index, version, lease, deadline)
        return outcome

    def _get(self, document: str) -> dict[str, Any] | None:
        """The object, or None. A name that ends in `/` is a folder that the console made, not a document."""
        if document.endswith("/"):
            return None
        try:
            return self.s3.get_object(Bucket=self.bucket, Key=document)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise

    def _embed(self, chunks: list[Chunk], version: IndexVersion, lease: Lease, deadline: Deadline) -> list[list[float]]:
        embedder = self.open_embedder(version)
        vectors: list[list[float]] = []
        for at in range(0, len(chunks), EMBEDDED_AT_ONCE):
            texts = [chunk.embedded for chunk in chunks[at : at + EMBEDDED_AT_ONCE]]
            vectors += embedder.documents(texts, deadline.within(STEP_SECONDS))
            lease.keep()
        return vectors

    def _delete_garbage(self, index: VectorIndex, version: IndexVersion, lease: Lease, deadline: Deadline) -> None:
        if lease.row.garbage:
            index.delete(lease.row.garbage, deadline)
            self.ledger.clear_garbage(version.index, lease.row)


def _chunks(document: str, content_type: str, data: bytes, version: IndexVersion, lease: Lease) -> list[Chunk]:
    """Extract and cut a document; raises `Rejected`."""
    limit = MAX_CHUNKS * version.chunk_tokens * BYTES_PER_TOKEN
    sections: list[Section] = []
    size = 0
    for section in extract(document, content_type, data):
        lease.keep()
        if isinstance(section, Loss):
            continue
        sections.append(section)
        size += len(section.text)
        if size > limit:
            break
    chunks = list(chunk(sections, version.chunk_tokens, version.chunk_overlap)) if size <= limit else []
    if size > limit or len(chunks) > MAX_CHUNKS:
        raise Rejected(f"the text makes more than {MAX_CHUNKS} chunks: split the document, by chapter for example")
    return chunks


def _stored_chunk(chunk: Chunk, vector: list[float], document: str, stored: StoredObject, attempt: str) -> StoredChunk:
    record: StoredChunk = {
        "embedding": vector,
        "text": chunk.text,
        "position": chunk.position,
        "document": document,
        "version": stored.version,
        "attempt": attempt,
        "metadata": stored.metadata,
    }
    if chunk.page is not None:
        record["page"] = chunk.page
    if chunk.heading is not None:
        record["heading"] = chunk.heading
    return record
