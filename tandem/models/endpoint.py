"""SageMaker endpoints that take OpenAI's chat requests, as vLLM's and LMI's containers do."""

import json
from typing import Any

from tandem.runtime.http import JSON
from tandem.runtime.retry import Deadline

from .chat import Completion, Messages
from .chat_completions import completion, openai_request
from .errors import Refused, invoke

# InvokeEndpoint's errors where there is no such endpoint, where an inference component has no copy (AWS's notebooks on
# scaling to zero show the message), and where a model is still loading (API reference).
ABSENT = {"ValidationError", "ModelNotReadyException"}


class EndpointChat:
    """The model of an endpoint; `client` is botocore's or boto3's `sagemaker-runtime`.

    `component` is its inference component, where it scales to zero.
    """

    def __init__(self, client: Any, endpoint: str, component: str = ""):
        self._client, self._endpoint = client, endpoint
        self._to = {"EndpointName": endpoint} | ({"InferenceComponentName": component} if component else {})

    def chat(self, messages: Messages, max_tokens: int, deadline: Deadline) -> Completion:  # noqa: ARG002
        """As `ChatModel.chat`."""
        # Which model it serves isn't known here, and so no quirk of it.
        body = json.dumps(openai_request(messages, "", max_tokens, extensions=False)).encode()
        subject = f"endpoint {self._endpoint}"

        def call() -> bytes:
            answer = self._client.invoke_endpoint(**self._to, ContentType=JSON, Accept=JSON, Body=body)
            return answer["Body"].read()

        content = invoke(call, subject, ABSENT)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            raise Refused(f"{subject} answered no JSON: {content[:200].decode(errors='replace')}") from None
        # No name was asked for, and the container's own says nothing.
        return completion(answer, subject, self._endpoint)._replace(answered_by="")
