"""Shapes of language models: the numbers that memory needs depend on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem_contract.errors import TandemError


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
        """Read Hugging Face's `config.json`; raises `TandemError` for what isn't a dense decoder."""
        text = config.get("text_config") or config
        if experts := next((key for key in text if "experts" in key and (text[key] or 0) > 1), None):
            raise TandemError(
                f"config.json has {experts}: mixtures of experts can't be sized yet; set the instance in the stack"
            )
        needed = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
        needed += ("max_position_embeddings",)
        if missing := [key for key in needed if not isinstance(text.get(key), int)]:
            raise TandemError(
                f"config.json lacks {', '.join(missing)}: it isn't the decoder that the sizing knows; set the instance "
                "in the stack"
            )
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


_QWEN = 151_936
_LLAMA = 128_256
_LONG = 131_072
SHAPES = {
    "HuggingFaceTB/SmolLM2-135M": ModelShape.of(30, 576, 1536, 9, 3, 49_152, 8192, tied=True),
    "HuggingFaceTB/SmolLM2-360M": ModelShape.of(32, 960, 2560, 15, 5, 49_152, 8192, tied=True),
    "HuggingFaceTB/SmolLM2-1.7B": ModelShape.of(24, 2048, 8192, 32, 32, 49_152, 8192, tied=True),
    "Qwen/Qwen2.5-0.5B": ModelShape.of(24, 896, 4864, 14, 2, _QWEN, 32_768, tied=True),
    "Qwen/Qwen2.5-1.5B": ModelShape.of(28, 1536, 8960, 12, 2, _QWEN, 32_768, tied=True),
    "Qwen/Qwen2.5-3B": ModelShape.of(36, 2048, 11_008, 16, 2, _QWEN, 32_768, tied=True),
    "Qwen/Qwen2.5-7B": ModelShape.of(28, 3584, 18_944, 28, 4, 152_064, 32_768),
    "Qwen/Qwen2.5-14B": ModelShape.of(48, 5120, 13_824, 40, 8, 152_064, 32_768),
    "Qwen/Qwen2.5-32B": ModelShape.of(64, 5120, 27_648, 40, 8, 152_064, 32_768),
    "Qwen/Qwen3-0.6B": ModelShape.of(28, 1024, 3072, 16, 8, _QWEN, 40_960, head_size=128, tied=True),
    "Qwen/Qwen3-1.7B": ModelShape.of(28, 2048, 6144, 16, 8, _QWEN, 40_960, head_size=128, tied=True),
    "Qwen/Qwen3-4B": ModelShape.of(36, 2560, 9728, 32, 8, _QWEN, 40_960, head_size=128, tied=True),
    "Qwen/Qwen3-8B": ModelShape.of(36, 4096, 12_288, 32, 8, _QWEN, 40_960, head_size=128),
    "Qwen/Qwen3-14B": ModelShape.of(40, 5120, 17_408, 40, 8, _QWEN, 40_960, head_size=128),
    "Qwen/Qwen3-32B": ModelShape.of(64, 5120, 25_600, 64, 8, _QWEN, 40_960, head_size=128),
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": ModelShape.of(22, 2048, 5632, 32, 4, 32_000, 2048),
    "meta-llama/Llama-3.1-8B": ModelShape.of(32, 4096, 14_336, 32, 8, _LLAMA, _LONG),
    "meta-llama/Llama-3.2-1B": ModelShape.of(16, 2048, 8192, 32, 8, _LLAMA, _LONG, tied=True),
    "meta-llama/Llama-3.2-3B": ModelShape.of(28, 3072, 8192, 24, 8, _LLAMA, _LONG, tied=True),
    "meta-llama/Llama-3.3-70B": ModelShape.of(80, 8192, 28_672, 64, 8, _LLAMA, _LONG),
    "mistralai/Mistral-7B-v0.3": ModelShape.of(32, 4096, 14_336, 32, 8, 32_768, 32_768),
}
"""By Hugging Face id, without the suffix `-Instruct`; from each model's `config.json`."""

GATED = ("meta-llama/", "mistralai/Mistral-7B-v0.3", "google/gemma-")
"""How ids begin of models that the Hugging Face hub gives only to who accepted their licence, as far as we know."""


def is_gated(base_model: str) -> bool:
    """Whether a token is needed to fetch a base model; a folder of the bucket needs none."""
    return base_model.startswith(GATED)
