"""The plainest TRL script: `python training_plain.py MODEL ROWS STEPS OUT METHOD BATCH [keep]`.

TRL's defaults but for what has to be equal: method, learning rate, batch, steps, one log line a step. `keep` turns off
gradient checkpointing, which TRL turns on. Prints a JSON line a step: `time`, `tokens` so far, `peak_gb` of the GPU.
"""

import json
import sys
import time
from typing import Any

import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
from trl import SFTConfig, SFTTrainer

LORA = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")


class Tell(TrainerCallback):
    """Prints the step's line."""

    def on_step_end(self, _args, state, _control, **_) -> None:
        peak = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0
        print(json.dumps({"time": time.time(), "tokens": state.num_input_tokens_seen, "peak_gb": peak}), flush=True)


def main(model: str, rows: str, steps: str, out: str, method: str, batch: str, *more: str) -> None:
    """Train and save the tuned model, merged where it isn't quantized."""
    options: dict[str, Any] = {}
    if method == "qlora":
        four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
        options = {"quantization_config": four, "device_map": {"": 0}}
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, **options),
        processing_class=AutoTokenizer.from_pretrained(model),
        train_dataset=load_dataset("json", data_files=rows, split="train", cache_dir=f"{out}/cache"),
        peft_config=None if method == "full" else LORA,
        callbacks=[Tell()],
        args=SFTConfig(
            output_dir=out,
            max_steps=int(steps),
            per_device_train_batch_size=int(batch),
            learning_rate=0.001,
            logging_steps=1,
            max_length=None,
            save_strategy="no",
            include_num_input_tokens_seen="non_padding",
            report_to=[],
            use_cpu=not torch.cuda.is_available(),
            **({"gradient_checkpointing": False} if more else {}),
        ),
    )
    trainer.train()
    tuned = trainer.model.merge_and_unload() if method == "lora" else trainer.model
    tuned.save_pretrained(f"{out}/model")


if __name__ == "__main__":
    main(*sys.argv[1:])
