"""Sharding over all ranks by FSDP2: weights, gradients and optimizer states, each rank holding its part. Imports torch.

Not by accelerate: on processors its versions 1.12 and 1.15 shard nothing and copy the whole model to each rank instead,
without a word, while every loss is as it should be. So here `check` looks at the result.
"""

from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from .ranks import Ranks

TRAINED = StateDictOptions(ignore_frozen_params=True)
WHOLE = StateDictOptions(ignore_frozen_params=True, full_state_dict=True, cpu_offload=True)


def shard(model: nn.Module, ranks: Ranks, device: torch.device, compute: torch.dtype | None) -> None:
    """Shard a model in place, over the given device of each rank; rank 0 has its weights, in main memory.

    `compute` is the type that weights are gathered and computed in, None for their own.
    """
    weights = model.state_dict() if ranks.is_first else {}
    buffers = {name: buffer.to(device) for name, buffer in model.named_buffers()} if ranks.is_first else {}
    policy = (
        MixedPrecisionPolicy(param_dtype=compute, reduce_dtype=torch.float32) if compute else MixedPrecisionPolicy()
    )
    mesh = init_device_mesh(device.type, (ranks.world,))
    for block in _blocks(model):
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    if not ranks.is_first:
        model.to_empty(device=device)
    whole = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    set_model_state_dict(model, weights, options=whole)
    for name, buffer in model.named_buffers():  # those that aren't in a state, as a rotary embedding's
        distributed.broadcast(buffer.copy_(buffers[name]) if buffers else buffer, 0)


def check(model: nn.Module) -> None:
    """Raise `RuntimeError` unless every trained parameter is one of which this rank holds a part."""
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
    whole = [name for name, each in trained.items() if not isinstance(each, DTensor)]
    if whole:
        raise RuntimeError(f"Nothing is sharded: {len(whole)} of {len(trained)} trained parameters, {whole[0]} first.")
    held, all_of = map(sum, zip(*((each.to_local().numel(), each.numel()) for each in trained.values()), strict=True))
    if held >= all_of:
        raise RuntimeError(f"Nothing is sharded: this rank holds all {all_of:,} of the trained numbers.")


def gathered(model: nn.Module) -> dict[str, Any]:
    """The trained weights, whole and in main memory, on rank 0; nothing on the others. Asked by all."""
    return get_model_state_dict(model, options=WHOLE)


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The decoder's layers, each of which is gathered by itself."""
    names = set(getattr(model, "_no_split_modules", None) or ())
    return [module for module in model.modules() if type(module).__name__ in names]
