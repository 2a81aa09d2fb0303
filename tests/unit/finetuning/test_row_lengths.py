"""Rows that a run would leave out or refuse are known before anything is billed, in every split."""

import json
import struct

import pytest
from tandem_contract.envelope import DEFAULT
from tandem_contract.errors import Mistakes

from tandem.finetuning import recipe as recipes
from tandem.finetuning.backends.base import Workspace, open_backend
from tandem.finetuning.backends.preflight import preflight
from tandem.finetuning.backends.sagemaker.quotas import quotas
from tandem.finetuning.dataset import folder, manifest
from tandem.finetuning.dataset.store import Store
from tests.unit.cli.test_finetune import CONFIG, Aws

from .made_tokenizer import CHATML, files, row, said, template

SHORT, LONG = "word", "word " * 120
OWN, HUB = "models/tiny/", "Qwen/Qwen3-0.6B"
CALL = {"id": "c1", "type": "function", "function": {"name": "depth", "arguments": "{}"}}


def of(number: int, text: str = SHORT, answer: str = "Yes."):
    return row(said("user", f"{number}: {text}?"), said("assistant", answer))


class Stack:
    """Buckets with a base model of one's own, which takes 256 tokens, and data sets."""

    def __init__(self, tmp_path) -> None:
        self.aws, self.tmp_path = Aws(), tmp_path
        header = json.dumps({"__metadata__": {}, "layers.0.q_proj.weight": {}}).encode()
        self.put("config.json", json.dumps(CONFIG | {"max_position_embeddings": 256}).encode())
        self.put("model.safetensors", struct.pack("<Q", len(header)) + header)
        for name, body in files(CHATML).items():
            self.put(name, body)

    def put(self, name: str, body: bytes) -> None:
        self.aws.put_object(Bucket="artifacts", Key=f"{OWN}{name}", Body=body, ContentType="")

    def stored(self, splits):
        """The data set of rows by split in the bucket, and its manifest."""
        facts = {"name": "walls", "licence": "CC0-1.0", "source": "invented"}
        made = self.tmp_path / str(len(list(self.tmp_path.iterdir())))
        folder.write(made, splits, **facts)
        stored, _ = Store(self.aws, "data").upload(made)
        return stored, json.loads((made / manifest.FILE).read_text())

    def check(self, splits, base=OWN, old=False, **changes):
        """The plan for rows by split; `old`: with a manifest of before there were counts in it."""
        stored, held = self.stored(splits)
        if old:
            for split in held["splits"].values():
                del split["tokens"]["counts"], split["tokens"]["prompts"]
        recipe = {"base_model": base, "gate": {"token_f1": {"gain": 0.1}}, "max_sequence_tokens": 200}
        recipe |= {"evaluation": {"max_new_tokens": 64}} | changes
        return preflight(
            lambda _: self.aws, recipes.check(recipe), stored, held, DEFAULT, "artifacts", "data", quotas(DEFAULT)
        )

    def managed(self, splits, backend: str, **changes):
        """The plan of a managed service's."""
        stored, _ = self.stored(splits)
        outputs = {"artifactBucket": "artifacts", "datasetBucket": "data", "modelPackageGroup": "models"}
        recipe = {"base_model": HUB, "backend": backend, "gate": {"token_f1": {"gain": 0.1}}} | changes
        held = Store(self.aws, "data").manifest(stored)
        return open_backend(backend, Workspace(lambda _: self.aws, outputs)).check(recipes.check(recipe), stored, held)


@pytest.fixture
def stack(tmp_path):
    return Stack(tmp_path)


def splits(train=(), validation=(), test=(), text=SHORT):
    """Forty rows to train on and eight in the other splits, and those given."""
    counts = {"train": (100, 40, train), "validation": (200, 8, validation), "test": (300, 8, test)}
    return {
        name: [*(of(first + at, text) for at in range(count)), *more] for name, (first, count, more) in counts.items()
    }


def refused(stack, *arguments, **changes) -> str:
    with pytest.raises(Mistakes) as raised:
        stack.check(*arguments, **changes)
    return str(raised.value)


def test_rows_that_fit_are_not_spoken_of(stack):
    assert not [note for note in stack.check(splits()).notes if "rows have more" in note]


@pytest.mark.parametrize("base", [OWN, HUB])
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_one_long_row_is_counted_in_each_split(stack, base, split):
    """One of nine validation rows ended a run, and one test row lost a model that was paid for."""
    long = of(1, LONG * 3 if base == HUB else LONG)
    changes = {"max_sequence_tokens": 200}
    if base == HUB and split == "test":  # whose context is 40,960
        changes["evaluation"] = {"max_new_tokens": 32_768}
        long = of(1, LONG * 100)
    plan = stack.check(splits(**{split: [long]}), base, **changes)
    (note,) = [note for note in plan.notes if "rows have more" in note]
    assert note.startswith(f"{split}: ") and "1 of " in note and note.endswith("left out.")
    assert ("counted by its own tokenizer" if base == OWN else "as an estimate") in note


