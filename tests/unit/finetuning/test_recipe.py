"""Recipes: completed with every default, and refused with every mistake at once."""

import re
from pathlib import Path

import pytest
from tandem_contract.errors import Mistakes, TandemError

from tandem import yaml_file
from tandem.finetuning import foreign_recipes, recipe
from tandem.finetuning.backend_table import BACKENDS
from tandem.finetuning.recipe import KEYS, check, digest

ROOT = Path(__file__).resolve().parents[3]
SMALL = {"base_model": "Qwen/Qwen3-8B", "gate": {"token_f1": {"gain": 0.05}}}


def mistakes(raw) -> dict[str, str]:
    """Key to what is said about it."""
    with pytest.raises(Mistakes) as refused:
        check(raw)
    return {mistake.where: f"{mistake.problem}. {mistake.remedy}" for mistake in refused.value.mistakes}


def test_defaults_are_filled_in():
    assert check(SMALL) == {
        "base_model": "Qwen/Qwen3-8B",
        "backend": "sagemaker",
        "method": "lora",
        "max_sequence_tokens": 1024,
        "epochs": 3,
        "max_steps": None,
        "batch_size": 4,
        "gradient_accumulation": 4,
        "warmup_ratio": 0.03,
        "weight_decay": 0.0,
        "seed": 42,
        "checkpoint_steps": 50,
        "learning_rate": 2e-4,
        "lora": {"rank": 16, "alpha": 32, "dropout": 0.05, "modules": "all-linear"},
        "evaluation": {"max_rows": 200, "max_new_tokens": 256, "format": None},
        "gate": {"token_f1": {"gain": 0.05}},
    }


def test_a_checked_recipe_passes_again_unchanged():
    for raw in (SMALL, SMALL | {"method": "full"}, SMALL | {"max_steps": 7, "lora": {"modules": ["q_proj"]}}):
        assert check(check(raw)) == check(raw)


def test_full_fine_tuning_learns_slower_and_has_no_lora():
    recipe = check(SMALL | {"method": "full"})
    assert (recipe["learning_rate"], recipe["lora"]) == (2e-5, None)
    assert "no effect" in mistakes(SMALL | {"method": "full", "lora": {"rank": 8}})["lora"]


@pytest.mark.faults
def test_all_mistakes_at_once(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        """
        base_model: s3://bucket/model
        backend: sagemeker
        method: lorra
        max_sequence_tokens: 8
        epochs: 2.5
        learning_rate: -1
        batch_size: true
        seed: .inf
        lora: {rnk: 8, dropout: 1, modules: []}
        evaluation: {max_rows: 0, format: {regex: "(", json_schema: {}}}
        gate: {format_adherance: {at_least: 0.5}, format_adherence: {at_least: 0}, token_f1: {}, exact_match: 0.5}
        learning_rat: 1
        """
    )
    with pytest.raises(Mistakes) as refused:
        check(yaml_file.read(path, "a recipe"))
    text = str(refused.value)
    found = {mistake.where for mistake in refused.value.mistakes}
    assert found == {
        "base_model",
        "backend",
        "method",
        "max_sequence_tokens",
        "epochs",
        "learning_rate",
        "batch_size",
        "seed",
        "lora.rnk",
        "lora.dropout",
        "lora.modules",
        "evaluation.max_rows",
        "evaluation.format",
        "gate.format_adherance",
        "gate.format_adherence.at_least",
        "gate.token_f1",
        "gate.exact_match",
        "learning_rat",
    }
    assert all(key in text for key in found)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("raw", "key", "near"),
    [
        ({"learning_rat": 1}, "learning_rat", "`learning_rate`"),
        ({"lora": {"modulse": "all-linear"}}, "lora.modulse", "`modules`"),
        ({"evaluation": {"max_row": 5}}, "evaluation.max_row", "`max_rows`"),
        ({"gate": {"token_f2": {"gain": 0.1}}}, "gate.token_f2", "`token_f1`"),
        ({"gate": {"token_f1": {"at_lest": 0.1}}}, "gate.token_f1.at_lest", "`at_least`"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(raw, key, near):
    assert f"Did you mean {near}" in mistakes(SMALL | raw)[key]


@pytest.mark.parametrize("raw", [None, [], "text", 3])
def test_what_is_no_mapping(raw):
    assert "is not a mapping" in mistakes(raw)["recipe"]


@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "gpt2", "gpt-4.1-mini-2025-04-14", "models/small/"])
def test_base_models(model):
    assert check(SMALL | {"base_model": model})["base_model"] == model


