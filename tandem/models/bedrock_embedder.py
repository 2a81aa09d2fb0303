"""Embeddings of Amazon Bedrock, by InvokeModel; `client` is botocore's or boto3's `bedrock-runtime`."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tandem_contract.embedders import EMBEDDERS

from tandem.runtime.retry import Deadline, retry

from .embed import BUSY_TRIES, BatchEmbedder, normalised
from .errors import Refused, invoke


class _Family(NamedTuple):
    """How the embedders of one maker are asked (Bedrock user guide, "Model parameters")."""

    request: Callable[[Sequence[str], bool, int], dict[str, Any]]
    """(texts, whether they are queries, dimensions) -> body of InvokeModel."""
    embeddings: Callable[[dict[str, Any]], list[list[float]]]


def _titan_request(texts: Sequence[str], query: bool, dimensions: int) -> dict[str, Any]:  # noqa: ARG001
    return {"inputText": texts[0], "dimensions": dimensions, "normalize": True}


def _cohere_request(texts: Sequence[str], query: bool, dimensions: int) -> dict[str, Any]:  # noqa: ARG001
    # A question may lose its end, a document nothing: its text is refused if it is too long.
    kind, truncate = ("search_query", "END") if query else ("search_document", "NONE")
    return {"texts": list(texts), "input_type": kind, "truncate": truncate}


FAMILIES = {
    "amazon": _Family(_titan_request, lambda answer: [answer["embedding"]]),
    "cohere": _Family(_cohere_request, lambda answer: answer["embeddings"]),
}
"""By what a model's id begins with, up to the first dot."""


class BedrockEmbedder(BatchEmbedder):
    """An embedding model of `EMBEDDERS`, in one of its dimensions."""

    def __init__(self, client: Any, model_id: str, dimensions: int):
        self._client, self._id, self._dimensions = client, model_id, dimensions
        self._known, self._family = EMBEDDERS[model_id], FAMILIES[model_id.partition(".")[0]]
        self.step = self._known.texts_per_call

    def _embed(self, texts: Sequence[str], query: bool, deadline: Deadline) -> list[list[float]]:
        body = json.dumps(self._family.request(texts, query, self._dimensions))

        def call() -> dict[str, Any]:
            return json.loads(self._client.invoke_model(modelId=self._id, body=body)["body"].read())

        try:
            answer = retry(lambda: invoke(call, "Bedrock"), deadline, busy_tries=BUSY_TRIES)
        except Refused as error:
            # A token has at least one byte, so shorter texts were refused for another reason.
            may_be_too_long = any(len(text.encode()) > self._known.max_tokens for text in texts)
            if query or error.code != "ValidationException" or not may_be_too_long:
                raise
            return self._halved(texts, deadline)
        return [normalised(vector) for vector in self._family.embeddings(answer)]

    def _halved(self, texts: Sequence[str], deadline: Deadline) -> list[list[float]]:
        """Embeddings of texts of which one has more tokens than the model reads: its is the mean of its halves'."""
        if len(texts) > 1:
            middle = len(texts) // 2
            return [*self._embed(texts[:middle], False, deadline), *self._embed(texts[middle:], False, deadline)]
        [text] = texts
        middle = text.rfind(" ", 0, len(text) // 2) + 1 or len(text) // 2
        halves = self._embed([text[:middle]], False, deadline), self._embed([text[middle:]], False, deadline)
        return [normalised([left + right for left, right in zip(halves[0][0], halves[1][0], strict=True)])]
