"""Sizing: against published measurements, and what it refuses."""

import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tandem_contract.errors import TandemError

from tandem.cost.prices import load, read
from tandem.finetuning.backends import sizing
from tandem.finetuning.backends.base_models import MODELS
from tandem.finetuning.backends.instances import (
    INSTANCES,
    SAGEMAKER,
    SHARDED_SHARE,
    choose,
    expected_seconds,
    host_gb,
    lacks,
)
from tandem.finetuning.backends.shapes import ModelShape
from tandem.finetuning.backends.sizing import TrainingFootprint, estimate, evaluation_gb, shape_of, stored
from tandem.finetuning.share import share
from tests.unit.finetuning import sizing_sharded as sharded
from tests.unit.finetuning.sizing_cases import CASES, table

DOCS = Path(__file__).parents[3] / "docs"
EIGHT = MODELS["Qwen/Qwen3-8B"].shape
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
    """What nvidia-smi shows depends on the allocator as well; the page says what the exception is."""
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


def test_page_has_the_tables_as_they_are():
    page = (DOCS / "sizing-measurements.md").read_text()
    assert table() in page
    assert [made() in page for made in (sharded.measured, sharded.ended, sharded.lacking)] == [True] * 3


def test_every_sharded_case_has_an_error_or_what_it_lacks():
    assert [case.case for case in sharded.CASES] == [str(number) for number in range(1, 225)]
    assert {bool(case.program) for case in sharded.LACKING} == {False}
    assert len(sharded.MEASURED) + len(sharded.ENDED) + len(sharded.LACKING) == 224
    fitted = [case for case in sharded.MEASURED if case.fitted]
    assert (len(sharded.MEASURED), len(fitted)) == (78, 20)


def test_errors_on_the_sharded_rest_are_within_fifteen_percent():
    """The largest is the 70B model's, the one that is counted too low by more than 5 %; the page says it."""
    errors = {case.case: case.error() for case in sharded.MEASURED if not case.fitted}
    assert max(map(abs, errors.values())) < 0.14
    assert {number for number, error in errors.items() if abs(error) > 0.11} == {"11"}
    assert {number for number, error in errors.items() if error < -0.05} == {"11"}
    assert sum(map(abs, errors.values())) / len(errors) < 0.025


def test_totals_of_sharded_adapters_are_within_five_percent():
    """With the loss in tiles, as ours has it; the page says how far off the totals of the others are."""
    held = [case for case in sharded.MEASURED if case.program == "adapter, tiles" and not case.fitted]
    errors = [case.estimate().total / float(case.total) - 1 for case in held]
    assert len(errors) == 12 and max(map(abs, errors)) < 0.05


def test_what_gave_no_result_does_not_fit_but_for_one():
    assert len(sharded.ENDED) == 41
    assert [case.case for case in sharded.ENDED if case.fits()] == ["12"]


def test_what_the_sharded_programs_keep_is_what_fits_best(monkeypatch):
    def misfit(program: str, **changes) -> float:
        cases = [case for case in sharded.MEASURED if case.fitted and case.program == program]
        monkeypatch.setitem(sharded.PROGRAMS, program, replace(before[program], **changes))
        return sum(case.error() ** 2 for case in cases)

    before = dict(sharded.PROGRAMS)
    layers = {count: misfit("adapter, tiles", layers=count) for count in (1, 2, 3)}
    loss = {size: misfit("adapter, own loss", loss=size) for size in range(13)}
    assert (min(layers, key=layers.get), min(loss, key=loss.get)) == (2, 6)
    assert before["adapter, tiles"].layers == 2 and before["adapter, own loss"].loss == 6


def test_overhead_of_several_ranks_is_what_the_fit_gives(monkeypatch):
    cases = [case for case in sharded.MEASURED if case.fitted and case.program == "adapter, tiles"]
    now = sizing.COLLECTIVES_GB, sizing.SHARDED_FRAGMENTS

    def misfit(collectives, fragments):
        monkeypatch.setattr(sizing, "COLLECTIVES_GB", collectives)
        monkeypatch.setattr(sizing, "SHARDED_FRAGMENTS", fragments)
        return sum((case.estimate().overhead - (float(case.total) - float(case.allocated))) ** 2 for case in cases)

    steps = [(misfit(c / 10, f / 100), c / 10, f / 100) for c in range(10, 31) for f in range(10, 31)]
    assert min(steps)[1:] == now


