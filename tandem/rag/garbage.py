"""Garbage: chunks of versions and attempts that are no longer wanted, deleted by ingestion or else by the sweep."""

from collections.abc import Callable

from tandem.runtime.retry import Deadline

from .ledger import Ledger, Row
from .stores.base import VectorIndex


def delete_garbage(ledger: Ledger, name: str, index: VectorIndex, row: Row, deadline: Deadline) -> int:
    """Delete what a document's row calls garbage from the index and from the ledger; return how many chunks."""
    if not (row.garbage or row.garbage_attempts):
        return 0
    deleted = len(row.garbage)
    if row.garbage:
        index.delete(row.garbage, deadline)
    for attempt in row.garbage_attempts:
        deleted += delete_attempt(ledger, index, attempt, deadline)
    ledger.clear_garbage(name, row)
    return deleted


def delete_attempt(
    ledger: Ledger, index: VectorIndex, attempt: str, deadline: Deadline, keep: Callable[[], None] = lambda: None
) -> int:
    """Delete the parts of an attempt, one after the other, so that what is done stays done; return how many chunks."""
    deleted = 0
    for part in ledger.parts(attempt):
        keep()
        index.delete(part.chunks, deadline)
        ledger.delete_part(attempt, part)
        deleted += len(part.chunks)
    return deleted
