"""Rerank models of Amazon Bedrock, by InvokeModel; `client` is botocore's or boto3's `bedrock-runtime`."""

import json
from collections.abc import Sequence
from typing import Any

from tandem.runtime.retry import Deadline, retry

from .errors import Refused, invoke


class BedrockReranker:
    """A model of `RERANKERS`."""

    def __init__(self, client: Any, model_id: str):
        self._client, self._id = client, model_id

    def scores(self, question: str, texts: Sequence[str], deadline: Deadline) -> list[float]:
        """As `Reranker.scores`."""
        # Cohere's: its API reference ("Rerank"), with the version, which Bedrock wants in the body. Amazon's: what
        # public programs send, as no page of AWS's was found that has it.
        request: dict[str, Any] = {"query": question, "documents": list(texts)}
        if self._id.startswith("cohere."):
            request |= {"top_n": len(texts), "api_version": 2}
        body = json.dumps(request)

        def call() -> Any:
            return json.loads(self._client.invoke_model(modelId=self._id, body=body)["body"].read())

        try:
            answer = retry(lambda: invoke(call, "Bedrock"), deadline)
            found = {row["index"]: float(row["relevance_score"]) for row in answer["results"]}
            return [found[at] for at in range(len(texts))]
        except (LookupError, TypeError, ValueError):
            raise Refused(f"{self._id} answered no score for each of {len(texts)} texts.") from None
