"""Chat models: the protocol, and how OpenAI's answers are read, which endpoints give too."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tandem.runtime.retry import Deadline

from .errors import Refused

Messages = Sequence[Mapping[str, str]]
"""As Chat Completions has them: `role` (`system`, `user` or `assistant`) and `content`."""


class Usage(NamedTuple):
    """The tokens that a model read and wrote for one answer."""

    input_tokens: int
    output_tokens: int


class Completion(NamedTuple):
    """An answer."""

    text: str
    """Empty if the model gave none."""
    model: str
    """The model's id, or the endpoint's name."""
    usage: Usage | None
    """None: the service doesn't say."""
    finish_reason: str
    """Why it ends, in the service's words; empty if it doesn't say."""


class ChatModel(Protocol):
    """A model that answers a conversation, at temperature 0 where it can be set."""

    def chat(self, messages: Messages, max_tokens: int, deadline: Deadline) -> Completion:
        """Ask once. Raises `Transient` where another try may help, `NobodyThere` or `Refused` where none does.

        An AWS client has its own time limits; other services are held to the deadline.
        """
        ...


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


def usage(answer: Mapping[str, Any], read: str, written: str) -> Usage | None:
    """The tokens by an answer's `usage`, under the names that they have there."""
    found = answer.get("usage")
    counts = [found.get(name) for name in (read, written)] if isinstance(found, Mapping) else []
    whole = [count for count in counts if isinstance(count, int) and not isinstance(count, bool) and count >= 0]
    return Usage(*whole) if len(whole) == 2 else None
