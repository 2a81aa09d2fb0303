"""Shapes of language models: the numbers that memory needs depend on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem_contract.errors import TandemError


class Unsized(TandemError):
    """A model that the sizing doesn't know; it can be tuned all the same, and the text says what isn't known."""


@dataclass(frozen=True)
class ModelShape:
    """A dense decoder with a gated MLP: Llama, Mistral, Qwen, SmolLM, Granite and their kin."""

    parameters: int
    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    vocabulary: int
    context_tokens: int
    head_size: int
    tied: bool = False
    """Whether embeddings and head are the same weights."""

    @property
    def query_width(self) -> int:
        """Numbers for each token that attention's queries have."""
        return self.heads * self.head_size

    @property
    def key_width(self) -> int:
        """Numbers for each token that attention's keys have, and its values."""
        return self.kv_heads * self.head_size

    @classmethod
    def of(
        cls,
        layers: int,
        hidden_size: int,
        intermediate_size: int,
        heads: int,
        kv_heads: int,
        vocabulary: int,
        context_tokens: int,
        *,
        head_size: int | None = None,
        tied: bool = False,
    ) -> "ModelShape":
        """The shape with its parameters counted; biases, a ten-thousandth, are left out."""
        head_size = head_size or hidden_size // heads
        attention = 2 * hidden_size * head_size * (heads + kv_heads)
        each = attention + 3 * hidden_size * intermediate_size + 2 * hidden_size
        outer = vocabulary * hidden_size * (1 if tied else 2) + hidden_size
        sizes = (layers, hidden_size, intermediate_size, heads, kv_heads, vocabulary, context_tokens, head_size, tied)
        return cls(layers * each + outer, *sizes)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ModelShape":
        """Read Hugging Face's `config.json`; raises `Unsized` for what isn't a dense decoder."""
        text = config.get("text_config") or config
        if experts := next((key for key in text if "experts" in key and (text[key] or 0) > 1), None):
            raise Unsized(f"config.json has {experts}: mixtures of experts can't be sized yet")
        needed = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
        needed += ("max_position_embeddings",)
        if missing := [key for key in needed if not isinstance(text.get(key), int)]:
            raise Unsized(f"config.json lacks {', '.join(missing)}: it isn't the decoder that the sizing knows")
        layers, hidden, inner, heads, vocabulary, context = (text[key] for key in needed)
        return cls.of(
            layers,
            hidden,
            inner,
            heads,
            text.get("num_key_value_heads") or heads,
            vocabulary,
            context,
            head_size=text.get("head_dim"),
            tied=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", False))),
        )