@pytest.mark.parametrize("method", ["lora", "full"])
def test_states_are_divided_by_the_ranks(method):
    one, eight = (estimate(EIGHT, method, 1024, 1, world=world) for world in (1, 8))
    for part in ("weights", "adapters", "gradients", "optimizer"):
        assert getattr(eight, part) == pytest.approx(getattr(one, part) / 8)
    assert eight.base == one.base == (4 if method == "full" else 2) * EIGHT.parameters / 1e9


def test_scales_of_nf4_are_not_divided():
    one, eight = (estimate(EIGHT, "qlora", 1024, 1, world=world).weights for world in (1, 8))
    linear = 36 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 12_288)
    assert eight - one / 8 == pytest.approx(7 / 8 * linear * (8 / 64 + 32 / 64 / 256) / 8 / 1e9)


def test_a_rank_gathers_layers_and_the_root():
    """Of many ranks next to nothing is sharded, so that what is gathered is left; without tokens to speak of."""
    root = 2 * 151_936 * 4096 + 4096
    layer = (EIGHT.parameters - root) / 36
    many = {"world": 10**9, "modules": ["q_proj"], "rank": 1}
    # The root's weights, once as they arrive and once copied out of that, and the first layer.
    assert estimate(EIGHT, "lora", 16, 1, **many).allocated == pytest.approx(2 * (2 * root + layer) / 1e9, rel=0.01)
    # The root's gradients in 16 bits, and in 32 while they are added up.
    assert estimate(EIGHT, "full", 16, 1, **many).allocated == pytest.approx(6 * root / 1e9, rel=0.01)
    # Two layers beside the root, and gradients of the one before.
    small = replace(EIGHT, vocabulary=16, parameters=round(36 * layer) + 2 * 16 * 4096)
    found = estimate(small, "full", 16, 1, **many).allocated
    assert found == pytest.approx((2 * 2 + 6) * layer / 1e9, rel=0.02)
    reduced = estimate(small, "full", 16, 1, footprint=TrainingFootprint(reduced=2, gathered=1), **many).allocated
    assert reduced == pytest.approx((2 + 4) * layer / 1e9, rel=0.02)


def test_a_rank_of_qlora_has_the_whole_base_model_before_it_is_sharded():
    base = estimate(MODELS["meta-llama/Llama-3.1-70B"].shape, "qlora", 16, 1).weights
    assert estimate(MODELS["meta-llama/Llama-3.1-70B"].shape, "qlora", 16, 1, world=64).allocated == pytest.approx(base)
    assert 36 < base < 41


def test_an_evaluation_holds_the_model_in_16_bits_on_one_gpu():
    keys = 2 * 2 * 36 * 1024
    assert evaluation_gb(EIGHT, 1000) == pytest.approx(((2 * 8.1907e9 + 1000 * keys) / 1e9 + 0.99) / 0.9, rel=1e-3)


def test_gpus_share_weights_and_whole_heads_of_keys():
    keys, weights = 2 * 2 * 36 * 1024, 2 * 8.1907e9  # of eight heads
    assert evaluation_gb(EIGHT, 1000, 4) == pytest.approx(((weights + 1000 * keys) / 4e9 + 0.99) / 0.9, rel=1e-3)
    assert evaluation_gb(EIGHT, 1000, 16) == pytest.approx(
        ((weights / 16 + 1000 * keys / 8) / 1e9 + 0.99) / 0.9, rel=1e-3
    )


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
    assert estimate(MODELS["Qwen/Qwen3-4B"].shape, "qlora", 2048, 4).total < base


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
    assert MODELS[name].shape.parameters == pytest.approx(parameters, rel=1e-4)


def test_config_json_says_the_shape():
    assert ModelShape.from_config(CONFIG) == EIGHT
    assert ModelShape.from_config({"text_config": CONFIG, "model_type": "vision"}) == EIGHT
    assert shape_of("models/mine/", CONFIG) == EIGHT


