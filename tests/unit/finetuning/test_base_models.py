"""Base models by their ids: variants, licence, gate, and the page that names them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tandem.finetuning.backends.base_models import MODELS, is_gated
from tandem.finetuning.backends.sizing import shape_of

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("name", "like", "context"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B", 131_072),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B", 131_072),
        ("meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.1-70B", 131_072),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistralai/Mistral-7B-v0.3", 32_768),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B", 32_768),
        ("Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-4B", 262_144),
        ("Qwen/Qwen3-4B-Thinking-2507", "Qwen/Qwen3-4B", 262_144),
        ("Qwen/Qwen3-8B-Base", "Qwen/Qwen3-8B", 32_768),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M", 8192),
    ],
)
def test_variants_are_found_by_their_own_ids(name, like, context):
    assert shape_of(name) == replace(MODELS[like].shape, context_tokens=context)


@pytest.mark.parametrize(
    ("name", "licence", "gated"),
    [
        ("Qwen/Qwen3-8B", "apache-2.0", False),
        ("Qwen/Qwen2.5-3B-Instruct", "qwen-research", False),
        ("meta-llama/Llama-3.2-3B-Instruct", "llama3.2", True),
        ("mistralai/Mistral-7B-Instruct-v0.3", "apache-2.0", True),
    ],
)
def test_licence_and_gate(name, licence, gated):
    row = MODELS[name]
    assert (row.licence, row.gated, is_gated(name)) == (licence, gated, gated)


def test_the_page_names_every_family_size_and_licence():
    (section,) = re.findall(r"## Base models\n(.*?)\n## ", (DOCS / "fine-tuning.md").read_text(), re.DOTALL)
    for name, row in MODELS.items():
        size = re.search(r"-(\d[\d.]*[BM])\b", name)
        assert row.licence in section and size and size[1] in section, name


def test_every_row_has_a_source_and_a_day():
    assert all(row.source and re.fullmatch(r"\d{4}-\d\d-\d\d", row.read) for row in MODELS.values())


def test_whether_an_unknown_model_is_gated():
    assert (is_gated("google/gemma-2-9b-it"), is_gated("meta-llama/Llama-4-Scout-17B-16E")) == (True, True)
    assert (is_gated("acme/unheard-of-8B"), is_gated("models/mine/")) == (None, False)
