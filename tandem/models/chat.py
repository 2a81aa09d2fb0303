"""Chat models: the protocol, and what they say about tokens."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tandem.runtime.retry import Deadline

Messages = Sequence[Mapping[str, str]]
"""As Chat Completions has them: `role` (`system`, `user` or `assistant`) and `content`."""


class Usage(NamedTuple):
    """The tokens that a model read and wrote for one answer."""

    input_tokens: int
    output_tokens: int


CUT, FILTERED, MALFORMED = "cut", "filtered", "malformed"
# How services say so, in any case: OpenAI's API, Bedrock's Converse, and Anthropic's and Google's own words.
ENDS = {
    CUT: {"length", "max_tokens", "model_context_window_exceeded", "max_output_tokens", "incomplete"},
    FILTERED: {
        *("content_filter", "content_filtered", "guardrail_intervened", "refusal", "safety"),
        *("recitation", "blocklist", "prohibited_content", "spii", "image_safety"),
    },
    MALFORMED: {"malformed_model_output", "malformed_tool_use", "tool_use"},
}
FAILED = {"error", "abort"}  # vLLM's and SGLang's, and OpenRouter's: the text, if there is any, is a part
INVISIBLE = {"Zs", "Zl", "Zp", "Cc", "Cf"}  # categories of Unicode: white space, and what has no width

# What a service may put behind the name that was asked for: its version, as gpt-4o-2024-08-06 for gpt-4o.
NO_VERSION = r"[-:](latest|free)$"
# A number alone may as well be that of a checkpoint, so it has to be a date: 2024-08-06, 20240806, 0613 or 2409.
DAY = r"(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])"
DATE = rf"(20\d\d-?)?{DAY}|2\d(0[1-9]|1[0-2])"
VERSION = rf"[-_]({DATE}|v\d[\d.]*)|[@:][\w.-]+|{NO_VERSION}"


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
        """`cut` at the limit of tokens, `filtered` by the service, `malformed` (or a tool's call), or empty."""
        reason = self.finish_reason.lower()
        return next((end for end, words in ENDS.items() if reason in words), "")

    @property
    def missing(self) -> str:
        """Why there is no text; empty if there is."""
        if has_text(self.text):
            return ""
        return no_text(self.ended, bool(self.thought), self.finish_reason)


class ChatModel(Protocol):
    """A model that answers a conversation, at temperature 0 where it can be set."""

    def chat(self, messages: Messages, max_tokens: int, deadline: Deadline) -> Completion:
        """Ask once. Raises `Transient` where another try may help, `NobodyThere` or `Refused` where none does.

        An AWS client has its own time limits; other services are held to the deadline.
        """
        ...


def has_text(text: str) -> bool:
    """Whether there is anything to be seen."""
    return any(unicodedata.category(character) not in INVISIBLE for character in text)


def usage(answer: Mapping[str, Any], read: str, written: str) -> Usage | None:
    """The tokens by an answer's `usage`, under the names that they have there."""
    found = answer.get("usage")
    counts = [found.get(name) for name in (read, written)] if isinstance(found, Mapping) else []
    whole = [int(count) for count in counts if _is_count(count)]
    return Usage(*whole) if len(whole) == 2 else None


def is_another(asked: str, named: str) -> bool:
    """Whether a model that an answer names isn't the one asked for.

    A version more is no difference, nor are folders before one of the two.
    """
    (*above, first), (*over, second) = (name.lower().strip("/").split("/") for name in (asked, named))
    if not first or not second:
        return False
    shared = min(len(above), len(over))
    first = re.sub(NO_VERSION, "", first)
    same = re.fullmatch(f"{re.escape(first)}({VERSION})*", second) is not None
    return not same or above[len(above) - shared :] != over[len(over) - shared :]


def no_text(ended: str, thought: bool, finish_reason: str = "") -> str:
    """Why an answer has no text, in words."""
    why = {
        CUT: "it was cut at the limit of tokens",
        FILTERED: "it was filtered",
        MALFORMED: f"the service says {finish_reason}",
    }.get(ended, "")
    return ", ".join(filter(None, ("it only thought" if thought else "", why))) or (
        f"finish_reason: {finish_reason}" if finish_reason else "the service doesn't say why"
    )


def _is_count(value: Any) -> bool:
    """Some servers count in floats; what no float can count is no count."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool) and 0 <= value < 2**53
