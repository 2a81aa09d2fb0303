"""Chat Completions, OpenAI's form of requests and answers, which endpoints speak too."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tandem.runtime.http import printable

from .chat import FAILED, Completion, Messages, has_text, usage
from .errors import Refused, problem
from .quirks import conversation, quirk
from .thinking import without_thinking

LENGTHS = ("max_tokens", "max_completion_tokens")


def openai_request(
    messages: Messages,
    model: str,
    max_tokens: int,
    *,
    extensions: bool,
    tools: Sequence[Mapping[str, Any]] = (),
    without: Collection[str] = (),
) -> dict[str, Any]:
    """The body of a request of Chat Completions, without the model's name.

    `without` are fields that the model refused; of the two names of the limit the other one is then taken.
    """
    found = quirk(model)
    length = next((name for name in (found.length, *LENGTHS) if name not in without), found.length)
    fields = {
        length: max_tokens + found.thinking_tokens,
        **({"temperature": 0} if found.temperature else {}),
        **(found.extensions if extensions else {}),
    }
    kept = {name: value for name, value in fields.items() if name in LENGTHS or name not in without}
    return {"messages": conversation(messages, found.system), **({"tools": list(tools)} if tools else {}), **kept}


def completion(answer: Any, subject: str, model: str) -> Completion:
    """The answer in a response of Chat Completions.

    `subject` begins the texts of errors: `Refused` if there is none, `Transient` or `Refused` where the answer is an
    error, as proxies give it with status 200.
    """
    try:
        choice = next((each for each in answer["choices"] if each.get("index") == 0), answer["choices"][0])
        reason = printable(str(choice.get("finish_reason") or ""))
        if answer.get("error") or choice.get("error") or reason.lower() in FAILED:  # a message beside it is a part
            raise LookupError("error")
        message = choice["message"]
        text, thought = without_thinking(_text(message.get("content")))
        if not has_text(text) and _refusal(message):  # of the model's own rules, OpenAI's API reference
            reason = "content_filter"
        thought = thought or str(message.get("reasoning_content") or message.get("reasoning") or _thinking(message))
        named = (printable(str(answer.get(key) or "")) for key in ("model", "system_fingerprint"))
        return Completion(text, model, usage(answer, "prompt_tokens", "completion_tokens"), reason, thought, *named)
    except (LookupError, TypeError, AttributeError):
        pass
    error = _error(answer)
    if error is not None:
        raise problem({"error": error}).error(f"{subject} answered an error with 200:")
    raise Refused(f"{subject} answered no chat completion: {str(answer)[:200]}")


def _text(content: Any) -> str:
    """The text of a message: a string, or parts of which those with text count."""
    if content is None:
        return ""
    if isinstance(content, list):
        content = "".join(_part(part) for part in content)
    return content.encode(errors="replace").decode()  # half a surrogate pair can't be stored


def _part(part: Any) -> str:
    return (part.get("text") or "") if part.get("type", "text") in ("text", "output_text") else ""


def _thinking(message: Mapping[str, Any]) -> str:
    """The parts that Mistral's models think in."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("thinking") or "") for part in parts if part.get("type") == "thinking")


def _refusal(message: Mapping[str, Any]) -> Any:
    """What a model says in place of an answer, beside the text or as a part of it."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return message.get("refusal") or any(part.get("type") == "refusal" for part in parts)


def _error(answer: Any) -> Any:
    """What an answer without a message says is wrong; OpenRouter has it in the choice if it came under way."""
    if not isinstance(answer, Mapping):
        return None
    choices = answer.get("choices")
    found = [each for each in choices if isinstance(each, Mapping)] if isinstance(choices, list) else []
    said = next((each["error"] for each in (answer, *found) if each.get("error")), None)
    reasons = (str(each.get("finish_reason")) for each in found)
    return said or next((f"finish_reason: {reason}" for reason in reasons if reason.lower() in FAILED), None)
