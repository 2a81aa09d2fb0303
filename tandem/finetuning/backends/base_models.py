"""Base models by their ids on the Hugging Face hub: what is known of each, one row a model.

A model that isn't here can be tuned as well; what isn't known of it is said. Chat templates are settled whatever is
known of their model (`dataset/settled.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from .shapes import ModelShape

SWITCHED_OFF, ALWAYS = "switched off", "always"


class BaseModel(NamedTuple):
    """What is known of a base model."""

    shape: ModelShape
    """From its `config.json`; sizes memory, time and price."""
    licence: str
    """As the hub calls it."""
    gated: bool
    """Whether the hub gives it only to who accepted the licence, which takes a token."""
    source: str
    """Where licence and gate were read."""
    read: str
    """On which day."""
    thinking: str = ""
    """What its chat template does before an answer: nothing, or thinking that is `SWITCHED_OFF`, or `ALWAYS`.

    As the templates in `tests/unit/finetuning/chat_templates` do, or its model card says.
    """


_QWEN, _LLAMA = 151_936, 128_256  # vocabularies
_32K, _40K, _64K, _128K, _256K = 32_768, 40_960, 65_536, 131_072, 262_144
_APACHE, _HUB = "apache-2.0", "https://huggingface.co"
_READ = "2026-11-30"
_INSTRUCT = ("", "-Instruct")


def _rows(
    name: str,
    variants: Sequence[str],
    sizes: Mapping[str, ModelShape],
    source: str,
    *,
    licence: str = _APACHE,
    gated: bool = False,
    thinking: str = "",
) -> Iterator[tuple[str, BaseModel]]:
    """A row for each size and variant of a family; `name` has {0} for the one and {1} for the other."""
    for size, shape in sizes.items():
        for variant in variants:
            yield name.format(size, variant), BaseModel(shape, licence, gated, source, _READ, thinking)


_QWEN3 = {
    "0.6B": ModelShape.of(28, 1024, 3072, 16, 8, _QWEN, _40K, head_size=128, tied=True),
    "1.7B": ModelShape.of(28, 2048, 6144, 16, 8, _QWEN, _40K, head_size=128, tied=True),
    "4B": ModelShape.of(36, 2560, 9728, 32, 8, _QWEN, _40K, head_size=128, tied=True),
    "8B": ModelShape.of(36, 4096, 12_288, 32, 8, _QWEN, _40K, head_size=128),
    "14B": ModelShape.of(40, 5120, 17_408, 40, 8, _QWEN, _40K, head_size=128),
    "32B": ModelShape.of(64, 5120, 25_600, 64, 8, _QWEN, _40K, head_size=128),
}
MODELS: Mapping[str, BaseModel] = dict(
    [
        *_rows(
            "HuggingFaceTB/SmolLM2-{}{}",
            _INSTRUCT,
            {
                "135M": ModelShape.of(30, 576, 1536, 9, 3, 49_152, 8192, tied=True),
                "360M": ModelShape.of(32, 960, 2560, 15, 5, 49_152, 8192, tied=True),
                "1.7B": ModelShape.of(24, 2048, 8192, 32, 32, 49_152, 8192, tied=True),
            },
            f"{_HUB}/HuggingFaceTB/SmolLM2-1.7B-Instruct/discussions/15/files",
        ),
        *_rows(
            "HuggingFaceTB/SmolLM3-{}{}",
            ("",),
            {"3B": ModelShape.of(36, 2048, 11_008, 16, 4, _LLAMA, _64K, tied=True)},
            f"{_HUB}/HuggingFaceTB/SmolLM3-3B/blob/main/notebook.ipynb; the shape: 21-grams/notso-smollm3-bot, README",
            thinking=SWITCHED_OFF,
        ),
        *_rows(
            "Qwen/Qwen2.5-{}{}",
            _INSTRUCT,
            {
                "0.5B": ModelShape.of(24, 896, 4864, 14, 2, _QWEN, _32K, tied=True),
                "1.5B": ModelShape.of(28, 1536, 8960, 12, 2, _QWEN, _32K, tied=True),
                "7B": ModelShape.of(28, 3584, 18_944, 28, 4, 152_064, _32K),
                "14B": ModelShape.of(48, 5120, 13_824, 40, 8, 152_064, _32K),
                "32B": ModelShape.of(64, 5120, 27_648, 40, 8, 152_064, _32K),
            },
            f"{_HUB}/Qwen/Qwen2.5-1.5B/commit/2215461b9880efdf84d68aff4f3e498dd704df6b",
        ),
        *_rows(
            "Qwen/Qwen2.5-{}{}",
            _INSTRUCT,
            {"3B": ModelShape.of(36, 2048, 11_008, 16, 2, _QWEN, _32K, tied=True)},
            f"{_HUB}/Qwen/Qwen2.5-3B/commits/3aab1f1954e9cc14eb9509a215f9e5ca08227a9b/LICENSE",
            licence="qwen-research",  # not for commercial use
        ),
        *_rows(
            "Qwen/Qwen3-{}{}",
            ("",),
            _QWEN3,
            f"{_HUB}/lmstudio-community/Qwen3-8B-MLX-8bit/commits/main",
            thinking=SWITCHED_OFF,
        ),
        *_rows(
            "Qwen/Qwen3-{}{}",
            ("-Base",),
            {size: replace(shape, context_tokens=_32K) for size, shape in _QWEN3.items() if size != "32B"},
            f"{_HUB}/surogate/Qwen3-8B-Base/blob/main/tokenizer.json (its context is a guess: the family's least)",
        ),
        *_rows(
            "Qwen/Qwen3-{}{}-2507",
            ("-Instruct",),
            {"4B": replace(_QWEN3["4B"], context_tokens=_256K)},
            "its model card and config.json, as nam2350/consultai and akougkas/warpio-cli have them",
        ),
        *_rows(
            "Qwen/Qwen3-{}{}-2507",
            ("-Thinking",),
            {"4B": replace(_QWEN3["4B"], context_tokens=_256K)},
            "its model card, as EduardoNicacio/LLMBenchmark has it; the shape is that of -Instruct-2507",
            thinking=ALWAYS,
        ),
        *_rows(
            "TinyLlama/TinyLlama-{}{}",
            ("-Chat-v1.0",),
            {"1.1B": ModelShape.of(22, 2048, 5632, 32, 4, 32_000, 2048)},
            f"{_HUB}/TinyLlama/TinyLlama-1.1B-Chat-v1.0/blob/84112d75297cc1a704399e557b9bcc0b2d201e06/tokenizer.json",
        ),
        *(
            row
            for name in ("meta-llama/Llama-3.1-{}{}", "meta-llama/Meta-Llama-3.1-{}{}")  # both lead to the same files
            for row in _rows(
                name,
                _INSTRUCT,
                {
                    "8B": ModelShape.of(32, 4096, 14_336, 32, 8, _LLAMA, _128K),
                    "70B": ModelShape.of(80, 8192, 28_672, 64, 8, _LLAMA, _128K),
                },
                f"{_HUB}/datasets/model-metadata/code_execution_files/commit/bcd787aafd3aba719bead5402303bdeedcb60b98",
                licence="llama3.1",
                gated=True,
            )
        ),
        *_rows(
            "meta-llama/Llama-3.2-{}{}",
            _INSTRUCT,
            {
                "1B": ModelShape.of(16, 2048, 8192, 32, 8, _LLAMA, _128K, tied=True),
                "3B": ModelShape.of(28, 3072, 8192, 24, 8, _LLAMA, _128K, tied=True),
            },
            f"{_HUB}/paultimothymooney/Llama-3.2-3B-Instruct-Q8_0-GGUF/commit/d46a1d605bbc517d44bb6ba48b6340d5dcaa40f9",
            licence="llama3.2",
            gated=True,
        ),
        *_rows(
            "meta-llama/Llama-3.3-{}{}",
            ("-Instruct",),
            {"70B": ModelShape.of(80, 8192, 28_672, 64, 8, _LLAMA, _128K)},
            f"{_HUB}/meta-llama/Llama-3.3-70B-Instruct/blob/refs%2Fpr%2F43/README.md",
            licence="llama3.3",
            gated=True,
        ),
        *_rows(
            "mistralai/Mistral-{}{}-v0.3",
            _INSTRUCT,
            {"7B": ModelShape.of(32, 4096, 14_336, 32, 8, _32K, _32K)},
            "hiyouga/LlamaFactory#4543, MrYxJ/calculate-flops.pytorch#31 (in June 2024; whether still is a guess)",
            gated=True,
        ),
    ]
)
"""By id."""

GATED = {
    "meta-llama/": "the rows above",
    "google/gemma-": f"{_HUB}/google/gemma-3n-E2B/tree/main, read {_READ}",
}
"""How ids begin of models without a row that are gated as well, and where that was read."""


def is_gated(base_model: str) -> bool | None:
    """Whether the hub gives a model only for a token, as far as is known: None where it isn't.

    A folder of the artifact bucket needs no token.
    """
    if base_model.endswith("/"):
        return False
    if row := MODELS.get(base_model):
        return row.gated
    return True if base_model.startswith(tuple(GATED)) else None
