"""What packing makes of rows and of models. Run by `test_packing.py` in the training environment; prints JSON."""

import json
from typing import Any

import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
)

from tandem.finetuning.training import packing
from tandem.finetuning.training.conversations import IGNORED

SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 64, "initializer_range": 0.5}
HEADS: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64}
ROWS = [list(range(first, first + length)) for first, length in ((3, 9), (5, 4), (11, 17), (2, 6), (20, 2))]


def padded(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """The same batch with a row a sequence."""
    width = max(len(row["input_ids"]) for row in rows)
    ids, labels, seen = (torch.full((len(rows), width), value) for value in (0, IGNORED, 0))
    for at, row in enumerate(rows):
        length = len(row["input_ids"])
        ids[at, :length], labels[at, :length] = torch.tensor(row["input_ids"]), torch.tensor(row["labels"])
        seen[at, :length] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": seen}


def gradients(model: Any, batch: dict[str, torch.Tensor]) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    loss = model(**batch, use_cache=False).loss
    loss.backward()
    return loss.item(), torch.cat([each.grad.flatten() for each in model.parameters()])


def main() -> None:
    torch.manual_seed(0)
    llama = LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS))
    models = {
        "Llama": llama,
        "Mistral, a window of 4": MistralForCausalLM(MistralConfig(**SIZES, **HEADS, sliding_window=4)),
        "Mixtral": MixtralForCausalLM(MixtralConfig(**SIZES, **HEADS, num_local_experts=4)),
        "GPT-2": GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=64, initializer_range=0.5)),
        "Mamba": MambaForCausalLM(MambaConfig(**SIZES)),
    }
    bloom = BloomForCausalLM(BloomConfig(hidden_size=32, n_layer=2, n_head=4, vocab_size=64))
    models["BLOOM in 16 bits"] = bloom.to(torch.bfloat16)
    small = SIZES | {"initializer_range": 0.02}
    models["Llama in 16 bits"] = LlamaForCausalLM(LlamaConfig(**small, **HEADS)).to(torch.bfloat16)
    found = {name: packing.allows(model, 64, torch.device("cpu")) for name, model in models.items()}
    rows = [{"input_ids": row, "labels": [IGNORED, *row[1:]]} for row in ROWS]
    batch = packing.Packed(0)(rows)
    (loss, gradient), (packed_loss, packed_gradient) = (gradients(llama, each) for each in (padded(rows), batch))
    print(
        json.dumps(
            {
                "allowed": found,
                "training": llama.training,
                "shape": list(batch["input_ids"].shape),
                "tokens": packing.seen(batch["position_ids"]).sum().item(),
                "loss": abs(packed_loss - loss),
                "gradient": ((packed_gradient - gradient).norm() / gradient.norm()).item(),
                "sequences": packing.sequences([5, 1, 9, 4, 4, 8]),
            }
        )
    )


if __name__ == "__main__":
    main()
