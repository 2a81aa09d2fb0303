"""The two sides of the training benchmarks, each a process: our entry point and the plainest TRL script."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tandem.finetuning import recipe

ROOT = Path(__file__).resolve().parents[1]


class Trained(NamedTuple):
    """What a run printed of itself."""

    tokens_per_second: float
    """From the end of the first step, which warms up, to the end of the last."""
    peak_gb: float
    """Of a GPU's memory; 0 without one."""


@dataclass(frozen=True)
class Trainers:
    """One model and data set for both."""

    python: Path
    model: Path
    data: Path
    """The folder of a data set."""

    def plain(self, out: Path, steps: int, method: str = "lora", rows: int = 8, *more: str) -> Trained:
        """TRL's, with `keep` as more keeping activations."""
        arguments = [self.model, self.data / "train.jsonl", str(steps), out, method, str(rows), *more]
        printed = _run([self.python, ROOT / "benchmarks" / "training_plain.py", *arguments])
        lines = [json.loads(line) for line in printed.splitlines() if line.startswith('{"time"')]
        return Trained(_rate(lines), lines[-1]["peak_gb"])

    def ours(self, out: Path, asked: Mapping[str, Any], ranks: int = 1) -> Trained:
        """Our entry point, with a recipe."""
        channels = out / "input" / "data"
        (channels / "recipe").mkdir(parents=True)
        (channels / "recipe" / "recipe.json").write_text(json.dumps(recipe.check(asked)))
        (channels / "dataset").symlink_to(self.data)
        (channels / "base").symlink_to(self.model)
        command = [self.python, "-m", "tandem.finetuning.training", "train", f"--nproc-per-node={ranks}"]
        _run(command, TANDEM_ML_ROOT=str(out), PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'components'}")
        lines = [json.loads(line) for line in (out / "checkpoints" / "metrics.jsonl").read_text().splitlines()]
        return Trained(_rate(lines), json.loads((out / "model" / "tandem.json").read_text())["peak_gpu_gb"] or 0.0)


def _rate(lines: Sequence[Mapping[str, float]]) -> float:
    first, last = lines[0], lines[-1]
    return (last["tokens"] - first["tokens"]) / (last["time"] - first["time"])


def _run(command: Sequence[str | Path], **variables: str) -> str:
    ended = subprocess.run(
        command, env={**os.environ, **variables}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} exited {ended.returncode}:\n{ended.stderr[-2000:]}")
    return ended.stdout
