"""Embedding models: the protocol, and opening one by its id."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Protocol

from tandem.runtime.retry import Deadline

PARALLEL_CALLS = 8


class Embedder(Protocol):
    """One embedding model. Embeddings have length 1, so that the order by distance is the order by cosine."""

    def documents(self, texts: Sequence[str], deadline: Deadline) -> list[list[float]]:
        """Embed texts to be found. Raises `Unavailable` when there is no answer before the deadline, or `Refused`."""
        ...

    def query(self, text: str, deadline: Deadline) -> list[float]:
        """Embed a question. Raises as `documents`."""
        ...


def in_batches(
    texts: Sequence[str], step: int, embed: Callable[[Sequence[str]], list[list[float]]]
) -> list[list[float]]:
    """Embed so many texts a call, a few calls at a time, in order."""
    batches = [texts[at : at + step] for at in range(0, len(texts), step)]
    if len(batches) < 2:
        return [vector for batch in batches for vector in embed(batch)]
    with ThreadPoolExecutor(PARALLEL_CALLS) as pool:
        return list(chain.from_iterable(pool.map(embed, batches)))


def normalised(vector: Sequence[float]) -> list[float]:
    """Scale to length 1; eight decimals are finer than the single precision that the index keeps."""
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [round(value / length, 8) for value in vector]
