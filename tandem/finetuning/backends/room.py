"""Whether the tuned model can be asked where it is evaluated and served; else it shows once the training was paid."""

from collections.abc import Callable, Mapping
from typing import Any

from tandem_contract.checks import Checks

from tandem.cost.prices import PriceTable
from tandem.finetuning.recipe import served_tokens

from .instances import HOST_GB, INSTANCES, Gpu, beside, cheapest
from .serving import Serving
from .shapes import ModelShape
from .sizing import GB, evaluation_gb


def check_room(
    recipe: Mapping[str, Any],
    shape: ModelShape,
    evaluation: str,
    serving: Serving | None,
    table: PriceTable,
    checks: Checks,
    notes: list[str],
) -> None:
    """Adds why the tuned model can't be asked where it is evaluated and served."""
    tokens = served_tokens(recipe, shape.context_tokens)
    if (gpu := INSTANCES.get(evaluation)) and gpu.count > 1:
        one = f"it uses one of the {gpu.count} GPUs of {evaluation}; set tandem:evaluationInstance."
        notes.append(f"Evaluation: {one}")
    asked = [("tandem:evaluationInstance", "the evaluation", evaluation, lambda _gpu: 1)]
    if serving:
        asked.append(("tandem:endpointInstance", "serving", serving.instance, serving.sharing))
    for key, what, instance, sharing in asked:
        _check_asked(key, what, shape, tokens, instance, sharing, table, checks, notes)


def _check_asked(
    key: str,
    what: str,
    shape: ModelShape,
    tokens: int,
    instance: str,
    sharing: Callable[[Gpu], int],
    table: PriceTable,
    checks: Checks,
    notes: list[str],
) -> None:
    """Adds why a model can't be asked on an instance, which else shows after the training was paid.

    `sharing` says how many GPUs of an instance share the model.
    """
    if (gpu := INSTANCES.get(instance)) is None:
        notes.append(f"Memory of {what} is not checked: {instance} is not among the GPU instances that are known.")
        return

    def lacking(gpu: Gpu, tokens: int = tokens) -> str:
        count = sharing(gpu)
        if not count:
            return ""  # on the processor, which isn't sized
        if shape.heads % count:  # vLLM, `ModelConfig.verify_with_parallel_config`
            return f"takes {count} GPUs, which can't share {shape.heads} attention heads evenly"
        if (needed := evaluation_gb(shape, tokens, count)) <= gpu.gb:
            return ""
        of = "one GPU" if count == 1 else f"each of {count} GPUs"
        return f"takes {needed:.1f} GB of {of} with {tokens} tokens, and a {gpu.kind} of {instance} has {gpu.gb}"

    if problem := lacking(gpu):
        enough = [(1, name) for name, other in beside(instance).items() if not lacking(other)]
        remedy = f"Set it to {cheapest(enough, table).instance}." if enough else "No GPU has as much: tune another."
        if not lacking(gpu, tokens // 2):
            remedy += f" Or lower max_sequence_tokens: both sides of a conversation together have {tokens} tokens."
        checks.add(key, f"{what} {problem}", remedy)
    elif sharing(gpu) and (weights := 2 * shape.parameters / GB) + HOST_GB > gpu.host_gb:
        # vLLM's documentation, `safetensors_load_strategy`.
        notes.append(
            f"Memory of {what}: {instance} has {gpu.host_gb:.1f} GB beside its GPUs, and the weights {weights:.1f}. "
            "vLLM maps them from the disk; an image that reads them there first would end without a word."
        )
