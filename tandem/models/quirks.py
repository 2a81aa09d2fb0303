"""Model quirks: where a model differs from the rest of its service; one row each, by id, with the source.

Where Bedrock serves a model, and to whom, is in `tandem_contract.bedrock_models`.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from .chat import Messages


class Quirk(NamedTuple):
    """How the models differ whose id the pattern is found in."""

    models: str
    """A regular expression; case doesn't matter."""
    temperature: bool = True
    """Whether it can be set."""
    system: bool = True
    """Whether system messages are taken; if not, their text goes before that of the first user message."""
    length: str = "max_tokens"
    """What OpenAI's API calls the limit of the answer."""
    thinking_tokens: int = 0
    """Added to that limit, for thoughts that count but aren't shown."""
    extensions: Mapping[str, Any] = MappingProxyType({})
    """More fields of a chat request, which vLLM and SGLang added to OpenAI's API."""
    dimensions: bool = False
    """Whether OpenAI's API takes the length of an embedding."""


# Else a short limit is spent on thoughts, and the answer is empty: the limit is on "visible output tokens and reasoning
# tokens" (API reference, quoted in simonw/llm#724).
THINKING_TOKENS = 4096

QUIRKS = (
    # OpenAI's reasoning models. openai/openai-python#2046 (max_tokens), tmc/langchaingo#1355 and johny-b/llmcomp#69
    # (temperature).
    Quirk(
        r"(^|[.:/])(o\d|gpt-([5-9]|\d\d))",
        temperature=False,
        length="max_completion_tokens",
        thinking_tokens=THINKING_TOKENS,
    ),
    # They think first, and none can be told not to: the model cards of gpt-oss, DeepSeek-R1, Kimi K2 Thinking, MiniMax
    # M2 and Magistral; on Bedrock the limit is on thoughts as well (user guide, "Enhance model responses with model
    # reasoning"). Nova 2 thinks when it is told to alone (Nova 2 user guide, "Reasoning capabilities").
    Quirk(
        r"(^|[.:/])(gpt-oss|(deepseek-)?r1(-|$)|kimi-k2-thinking|minimax-m2|magistral)",
        thinking_tokens=THINKING_TOKENS,
    ),
    # OpenAI's others, tuned ones too: max_tokens is deprecated (API reference; openai/openai-agents-python#679).
    Quirk(r"^(ft:)?gpt-[34]", length="max_completion_tokens"),
    # text-embedding-3 and later alone (API reference). vLLM refuses it for models that weren't trained for it.
    Quirk(r"(^|/)text-embedding-3", dimensions=True),
    # Bedrock, "Supported models and model features"; 567-labs/instructor#1753, danny-avila/LibreChat#6456.
    Quirk(r"amazon\.titan-t|mistral\.mistral-7b|mistral\.mixtral-8x7b", system=False),
    # Their chat template refuses it: vllm-project/vllm#2964, huggingface/chat-ui#1386.
    Quirk(r"(^|/)gemma-(1\.1-|2-)?\d+b", system=False),
    # Claude from Opus 4.7 on: BerriAI/litellm#26444, github/copilot-sdk#1557 (Bedrock), yologdev/yoagent v0.27.3.
    Quirk(r"claude-([a-z]+-4-([789]|[1-9]\d)(?!\d)|[a-z]+-([5-9]|[1-9]\d)(?!\d))", temperature=False),
    # It thinks first, by default: Qwen's documentation, "Deployment, vLLM, Thinking & Non-Thinking Modes".
    Quirk(r"(^|/)qwen3", extensions={"chat_template_kwargs": {"enable_thinking": False}}),
)
NONE = Quirk("")


def quirk(model: str) -> Quirk:
    """The first row that a model's id fits, or one without quirks."""
    return next((row for row in QUIRKS if re.search(row.models, model, re.IGNORECASE)), NONE)


def conversation(messages: Messages, system: bool) -> list[dict[str, str]]:
    """The messages as a model takes them, by whether it takes system messages."""
    found = [dict(message) for message in messages]
    if system:
        return found
    before = [message["content"] for message in found if message["role"] == "system"]
    rest = [message for message in found if message["role"] != "system"]
    first = next((message for message in rest if message["role"] == "user"), None)
    if first:
        first["content"] = "\n\n".join([*before, first["content"]])
    return rest
