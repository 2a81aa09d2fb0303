"""Chat of Amazon Bedrock, by Converse; `client` is botocore's or boto3's `bedrock-runtime`."""

from typing import Any

from tandem.runtime.retry import Deadline

from .chat import Completion, Messages, usage
from .errors import Refused, invoke
from .quirks import conversation, quirk
from .thinking import without_thinking


class BedrockChat:
    """A model, by its id, that of its inference profile, or an ARN."""

    def __init__(self, client: Any, model: str):
        self._client, self._model = client, model
        self._temperature = quirk(model).temperature

    def chat(self, messages: Messages, max_tokens: int, deadline: Deadline) -> Completion:
        """As `ChatModel.chat`; a model that refuses a temperature is asked again without, and from then on."""
        try:
            return self._chat(messages, max_tokens)
        except Refused as error:
            if not (self._temperature and error.code == "ValidationException" and "temperature" in str(error)):
                raise
        self._temperature = False
        return self.chat(messages, max_tokens, deadline)

    def _chat(self, messages: Messages, max_tokens: int) -> Completion:
        limits: dict[str, Any] = {"maxTokens": max_tokens + quirk(self._model).thinking_tokens}
        limits |= {"temperature": 0} if self._temperature else {}
        request: dict[str, Any] = {"modelId": self._model, "messages": [], "inferenceConfig": limits}
        for message in conversation(messages, self._model):
            content = [{"text": message["content"]}]
            if message["role"] == "system":
                request.setdefault("system", []).extend(content)
            else:
                request["messages"].append({"role": message["role"], "content": content})
        answer = invoke(lambda: self._client.converse(**request), self._model)
        try:
            parts = answer["output"]["message"]["content"]
            text, thought = without_thinking("".join(part.get("text", "") for part in parts))
            tokens = usage(answer, "inputTokens", "outputTokens")
        except (LookupError, TypeError, AttributeError):
            raise Refused(f"{self._model} answered no message: {str(answer)[:200]}") from None
        thought = thought or "".join(str(part["reasoningContent"]) for part in parts if "reasoningContent" in part)
        return Completion(text, self._model, tokens, answer.get("stopReason") or "", thought)
