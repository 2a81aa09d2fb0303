"""Ranking: one order of what was found by meaning and by words.

Scores are added, not ranks: by ranks alone whatever is in both lists comes before the best of one (Bruch, Gai and
Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS 2023, find the same). Scales that embedders
and corpora differ in are taken out: cosines count from the last of the list (0) to its first (1), words from none (0)
to the best (1).
"""

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tandem.runtime.retry import Deadline

from .stores.base import Hit

if TYPE_CHECKING:
    from tandem.models.rerank import Reranker  # without one no cold start pays for it

LIST = 50
"""Hits of each list, however many passages are asked for: longer lists would change the order of the first."""
WORDS, EXACT = 0.4, 0.5
"""What the best by words, and an identifier of the question, add to the cosine's share (benchmarks/README.md,
"Ranking")."""
FEW = 5
"""Places that hold an identifier at most, if it is to say something."""
IDENTIFIER = r"^(?!\d+(?:st|nd|rd|th)$)(?=.*\d).*[A-Za-z]|_|[a-z][A-Z]|\w\.\w|\w::\w|^--?\w|^/\w"
"""What is in a word that no dictionary has: HX-300, max_wal_size, maxSize, a.conf, --force."""
ACRONYM = r"^[A-Z]{2,}$"
"""PARTTIME, but HTTP as well: such a word counts in the order, not in the gate, where it let 50 of 360 questions about
something else through for 3 of 416 with an answer."""
SHORT = 2
"""Of so few words each is taken for an identifier: it is looked up, not asked about."""

RERANKED = 20
"""Passages that a reranker puts into its order, however many are asked for."""


class Ranked(NamedTuple):
    """A hit in the order of all."""

    hit: Hit
    exact: bool
    """Whether it holds an identifier of the question that few places hold."""


def fuse(question: str, by_meaning: Sequence[Hit], by_words: Sequence[Hit]) -> list[Ranked]:
    """One order, best first, of two lists in theirs; copies of a chunk count once."""
    scores: dict[tuple[str, int], float] = {}
    hits: dict[tuple[str, int], Hit] = {}
    if by_meaning:
        best, last = by_meaning[0].score, by_meaning[-1].score
        for hit in reversed(by_meaning):
            hits[hit.key], scores[hit.key] = hit, (hit.score - last) / (best - last) if best > last else 1.0
    added: dict[tuple[str, int], float] = {}
    for hit in reversed(by_words):
        hits.setdefault(hit.key, hit)
        added[hit.key] = WORDS * hit.score / (by_words[0].score or 1.0)
    exact = _holding(identifiers(question), hits.values()) if by_words else set()
    named = exact | _holding(identifiers(question, ACRONYM), hits.values()) if by_words else set()
    for key in hits:
        scores[key] = scores.get(key, 0.0) + added.get(key, 0.0) + EXACT * (key in named)
    ordered = sorted(hits, key=lambda key: (-scores[key], key))
    return [Ranked(hits[key], key in exact) for key in ordered]


def unlike(ranked: Sequence[Ranked]) -> list[Ranked]:
    """Each text once, at its best place."""
    first: dict[str, Ranked] = {}
    for each in ranked:
        first.setdefault(" ".join(each.hit.text.split()), each)
    return list(first.values())


def rerank(reranker: "Reranker", question: str, ranked: Sequence[Ranked], deadline: Deadline) -> list[Ranked]:
    """The first in a reranker's order, the rest behind them. Raises as `Reranker.scores`."""
    first = ranked[:RERANKED]
    texts = [f"{hit.heading}\n{hit.text}" if hit.heading else hit.text for hit, _ in first]
    scores = reranker.scores(question, texts, deadline)
    return [first[at] for at in sorted(range(len(first)), key=lambda at: -scores[at])] + list(ranked[RERANKED:])


def identifiers(question: str, pattern: str = IDENTIFIER) -> list[str]:
    """The words of a question that are names of things rather than words of a language, in small letters."""
    words = [word.strip(".:") for word in re.findall(r"[^\s,;!?\"'()\[\]{}<>«»“”]+", question)]
    words = [word for word in words if len(word) > 1 and not re.fullmatch(r"[\d.,:]+", word)]
    return [word.lower() for word in words if len(words) <= SHORT or re.search(pattern, word)]


def _holding(names: Sequence[str], hits: Collection[Hit]) -> set[tuple[str, int]]:
    """The chunks that hold one of the names, of those that few places hold."""
    found: set[tuple[str, int]] = set()
    for name in names:
        whole = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        holding = [hit for hit in hits if whole.search(f"{hit.heading or ''}\n{hit.text}".lower())]
        if len({(hit.document, hit.heading) for hit in holding}) <= FEW:
            found.update(hit.key for hit in holding)
    return found
