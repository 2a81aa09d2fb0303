"""Retrieval: from a question to the passages that may answer it."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from tandem_contract.errors import Unavailable

from tandem.models.embed import Embedder
from tandem.runtime.retry import Deadline

from .index_version import IndexVersion
from .ledger import Ledger
from .stores.base import Filters, Hit, VectorIndex, WordSearch

ACTIVE_SECONDS = 30.0
RANK_CONSTANT = 60
ROUNDS = 3
MAX_PARALLEL_SEARCHES = 8  # two a question; some may still wait for an answer that an earlier question gave up on
BY_MEANING_ALONE = "The store has no search by words: passages were found by meaning alone."


class Passage(NamedTuple):
    """A chunk of a document's present version."""

    document: str
    page: int | None
    heading: str | None
    text: str
    score: float
    """Cosine of the angle between question and chunk, -1 to 1."""


class Retrieval(NamedTuple):
    """What was found."""

    passages: list[Passage]
    version: IndexVersion
    notes: list[str]
    """What a reader should know about how it was found."""


class Retriever:
    """Searches the active index version."""

    def __init__(
        self,
        ledger: Ledger,
        open_index: Callable[[IndexVersion], VectorIndex],
        open_embedder: Callable[[IndexVersion], Embedder],
    ):
        self._ledger, self._open_index, self._open_embedder = ledger, open_index, open_embedder
        self._pool = ThreadPoolExecutor(MAX_PARALLEL_SEARCHES)
        self._opened: tuple[IndexVersion, VectorIndex, Embedder] | None = None
        self._opened_until = 0.0

    def retrieve(
        self, question: str, top_k: int, filters: Filters, deadline: Deadline, timings: "Timings"
    ) -> Retrieval:
        """The `top_k` best passages by vector and, where the store can, by words, best first. Raises `Unavailable`.

        The `timings` are told of the phases `ledger`, `embed` and `search`.
        """
        if not question.isascii():
            from .normal import searched  # imported only here, since it takes time that most questions don't need

            question = searched(question).strip() or question  # embedders refuse an empty text
        with timings.phase("ledger"):
            version, index, embedder = self._active()
        words = index if isinstance(index, WordSearch) else None
        size = max(20, 3 * top_k)
        stale: set[str] = set()
        vector: list[float] = []
        visible: list[Hit] = []
        by_words: Future[list[Hit]] | None = None
        for _ in range(ROUNDS):
            if words is not None:
                by_words = self._pool.submit(words.search_words, question, size, deadline, filters, sorted(stale))
            if not vector:
                with timings.phase("embed"):
                    vector = embedder.query(question, deadline)
            with timings.phase("search"):
                rankings = [index.search(vector, size, deadline, filters, sorted(stale))]
                if by_words is not None:
                    rankings.append(_result(by_words, deadline))
            fused = fuse(rankings)
            with timings.phase("ledger"):
                current = self._ledger.current_attempts(version.index, {hit.document for hit in fused})
            visible = [hit for hit in fused if current.get(hit.document) == hit.attempt]
            # Chunks of other versions, or of interrupted work, took up places: look further without them.
            dropped = {hit.attempt for hit in fused} - {hit.attempt for hit in visible}
            if len(visible) >= top_k or dropped <= stale:
                break
            stale |= dropped
        visible = visible[:top_k]
        scores = {hit.id: hit.score for hit in rankings[0]}
        if unscored := [hit.id for hit in visible if hit.id not in scores]:
            with timings.phase("search"):
                scores |= index.cosines(vector, unscored, deadline)
        passages = [
            Passage(hit.document, hit.page, hit.heading, hit.text, round(scores[hit.id], 4))
            for hit in visible
            if hit.id in scores  # not one that was deleted in between
        ]
        return Retrieval(passages, version, [BY_MEANING_ALONE] if words is None else [])

    def _active(self) -> tuple[IndexVersion, VectorIndex, Embedder]:
        now = time.monotonic()
        if self._opened is None or now > self._opened_until:
            version = self._ledger.active()
            if version is None:
                raise Unavailable("no index is active yet: the deployment hasn't finished")
            self._opened = version, self._open_index(version), self._open_embedder(version)
            self._opened_until = now + ACTIVE_SECONDS
        return self._opened


def _result(search: "Future[list[Hit]]", deadline: Deadline) -> list[Hit]:
    try:
        return search.result(deadline.remaining())
    except TimeoutError as error:
        raise Unavailable("the search by words did not answer in time") from error


class Timings:
    """Time spent waiting for other services, by phase, in milliseconds; one that goes on counts up to now."""

    def __init__(self) -> None:
        self.last = ""
        """The phase that began last, be it over or not."""
        self._spent: dict[str, float] = {}
        self._running: tuple[str, float] | None = None

    @contextmanager
    def phase(self, name: str) -> Generator[None]:
        """Count the time inside to a phase."""
        self.last, self._running = name, (name, time.monotonic())
        try:
            yield
        finally:
            self._spent, self._running = self.values(), None

    def values(self) -> dict[str, float]:
        """By phase, of those that have begun."""
        values = dict(self._spent)
        if running := self._running:
            name, start = running
            values[name] = round(values.get(name, 0) + (time.monotonic() - start) * 1000, 1)
        return values


def fuse(rankings: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Merge rankings by the sum of 1 / (60 + rank), best first.

    Reciprocal rank fusion needs no comparable scores (Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion
    outperforms Condorcet and individual rank learning methods", SIGIR 2009, with its constant).
    """
    hits: dict[tuple[str, int], Hit] = {}
    scores: dict[tuple[str, int], float] = {}
    for ranking in rankings:
        for rank, key in enumerate(dict.fromkeys(hit.key for hit in ranking), start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (RANK_CONSTANT + rank)
        for hit in ranking:
            hits.setdefault(hit.key, hit)
    return sorted(
        (hits[key]._replace(score=score) for key, score in scores.items()), key=lambda hit: (-hit.score, hit.key)
    )


def parse_filters(filters: Mapping[str, str | Sequence[str]]) -> Filters:
    """The API's filter (`document`, `metadata.<key>`) as fields of the index."""
    parsed = []
    for name, value in filters.items():
        values = [value] if isinstance(value, str) else value
        field, _, key = name.partition(".")
        parsed.append((field, [f"{key}={value}" for value in values] if key else list(values)))
    return parsed
