"""GPU memory that a fine-tuning run needs, and the cheapest instance that has it.

The formula counts what is in memory at the two moments that decide: when the loss is computed, and when one layer is
computed again for its gradients (every layer is: gradient checkpointing is on). `docs/sizing.md` holds it against
published measurements; the constants marked as fitted come from a third of them, and a test computes the table anew.

GB are 10^9 bytes. The standard library alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from tandem_contract.errors import TandemError

from tandem.cost.prices import NoPrice, PriceTable

from .shapes import SHAPES, ModelShape

GB = 1e9
ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# 4 bits, and for each 64 parameters a scale: 8 bits and, for each 256 of them, 32 more; or 32 bits (QLoRA, section 3).
NF4_BYTES = {True: 4 / 8 + (8 / 64 + 32 / 64 / 256) / 8, False: 4 / 8 + 32 / 64 / 8}

# Fitted on the cases marked so in docs/sizing.md.
LAYER = 0.95
"""Factor on the tensors that one layer keeps for its gradients, as counted in `_layer`."""
CONTEXT_GB = 0.99
"""CUDA context and libraries."""
FRAGMENTS = 0.10
"""What PyTorch's allocator holds unused, as a share of the activations."""

TFLOPS = {"A10G": 70, "L4": 121, "L40S": 362, "A100": 312, "H100": 989}
"""Peak in bfloat16 without sparsity, from NVIDIA's data sheets."""
SHARE = 0.25
"""Of that peak, what training reaches: 0.23 on rows of 210 tokens, 0.59 on rows of 4,096 (docs/sizing.md)."""

HEADROOM = 0.10
# An 8B model was seen to take 23 of 24 GB and to fail when it saved a checkpoint (research in docs/sizing.md).
ROOMY_GB = 48
ROOMY_PARAMETERS = 6.5e9
HOST_GB = 4
"""What Python, PyTorch and the loader take beside the weights."""


class Gpu(NamedTuple):
    """What an instance has. Memory in GB as NVIDIA names it (the driver keeps less than the GiB give over that)."""

    kind: str
    count: int
    gb: int
    host_gib: int


def _instances() -> dict[str, Gpu]:
    # GPUs and memory: EC2's instance types, "Accelerated computing"; host memory as in the AmazonSageMaker price list
    # of 2026-09-27. T4 and V100 (g4dn, p3) have no bfloat16, which the entry point trains in: left out.
    sizes = {"xlarge": 16, "2xlarge": 32, "4xlarge": 64, "8xlarge": 128, "16xlarge": 256}
    several = {"12xlarge": (4, 192), "24xlarge": (4, 384), "48xlarge": (8, 768)}
    found = {}
    for family, kind, gb, ratio in (("g5", "A10G", 24, 1), ("g6", "L4", 24, 1), ("g6e", "L40S", 48, 2)):
        found |= {f"ml.{family}.{size}": Gpu(kind, 1, gb, host * ratio) for size, host in sizes.items()}
        for size, (count, host) in several.items():
            found[f"ml.{family}.{size}"] = Gpu(kind, count, gb, host * ratio)
    return found | {
        "ml.p4d.24xlarge": Gpu("A100", 8, 40, 1152),
        "ml.p4de.24xlarge": Gpu("A100", 8, 80, 1152),
        "ml.p5.4xlarge": Gpu("H100", 1, 80, 256),
        "ml.p5.48xlarge": Gpu("H100", 8, 80, 2048),
    }


INSTANCES = _instances()


@dataclass(frozen=True)
class TrainingFootprint:
    """What a training program keeps in which size, in bytes. The defaults are our entry point's."""

    hidden: int = 2
    """The states between layers, and what a layer computes."""
    full: int = 4
    """Each weight that full fine-tuning trains, and its gradient."""
    moments: int = 8
    """Optimizer state of each weight that full fine-tuning trains."""
    step: int = 0
    """What the optimizer step takes more for each of them, while it lasts."""
    cast: int = 2
    """Copy of each of them in 16 bits, as mixed precision makes in the forward pass."""
    other: int = 2
    """Each weight that QLoRA leaves as it is: embeddings, head, norms."""
    adapter: int = 4
    """Each adapter weight, and its gradient; its optimizer state takes twice that."""
    double_quantization: bool = True
    whole_logits: bool = False
    """Whether all logits exist at once: as the head gives them, and in 32 bits they, their softmax and gradient."""
    head: int = 2
    """Each logit as the head gives it."""


