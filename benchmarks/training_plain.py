"""The plainest TRL script, to hold our entry point against: `... training_plain MODEL ROWS STEPS OUT [keep]`.

TRL's defaults but for what has to be equal: LoRA, learning rate, batch, steps, one log line a step. `keep` turns off
gradient checkpointing, which TRL turns on. Prints a JSON line a step: `time` and `tokens` so far.
"""

import json
import sys
import time

import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Tell(TrainerCallback):
    """Prints the step's line."""

    def on_step_end(self, _args, state, _control, **_) -> None:
        print(json.dumps({"time": time.time(), "tokens": state.num_input_tokens_seen}), flush=True)


def main(model: str, rows: str, steps: str, out: str, *more: str) -> None:
    """Train and save the merged model."""
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        processing_class=AutoTokenizer.from_pretrained(model),
        train_dataset=load_dataset("json", data_files=rows, split="train", cache_dir=f"{out}/cache"),
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear"),
        callbacks=[Tell()],
        args=SFTConfig(
            output_dir=out,
            max_steps=int(steps),
            per_device_train_batch_size=8,
            learning_rate=0.001,
            logging_steps=1,
            save_strategy="no",
            include_num_input_tokens_seen="non_padding",
            report_to=[],
            use_cpu=not torch.cuda.is_available(),
            **({"gradient_checkpointing": False} if more else {}),
        ),
    )
    trainer.train()
    trainer.model.merge_and_unload().save_pretrained(f"{out}/model")


if __name__ == "__main__":
    main(*sys.argv[1:])
