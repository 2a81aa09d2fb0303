"""Peak memory of one rank of several as torch's own tracker counts it, without the others, a GPU or the memory.

Run by `test_sharded_memory.py` in the training environment. Tensors and the process group are fake; the code of FSDP2,
transformers and peft is what a run executes. Prints each case's bytes as JSON.
"""

import json
import sys
from typing import Any

import torch
import torch.distributed as dist
from peft import LoraConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import LlamaConfig, LlamaForCausalLM


def peak(world: int, modules: list[str], method: str, vocabulary: int, rows: int, tokens: int) -> int:
    """Bytes at the peak of a step's forward and backward pass, of four layers as an 8B model has them."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=4,
        num_attention_heads=32,
        num_key_value_heads=8,
        attn_implementation="sdpa",
        use_cache=False,
    )
    mesh = init_device_mesh("cpu", (world,))
    mixed = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    policy = mixed if method == "full" else MixedPrecisionPolicy()  # adapters have another type than their base
    with FakeTensorMode(allow_non_fake_inputs=True):
        torch.set_default_dtype(torch.float32 if method == "full" else torch.bfloat16)
        model: Any = LlamaForCausalLM(config)
        torch.set_default_dtype(torch.float32)
        blocks = model.model.layers
        if method == "lora":
            model = _with_adapter(model, modules)
        model.train()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        for block in blocks:
            fully_shard(block, mesh=mesh, mp_policy=policy)
        fully_shard(model, mesh=mesh, mp_policy=policy)
        words = torch.randint(0, vocabulary, (rows, tokens))
        tracker = FSDPMemTracker(model)
        tracker.track_inputs((words,))
        with tracker:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(input_ids=words, logits_to_keep=1).logits  # ours come in tiles
            logits.float().sum().backward()
        (found,) = tracker.get_tracker_snapshot("peak").values()
    return found["Total"]


def _with_adapter(model: Any, modules: list[str]) -> Any:
    """Adapters in 32 bits, without dropout, whose masks are larger on processors.

    peft moves adapters to where their layer is, which tensors without memory don't take.
    """
    moved, to = BaseTunerLayer._move_adapter_to_device_of_base_layer, torch.nn.Module.to
    BaseTunerLayer._move_adapter_to_device_of_base_layer = lambda *_, **__: None
    torch.nn.Module.to = lambda module, *_, **__: module
    try:
        model = get_peft_model(model, LoraConfig(r=16, target_modules=modules, task_type="CAUSAL_LM"))
    finally:
        BaseTunerLayer._move_adapter_to_device_of_base_layer, torch.nn.Module.to = moved, to
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    model.enable_input_require_grads()
    return model


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    dist.init_process_group("fake", rank=0, world_size=asked["world"], store=FakeStore())
    print(json.dumps([peak(asked["world"], asked["modules"], *case) for case in asked["cases"]]))
