"""Retrieval: from a question to the passages that may answer it."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tandem_contract.errors import TandemError, Unavailable

from tandem.models.embed import Embedder
from tandem.runtime.retry import Deadline
from tandem.runtime.telemetry import log

from .index_version import NO_ACTIVE, IndexVersion
from .ledger import Ledger
from .ranking import LIST, Ranked, fuse, rerank, unlike
from .stores.base import Filters, Hit, Partial, VectorIndex, WordSearch

if TYPE_CHECKING:
    from tandem.models.rerank import Reranker  # without one no cold start pays for it

ACTIVE_SECONDS = 30.0
ROUNDS = 3
WORDS_SECONDS = 5.0
"""Longest wait for the search by words once the other has answered."""
MAX_PARALLEL_SEARCHES = 8  # two a question; some may still wait for an answer that an earlier question gave up on
CHECKED = 10
"""Hits by words whose cosine is asked for: among many texts that are nearly the same, a search in a graph of vectors
may miss what is nearest."""
RERANK_SECONDS = 3.0
"""Longest wait for a reranker."""
PARALLEL_RERANKS = 2  # of their own: one that hangs takes no place from the searches
BY_MEANING_ALONE = "The store has no search by words: passages were found by meaning alone."
WORDS_FAILED = "The search by words failed: passages were found by meaning alone."
NOT_RERANKED = "The reranker gave no answer: passages stand in the order of the search."
PARTLY = "A part of the index was away: there may be better passages."


class Passage(NamedTuple):
    """A chunk of a document's present version."""

    document: str
    page: int | None
    heading: str | None
    text: str
    score: float
    """Cosine of the angle between question and chunk, -1 to 1."""
    exact: bool = False
    """Whether it holds an identifier of the question that few passages hold."""


class Retrieval(NamedTuple):
    """What was found."""

    passages: list[Passage]
    version: IndexVersion
    notes: list[str]
    """What a reader should know about how it was found."""


class Retriever:
    """Searches the active index version; a reranker, if there is one, has the last word on the order."""

    def __init__(
        self,
        ledger: Ledger,
        open_index: Callable[[IndexVersion], VectorIndex],
        open_embedder: Callable[[IndexVersion], Embedder],
        reranker: "Reranker | None" = None,
    ):
        self._ledger, self._open_index, self._open_embedder = ledger, open_index, open_embedder
        self._reranker = reranker
        self._pool = ThreadPoolExecutor(MAX_PARALLEL_SEARCHES)
        self._rerank_pool = ThreadPoolExecutor(PARALLEL_RERANKS)
        self._opened: tuple[IndexVersion, VectorIndex, Embedder] | None = None
        self._opened_until = 0.0

    def retrieve(
        self, question: str, top_k: int, filters: Filters, deadline: Deadline, timings: "Timings"
    ) -> Retrieval:
        """The `top_k` best passages by vector and, where the store can, by words, best first. Raises `Unavailable`.

        The `timings` are told of the phases `ledger`, `embed`, `search` and `rerank`.
        """
        if not question.isascii():
            from .normal import searched  # imported only here, since it takes time that most questions don't need

            question = searched(question).strip() or question  # embedders refuse an empty text
        with timings.phase("ledger"):
            version, index, embedder = self._active()
        words = index if isinstance(index, WordSearch) else None
        notes = [] if words else [BY_MEANING_ALONE]
        stale: set[str] = set()
        vector: list[float] = []
        visible: list[Ranked] = []
        scores: dict[str, float] = {}
        for _ in range(ROUNDS):
            by_words: Future[list[Hit]] | None = None
            if words is not None:
                asked = (question, LIST, deadline, filters, sorted(stale))
                by_words = self._pool.submit(words.search_words, *asked)
            if not vector:
                with timings.phase("embed"):
                    vector = embedder.query(question, deadline)
            with timings.phase("search"):
                by_meaning = _part(partial(index.search, vector, LIST, deadline, filters, sorted(stale)), notes)
                found = _by_words(by_words, deadline, notes) if by_words else []
                by_meaning, known = with_missed(index, vector, by_meaning, found, deadline)
            scores |= known
            ranked = fuse(question, by_meaning, found)[: max(20, 3 * top_k)]
            with timings.phase("ledger"):
                current = self._ledger.current_attempts(version.index, {each.hit.document for each in ranked})
            visible = [each for each in ranked if current.get(each.hit.document) == each.hit.attempt]
            # Chunks of other versions, or of interrupted work, took up places: look further without them.
            dropped = {each.hit.attempt for each in ranked} - {each.hit.attempt for each in visible}
            if len(visible) >= top_k or dropped <= stale:
                break
            stale |= dropped
        chosen = unlike(visible)
        if self._reranker and chosen:
            with timings.phase("rerank"):
                chosen = self._reranked(self._reranker, question, chosen, deadline, notes)
        chosen = chosen[:top_k]
        if unscored := [each.hit.id for each in chosen if each.hit.id not in scores]:
            with timings.phase("search"):
                scores |= index.cosines(vector, unscored, deadline)
        passages = [
            Passage(hit.document, hit.page, hit.heading, hit.text, round(scores[hit.id], 4), exact)
            for hit, exact in chosen
            if hit.id in scores  # not one that was deleted in between
        ]
        return Retrieval(passages, version, list(dict.fromkeys(notes)))

    def _reranked(
        self, reranker: "Reranker", question: str, ranked: list[Ranked], deadline: Deadline, notes: list[str]
    ) -> list[Ranked]:
        """A reranker helps; without its answer there is an order too."""
        within = deadline.within(RERANK_SECONDS)
        asked = self._rerank_pool.submit(rerank, reranker, question, ranked, within)
        try:
            return asked.result(within.remaining())
        except (TandemError, TimeoutError) as error:
            asked.cancel()
            log("rerank failed", detail=f"{type(error).__name__}: {error}")
            notes.append(NOT_RERANKED)
            return ranked

    def _active(self) -> tuple[IndexVersion, VectorIndex, Embedder]:
        now = time.monotonic()
        if self._opened is None or now > self._opened_until:
            version = self._ledger.active()
            if version is None:
                raise Unavailable(NO_ACTIVE)
            self._opened = version, self._open_index(version), self._open_embedder(version)
            self._opened_until = now + ACTIVE_SECONDS
        return self._opened