@pytest.mark.parametrize(
    "model", ["", "a/b/c", "s3://bucket/models/small/", "models/", "other/small/", "../model", 5, ["Qwen/Qwen3-8B"]]
)
def test_what_is_no_base_model(model):
    assert "Hugging Face id" in mistakes(SMALL | {"base_model": model})["base_model"]


def test_a_missing_base_model_and_gate():
    assert {key: text.split(".")[0] for key, text in mistakes({}).items()} == {
        "base_model": "is missing",
        "gate": "is missing",
    }


def test_a_managed_service_takes_its_own_names_and_precision():
    found = mistakes(SMALL | {"backend": "openai", "base_model": "models/m/", "method": "qlora"})
    assert found.keys() == {"base_model", "method"}


@pytest.mark.parametrize("gate", [None, {}, [], {"token_f1": {}}, {"token_f1": None}, {"token_f1": {"gain": None}}])
def test_a_gate_that_cannot_fail(gate):
    assert mistakes(SMALL | {"gate": gate})


@pytest.mark.parametrize("threshold", [0, 0.0, -0.1, 1.1, "0.5", True, float("nan")])
@pytest.mark.parametrize("name", ["at_least", "gain"])
def test_thresholds_lie_above_zero_and_up_to_one(name, threshold):
    assert mistakes(SMALL | {"gate": {"token_f1": {name: threshold}}}).keys() == {f"gate.token_f1.{name}"}


@pytest.mark.parametrize("evaluation", [{}, {"evaluation": {"format": None}}, {"evaluation": None}])
def test_a_gate_on_the_format_needs_one(evaluation):
    found = mistakes(SMALL | {"gate": {"format_adherence": {"at_least": 0.5}}} | evaluation)
    assert "evaluation.format" in found["gate.format_adherence"]


@pytest.mark.parametrize(
    ("form", "key"),
    [
        ({"regex": "("}, "evaluation.format.regex"),
        ({"regex": 5}, "evaluation.format.regex"),
        ({"regex": ".*"}, "evaluation.format.regex"),
        ({"json_schema": {}}, "evaluation.format.json_schema"),
        ({"json_schema": "text"}, "evaluation.format.json_schema"),
        ({"json_schema": {"type": Path()}}, "evaluation.format.json_schema"),
        ({"regexp": "a"}, "evaluation.format"),
        ({}, "evaluation.format"),
        ("a+", "evaluation.format"),
    ],
)
def test_forms_that_cannot_be_used(form, key):
    assert mistakes(SMALL | {"evaluation": {"format": form}}).keys() == {key}


@pytest.mark.parametrize("form", [{"regex": "Answer: .+"}, {"json_schema": {"type": "object"}}])
def test_forms(form):
    assert check(SMALL | {"evaluation": {"format": form}})["evaluation"]["format"] == form


