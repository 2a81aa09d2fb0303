"""Protocol of a vector store: what ingestion, sweep and retrieval need, and all that they rely on."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NotRequired, Protocol, TypedDict, runtime_checkable

from tandem_contract.errors import Unavailable

from tandem.runtime.retry import Deadline

from ..index_version import IndexVersion

Filters = Sequence[tuple[str, Sequence[str]]]
"""Pairs of a field (`document` or `metadata`) and the values of which one must match; all pairs must."""
ID_BYTES = 40
"""The longest id; a collection's have 28 bytes (`1%3A0%3A` and 20 more). An item of the ledger, 400 KB at most, names
the 400 chunks of a part three times at worst: 49 KB."""


class StoredChunk(TypedDict):
    """A chunk as it is written."""

    embedding: list[float]
    """Of length 1."""
    text: str
    """In the normal form, in which its words are searched."""
    cited: NotRequired[str]
    """As it stands in the document, where that is another text."""
    heading: NotRequired[str]
    page: NotRequired[int]
    position: int
    """Of the chunk in its document, from 0."""
    document: str
    """S3 key."""
    version: str
    """ETag of the object."""
    attempt: str
    """The attempt at indexing that wrote it."""
    metadata: list[str]
    """`key=value` each."""


class Hit(NamedTuple):
    """A chunk found by a search."""

    id: str
    score: float
    """By vector: the cosine, -1 to 1. By words: any number that is higher for a better hit."""
    document: str
    attempt: str
    position: int
    page: int | None
    heading: str | None
    text: str
    """As it stands in the document."""

    @property
    def key(self) -> tuple[str, int]:
        """What the chunk is, whatever copy of it: a retried write can leave two."""
        return self.attempt, self.position


class Head(NamedTuple):
    """A chunk without its content."""

    id: str
    document: str
    attempt: str
    position: int


class Partial(Unavailable):
    """A part of the store is away; `hits` are those of the rest."""

    def __init__(self, text: str, hits: Sequence[Hit]):
        super().__init__(text)
        self.hits = hits


class VectorIndex(Protocol):
    """One index of a store.

    Every method raises `Unavailable` if the store doesn't answer before the deadline, and `TandemError` for what it
    would refuse again. What was done before an error stays, and a write that was tried again may leave a second copy:
    the sweep deletes both.
    """

    settle_seconds: float
    """A read may miss what was written, and show what was deleted, so many seconds ago; after that it may not."""

    def ensure(self, dimensions: int, deadline: Deadline) -> bool:
        """Create the index, for embeddings of length `dimensions`, if there is none; return whether it was created.

        One of an earlier release is made to take what this release writes.
        """
        ...

    def drop(self, deadline: Deadline) -> None:
        """Delete the index with all in it; one that isn't there, or whose store isn't, is no error."""
        ...

    def write(self, chunks: Sequence[StoredChunk], deadline: Deadline) -> list[str]:
        """Write chunks; return the ids that the store gave, in the same order, each of `ID_BYTES` at most."""
        ...

    def delete(self, ids: Sequence[str], deadline: Deadline) -> None:
        """Delete chunks by id; those that aren't there are no error."""
        ...

    def heads(self, deadline: Deadline) -> Iterator[Head]:
        """Every chunk's head, in the order of their documents' keys as UTF-8."""
        ...

    def search(
        self, vector: Sequence[float], size: int, deadline: Deadline, filters: Filters, excluded: Sequence[str] = ()
    ) -> list[Hit]:
        """The `size` nearest chunks that pass the filters and are of none of the `excluded` attempts, best first.

        Raises `Partial` where only some of the index could be searched.
        """
        ...

    def cosines(self, vector: Sequence[float], ids: Sequence[str], deadline: Deadline) -> dict[str, float]:
        """The cosine between `vector` and each chunk with one of these ids; those that aren't there are left out."""
        ...


@runtime_checkable
class WordSearch(Protocol):
    """What an index can besides, in a store that also searches by words."""

    def search_words(
        self, question: str, size: int, deadline: Deadline, filters: Filters, excluded: Sequence[str] = ()
    ) -> list[Hit]:
        """The `size` chunks whose text and heading fit the words best, as `VectorIndex.search` otherwise."""
        ...


class Store(NamedTuple):
    """A kind of store."""

    open: Callable[[IndexVersion], VectorIndex]
    """Opens the index of a version; the connections are kept."""
    identity: Callable[[int], Any]
    """Dimensions -> what an index of them is made with, as JSON values: where that changes, so does the index's name,
    so that a release that needs another mapping makes another index."""
