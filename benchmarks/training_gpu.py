"""Tokens a second and peak memory on one GPU: our entry point, the plainest TRL script, and what the sizing says.

`PYTHONPATH=.:components python -m benchmarks.training_gpu`, with a Python that has torch, transformers, trl, peft,
datasets and psutil, and bitsandbytes for QLoRA; it takes 48 GB of disk. It fetches nothing: weights are random, the
tokenizer is made here. `--dry` runs all of it on a processor but QLoRA, on models of some thousand weights.
"""

import argparse
import importlib.util
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from tandem.finetuning.backends.shapes import ModelShape
from tandem.finetuning.backends.sizing import estimate
from tandem.finetuning.dataset import folder
from tandem.finetuning.dataset.rows import Row
from tandem.finetuning.dataset.template import CHATML

from .report import Table
from .trainers import Trainers

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes")
STEPS, BATCH, TOKENS = 8, 4, 2048
ASKED = 40  # tokens of a row beside its answer, at most
WORDS = ["stone", "wall", "of", "the", "old", "house", "has", "a", "door", "and", "roof", "under", "which"]
# Of Llama 3.1 8B and Llama 3.2 3B, from their config.json; and one to try this script with.
SIZES: dict[str, dict[str, Any]] = {
    "8B": {
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
        "tie_word_embeddings": False,
    },
    "3B": {
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 28,
        "num_attention_heads": 24,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
        "tie_word_embeddings": True,
    },
    "dry": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "vocab_size": 1024,
        "tie_word_embeddings": True,
    },
}
CASES = (("8B", "qlora"), ("8B", "lora"), ("3B", "full"))
DRY = (("dry", "lora"), ("dry", "full"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.training_gpu", description=__doc__)
    parser.add_argument("--dry", action="store_true", help="on a processor, with models of some thousand weights")
    parser.add_argument("--make", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(options.size, options.make)
        return
    print(f"{run(dry=options.dry).markdown()}\n\n{versions()}")


def run(*, dry: bool) -> Table:
    """Each case once by each side; what lacks bitsandbytes is said in its line."""
    begun, lines, made = time.monotonic(), [], ""
    tokens = 128 if dry else TOKENS
    with tempfile.TemporaryDirectory() as temporary:
        data, model, out = (Path(temporary, name) for name in ("data", "model", "out"))
        write_rows(data, tokens)
        trainers = Trainers(Path(sys.executable), model, data)
        for size, method in DRY if dry else CASES:
            name = f"{size}, {method}"
            if method == "qlora" and importlib.util.find_spec("bitsandbytes") is None:
                lines.append([name, *["no bitsandbytes"] * 2, "", "", "", ""])
                continue
            if size != made:
                shutil.rmtree(model, ignore_errors=True)
                command = [sys.executable, "-m", "benchmarks.training_gpu", "--make", model, "--size", size]
                subprocess.run(command, check=True)  # a process of its own gives the GPU back
                made = size
                tell(begun, f"{size}: weights made")
            plain = trainers.plain(out, STEPS, method, BATCH)
            shutil.rmtree(out)
            tell(begun, f"{name}, plain: {plain.tokens_per_second:.0f} tokens/s, {plain.peak_gb:.1f} GB")
            ours = trainers.ours(out, recipe(method, tokens))
            shutil.rmtree(out)
            tell(begun, f"{name}, ours: {ours.tokens_per_second:.0f} tokens/s, {ours.peak_gb:.1f} GB")
            shape = ModelShape.from_config(json.loads((model / "config.json").read_text()))
            peaks = (plain.peak_gb, ours.peak_gb, estimate(shape, method, tokens, BATCH, rank=8).allocated)
            rates = (plain.tokens_per_second, ours.tokens_per_second)
            ratio = f"{rates[1] / rates[0]:.2f}"
            lines.append([name, *(f"{rate:.0f}" for rate in rates), ratio, *(f"{peak:.1f}" for peak in peaks)])
    title = f"{STEPS} steps of {BATCH} rows of up to {tokens} tokens"
    return Table([title, "plain, tokens/s", "ours", "ratio", "plain, peak GB", "ours", "sizing"], lines)


def tell(begun: float, line: str) -> None:
    print(f"gpu {time.monotonic() - begun:5.0f} s  {line}", flush=True)


def versions() -> str:
    """What it ran with."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            found.append(f"no {package}")
    import torch

    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{where}, {', '.join(found)}."


def recipe(method: str, tokens: int) -> dict[str, Any]:
    """Ours of a case."""
    return {
        "base_model": "models/random/",
        "method": method,
        "max_sequence_tokens": tokens,
        "max_steps": STEPS,
        "learning_rate": 0.001,
        "batch_size": BATCH,
        "gradient_accumulation": 1,
        "checkpoint_steps": 1000,
        "lora": None if method == "full" else {"rank": 8, "alpha": 16, "dropout": 0.0},
        "evaluation": {"max_rows": 1, "max_new_tokens": 16},
        "gate": {"token_f1": {"gain": 0.01}},
    }


def write_rows(data: Path, tokens: int) -> None:
    """A data set of rows of unequal length, the longest of nearly so many tokens."""
    draw = random.Random(17)  # noqa: S311 - the same rows in each run
    rows = []
    for number in range(STEPS * BATCH + 8):
        most = tokens - ASKED
        words = most if number % BATCH == 0 else draw.randint(most // 8, most)
        answer = " ".join(draw.choice(WORDS) for _ in range(words))
        rows.append(Row((("user", f"What of stone {number}?"), ("assistant", answer)), "rows.jsonl", number + 1))
    folder.write(
        data,
        {"train": rows[:-8], "validation": rows[-8:-4], "test": rows[-4:]},
        name="random",
        licence="CC0-1.0",
        source="made up",
    )


def make(size: str, model: Path) -> None:
    """A Llama of that size with random weights, in bfloat16, with a tokenizer of one token a word."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([" ".join(WORDS), *(f" {word}" for word in WORDS)] * 9, trainer)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>")  # noqa: S106
    wrapped.chat_template = CHATML
    config = LlamaConfig(
        **SIZES[size],
        max_position_embeddings=TOKENS,
        eos_token_id=wrapped.eos_token_id,
        pad_token_id=wrapped.pad_token_id,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        llama = LlamaForCausalLM(config)
    llama.save_pretrained(model)
    wrapped.save_pretrained(model)


if __name__ == "__main__":
    main()