@pytest.mark.faults
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: shape_of("acme/unheard-of-8B"),
            "acme/unheard-of-8B is not among the models that are known; uploaded under models/",
        ),
        (
            lambda: shape_of("Qwen/Qwen3-8B-base"),
            r"is not among the models that are known \(Qwen/Qwen3-8B-Base, .* are\)",
        ),
        (lambda: shape_of("x", {"model_type": "gpt2"}), "lacks num_hidden_layers, .*max_position_embeddings"),
        (lambda: shape_of("x", {**CONFIG, "num_local_experts": 8}), "num_local_experts: mixtures of experts can't be"),
        (lambda: estimate(EIGHT, "lora", 40_961, 1), "max_sequence_tokens is 40961 and the model takes 40960: shorten"),
    ],
)
def test_what_cannot_be_sized_says_why(call, says):
    with pytest.raises(TandemError, match=says):
        call()


def run(method: str, tokens: int = 1024, rows: int = 4, accumulation: int = 4, model: str = "Qwen/Qwen3-8B"):
    """What a run takes of each of so many GPUs."""

    def needed(world: int):
        mine = share({"batch_size": rows, "gradient_accumulation": accumulation}, world)
        return estimate(MODELS[model].shape, method, tokens, mine.rows, world=world)

    return needed


def chosen(*arguments, at_least_gb=None, **more) -> tuple[str, int]:
    found = choose(run(*arguments, **more), load("us-east-1"), at_least_gb=at_least_gb)
    assert found.usd_per_hour == found.count * load("us-east-1").price("AmazonSageMaker", f"training:{found[2]}").usd
    return found.instance, found.count


def test_choice_is_the_cheapest_that_fits():
    # 8B QLoRA fits into 24 GB by the estimate, and gets 48 GB, by default.
    assert run("qlora")(1).total < 20
    assert chosen("qlora") == ("ml.g6e.xlarge", 1)
    # The host of g6.xlarge, 16 GiB, can't hold the base model for the merge.
    assert chosen("qlora", at_least_gb=0) == ("ml.g6.2xlarge", 1)
    assert chosen("lora", model="Qwen/Qwen3-0.6B") == ("ml.g6.xlarge", 1)
    assert chosen("lora", 8192, 8) == ("ml.p5.4xlarge", 1)


def test_what_one_gpu_lacks_several_have():
    # 131 GB of weights, gradients and moments: 33 a GPU on four, and what a rank gathers.
    assert chosen("full", 2048, model="meta-llama/Llama-3.1-8B") == ("ml.g6e.12xlarge", 1)
    # The smaller card needs more of them, on one instance before several of another type.
    assert chosen("lora", 2048, model="Qwen/Qwen2.5-32B") == ("ml.g6e.12xlarge", 1)
    # Its weights and moments are 524 GB, more than eight GPUs have.
    assert chosen("full", 2048, model="Qwen/Qwen2.5-32B") == ("ml.p4de.24xlarge", 2)


def test_only_numbers_of_gpus_that_share_a_step_are_chosen():
    # Three rows, each a step: on one GPU or on three.
    assert {world for world in range(1, 9) if _shares(3, 1, world)} == {1, 3}
    assert chosen("full", 512, 3, 1) == ("ml.p5.4xlarge", 3)
    assert chosen("full", 512, 4, 1) == ("ml.g6e.12xlarge", 1)


def _shares(rows: int, accumulation: int, world: int) -> bool:
    with suppress(TandemError):
        return bool(share({"batch_size": rows, "gradient_accumulation": accumulation}, world))
    return False


def test_choice_leaves_a_tenth():
    near = min(range(1, 100), key=lambda rows: abs(run("qlora", 512, rows)(1).total - 22.8))
    assert 21.8 < run("qlora", 512, near)(1).total < 24
    assert INSTANCES[chosen("qlora", 512, near, 1, at_least_gb=0)[0]].gb == 48


