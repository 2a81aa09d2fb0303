"""Lease: the right to work on one document, and the writes that need it.

Each write is conditional on the lease being held and not over, so of two workers only one can commit, and a sweep
may treat what a worker with an expired lease wrote as garbage. What concerns the documents of a batch is written at
once, and for each alone where that is refused for one of them.
"""

import functools
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import botocore.exceptions

from .ledger import INDEXED, REJECTED, WORKING, Ledger, Part, Row, part_key, place
from .reading import EXTRACTOR
from .table import Item, Update, is_cancelled, is_refused

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


class Indexed(NamedTuple):
    """What a commit records of a document."""

    stored: StoredObject
    count: int
    """Chunks."""
    warnings: Sequence[str]
    chunks: Sequence[str] = ()
    """Their ids, if it was written in one part."""
    parts: int = 0
    """How many name them, if it was written in several."""


class Lease:
    """A lease on a document in an index version; see `acquire`."""

    def __init__(self, ledger: Ledger, index: str, document: str):
        self._ledger, self._index, self._document = ledger, index, document
        self._place = place(index, document)
        self._until = ledger.clock() + LEASE_SECONDS
        self.owner = uuid.uuid4().hex
        """Also the name of what is written under it in one part."""
        self.row = Row(document)

    @classmethod
    def acquire(cls, ledger: Ledger, index: str, document: str) -> "Lease":
        """Take the lease, also over one that has expired; `row` is then the document's. Raises `Busy`."""
        lease = cls(ledger, index, document)
        try:
            lease._write(lease._taken())
        except LeaseLost as error:
            raise Busy(f"another worker has the lease on {document!r}") from error
        return lease

    @classmethod
    def acquire_all(cls, ledger: Ledger, index: str, documents: Collection[str]) -> "dict[str, Lease | Exception]":
        """Take the leases on up to 100 documents as `acquire`; what that would raise stands in a lease's place."""
        leases = {document: cls(ledger, index, document) for document in documents}
        if len(leases) > 1 and _at_once(ledger, [lease._taken() for lease in leases.values()]):
            try:
                rows = ledger.rows_of(index, documents)
            except BaseException:
                for lease in leases.values():
                    lease.release()
                raise
            for document, lease in leases.items():
                lease.row = rows[document]
            return {**leases}
        return {each: _or_error(functools.partial(cls.acquire, ledger, index, each)) for each in documents}

    def keep(self) -> None:
        """Extend the lease if a third of it has passed; call it between steps. Raises `LeaseLost`."""
        now = self._ledger.clock()
        if self._until - now < LEASE_SECONDS * 2 / 3:
            self._write(self._update({"lease_until": ":until"}, values={"until": now + LEASE_SECONDS}))
            self._until = now + LEASE_SECONDS

    def begin_attempt(self, attempt: str) -> None:
        """Record an attempt in parts before the first is written, and give up the one before. Raises `LeaseLost`."""
        given_up = [self.row.attempt] if self.row.attempt else []
        assign = {"attempt": ":attempt", "garbage_attempts": MORE_ATTEMPTS}
        self._write(self._update(assign, values={"attempt": attempt, "given_up": given_up, "none": []}))

    def finish_part(self, part: Part) -> None:
        """Record a part of the attempt whose chunks are written. Raises `LeaseLost`."""
        try:
            self._ledger.table.put_while(
                f"attempt#{self.row.attempt}",
                part_key(part.number),
                {"digest": part.digest, "chunks": part.chunks},
                of=self._place,
                holds=HELD,
                using={"owner": self.owner, "now": self._ledger.clock()},
            )
        except botocore.exceptions.ClientError as error:
            raise self._translated(error) from error

    def commit(self, indexed: Indexed) -> None:
        """Make what was written what is searched, in one write, and give the lease back. Raises `LeaseLost`."""
        self._write(self._committed(indexed))

    @staticmethod
    def commit_all(ledger: Ledger, commits: "Sequence[tuple[Lease, Indexed]]") -> list[Exception | None]:
        """As `commit`, of up to 100 documents of an index version; for each what that would raise."""
        updates = [lease._committed(indexed) for lease, indexed in commits]
        if len(updates) > 1 and _at_once(ledger, updates):
            if changed := {lease._document: lease for lease, _ in commits if lease.row.has_chunks}:
                rows = ledger.rows_of(commits[0][0]._index, changed)
                for document, lease in changed.items():
                    lease.row = rows.get(document, Row(document))
            return [None] * len(updates)
        return [_or_error(functools.partial(lease.commit, indexed)) for lease, indexed in commits]

    def reject(self, stored: StoredObject, reason: str) -> None:
        """Record why the object can't be indexed, search none of its chunks, give back. Raises `LeaseLost`."""
        facts = {"status": REJECTED, "error": reason, "chunk_count": 0}
        remove = ["attempt", "current", "chunks", "parts", "warnings"]
        self._write(self._finished(stored, facts, self.row.attempts_in_parts, remove))

    def forget(self) -> None:
        """Delete the row, because the object is gone. Raises `LeaseLost`."""
        # Chunks of an interrupted attempt leave no other trace than the row: make the next sweep look at the index.
        self._ledger.forget_swept(self._index)
        values = {"owner": self.owner, "now": self._ledger.clock()}
        try:
            self._ledger.table.delete(*self._place, condition=HELD, values=values)
        except botocore.exceptions.ClientError as error:
            raise self._translated(error) from error

    def release(self, worked: bool = False) -> None:
        """Give the lease back; no error if it is lost. The row is then as it was, and the sweep leaves search asleep,
        unless one `worked`: then there may be chunks in the index that nothing names."""
        try:
            self._write(self._update({}, values={}, remove=OVER, touch=worked))
        except LeaseLost:
            return

    def _taken(self) -> Update:
        return self._update(
            {"status": "if_not_exists(#status, :working)", "lease_owner": ":owner", "lease_until": ":until"},
            values={"working": WORKING, "until": self._until},
            condition="attribute_not_exists(#lease_until) OR #lease_until <= :now",
            touch=False,
        )

    def _committed(self, indexed: Indexed) -> Update:
        stored, count, warnings, chunks, parts = indexed
        # Parts of an interrupted attempt are of no use to what was written in one.
        given_up = [self.row.current] if self.row.parts else []
        if parts:
            named = {"parts": parts, "current": self.row.attempt}
        else:
            named = {"chunks": chunks, "current": self.owner}
            given_up = self.row.attempts_in_parts
        facts = {"status": INDEXED, "chunk_count": count, "warnings": warnings, **named}
        return self._finished(stored, facts, given_up, ["attempt", "error", *({"parts", "chunks"} - named.keys())])

    def _finished(self, stored: StoredObject, values: Item, given_up: list[str], remove: list[str]) -> Update:
        facts = values | {
            "version": stored.version,
            "size": stored.size,
            "modified": stored.modified,
            "metadata": stored.metadata,
            "extractor": EXTRACTOR,
        }
        assign = {"garbage": ALL_GARBAGE, "garbage_attempts": MORE_ATTEMPTS} | {name: f":{name}" for name in facts}
        return self._update(assign, values=facts | {"none": [], "given_up": given_up}, remove=[*remove, *OVER])

    def _update(
        self,
        assign: Mapping[str, str],
        *,
        values: Item,
        remove: Sequence[str] = (),
        condition: str = HELD,
        touch: bool = True,
    ) -> Update:
        known = {"owner": self.owner, "now": self._ledger.clock()}
        touched = {"updated_at": ":now"} if touch else {}
        return Update(*self._place, values | known, {**assign, **touched}, remove, condition)

    def _write(self, update: Update) -> None:
        try:
            self.row = Row.from_item(self._ledger.table.update(update))
        except botocore.exceptions.ClientError as error:
            raise self._translated(error) from error

    def _translated(self, error: botocore.exceptions.ClientError) -> Exception:
        return LeaseLost(f"the lease on {self._document!r} is over") if is_refused(error) else error


def _at_once(ledger: Ledger, updates: Sequence[Update]) -> bool:
    """Write all of them, unless one is refused; return whether they were written."""
    try:
        ledger.table.update_all(updates)
    except botocore.exceptions.ClientError as error:
        if is_cancelled(error):
            return False
        raise
    return True


def _or_error(work: Callable[[], Any]) -> Any:
    """What it returns or raises."""
    try:
        return work()
    except Exception as error:
        return error
