"""Chat of Amazon Bedrock, by Converse; `client` is botocore's or boto3's `bedrock-runtime`."""

from typing import Any

from tandem.runtime.retry import Deadline

from .chat import Completion, Messages, usage
from .errors import Refused, invoke
from .quirks import conversation, quirk


class BedrockChat:
    """A model, by its id, that of its inference profile, or an ARN."""

    def __init__(self, client: Any, model: str):
        self._client, self._model = client, model

    def chat(self, messages: Messages, max_tokens: int, deadline: Deadline) -> Completion:  # noqa: ARG002
        """As `ChatModel.chat`."""
        found = quirk(self._model)
        limits = {"maxTokens": max_tokens + found.thinking_tokens} | ({"temperature": 0} if found.temperature else {})
        request: dict[str, Any] = {"modelId": self._model, "messages": [], "inferenceConfig": limits}
        for message in conversation(messages, self._model):
            content = [{"text": message["content"]}]
            if message["role"] == "system":
                request.setdefault("system", []).extend(content)
            else:
                request["messages"].append({"role": message["role"], "content": content})
        answer = invoke(lambda: self._client.converse(**request), self._model)
        try:
            text = "".join(part.get("text", "") for part in answer["output"]["message"]["content"])
            tokens = usage(answer, "inputTokens", "outputTokens")
        except (LookupError, TypeError, AttributeError):
            raise Refused(f"{self._model} answered no message: {str(answer)[:200]}") from None
        return Completion(text, self._model, tokens, answer.get("stopReason") or "")
