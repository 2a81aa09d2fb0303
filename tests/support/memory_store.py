"""A vector store in the tests' own folder, registered by one table entry, and unlike OpenSearch.

`Service` is what someone else would sell: it ranks by squared distance, gives ids of its own, shows a write only to
later reads, lists in pages of three in no useful order, deletes by id alone and can't search by words. `MemoryIndex` is
the file that a store is.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from tandem_contract.errors import TandemError, Unavailable

from tandem.rag.index_version import IndexVersion
from tandem.rag.stores.base import Filters, Head, Hit, Store, StoredChunk
from tandem.runtime.retry import Deadline

SERVICE = "memory"
PAGE = 3


class Service:
    """The service, behind one endpoint."""

    def __init__(self, lag: int = 3):
        self.indices: dict[str, int] = {}
        self.seen: dict[str, dict[str, StoredChunk]] = {}
        self.away = False
        self._lag, self._ids = lag, itertools.count(1)
        self._unseen: list[tuple[int, Callable[[], Any]]] = []
        self._reads = 0

    def create(self, index: str, dimensions: int) -> bool:
        self._answer()
        created = index not in self.indices
        self.indices.setdefault(index, dimensions)
        self.seen.setdefault(index, {})
        return created

    def forget(self, index: str) -> None:
        self._answer()
        self.indices.pop(index, None)
        self.seen.pop(index, None)

    def insert(self, index: str, records: Sequence[StoredChunk]) -> list[str]:
        self._answer()
        if index not in self.indices:
            raise Unavailable(f"the index {index!r} is gone")
        if any(len(record["embedding"]) != self.indices[index] for record in records):
            raise TandemError(f"embeddings of {index!r} have {self.indices[index]} numbers")
        ids = [f"vector/{next(self._ids)}" for _ in records]
        self._later(lambda: self.seen[index].update(zip(ids, records, strict=True)))
        return ids

    def remove(self, index: str, ids: Sequence[str]) -> None:
        self._answer()
        self._later(lambda: [self.seen[index].pop(each, None) for each in ids])

    def page(self, index: str, after: str) -> list[tuple[str, StoredChunk]]:
        """The next three after this id; the first ones after an empty one."""
        self._read()
        return sorted(((name, it) for name, it in self.seen[index].items() if name > after), key=itemgetter(0))[:PAGE]

    def nearest(
        self, index: str, vector: Sequence[float], most: int, passes: Callable[[str, StoredChunk], bool]
    ) -> list[tuple[float, str, StoredChunk]]:
        """Squared distance, id and record of the nearest."""
        self._read()
        found = [
            (math.dist(vector, record["embedding"]) ** 2, name, record)
            for name, record in self.seen[index].items()
            if passes(name, record)
        ]
        return sorted(found, key=lambda entry: entry[:2])[:most]

    def _later(self, change: Callable[[], Any]) -> None:
        self._unseen.append((self._reads + self._lag, change))

    def _read(self) -> None:
        self._answer()
        while self._unseen and self._unseen[0][0] <= self._reads:
            self._unseen.pop(0)[1]()
        self._reads += 1

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("the memory store is away")


class MemoryIndex:
    """One index of a service."""

    settle_seconds = 300.0

    def __init__(self, service: Service, index: str):
        self._service, self._index = service, index

    def ensure(self, dimensions: int, deadline: Deadline) -> bool:
        return self._in_time(deadline).create(self._index, dimensions)

    def drop(self, deadline: Deadline) -> None:
        self._in_time(deadline).forget(self._index)

    def write(self, chunks: Sequence[StoredChunk], deadline: Deadline) -> list[str]:
        return self._in_time(deadline).insert(self._index, chunks)

    def delete(self, ids: Sequence[str], deadline: Deadline) -> None:
        self._in_time(deadline).remove(self._index, ids)

    def heads(self, deadline: Deadline) -> Iterator[Head]:
        found: list[Head] = []
        while page := self._in_time(deadline).page(self._index, found[-1].id if found else ""):
            found += [Head(name, it["document"], it["attempt"], it["position"]) for name, it in page]
        yield from sorted(found, key=lambda head: (head.document.encode(), head.attempt, head.position))

    def search(
        self, vector: Sequence[float], size: int, deadline: Deadline, filters: Filters, excluded: Sequence[str] = ()
    ) -> list[Hit]:
        def passes(_name: str, record: StoredChunk) -> bool:
            fields = {"document": {record["document"]}, "metadata": set(record["metadata"])}
            wanted = all(fields[field] & set(values) for field, values in filters)
            return wanted and record["attempt"] not in excluded

        return [
            Hit(
                name,
                _cosine(distance),
                record["document"],
                record["attempt"],
                record["position"],
                record.get("page"),
                record.get("heading"),
                record.get("cited", record["text"]),
            )
            for distance, name, record in self._in_time(deadline).nearest(self._index, vector, size, passes)
        ]

    def cosines(self, vector: Sequence[float], ids: Sequence[str], deadline: Deadline) -> dict[str, float]:
        found = self._in_time(deadline).nearest(self._index, vector, len(ids), lambda name, _record: name in ids)
        return {name: _cosine(distance) for distance, name, _record in found}

    def _in_time(self, deadline: Deadline) -> Service:
        if not deadline.remaining():
            raise Unavailable("no time left")
        return self._service


def _cosine(squared_distance: float) -> float:
    return 1 - squared_distance / 2


SERVICES: dict[str, Service] = {}
"""By endpoint."""


def open_index(version: IndexVersion) -> MemoryIndex:
    return MemoryIndex(SERVICES[version.endpoint], version.index)


STORE = Store(open_index, lambda dimensions: {"dimensions": dimensions, "distance": "squared"})