OURS = {"lora": TrainingFootprint(), "qlora": TrainingFootprint(adapter=2), "full": TrainingFootprint()}
"""What `tandem/finetuning/training` does with the versions in its lock: TRL computes logits in tiles."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Peak memory of one GPU by part, in GB, and what the machine itself needs."""

    weights: float
    adapters: float
    gradients: float
    optimizer: float
    activations: float
    """At the moment where the sum is largest, with what else exists only then."""
    overhead: float
    host: float
    """GB of the machine's own memory: the base model is read, and the adapter merged, beside the GPU."""
    parameters: int

    @property
    def allocated(self) -> float:
        """What PyTorch counts as allocated at the peak."""
        return self.weights + self.adapters + self.gradients + self.optimizer + self.activations

    @property
    def total(self) -> float:
        """What the process takes of the GPU."""
        return self.allocated + self.overhead


def shape_of(base_model: str, config: Mapping[str, Any] | None = None) -> ModelShape:
    """The shape of a base model: from its `config.json`, else from the table of well-known ids.

    Raises `TandemError` for a model that is neither.
    """
    if config is not None:
        return ModelShape.from_config(config)
    name = base_model.replace("-Instruct", "")
    if name in SHAPES:
        return SHAPES[name]
    raise TandemError(
        f"the size of {base_model} is not known: upload the model under models/ in the artifact bucket and name that "
        f"prefix as base_model (its config.json says the size), or take one of {', '.join(sorted(SHAPES))}"
    )


def estimate(
    model: ModelShape,
    method: str,
    max_sequence_tokens: int,
    batch_size: int,
    *,
    rank: int = 16,
    modules: str | Iterable[str] = "all-linear",
    footprint: TrainingFootprint | None = None,
) -> MemoryEstimate:
    """The peak memory of training `batch_size` rows of `max_sequence_tokens` tokens on one GPU.

    `method`: `lora`, `qlora` or `full`; rank and modules count for the first two. Raises `TandemError` for a sequence
    that is longer than the model takes.
    """
    if max_sequence_tokens > model.context_tokens:
        raise TandemError(
            f"max_sequence_tokens is {max_sequence_tokens} and the model takes {model.context_tokens}: shorten it, or "
            "take a model with a longer context"
        )
    footprint = footprint or OURS[method]
    names = _named(modules)
    tokens = batch_size * max_sequence_tokens
    checkpoints = model.layers * tokens * model.hidden_size * footprint.hidden
    logits = tokens * model.vocabulary * (3 * 4 + footprint.head) if footprint.whole_logits else 0.0
    layer = LAYER * tokens * footprint.hidden * _layer(model, method, names)
    if method == "full":
        trained, per_weight = float(model.parameters), (footprint.full, footprint.moments)
        weights, adapters = footprint.full * trained, 0.0
    else:
        trained, per_weight = float(rank * _adapted(model, names)), (footprint.adapter, 2 * footprint.adapter)
        weights, adapters = _frozen(model, method, footprint), footprint.adapter * trained
    gradients, optimizer = (size * trained for size in per_weight)
    if method == "qlora":
        layer += model.hidden_size * model.intermediate_size * footprint.hidden  # one matrix, back in 16 bits
    # The gradients exist from the first layer's backward pass to the step, the casts until the loss; so of
    # "all checkpoints and the loss or a layer" and "all gradients and the step" the larger one counts.
    whole = method == "full"
    at_loss = checkpoints + max(logits, layer) + (footprint.cast * trained if whole else gradients)
    at_step = gradients + (footprint.step * trained if whole else 0)
    activations = max(at_loss, at_step) - gradients
    moving = checkpoints + max(logits, layer)
    return MemoryEstimate(
        weights=weights / GB,
        adapters=adapters / GB,
        gradients=gradients / GB,
        optimizer=optimizer / GB,
        activations=activations / GB,
        overhead=CONTEXT_GB + FRAGMENTS * moving / GB,
        host=HOST_GB + (4 if whole else 2) * model.parameters / GB,
        parameters=model.parameters,
    )


def _named(modules: str | Iterable[str]) -> tuple[str, ...]:
    """The linear modules meant; all of them, which is more, where a name is another architecture's."""
    names = ALL_LINEAR if isinstance(modules, str) else tuple(name.rpartition(".")[2] for name in modules)
    return names if set(names) <= set(ALL_LINEAR) else ALL_LINEAR


def _frozen(model: ModelShape, method: str, footprint: TrainingFootprint) -> float:
    """Bytes of the base model's weights."""
    if method == "lora":
        return 2.0 * model.parameters
    quantized = model.layers * sum(given * made for given, made in _sides(model).values())
    return NF4_BYTES[footprint.double_quantization] * quantized + footprint.other * (model.parameters - quantized)


