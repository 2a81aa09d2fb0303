"""Tokens a second of our training entry point against the plainest TRL script, on the same model and rows.

`python -m benchmarks training` in the project's environment; both sides run in the training environment.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from samples.style_dataset import rows
from tandem.finetuning.dataset import folder
from tandem.finetuning.dataset.collect import collect
from tandem.finetuning.dataset.importers import Reader

from .report import Say, Table, median_ratio
from .trainers import ROOT, Trained, Trainers

PYTHON = ROOT / ".tandem" / "training" / "bin" / "python"
MODEL = ROOT / ".tandem" / "finetuning" / "smollm2-135m"
ROUNDS = 3
STEPS = 10  # of 8 rows
PLAIN = "plain TRL script"
RECIPE = {
    "base_model": "models/smollm2-135m/",
    "max_sequence_tokens": 256,
    "max_steps": STEPS,
    "learning_rate": 0.001,
    "batch_size": 8,
    "gradient_accumulation": 1,
    "checkpoint_steps": 1000,
    "lora": {"rank": 8, "alpha": 16, "dropout": 0.0},
    "evaluation": {"max_rows": 1},
    "gate": {"token_f1": {"gain": 0.01}},
}


def run(_stack: str, say: Say) -> Table:
    """Three rounds, alternating; the first step warms up and doesn't count."""
    if not PYTHON.exists():
        raise RuntimeError(f"{PYTHON} is missing: run `make training` first")
    if not MODEL.exists():
        say("making the base model")
        subprocess.run([PYTHON, ROOT / "samples" / "base_model.py"], check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "data")
        _write(data)
        trainers = Trainers(PYTHON, MODEL, data)
        sides: dict[str, Callable[[Path], Trained]] = {
            PLAIN: lambda out: trainers.plain(out, STEPS),
            "plain, activations kept": lambda out: trainers.plain(out, STEPS, "lora", 8, "keep"),
            "our entry point": lambda out: trainers.ours(out, RECIPE),
            "our entry point, two ranks": lambda out: trainers.ours(out, RECIPE, ranks=2),
        }
        rates: dict[str, list[float]] = {side: [] for side in sides}
        whole: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(1, ROUNDS + 1):
            for side, train in sides.items():
                begun = time.monotonic()
                rates[side].append(train(Path(temporary, f"{number}-{side}")).tokens_per_second)
                whole[side].append(time.monotonic() - begun)
                say(f"round {number}, {side}: {rates[side][-1]:.0f} tokens/s, {whole[side][-1]:.0f} s in all")
    table = []
    for side, values in rates.items():
        ratios = [value / base for value, base in zip(values, rates[PLAIN], strict=True)]
        spread = ["", ""] if side == PLAIN else [f"{min(ratios):.2f}", f"{max(ratios):.2f}"]
        ratio = median_ratio(values, rates[PLAIN])
        table.append([side, f"{median(values):.0f}", f"{ratio:.2f}", *spread, f"{median(whole[side]):.0f}"])
    title = f"LoRA, SmolLM2-135M, {STEPS} steps of 8 rows"
    return Table([title, "tokens/s", "of the plain script", "worst", "best", "s in all"], table)


def _write(data: Path) -> None:
    """The rows of the demonstration as a data set."""
    file = data.with_suffix(".jsonl")
    file.write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
    texts: dict[str, Any] = {"name": "style", "licence": "CC-BY-4.0", "source": "zaragoza-construction-faq"}
    collected = collect([file], Reader("chat"), "70/5/25", texts)
    folder.write(data, collected.splits, **texts)


if __name__ == "__main__":
    started = time.monotonic()
    result = run("", lambda line: print(f"training {time.monotonic() - started:5.0f} s  {line}", flush=True))
    sys.stdout.write(f"\n{result.markdown()}\n")
