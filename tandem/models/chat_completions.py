"""Chat Completions, OpenAI's form of requests and answers, which endpoints speak too."""

from collections.abc import Callable
from typing import Any

from .chat import Completion, Messages, usage
from .errors import Refused
from .quirks import conversation, quirk


def openai_request(messages: Messages, model: str, max_tokens: int, *, extensions: bool) -> dict[str, Any]:
    """The body of a request of Chat Completions, without the model's name."""
    found = quirk(model)
    return {
        "messages": conversation(messages, model),
        found.length: max_tokens + found.thinking_tokens,
        **({"temperature": 0} if found.temperature else {}),
        **(found.extensions if extensions else {}),
    }


def completion(answer: Any, subject: str, model: str, shown: Callable[[str], str] = str) -> Completion:
    """The answer in a response of Chat Completions; raises `Refused`, which `subject` begins, if there is none.

    `shown` leaves out of what is no answer what nobody may see.
    """
    try:
        choice = answer["choices"][0]
        text = (choice["message"].get("content") or "").encode(errors="replace").decode()  # half a surrogate pair
        tokens = usage(answer, "prompt_tokens", "completion_tokens")
        return Completion(text, model, tokens, str(choice.get("finish_reason") or ""))
    except (LookupError, TypeError, AttributeError):
        raise Refused(f"{subject} answered no chat completion: {shown(str(answer))[:200]}") from None