@pytest.mark.faults
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_more_than_a_tenth_is_refused_as_the_job_would(stack, split):
    text = refused(stack, splits(**{split: [of(at, LONG) for at in range(6)]}))
    assert f"{split} split: " in text and "6 of " in text and "(counted by its own tokenizer" in text
    assert ("Lower evaluation.max_new_tokens" if split == "test" else "Raise max_sequence_tokens") in text


@pytest.mark.faults
def test_every_split_is_told_at_once(stack):
    text = refused(stack, splits(text=LONG), lora={"modules": ["w1"]})
    for part in (
        "train split: 40 of 40",
        "validation split: 8 of 8",
        "test split: the prompts of 8 of 8",
        "lora.modules",
    ):
        assert part in text


@pytest.mark.faults
@pytest.mark.parametrize("old", [False, True])
def test_chinese_rows_are_not_taken_for_short_ones(stack, old):
    chinese = "货架的深度是四十厘米,高度是两米,可以存放螺丝、螺母和垫圈。" * 40
    text = refused(stack, splits(text=chinese), HUB, old, max_sequence_tokens=512)
    assert "train split: 40 of 40 rows have more than 512 tokens (as an estimate)" in text
    assert stack.check(splits(text=chinese), HUB, old, max_sequence_tokens=1536).price


@pytest.mark.faults
def test_a_model_with_a_small_vocabulary_has_more_tokens_of_them(stack):
    chinese = "货架的深度是四十厘米,高度是两米,可以存放螺丝、螺母和垫圈。" * 40
    text = refused(stack, splits(text=chinese), "HuggingFaceTB/SmolLM2-135M", max_sequence_tokens=1536)
    assert "train split: 40 of 40 rows have more than 1536 tokens" in text


@pytest.mark.faults
def test_a_row_that_the_template_refuses_is_named(stack):
    call = row(said("user", "Deep?"), said("assistant", "One moment.", tool_calls=[CALL]))
    text = refused(stack, splits(train=[call]))
    assert "rows: train.jsonl:41: the template leaves out the tool calls of messages[1]" in text


@pytest.mark.faults
def test_near_the_limit_a_row_is_counted_exactly(stack):
    (around,) = template().lengths([of(100, "")])
    full = [of(at, "x" * (200 - around.whole)) for at in range(100, 106)]
    assert not [note for note in stack.check(splits(train=full)).notes if "rows have more" in note]
    over = [of(at, "x" * (201 - around.whole)) for at in range(100, 106)]
    assert "train split: 6 of 46 rows have more than 200 tokens" in refused(stack, splits(train=over))


@pytest.mark.faults
def test_modules_of_models_on_the_hub_are_checked_too(stack):
    text = refused(stack, splits(), HUB, lora={"modules": ["q_porj", "self_attn.v_proj"]})
    assert "lora.modules: q_porj match nothing in the model. It has down_proj, embed_tokens, gate_proj" in text
    assert stack.check(splits(), HUB, lora={"modules": ["q_proj", "self_attn.v_proj"]}).price


@pytest.mark.faults
def test_an_adapter_on_weights_that_are_embeddings_and_head_at_once_is_refused(stack):
    given = {"lora": {"modules": ["q_proj", "lm_head", "model.embed_tokens"]}}
    text = refused(stack, splits(), HUB, **given)
    assert "lora.modules: lm_head, model.embed_tokens: embeddings and head of Qwen/Qwen3-0.6B are the same" in text
    assert stack.check(splits(), "Qwen/Qwen3-8B", **given).price


def test_without_the_package_the_estimate_stands_in(stack, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    text = refused(stack, splits(text=LONG))
    assert "(as an estimate)" in text


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"gradient_accumulation": 1024}, "lower gradient_accumulation, or train for more epochs."),
        ({"gradient_accumulation": 1, "batch_size": 1024}, "lower batch_size, or train for more epochs."),
        ({"gradient_accumulation": 1, "max_steps": 3}, "raise max_steps, or leave it out."),
    ],
)
def test_few_steps_come_with_what_makes_more_of_this_recipe(stack, changes, advice):
    assert f"The run has 3 steps in all: {advice}" in stack.check(splits(), HUB, **changes).notes


def test_what_is_likely_not_meant_is_noted(stack):
    notes = stack.check(splits(), HUB, gradient_accumulation=1024, learning_rate=0.1).notes
    assert any(note.startswith("The run has 3 steps in all") for note in notes)
    assert any(note.startswith("learning_rate 0.1 is high") for note in notes)
    usual = stack.check(splits(), HUB, gradient_accumulation=1).notes
    assert not [note for note in usual if "steps in all" in note or "learning_rate" in note]


