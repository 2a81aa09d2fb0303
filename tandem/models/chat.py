"""Chat models: the protocol, and what they say about tokens."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tandem.runtime.retry import Deadline

Messages = Sequence[Mapping[str, str]]
"""As Chat Completions has them: `role` (`system`, `user` or `assistant`) and `content`."""


class Usage(NamedTuple):
    """The tokens that a model read and wrote for one answer."""

    input_tokens: int
    output_tokens: int


CUT, FILTERED = "cut", "filtered"
# How services say so, in any case: OpenAI's API, Bedrock's Converse, and Anthropic's and Google's own words.
ENDS = {
    CUT: {"length", "max_tokens", "model_context_window_exceeded", "max_output_tokens"},
    FILTERED: {
        *("content_filter", "content_filtered", "guardrail_intervened", "refusal", "safety"),
        *("recitation", "blocklist", "prohibited_content", "spii", "image_safety"),
    },
}


# What a service may put behind the name that was asked for: its version, as gpt-4o-2024-08-06 for gpt-4o.
NO_VERSION = r"[-:](latest|free)$"
VERSION = rf"[-@:_]v?\d[\d.:_-]*|{NO_VERSION}"


class Completion(NamedTuple):
    """An answer."""

    text: str
    """Without what the model thought first; empty if it gave none."""
    model: str
    """The model's id, or the endpoint's name: what was asked."""
    usage: Usage | None
    """None: the service doesn't say."""
    finish_reason: str
    """Why it ends, in the service's words; empty if it doesn't say."""
    thought: str = ""
    """What it thought before, as the service gave it."""
    answered_by: str = ""
    """The model that the answer names; empty if it names none."""
    fingerprint: str = ""
    """What else the answer says of who gave it: OpenAI's `system_fingerprint`."""

    @property
    def ended(self) -> str:
        """`cut` at the limit of tokens, `filtered` by the service, or empty."""
        reason = self.finish_reason.lower()
        return next((end for end, words in ENDS.items() if reason in words), "")

    @property
    def missing(self) -> str:
        """Why there is no text; empty if there is."""
        if self.text.strip():
            return ""
        return no_text(self.ended, bool(self.thought), self.finish_reason)


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
    whole = [int(count) for count in counts if _is_count(count)]
    return Usage(*whole) if len(whole) == 2 else None


def is_another(asked: str, named: str) -> bool:
    """Whether a model that an answer names isn't the one asked for: a version or a folder more is no difference."""
    first, second = (name.lower().rstrip("/").rsplit("/", 1)[-1] for name in (asked, named))
    first = re.sub(NO_VERSION, "", first)
    return bool(first and second) and not re.fullmatch(f"{re.escape(first)}({VERSION})*", second)


def no_text(ended: str, thought: bool, finish_reason: str = "") -> str:
    """Why an answer has no text, in words."""
    why = {CUT: "it was cut at the limit of tokens", FILTERED: "it was filtered"}.get(ended, "")
    return ", ".join(filter(None, ("it only thought" if thought else "", why))) or (
        f"finish_reason: {finish_reason}" if finish_reason else "the service doesn't say why"
    )


def _is_count(value: Any) -> bool:
    """Some servers count in floats."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool) and value >= 0
