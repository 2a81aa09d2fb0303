"""Documents of a stack: what is in the bucket, and what became of each."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from tandem.clients.documents_bucket import DocumentsBucket
from tandem.cost import prices
from tandem.rag.ledger import INDEXED, REJECTED
from tandem.rag.reading import EXTRACTOR
from tandem.rag.sweep import outer_join

WARNED, WAITING = "indexed with warnings", "waiting"
STATUSES = (INDEXED, WARNED, REJECTED, WAITING)


class Entry(NamedTuple):
    """A document."""

    document: str
    status: str
    """One of `STATUSES`; `waiting` if its present content is neither indexed nor rejected."""
    reason: str
    """Why it was rejected."""
    warnings: list[str]
    """What of it was lost."""
    chunks: int
    bytes: int
    extractor: int
    """Version of what read it, or 0."""
    modified: float
    """When its present content was put there, in Unix seconds."""

    @property
    def is_older(self) -> bool:
        """Whether another version than the present one read it."""
        return self.status != WAITING and self.extractor < EXTRACTOR


def entries(bucket: DocumentsBucket) -> Iterator[Entry]:
    """All documents in the bucket, by key."""
    for document, stored, row in outer_join(bucket.objects(), bucket.ledger.rows(bucket.version.index)):
        if stored is None:  # its deletion is on its way
            continue
        if row is None or row.version != stored.version or row.status not in (INDEXED, REJECTED):
            yield Entry(document, WAITING, "", [], 0, stored.size, 0, stored.modified)
        else:
            status = WARNED if row.warnings and row.status == INDEXED else row.status
            found = (list(row.warnings), row.chunk_count, stored.size, row.extractor, stored.modified)
            yield Entry(document, status, row.error, *found)


def price(bucket: DocumentsBucket, chunks: int, region: str) -> tuple[int, Decimal]:
    """How many tokens so many chunks have at most, and what it costs to embed them, in dollars.

    Raises `TandemError` where there is no price.
    """
    tokens = chunks * bucket.version.chunk_tokens
    key = f"input:{bucket.version.embedder}"
    usd, _ = prices.load(region).cost("AmazonBedrock", key, Decimal(tokens) / 1_000_000)
    return tokens, usd