def _part(search: Callable[[], list[Hit]], notes: list[str]) -> list[Hit]:
    """What a search finds, or a part of it, with a note."""
    try:
        return search()
    except Partial as error:
        notes.append(PARTLY)
        return list(error.hits)


def _by_words(search: "Future[list[Hit]]", deadline: Deadline, notes: list[str]) -> list[Hit]:
    """Words help; without them there is an answer too."""
    try:
        return _part(lambda: search.result(deadline.within(WORDS_SECONDS).remaining()), notes)
    except (TandemError, TimeoutError) as error:
        log("search by words failed", detail=f"{type(error).__name__}: {error}")
        notes.append(WORDS_FAILED)
        return []


def with_missed(
    index: VectorIndex, vector: Sequence[float], by_meaning: list[Hit], by_words: Sequence[Hit], deadline: Deadline
) -> tuple[list[Hit], dict[str, float]]:
    """The hits by meaning with those that the search, which is approximate, missed of what words put first; and the
    cosines that are known then."""
    scores = {hit.id: hit.score for hit in by_meaning}
    asked = [hit for hit in by_words[:CHECKED] if hit.id not in scores]
    if not asked:
        return by_meaning, scores
    try:
        scores |= index.cosines(vector, [hit.id for hit in asked], deadline)
    except Unavailable as error:  # there is an answer without it
        log("cosines failed", detail=str(error))
        return by_meaning, scores
    least = by_meaning[-1].score if len(by_meaning) >= LIST else -1.0
    missed = [hit._replace(score=scores[hit.id]) for hit in asked if scores.get(hit.id, -2.0) > least]
    return sorted([*by_meaning, *missed], key=lambda hit: -hit.score), scores


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


def parse_filters(filters: Mapping[str, str | Sequence[str]]) -> Filters:
    """The API's filter (`document`, `metadata.<key>`) as fields of the index."""
    parsed = []
    for name, value in filters.items():
        values = [value] if isinstance(value, str) else value
        field, _, key = name.partition(".")
        parsed.append((field, [f"{key}={value}" for value in values] if key else list(values)))
    return parsed
