"""Whether a model that an answer names is another than the one that was asked for."""

import pytest

from tandem.models.chat import is_another


@pytest.mark.faults
@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("base", "tuned"),
        ("base", "the-only-model-here.gguf"),
        ("gpt-4-0613", "gpt-4-1106"),
        ("gpt-4", "gpt-4.1"),
        ("llama-3", "llama-3-8b"),
        ("qwen3-8b", "qwen3-80b"),
        ("m-1", "m-2"),
        ("models/tuned/final", "models/base/final"),
        ("org/a", "other/a"),
        ("tuned", "tuned-2"),
        ("step", "step-100"),
        ("step", "step-1000"),
    ],
)
def test_another(asked, named):
    assert is_another(asked, named)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("a-latest", "a-20240101"),
        ("a:latest", "a"),
        ("org/a", "A"),
        ("a", "/srv/models/org/a"),
        ("org/a", "org/a-v2:0"),
        ("gpt-4", "gpt-4-0613"),
        ("a", "a@20240806"),
        ("/models/a.gguf", "a.gguf"),
        ("a", ""),
        ("", "b"),
    ],
)
def test_the_same(asked, named):
    assert not is_another(asked, named)
