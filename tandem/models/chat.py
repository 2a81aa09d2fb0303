"""Chat models: the protocol, and what they say about tokens."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tandem.runtime.retry import Deadline

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


def usage(answer: Mapping[str, Any], read: str, written: str) -> Usage | None:
    """The tokens by an answer's `usage`, under the names that they have there."""
    found = answer.get("usage")
    counts = [found.get(name) for name in (read, written)] if isinstance(found, Mapping) else []
    whole = [count for count in counts if isinstance(count, int) and not isinstance(count, bool) and count >= 0]
    return Usage(*whole) if len(whole) == 2 else None
