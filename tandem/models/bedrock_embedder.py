"""Embeddings of Amazon Bedrock, by InvokeModel; `client` is botocore's or boto3's `bedrock-runtime`."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tandem_contract.embedders import EMBEDDERS

from tandem.runtime.retry import Deadline, retry

from .embed import BatchEmbedder, normalised
from .errors import invoke


class _Family(NamedTuple):
    """How the embedders of one maker are asked (Bedrock user guide, "Model parameters")."""

    request: Callable[[Sequence[str], bool, int], dict[str, Any]]
    """(texts, whether they are queries, dimensions) -> body of InvokeModel."""
    embeddings: Callable[[dict[str, Any]], list[list[float]]]


def _titan_request(texts: Sequence[str], query: bool, dimensions: int) -> dict[str, Any]:  # noqa: ARG001
    return {"inputText": texts[0], "dimensions": dimensions, "normalize": True}


def _cohere_request(texts: Sequence[str], query: bool, dimensions: int) -> dict[str, Any]:  # noqa: ARG001
    return {"texts": list(texts), "input_type": "search_query" if query else "search_document", "truncate": "END"}


FAMILIES = {
    "amazon": _Family(_titan_request, lambda answer: [answer["embedding"]]),
    "cohere": _Family(_cohere_request, lambda answer: answer["embeddings"]),
}
"""By what a model's id begins with, up to the first dot."""


class BedrockEmbedder(BatchEmbedder):
    """An embedding model of `EMBEDDERS`, in one of its dimensions."""

    def __init__(self, client: Any, model_id: str, dimensions: int):
        self._client, self._id, self._dimensions = client, model_id, dimensions
        self.step, self._family = EMBEDDERS[model_id].texts_per_call, FAMILIES[model_id.partition(".")[0]]

    def _embed(self, texts: Sequence[str], query: bool, deadline: Deadline) -> list[list[float]]:
        body = json.dumps(self._family.request(texts, query, self._dimensions))

        def call() -> dict[str, Any]:
            return json.loads(self._client.invoke_model(modelId=self._id, body=body)["body"].read())

        answer = retry(lambda: invoke(call, "Bedrock"), deadline)
        return [normalised(vector) for vector in self._family.embeddings(answer)]
