"""Similarity in meaning of an answer and the reference, by an embedder that the caller brings."""

import math
from collections.abc import Callable, Sequence

# Takes texts, returns a vector for each.
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]


def semantic_similarity(answer: str, reference: str, embed: Embed) -> float:
    """The cosine of both embeddings, from 0 to 1; a negative one counts as 0, which no failed call may beat.

    An empty answer is 0 and isn't embedded. Values compare only where the embedder is the same. `embed` is asked for
    both texts each time: one that remembers saves the references' second embedding.
    """
    if not answer.strip():
        return 0.0
    first, second = embed([answer, reference])
    return min(max(cosine(first, second), 0.0), 1.0)


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """The cosine of the angle between two vectors, 0 where either has no length.

    Raises `ValueError` if they are of different dimensions, or hold something that is not a number.
    """
    if len(first) != len(second):
        raise ValueError(f"vectors of {len(first)} and {len(second)} dimensions: both come from one embedder")
    lengths = math.hypot(*first), math.hypot(*second)
    if not all(map(math.isfinite, lengths)):
        raise ValueError("a vector holds something that is not a finite number")
    if not all(lengths):
        return 0.0
    return math.fsum((a / lengths[0]) * (b / lengths[1]) for a, b in zip(first, second, strict=True))
