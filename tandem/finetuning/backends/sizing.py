"""GPU memory that a fine-tuning run needs. `instances` says where there is so much.

The formula counts what is in memory at the moments that decide: when the loss is computed, and when one layer is
computed again for its gradients (every layer is: gradient checkpointing is on). With several ranks, one a GPU, FSDP2
shards weights, gradients and optimizer over all of them, which is divided exactly; what a rank gathers for a while is
counted from the layers; what it computes is an estimate. `docs/sizing-measurements.md` holds both against published
ones; the constants marked as fitted come from half of them at most, and a test computes the tables anew.

GB are 10^9 bytes. The standard library alone.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tandem_contract.errors import TandemError

from .base_models import MODELS
from .shapes import ModelShape, Unsized

GB = 1e9
ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# 4 bits, and for each 64 parameters a scale: 8 bits and, for each 256 of them, 32 more; or 32 bits (QLoRA, section 3).
NF4 = 4 / 8
NF4_SCALES = {True: (8 / 64 + 32 / 64 / 256) / 8, False: 32 / 64 / 8}

# Fitted on the cases marked so in docs/sizing-measurements.md.
LAYER = 0.95
"""Factor on the tensors that one layer keeps for its gradients, as counted in `_layer`."""
CONTEXT_GB = 0.99
"""CUDA context and libraries."""
FRAGMENTS = 0.10
"""What PyTorch's allocator holds unused, as a share of the activations."""
COLLECTIVES_GB = 2.1
"""What a rank takes more beside its tensors when there are several: NCCL's buffers, and streams that keep blocks."""
SHARDED_FRAGMENTS = 0.18
"""`FRAGMENTS` of several ranks: what one stream frees, another may take only later."""
VLLM_SHARE = 0.9
"""Of a GPU's memory, what vLLM takes: its `gpu_memory_utilization`, by default."""


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
    """Copy of each of them in 16 bits, as mixed precision makes in the forward pass on one GPU. Ranks cast what they
    gather instead."""
    other: int = 2
    """Each weight that QLoRA leaves as it is: embeddings, head, norms."""
    adapter: int = 4
    """Each adapter weight, and its gradient; its optimizer state takes twice that."""
    double_quantization: bool = True
    whole_logits: bool = False
    """Whether all logits exist at once: as the head gives them, and in 32 bits they, their softmax and gradient."""
    head: int = 2
    """Each logit as the head gives it."""
    loss: int = 12
    """Each of them in 32 bits, its softmax and its gradient, where all exist at once."""
    reduced: int = 4
    """Each gradient while ranks add theirs up."""
    gathered: int = 2
    """Layers whose weights a rank has whole at once: FSDP2 gathers the next one meanwhile."""
    layers: int = 1
    """Layers of which the tensors for the gradients exist at once."""


