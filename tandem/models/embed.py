"""Embedding models: the protocol, and opening one by its id."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Protocol

from tandem.runtime.retry import Deadline

PARALLEL_CALLS = 8
BUSY_TRIES = 100
"""Of a call to a service that throttles; what ends them is the time."""


class Embedder(Protocol):
    """One embedding model. Embeddings have length 1, so that the order by distance is the order by cosine."""

    def documents(self, texts: Sequence[str], deadline: Deadline) -> list[list[float]]:
        """Embed texts to be found. Raises `Unavailable` when there is no answer before the deadline, or `Refused`."""
        ...

    def query(self, text: str, deadline: Deadline) -> list[float]:
        """Embed a question. Raises as `documents`."""
        ...


class BatchEmbedder(ABC):
    """An `Embedder` that is asked a few texts at a time: `step` a call, a few calls at once."""

    step: int

    def documents(self, texts: Sequence[str], deadline: Deadline) -> list[list[float]]:
        """As `Embedder.documents`, in order."""
        batches = [texts[at : at + self.step] for at in range(0, len(texts), self.step)]
        if len(batches) < 2:
            return [vector for batch in batches for vector in self._embed(batch, False, deadline)]
        with ThreadPoolExecutor(PARALLEL_CALLS) as pool:
            return list(chain.from_iterable(pool.map(lambda batch: self._embed(batch, False, deadline), batches)))

    def query(self, text: str, deadline: Deadline) -> list[float]:
        """As `Embedder.query`."""
        return self._embed([text], True, deadline)[0]

    @abstractmethod
    def _embed(self, texts: Sequence[str], query: bool, deadline: Deadline) -> list[list[float]]:
        """What one call gives."""


def normalised(vector: Sequence[float]) -> list[float]:
    """Scale to length 1; eight decimals are finer than the single precision that the index keeps."""
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [round(value / length, 8) for value in vector]