def test_a_learning_rate_as_people_write_it(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("base_model: gpt2\nlearning_rate: 2e-4\ngate: {token_f1: {gain: 0.1}}\n")
    assert check(yaml_file.read(path, "a recipe"))["learning_rate"] == 0.0002


def test_every_number_may_be_written_so_and_is_the_same_recipe_however_it_is(tmp_path):
    def read(text):
        path = tmp_path / "recipe.yaml"
        path.write_text(f"base_model: gpt2\n{text}")
        return check(yaml_file.read(path, "a recipe"))

    numbers = "epochs: {}\nweight_decay: {}\nlora: {{dropout: {}}}\ngate: {{token_f1: {{at_least: {}, gain: {}}}}}\n"
    scientific = read(numbers.format("1e1", "1e-2", "5e-2", "1e0", "1e-2"))
    assert digest(scientific) == digest(read(numbers.format("10", "0.01", "0.05", "1", "0.01")))
    assert digest(read(numbers.format(1, 0, 0, 1, 1))) == digest(read(numbers.format(1.0, 0.0, 0.0, 1.0, 1.0)))


@pytest.mark.parametrize(
    ("content", "said"), [(b"a: [", "is neither YAML nor JSON"), (b"\xff", "can't be read"), (None, "can't be read")]
)
def test_files_that_are_no_recipe(tmp_path, content, said):
    path = tmp_path / "recipe.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TandemError, match=said):
        check(yaml_file.read(path, "a recipe"))


def test_the_digest_depends_on_what_is_asked_alone():
    turned = dict(reversed(check(SMALL).items()))
    assert digest(turned) == digest(check(SMALL)) != digest(check(SMALL | {"seed": 1}))


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_the_recipes_of_the_documentation_are_right(path, tmp_path):
    """`BUCKET` stands for the artifact bucket."""
    filled = tmp_path / path.name
    filled.write_text(path.read_text().replace("BUCKET", "bucket"))
    assert check(yaml_file.read(filled, "a recipe"))["gate"]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("raw", "key", "said"),
    [
        ({"lora_alpha": 16}, "lora_alpha", "It is `lora.alpha` here"),
        ({"cutoff_len": 2048}, "cutoff_len", "It is `max_sequence_tokens` here"),
        ({"num_train_epochs": 3}, "num_train_epochs", "It is `epochs` here"),
        ({"model_name_or_path": "Qwen/Qwen3-8B"}, "model_name_or_path", "It is `base_model` here"),
        ({"lora": {"r": 8}}, "lora.r", "It is `lora.rank` here"),
        ({"warmup_steps": 10}, "warmup_steps", "`warmup_ratio`"),
        ({"dataset": "alpaca_en_demo"}, "dataset", "tandem dataset import"),
    ],
)
def test_a_key_of_another_trainer_is_told_with_its_name_here(raw, key, said):
    assert said in mistakes(SMALL | raw)[key]


def test_no_foreign_key_is_one_of_ours_and_the_page_has_them_all():
    assert not {*foreign_recipes.REMEDIES} & {*KEYS}
    assert foreign_recipes.table() in (ROOT / "docs" / "recipes" / "foreign.md").read_text()
    for here in foreign_recipes.CALLED:
        outer, _, inner = here.partition(".")
        assert outer in KEYS and inner in {"": "", **(check(SMALL)[outer] if inner else {})}


def test_the_page_of_keys_has_each_with_its_default_and_its_range():
    page = (ROOT / "docs" / "recipes" / "keys.md").read_text()
    nested = {"lora": [*recipe.LORA, "modules"], "evaluation": [*recipe.EVALUATION, "format"]}
    nested["gate"] = [f"METRIC.{key}" for key in recipe.THRESHOLDS]
    keys = [f"{key}.{inner}" if inner else key for key in KEYS for inner in nested.get(key, [""])]
    assert re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE) == keys
    groups = {"": recipe.NUMBERS, "lora.": recipe.LORA, "evaluation.": recipe.EVALUATION}
    groups["gate.METRIC."] = recipe.THRESHOLDS
    for prefix, fields in groups.items():
        for key, field in fields.items():
            default = "none" if field.default is None else field.default
            assert f"| `{prefix}{key}` | {default} | {field.low}, {field.high} |" in page
    rate, full = (recipe.LEARNING_RATES[method] for method in ("lora", "full"))
    row = f"| `learning_rate` | {rate.default}; {full.default} with `full` | {rate.low}, {rate.high} |"
    assert row in page and rate == recipe.LEARNING_RATES["qlora"]
    assert all(f"`{each}`" in page for each in (*recipe.METHODS, *recipe.METRICS, *BACKENDS))


@pytest.mark.faults
def test_all_linear_is_no_module_among_others():
    assert "all-linear learns most" in mistakes(SMALL | {"lora": {"modules": ["all-linear"]}})["lora.modules"]


@pytest.mark.faults
@pytest.mark.parametrize("value", ["'0.0001'", "'1e-4'"])
def test_a_number_in_quotes_is_a_text_however_it_is_written(tmp_path, value):
    path = tmp_path / "recipe.yaml"
    path.write_text(f"base_model: gpt2\nlearning_rate: {value}\ngate: {{token_f1: {{gain: 0.1}}}}\n")
    with pytest.raises(Mistakes, match=r"learning_rate: '.*' is not allowed"):
        check(yaml_file.read(path, "a recipe"))
