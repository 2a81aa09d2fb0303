"""Retrieval metrics: how well a ranking of documents does for one question, from 0 to 1.

A ranking is the documents' ids, best first. It ranks documents, not passages: an id that comes again counts once, in
its first place, and what follows moves up. Each function raises `ValueError` where no document is relevant: no ranking
of it is right or wrong, so such a question is left out, and what it asks for is measured as refusal.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence


def recall(ranking: Sequence[str], relevant: Collection[str], k: int) -> float:
    """The share of the relevant documents that are among the first `k`; below 1 where more than `k` are relevant."""
    wanted = labelled(relevant)
    return len(wanted.intersection(_first(ranking, k))) / len(wanted)


def reciprocal_rank(ranking: Sequence[str], relevant: Collection[str]) -> float:
    """1 divided by the place of the first relevant document, 0 without one; its mean over questions is MRR."""
    wanted = labelled(relevant)
    places = (place for place, document in enumerate(dict.fromkeys(ranking), start=1) if document in wanted)
    return 1 / next(places, math.inf)


def ndcg(ranking: Sequence[str], relevant: Collection[str] | Mapping[str, float], k: int) -> float:
    """Normalised discounted cumulative gain of the first `k` (Järvelin and Kekäläinen, 2002).

    `relevant` are the documents, or their grades, where 0 is as good as not named. A document's gain is its grade (1
    where there are none), divided by log2(place + 1), as trec_eval and scikit-learn have it, not 2 ** grade - 1; the
    sum is divided by that of the best order of all relevant documents, retrieved or not.
    """
    grades = relevant if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1.0)
    if not all(math.isfinite(grade) and grade >= 0 for grade in grades.values()):
        raise ValueError(f"grades are {dict(grades)}: each is a number from 0 up")
    labelled([document for document, grade in grades.items() if grade])
    found = _discounted(grades.get(document, 0.0) for document in _first(ranking, k))
    best = _discounted(sorted(grades.values(), reverse=True)[:k])
    return found / best


def labelled(relevant: Collection[str]) -> set[str]:
    """The relevant documents as a set; raises `ValueError` if there are none, or if it is one id instead of several."""
    if isinstance(relevant, str):
        raise ValueError(f"relevant documents are {relevant!r}: give a collection of ids")
    if not relevant:
        raise ValueError("no document is relevant: leave the question out of what measures documents")
    return set(relevant)


def _first(ranking: Sequence[str], k: int) -> list[str]:
    if k < 1:
        raise ValueError(f"k is {k}: at least 1")
    return list(dict.fromkeys(ranking))[:k]


def _discounted(gains: Iterable[float]) -> float:
    return math.fsum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))