OURS = {"lora": TrainingFootprint(), "qlora": TrainingFootprint(adapter=2), "full": TrainingFootprint()}
"""What `tandem/finetuning/training` does with the versions in its lock: TRL computes logits in tiles."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Peak memory of one GPU by part, in GB, and of the base model in its host's."""

    weights: float
    adapters: float
    gradients: float
    optimizer: float
    activations: float
    """At the moment where the sum is largest, with what else exists only then: what a rank has gathered, too."""
    overhead: float
    base: float
    """GB of its host's own memory in which the first rank alone reads the base model, or gathers the tuned one."""
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

    Raises `Unsized` for a model that is in neither.
    """
    if config is not None:
        return ModelShape.from_config(config)
    if row := MODELS.get(base_model):
        return row.shape
    like = ", ".join(difflib.get_close_matches(base_model, MODELS, 3))
    raise Unsized(
        f"{base_model} is not among the models that are known{f' ({like} are)' if like else ''}; uploaded under "
        "models/ in the artifact bucket, its config.json says the size"
    )


def estimate(
    model: ModelShape,
    method: str,
    max_sequence_tokens: int,
    batch_size: int,
    *,
    world: int = 1,
    rank: int = 16,
    modules: str | Iterable[str] = "all-linear",
    footprint: TrainingFootprint | None = None,
) -> MemoryEstimate:
    """The peak memory of one GPU of `world`, on which `batch_size` rows of `max_sequence_tokens` tokens are at once.

    `method`: `lora`, `qlora` or `full`; rank and modules of the adapter count for the first two. Weights, adapters,
    gradients and optimizer are a rank's shard, exactly; activations, with what is gathered, and overhead are estimates.
    Raises `TandemError` for a sequence that is longer than the model takes.
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
    logits = tokens * model.vocabulary * (footprint.loss + footprint.head) if footprint.whole_logits else 0.0
    layer = footprint.layers * LAYER * tokens * footprint.hidden * _layer(model, method, names)
    if method == "qlora":
        layer += model.hidden_size * model.intermediate_size * footprint.hidden  # one matrix, back in 16 bits
    full = method == "full"
    if full:
        trained, per_weight = float(model.parameters), (footprint.full, footprint.moments)
        weights, adapters = footprint.full * trained / world, 0.0
    else:
        trained, per_weight = float(rank * _adapted(model, names)), (footprint.adapter, 2 * footprint.adapter)
        weights, adapters = _frozen(model, method, footprint, world), footprint.adapter * trained / world
    gradients, optimizer = (size * trained / world for size in per_weight)
    whole = _gathered(model, method, footprint, trained) if world > 1 else _Gathered()
    # The gradients exist from the first layer's backward pass to the step, one GPU's casts until the loss.
    beside = gradients if not full else footprint.cast * trained if world == 1 else 0.0
    computed = layer + footprint.gathered * whole.layer + whole.added
    peak = max(
        beside + 2 * whole.root + whole.layer,  # the root's weights arrive in one buffer and are copied out of it
        beside + whole.root + checkpoints + logits,
        beside + whole.root + whole.head_gradient + checkpoints + computed,
        gradients + whole.root_added,
        gradients + (footprint.step * trained / world if full else 0.0),
    )
    if method == "qlora":  # each rank quantizes the base model as a whole, before it keeps its shard
        peak = max(peak, _frozen(model, method, footprint, 1) - weights - adapters - optimizer)
    moving = (checkpoints + max(logits, layer)) / GB
    overhead = FRAGMENTS * moving if world == 1 else COLLECTIVES_GB + SHARDED_FRAGMENTS * moving
    return MemoryEstimate(
        weights=weights / GB,
        adapters=adapters / GB,
        gradients=gradients / GB,
        optimizer=optimizer / GB,
        activations=(peak - gradients) / GB,
        overhead=CONTEXT_GB + overhead,
        base=(4 if full else 2) * model.parameters / GB,
        parameters=model.parameters,
    )


class _Gathered(NamedTuple):
    """Bytes of what is sharded that a rank has whole for a while; none where there is one rank."""

    root: float = 0.0
    """Embeddings, head and last norm: FSDP's root, from the first layer's forward pass to the end of the backward."""
    layer: float = 0.0
    head_gradient: float = 0.0
    added: float = 0.0
    """One layer's gradients, and the buffer in which ranks add them up."""
    root_added: float = 0.0
    """The root's, when all layers are done."""


def _gathered(model: ModelShape, method: str, footprint: TrainingFootprint, trained: float) -> _Gathered:
    head = model.vocabulary * model.hidden_size
    root = head * (1 if model.tied else 2) + model.hidden_size
    each = (model.parameters - root) / model.layers
    width, adding = footprint.hidden, footprint.hidden + footprint.reduced
    if method == "full":
        return _Gathered(width * root, width * each, width * head, adding * each, adding * root)
    adapter = footprint.adapter * trained / model.layers
    quantized = sum(given * made for given, made in _sides(model).values()) if method == "qlora" else 0
    frozen = NF4 * quantized + width * (each - quantized)
    return _Gathered(width * root, frozen + adapter, added=2 * adapter)


def _named(modules: str | Iterable[str]) -> tuple[str, ...]:
    """The linear modules meant; all of them, which is more, where a name is another architecture's."""
    names = ALL_LINEAR if isinstance(modules, str) else tuple(name.rpartition(".")[2] for name in modules)
    return names if set(names) <= set(ALL_LINEAR) else ALL_LINEAR


def _frozen(model: ModelShape, method: str, footprint: TrainingFootprint, world: int) -> float:
    """Bytes of the base model's weights on each of `world` ranks. FSDP shards NF4's numbers and not their scales."""
    if method == "lora":
        return 2.0 * model.parameters / world
    quantized = model.layers * sum(given * made for given, made in _sides(model).values())
    sharded = NF4 * quantized + footprint.other * (model.parameters - quantized)
    return sharded / world + NF4_SCALES[footprint.double_quantization] * quantized


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


def evaluation_gb(model: ModelShape, tokens: int, gpus: int = 1) -> float:
    """GB of a GPU in which vLLM asks a model: weights in 16 bits, and keys and values of so many tokens.

    Of several GPUs each has its part of the weights, and whole heads of keys and values, one at least (vLLM,
    `ModelConfig.get_num_kv_heads`). What they hold to talk to each other isn't counted.
    """
    keys = max(1, model.kv_heads // gpus) * model.head_size
    return ((2 * model.parameters / gpus + 2 * model.layers * keys * 2 * tokens) / GB + CONTEXT_GB) / VLLM_SHARE
