"""Sizing: against published measurements, and what it refuses."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from tandem_contract.errors import TandemError

from tandem.cost.prices import load, read
from tandem.finetuning.backends.sagemaker import sizing
from tandem.finetuning.backends.sagemaker.shapes import SHAPES, ModelShape
from tandem.finetuning.backends.sagemaker.sizing import INSTANCES, choose, estimate, expected_seconds, shape_of, stored
from tests.unit.finetuning.sizing_cases import CASES, table

DOCS = Path(__file__).parents[3] / "docs"
EIGHT = SHAPES["Qwen/Qwen3-8B"]
CONFIG = {
    "model_type": "qwen3",
    "hidden_size": 4096,
    "num_hidden_layers": 36,
    "intermediate_size": 12_288,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151_936,
    "max_position_embeddings": 40_960,
    "tie_word_embeddings": False,
}


def test_constants_are_fitted_on_at_most_half():
    fitted = [case for case in CASES if case.fitted]
    assert (len(CASES), len(fitted)) == (63, 22)
    assert {case.model for case in CASES if not case.fitted} - {case.model for case in fitted}


def test_errors_on_the_rest_are_within_fifteen_percent():
    """Issue 4 asks for 15 %; the largest error is 9.3 %."""
    errors = {
        f"{case.model} {case.method} {case.batch} x {case.tokens}": case.error() for case in CASES if not case.fitted
    }
    assert {name: error for name, error in errors.items() if abs(error) > 0.10} == {}
    assert max(map(abs, errors.values())) > 0.09


def test_totals_on_large_gpus_are_within_fifteen_percent():
    """What nvidia-smi shows depends on the allocator as well; docs/sizing.md says what the exception is."""
    errors = {
        f"{case.model} {case.method} {case.batch}": case.estimate().total / case.total - 1
        for case in CASES
        if case.source in ("fms", "LLaMA-Factory") and not case.fitted
    }
    assert {name for name, error in errors.items() if abs(error) > 0.15} == {"PowerLM-3B full 4"}


def test_constants_are_what_the_fit_gives(monkeypatch):
    large = [case for case in CASES if case.fitted and case.source == "fms"]

    def misfit(layer):
        monkeypatch.setattr(sizing, "LAYER", layer)
        return sum(case.error() ** 2 for case in large)

    assert min((misfit(step / 100), step / 100) for step in range(80, 121))[1] == sizing_constants["LAYER"]
    monkeypatch.setattr(sizing, "LAYER", sizing_constants["LAYER"])
    adapters = [case for case in large if case.method != "full"]

    def overhead(context, fragments):
        monkeypatch.setattr(sizing, "CONTEXT_GB", context)
        monkeypatch.setattr(sizing, "FRAGMENTS", fragments)
        return sum((case.estimate().overhead - (case.total - case.allocated)) ** 2 for case in adapters)

    steps = [(overhead(c / 100, f / 200), c / 100, f / 200) for c in range(80, 121) for f in range(10, 31)]
    assert min(steps)[1:] == (sizing_constants["CONTEXT_GB"], sizing_constants["FRAGMENTS"])


sizing_constants = {name: getattr(sizing, name) for name in ("LAYER", "CONTEXT_GB", "FRAGMENTS")}


def test_page_has_the_table_as_it_is():
    assert table() in (DOCS / "sizing.md").read_text()


def test_parts_of_an_estimate_add_up():
    found = estimate(EIGHT, "qlora", 2048, 4)
    assert found.weights == pytest.approx(0.5159 * 6.946 + 2 * 1.245, rel=0.01)
    # Rank 16 on seven modules: 36 x 16 x (2 x 8192 + 2 x 5120 + 3 x 16384), 2 bytes each.
    assert found.adapters == pytest.approx(36 * 16 * (2 * 8192 + 2 * 5120 + 3 * 16_384) * 2 / 1e9)
    assert (found.gradients, found.optimizer) == (found.adapters, 2 * found.adapters)
    parts = found.weights + found.adapters + found.gradients + found.optimizer + found.activations
    assert found.total == pytest.approx(parts + found.overhead)
    assert found.allocated == pytest.approx(parts)


def test_more_of_anything_needs_more():
    base = estimate(EIGHT, "qlora", 2048, 4).total
    assert estimate(EIGHT, "qlora", 4096, 4).total > base
    assert estimate(EIGHT, "qlora", 2048, 8).total > base
    assert estimate(EIGHT, "qlora", 2048, 4, rank=64).total > base
    assert estimate(EIGHT, "qlora", 2048, 4, modules=["q_proj", "v_proj"]).total < base
    assert base < estimate(EIGHT, "lora", 2048, 4).total < estimate(EIGHT, "full", 2048, 4).total
    assert estimate(SHAPES["Qwen/Qwen3-4B"], "qlora", 2048, 4).total < base


def test_modules_of_another_architecture_count_as_all():
    all_linear = estimate(EIGHT, "lora", 2048, 4)
    assert estimate(EIGHT, "lora", 2048, 4, modules=["qkv_proj", "o_proj"]) == all_linear
    some = estimate(EIGHT, "lora", 2048, 4, modules=["self_attn.q_proj", "v_proj"])
    assert some == estimate(EIGHT, "lora", 2048, 4, modules=["q_proj", "v_proj"]) != all_linear


def test_full_fine_tuning_takes_sixteen_bytes_a_parameter():
    found = estimate(EIGHT, "full", 128, 1)
    assert found.weights + found.gradients + found.optimizer == pytest.approx(16 * 8.19, rel=0.001)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # As the model cards and safetensors indexes give them.
        ("Qwen/Qwen3-8B", 8_190_735_360),
        ("Qwen/Qwen2.5-7B", 7_615_616_512),
        ("meta-llama/Llama-3.1-8B", 8_030_261_248),
        ("HuggingFaceTB/SmolLM2-135M", 134_515_008),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 1_100_048_384),
        ("mistralai/Mistral-7B-v0.3", 7_248_023_552),
    ],
)
def test_parameters_are_counted(name, parameters):
    assert SHAPES[name].parameters == pytest.approx(parameters, rel=1e-4)


def test_config_json_says_the_shape():
    assert ModelShape.from_config(CONFIG) == EIGHT
    assert ModelShape.from_config({"text_config": CONFIG, "model_type": "vision"}) == EIGHT
    assert shape_of("models/mine/", CONFIG) == EIGHT
    assert shape_of("meta-llama/Llama-3.1-8B-Instruct") == SHAPES["meta-llama/Llama-3.1-8B"]
    assert shape_of("mistralai/Mistral-7B-Instruct-v0.3") == SHAPES["mistralai/Mistral-7B-v0.3"]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: shape_of("acme/unheard-of-8B"),
            r"acme/unheard-of-8B is not known: upload .* or take one of .*Qwen3-8B",
        ),
        (lambda: shape_of("x", {"model_type": "gpt2"}), "lacks num_hidden_layers, .*max_position_embeddings.* set the"),
        (lambda: shape_of("x", {**CONFIG, "num_local_experts": 8}), "num_local_experts: mixtures of experts can't be"),
        (lambda: estimate(EIGHT, "lora", 40_961, 1), "max_sequence_tokens is 40961 and the model takes 40960: shorten"),
    ],
)
def test_what_cannot_be_sized_says_why(call, says):
    with pytest.raises(TandemError, match=says):
        call()


def test_choice_is_the_cheapest_that_fits():
    prices = load("us-east-1")
    # 8B QLoRA fits into 24 GB by the estimate, and gets 48 GB, by default.
    need = estimate(EIGHT, "qlora", 1024, 4)
    assert need.total < 20
    assert choose(need, prices)[:3:2] == ("ml.g6e.xlarge", Decimal("2.61"))
    # The host of g6.xlarge, 16 GiB, can't hold the base model for the merge.
    assert choose(need, prices, at_least_gb=0).instance == "ml.g6.2xlarge"
    assert choose(estimate(SHAPES["Qwen/Qwen3-0.6B"], "lora", 1024, 4), prices).instance == "ml.g6.xlarge"
    assert choose(estimate(EIGHT, "lora", 8192, 8), prices).instance == "ml.p5.4xlarge"


def test_choice_leaves_a_tenth():
    prices = load("us-east-1")
    near = min((estimate(EIGHT, "qlora", 512, rows) for rows in range(1, 100)), key=lambda need: abs(need.total - 22.8))
    assert 21.8 < near.total < 24
    assert choose(near, prices, at_least_gb=0).gpu.gb == 48


@pytest.mark.faults
def test_what_fits_nowhere_says_what_to_change():
    with pytest.raises(TandemError) as caught:
        choose(estimate(EIGHT, "full", 2048, 4), load("us-east-1"))
    assert "the largest single GPU has 80" in str(caught.value)
    assert "use method qlora" in str(caught.value)


@pytest.mark.faults
def test_region_without_prices_says_so(tmp_path):
    with pytest.raises(TandemError, match=r"no instance with 48 GB of GPU memory .* has a price in eu-west-1: add the"):
        choose(estimate(EIGHT, "qlora", 1024, 4), load("eu-west-1"))
    # An unpriced instance is passed over, not taken for free.
    rows = [
        json.loads(line.rstrip(",\n"))
        for line in (DOCS.parent / "tandem/cost/prices/us-east-1.json").read_text().splitlines()
        if "{" in line
    ]
    kept = [row for row in rows if row["key"] != "training:ml.g6e.xlarge"]
    (tmp_path / "us-east-1.json").write_text(json.dumps(kept))
    assert choose(estimate(EIGHT, "qlora", 1024, 4), read(tmp_path / "us-east-1.json")).instance == "ml.g6e.2xlarge"


def test_every_priced_gpu_instance_is_known():
    gpu = ("training:ml.g5.", "training:ml.g6.", "training:ml.g6e.", "training:ml.p4", "training:ml.p5")
    priced = {key for start in gpu for key in load("us-east-1").keys("AmazonSageMaker", start)}
    assert priced == {f"training:{name}" for name in INSTANCES}


def test_stored_sizes():
    adapter = 36 * 16 * (2 * 8192 + 2 * 5120 + 3 * 16_384) / 1e9
    assert stored(EIGHT, "qlora") == pytest.approx((2 * 8.1907 + 2 * adapter, 6 * adapter), rel=0.001)
    assert stored(EIGHT, "lora", rank=32) == pytest.approx((2 * 8.1907 + 8 * adapter, 24 * adapter), rel=0.001)
    assert stored(EIGHT, "full") == pytest.approx((2 * 8.1907, 12 * 8.1907), rel=0.001)


def test_time_follows_the_published_throughput():
    """Llama-3-8B with LoRA on an A100: 3,844 tokens a second were measured on packed rows, twice our rough figure."""
    shape, gpu = SHAPES["meta-llama/Llama-3.1-8B"], INSTANCES["ml.p4de.24xlarge"]
    assert 1 < 3844 / (1e6 / expected_seconds(1_000_000, shape, "lora", gpu)) < 2.5
    assert expected_seconds(2000, shape, "lora", gpu) == 2 * expected_seconds(1000, shape, "lora", gpu)
    assert expected_seconds(1000, shape, "full", gpu) > expected_seconds(1000, shape, "lora", gpu)
