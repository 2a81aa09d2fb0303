"""Embeddings from Amazon Bedrock."""

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tandem.runtime.clients import is_transient
from tandem.runtime.retry import Deadline, Transient, retry

PARALLEL_CALLS = 8


@dataclass(frozen=True)
class Model:
    """What is known about an embedding model (Bedrock user guide, "Model parameters")."""

    dimensions: tuple[int, ...]
    max_tokens: int
    texts_per_call: int
    request: Callable[[Sequence[str], bool, int], dict[str, Any]]
    """(texts, whether they are queries, dimensions) -> body of InvokeModel."""
    embeddings: Callable[[dict[str, Any]], list[list[float]]]


def _titan_request(texts: Sequence[str], query: bool, dimensions: int) -> dict[str, Any]:  # noqa: ARG001
    return {"inputText": texts[0], "dimensions": dimensions, "normalize": True}


def _cohere_request(texts: Sequence[str], query: bool, dimensions: int) -> dict[str, Any]:  # noqa: ARG001
    return {"texts": list(texts), "input_type": "search_query" if query else "search_document", "truncate": "END"}


TITAN = Model((256, 512, 1024), 8192, 1, _titan_request, lambda answer: [answer["embedding"]])
COHERE = Model((1024,), 512, 96, _cohere_request, lambda answer: answer["embeddings"])
MODELS = {
    "amazon.titan-embed-text-v2": TITAN,
    "cohere.embed-english-v3": COHERE,
    "cohere.embed-multilingual-v3": COHERE,
}
"""Supported embedders by the start of their model id."""


def supported(model_id: str, dimensions: int, chunk_tokens: int = 0) -> Model:
    """The model with this id; raises `ValueError` if it isn't supported or can't do what is asked of it."""
    model = next((known for prefix, known in MODELS.items() if model_id.startswith(prefix)), None)
    if model is None:
        raise ValueError(f"embedder is {model_id!r}: use a model id that starts with one of {', '.join(MODELS)}")
    if dimensions not in model.dimensions:
        raise ValueError(f"dimensions is {dimensions}: {model_id} gives {', '.join(map(str, model.dimensions))}")
    if chunk_tokens > model.max_tokens:
        raise ValueError(f"chunk_tokens is {chunk_tokens}: {model_id} reads at most {model.max_tokens}")
    return model


class Embedder:
    """One embedding model. Embeddings have length 1, so that the order by distance is the order by cosine."""

    def __init__(self, client: Any, model_id: str, dimensions: int):
        self._client, self._id, self._dimensions = client, model_id, dimensions
        self._model = supported(model_id, dimensions)

    def documents(self, texts: Sequence[str], deadline: Deadline) -> list[list[float]]:
        """Embed texts to be found; raises `Unavailable` when the model doesn't answer before the deadline."""
        step = self._model.texts_per_call
        batches = [texts[at : at + step] for at in range(0, len(texts), step)]
        if len(batches) < 2:
            return [vector for batch in batches for vector in self._embed(batch, False, deadline)]
        with ThreadPoolExecutor(PARALLEL_CALLS) as pool:
            return list(chain.from_iterable(pool.map(lambda batch: self._embed(batch, False, deadline), batches)))

    def query(self, text: str, deadline: Deadline) -> list[float]:
        """Embed a question; raises `Unavailable` when the model doesn't answer before the deadline."""
        return self._embed([text], True, deadline)[0]

    def _embed(self, texts: Sequence[str], query: bool, deadline: Deadline) -> list[list[float]]:
        body = json.dumps(self._model.request(texts, query, self._dimensions))

        def call() -> dict[str, Any]:
            return invoke(lambda: json.loads(self._client.invoke_model(modelId=self._id, body=body)["body"].read()))

        vectors = self._model.embeddings(retry(call, deadline))
        return [normalised(vector) for vector in vectors]


def invoke(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Call Bedrock once; raise `Transient` for what is worth another try."""
    try:
        return call()
    except Exception as error:
        if is_transient(error):
            raise Transient(f"Bedrock: {error}") from error
        raise


def normalised(vector: Sequence[float]) -> list[float]:
    """Scale to length 1; eight decimals are finer than the single precision that the index keeps."""
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [round(value / length, 8) for value in vector]
