"""Chat of Amazon Bedrock, by Converse; `client` is botocore's or boto3's `bedrock-runtime`."""

from typing import Any

from tandem.runtime.retry import Deadline

from .chat import Completion, Messages, usage
from .errors import Refused, invoke
from .quirks import THINKING_TOKENS, conversation, quirk
from .thinking import without_thinking


class BedrockChat:
    """A model, by its id, that of its inference profile, or an ARN.

    A model that isn't known, as behind an ARN of one's own, is learned about: what it refuses is left out, and one that
    only thinks until the limit of tokens gets more of them, in a second try and from then on.
    """

    def __init__(self, client: Any, model: str):
        self._client, self._model = client, model
        self._quirk = quirk(model)

    def chat(self, messages: Messages, max_tokens: int, deadline: Deadline) -> Completion:
        """As `ChatModel.chat`."""
        known = self._quirk
        try:
            answer = self._chat(messages, max_tokens)
        except Refused as error:
            if error.code != "ValidationException":
                raise
            if known.temperature and "temperature" in str(error):
                self._quirk = self._quirk._replace(temperature=False)
            elif known.system and "doesn't support system messages" in str(error):
                self._quirk = self._quirk._replace(system=False)
            else:
                raise
            return self.chat(messages, max_tokens, deadline)
        if answer.missing and answer.finish_reason == "max_tokens" and not known.thinking_tokens:
            self._quirk = self._quirk._replace(thinking_tokens=THINKING_TOKENS)
            return self.chat(messages, max_tokens, deadline)
        return answer

    def _chat(self, messages: Messages, max_tokens: int) -> Completion:
        limits: dict[str, Any] = {"maxTokens": max_tokens + self._quirk.thinking_tokens}
        limits |= {"temperature": 0} if self._quirk.temperature else {}
        request: dict[str, Any] = {"modelId": self._model, "messages": [], "inferenceConfig": limits}
        for message in conversation(messages, self._quirk.system):
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