def _sides(model: ModelShape) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each linear module of a layer."""
    hidden, inner, queries, keys = model.hidden_size, model.intermediate_size, model.query_width, model.key_width
    return {
        "q_proj": (hidden, queries),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (queries, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }


def _adapted(model: ModelShape, names: Iterable[str]) -> int:
    """Adapter weights for each rank."""
    sides = _sides(model)
    return model.layers * sum(sum(sides[name]) for name in names)


def _layer(model: ModelShape, method: str, names: Iterable[str]) -> float:
    """Numbers for each token that one layer keeps for its gradients, with the gradients that exist beside them.

    Norms, residuals: 7 of the hidden size. Attention: queries and result, keys and values twice. MLP: gate, up and
    their product, and two gradients of that width. Each trained module keeps its input; an adapter half more, for
    its dropout.
    """
    sides = _sides(model)
    inputs = sum(sides[name][0] for name in (ALL_LINEAR if method == "full" else names))
    fixed = 7 * model.hidden_size + 2 * model.query_width + 2 * model.key_width + 5 * model.intermediate_size
    return fixed + (1.0 if method == "full" else 1.5) * inputs


class StoredSize(NamedTuple):
    """GB that a run leaves in S3: the model it writes, and each checkpoint."""

    artifact: float
    checkpoint: float


def stored(
    model: ModelShape, method: str, *, rank: int = 16, modules: str | Iterable[str] = "all-linear"
) -> StoredSize:
    """What a run of our entry point stores: the merged model in 16 bits with its adapter, and weights and moments."""
    footprint = OURS[method]
    if method == "full":
        return StoredSize(2 * model.parameters / GB, (footprint.full + footprint.moments) * model.parameters / GB)
    adapter = rank * _adapted(model, _named(modules)) * footprint.adapter / GB
    return StoredSize(2 * model.parameters / GB + adapter, 3 * adapter)


def expected_seconds(tokens: int, model: ModelShape, method: str, gpu: Gpu) -> float:
    """Roughly how long one GPU trains on so many tokens, all epochs together; `docs/sizing.md` says how rough.

    Forward and again forward 2 operations each for a parameter and token, backward 2, or 4 where weights get gradients.
    """
    operations = (8 if method == "full" else 6) * model.parameters * tokens
    return operations / (SHARE * TFLOPS[gpu.kind] * 1e12)


class Choice(NamedTuple):
    """An instance, what it has, and its price per hour."""

    instance: str
    gpu: Gpu
    usd_per_hour: Decimal


def choose(need: MemoryEstimate, table: PriceTable, *, at_least_gb: float | None = None) -> Choice:
    """The cheapest priced SageMaker training instance with one GPU on which `need` fits with a tenth to spare.

    Models of 7B and more get 48 GB or more, unless `at_least_gb` says otherwise. Raises `TandemError`, with what to
    change, when none fits, and when none that fits has a price in the region.
    """
    floor = at_least_gb
    if floor is None:
        floor = ROOMY_GB if need.parameters >= ROOMY_PARAMETERS else 0
    wanted, host = max(floor, need.total * (1 + HEADROOM)), need.host * (1 + HEADROOM)
    fitting = [name for name, gpu in INSTANCES.items() if gpu.count == 1 and gpu.gb >= wanted]
    if not fitting:
        largest = max(gpu.gb for gpu in INSTANCES.values() if gpu.count == 1)
        raise TandemError(
            f"the run needs {need.total:.0f} GB of GPU memory, {wanted:.0f} with headroom, and the largest single GPU "
            f"has {largest}: lower batch_size (raise gradient_accumulation instead) or max_sequence_tokens, use method "
            "qlora, or bring an image that trains on several GPUs (docs/training-image.md)"
        )
    fitting = [name for name in fitting if INSTANCES[name].host_gib * 2**30 / GB >= host]
    choices = []
    for name in fitting:
        try:
            row = table.price("AmazonSageMaker", f"training:{name}")
        except NoPrice:
            continue
        choices.append(Choice(name, INSTANCES[name], row.usd))
    if not choices:
        raise TandemError(
            f"no instance with {wanted:.0f} GB of GPU memory and {host:.0f} GB of its own has a price in "
            f"{table.region}: add the row of one of {', '.join(sorted(fitting))} to "
            f"tandem/cost/prices/{table.region}.json (docs/prices.md says how), or train in another region"
        )
    return min(choices, key=lambda choice: choice.usd_per_hour)
