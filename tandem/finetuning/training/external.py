"""Training by another program inside the same contract: what an image names in `TANDEM_TRAINER`."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

from tandem_contract.errors import TandemError

from tandem.finetuning.dataset.rows import Row
from tandem.finetuning.dataset.settled import settle

from . import models
from .layout import TANDEM_JSON, Interrupted, Layout, Refused, say, write_json

VARIABLE = "TANDEM_TRAINER"
TAKES = "TANDEM_TRAINER_TAKES"  # what rows or machines may have: which of these the program honours
BESIDES: Mapping[str, Callable[[Row], bool]] = {
    "weight": lambda row: any(turn.get("weight", 1) == 0 for turn in row.more),
    "tools": lambda row: bool(row.tools) or any("tool_calls" in turn for turn in row.more),
}
REFUSED = 2


def check(splits: Mapping[str, Sequence[Row]], trainer: str, gpus: int, hosts: int) -> None:
    """Raise `Refused` if there is what the program isn't said to honour.

    It would learn something else from such rows, leave all GPUs but one idle, or train on each host by itself.
    """
    taken = os.environ.get(TAKES, "").split()
    for name, count in (("gpus", gpus), ("hosts", hosts)):
        if count > 1 and name not in taken:
            raise Refused(
                f"There are {count} {name}, and {TAKES} doesn't say that {trainer} uses more than one: set it to "
                f"'{' '.join([*taken, name])}' in the image if it does, or train on one."
            )
    for name, has in BESIDES.items():
        if name not in taken and (row := next((row for row in splits["train"] if has(row)), None)):
            raise Refused(
                f"{row.place} has {name}, and {TAKES} doesn't say that {trainer} honours that: set it to "
                f"'{' '.join([*taken, name])}' in the image if it does, or leave such rows out."
            )


def train(layout: Layout, recipe: Mapping[str, Any], identity: Mapping[str, Any], trainer: str, is_first: bool) -> None:
    """Run the program, settle the chat template that it saved, and stamp its model: `model`, from the first host alone.

    It finds `TANDEM_ML_ROOT` and `TANDEM_BASE`, the base model's folder or hub id, in its environment. If it exits 2,
    `output/failure` says why in its own words. Raises `Refused` if it wrote no model that can be served.
    """
    base = layout.base(recipe["base_model"])
    environment = {**os.environ, "TANDEM_ML_ROOT": str(layout.root), "TANDEM_BASE": base}
    say(f"Training by {trainer}")
    asked, running = False, []

    def forward(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for process in running:
            process.terminate()

    signal.signal(signal.SIGTERM, forward)  # before it starts, so that it is told to end whenever the signal comes
    with subprocess.Popen([trainer], env=environment) as process:
        running.append(process)
        if asked:
            process.terminate()
        code = process.wait()
    if asked and code:
        raise Interrupted(f"{trainer} was told to end, and did with exit code {code}")
    if code == REFUSED and (reason := layout.reason()):
        raise Refused(reason)
    if code:
        raise RuntimeError(f"{trainer} exited {code}")
    if not is_first:
        return
    if not (layout.model / "config.json").is_file() or models.parameter_count(str(layout.model)) is None:
        raise Refused(f"{trainer} wrote no model: {layout.model} needs config.json, *.safetensors and the tokenizer.")
    try:
        settle(layout.model)
    except TandemError as error:
        raise Refused(f"The model that {trainer} wrote can't be served: {error}.") from error
    about = {**identity, "base_model": recipe["base_model"], "method": recipe["method"]}
    write_json(layout.model / TANDEM_JSON, about | _progress(layout) | {"trainer": trainer})


def _progress(layout: Layout) -> dict[str, Any]:
    """Steps and tokens as the last line of `metrics.jsonl` has them; None where the program writes none."""
    file = layout.checkpoints / "metrics.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    last = json.loads(lines[-1]) if lines else {}
    return {"steps": last.get("step"), "tokens": last.get("tokens")}