@pytest.mark.faults
def test_a_managed_service_is_given_no_rows_that_it_would_learn_otherwise(stack):
    calling = row(said("user", "Deep?"), said("assistant", "One moment.", tool_calls=[CALL]), tools=[{"name": "depth"}])
    weighed = row(*(said("user", "1?"), said("assistant", "No.", weight=0), said("user", "2?"), said("assistant", "2")))
    assert stack.managed(splits(train=[calling, weighed]), "openai").notes
    assert stack.managed(splits(train=[weighed]), "together").notes
    with pytest.raises(Mistakes, match=r"train.jsonl:41: tools: 1 rows have tools, which Together AI is not known"):
        stack.managed(splits(train=[calling]), "together")


@pytest.mark.faults
def test_a_service_that_cuts_rows_is_given_none_that_are_too_long(stack):
    with pytest.raises(Mistakes, match=r"train split: 40 of 40 rows have more than 100 tokens \(as an estimate\)"):
        stack.managed(splits(text=LONG), "together", max_sequence_tokens=100)
    (_, note) = stack.managed(splits(train=[of(1, LONG)]), "together", max_sequence_tokens=100).notes
    assert note == "train: 1 of 41 rows have more than 100 tokens (as an estimate): the service may cut them off."


@pytest.mark.faults
@pytest.mark.parametrize("backend", ["sagemaker", "openai"])
def test_a_gate_that_would_have_nothing_to_ask_is_refused(stack, backend):
    calls = [
        row(said("user", f"{at}?"), said("assistant", "One moment.", tool_calls=[CALL]), tools=[{"name": "depth"}])
        for at in range(400, 410)
    ]
    check = stack.check if backend == "sagemaker" else stack.managed
    more = {"base": HUB} if backend == "sagemaker" else {"backend": backend}
    with pytest.raises(Mistakes, match="test split: 10 of 10 rows end with a call of a tool or an answer of weight 0"):
        check(splits() | {"test": calls}, **more)
    notes = check(splits(test=calls[:2]), **more).notes
    assert "test: 2 of 10 rows end with a call of a tool or an answer of weight 0: not asked." in notes


def test_a_model_that_nobody_knows_is_let_through_and_said_to_be_unknown(stack):
    plan = stack.check(splits(), "acme/unheard-of-8B")
    (note,) = (note for note in plan.notes if note.startswith("Base model:"))
    assert "acme/unheard-of-8B is not among the models that are known" in note and "is not checked" in note
    assert plan.price.ceiling_usd > 0 and plan.price.expected_usd is None
    assert not [note for note in plan.notes if note.startswith("Memory:")]


def test_a_model_of_ones_own_that_cannot_be_sized_is_let_through_and_said_to_be_unknown(stack):
    stack.put("config.json", json.dumps(CONFIG | {"num_local_experts": 8}).encode())
    plan = stack.check(splits())
    assert any("config.json has num_local_experts: mixtures of experts can't be sized" in note for note in plan.notes)
    assert plan.price.expected_usd is None


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("Qwen/Qwen3-4B-Instruct-2507", "licence apache-2.0 (read"),
        ("meta-llama/Llama-3.2-1B-Instruct", "licence llama3.2, gated on the Hugging Face hub (read"),
    ],
)
def test_what_is_known_of_a_model_is_said(stack, base, said):
    notes = stack.check(splits(), base).notes
    assert any(note.startswith(f"Base model: {said}") for note in notes)
    assert any(note.startswith("Memory: about") for note in notes)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("base", "thoughtful", "problem"),
    [
        (
            "Qwen/Qwen3-0.6B",
            1,
            "1 of 5 answers of test have thoughts (<think>...</think>), and thinking is switched off",
        ),
        ("Qwen/Qwen3-4B-Thinking-2507", 4, "4 of 5 answers of test have thoughts (<think>...</think>), and Qwen/"),
    ],
)
def test_thoughts_that_the_job_would_refuse_are_refused_before_it(stack, base, thoughtful, problem):
    rows = [of(at, answer="<think>\nHm.\n</think>\n\nYes." if at < thoughtful else "Yes.") for at in range(5)]
    assert problem in refused(stack, splits() | {"test": rows}, base)


@pytest.mark.parametrize(
    ("base", "answer"), [("Qwen/Qwen3-4B-Thinking-2507", "<think>\nHm.\n</think>\n\nYes."), (HUB, "Yes.")]
)
def test_thoughts_where_a_model_thinks_and_none_where_it_does_not(stack, base, answer):
    assert stack.check(splits() | {"test": [of(at, answer=answer) for at in range(5)]}, base).price