def test_the_first_host_alone_reads_the_base_model():
    """131 GB in 32 bits, and a process for each of eight GPUs; whatever their number, no other host reads it."""
    needs = [estimate(MODELS["Qwen/Qwen2.5-32B"].shape, "full", 2048, 1, world=world) for world in (8, 16)]
    hosts = [host_gb(need, INSTANCES["ml.g6e.48xlarge"]) for need in needs]
    assert hosts == [pytest.approx(4 * 32.76 + 8 * 4, rel=0.001)] * 2
    assert host_gb(estimate(EIGHT, "qlora", 2048, 1), INSTANCES["ml.g6e.xlarge"]) == pytest.approx(
        2 * 8.19 + 4, rel=1e-3
    )
    roomy = INSTANCES["ml.p4de.24xlarge"]
    assert lacks(needs[1], roomy) is None
    assert lacks(needs[1], roomy._replace(host_gib=128)) == "host"
    assert lacks(needs[1], roomy._replace(gb=24, host_gib=128)) == "GPU"


@pytest.mark.faults
def test_what_fits_nowhere_says_what_to_change():
    with pytest.raises(TandemError) as caught:
        choose(run("full", 2048, 4, 4, "meta-llama/Llama-3.1-70B"), load("us-east-1"))
    # 16 rows, so that 16 GPUs at most share a step.
    assert re.search(r"needs 1131 GB of one GPU, 87 of each of 16, the most that can share a step", str(caught.value))
    assert "the largest GPU has 80" in str(caught.value) and "use method qlora" in str(caught.value)


@pytest.mark.faults
def test_region_without_prices_has_instances_all_the_same(tmp_path):
    assert choose(run("qlora"), load("eu-west-1")).instance == "ml.g6e.xlarge"  # the smallest that has enough
    four = choose(run("full", 2048, model="meta-llama/Llama-3.1-8B"), load("eu-west-1"))
    assert (four.count, four.usd_per_hour, four.instance) == (1, None, "ml.g6e.12xlarge")
    # An unpriced instance is passed over, not taken for free.
    rows = [
        json.loads(line.rstrip(",\n"))
        for line in (DOCS.parent / "tandem/cost/prices/us-east-1.json").read_text().splitlines()
        if "{" in line
    ]
    kept = [row for row in rows if row["key"] != "training:ml.g6e.xlarge"]
    (tmp_path / "us-east-1.json").write_text(json.dumps(kept))
    assert choose(run("qlora"), read(tmp_path / "us-east-1.json")).instance == "ml.g6e.2xlarge"


def test_every_priced_gpu_instance_is_known():
    gpu = ("training:ml.g5.", "training:ml.g6.", "training:ml.g6e.", "training:ml.p4", "training:ml.p5")
    priced = {key for start in gpu for key in load("us-east-1").keys("AmazonSageMaker", start)}
    assert priced == {f"training:{name}" for name in SAGEMAKER}


def test_stored_sizes():
    adapter = 36 * 16 * (2 * 8192 + 2 * 5120 + 3 * 16_384) / 1e9
    assert stored(EIGHT, "qlora") == pytest.approx((2 * 8.1907 + 2 * adapter, 6 * adapter), rel=0.001)
    assert stored(EIGHT, "lora", rank=32) == pytest.approx((2 * 8.1907 + 8 * adapter, 24 * adapter), rel=0.001)
    assert stored(EIGHT, "full") == pytest.approx((2 * 8.1907, 12 * 8.1907), rel=0.001)


def test_time_follows_the_published_throughput():
    """Llama-3-8B with LoRA on an A100: 3,844 tokens a second were measured on packed rows, twice our rough figure."""
    shape, gpu = MODELS["meta-llama/Llama-3.1-8B"].shape, INSTANCES["ml.p4de.24xlarge"]
    assert 1 < 3844 / (1e6 / expected_seconds(1_000_000, shape, "lora", gpu)) < 2.5
    assert expected_seconds(2000, shape, "lora", gpu) == 2 * expected_seconds(1000, shape, "lora", gpu)
    assert expected_seconds(1000, shape, "full", gpu) > expected_seconds(1000, shape, "lora", gpu)
    # On each of two and four it made 3,611 to 3,766.
    assert SHARDED_SHARE == pytest.approx(3611 / 3844, abs=0.005)  # noqa: SIM300
    alone, eight = (expected_seconds(1000, shape, "lora", gpu, world) for world in (1, 8))
    assert alone / eight == pytest.approx(8 * SHARDED_SHARE)
