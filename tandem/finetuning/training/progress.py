"""Progress of a training job, and its early stop, on which all ranks agree. Imports transformers."""

import json
import math
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from transformers import TrainerCallback

from .layout import Interrupted, Refused, say
from .ranks import Ranks


class Padding(NamedTuple):
    """What an epoch has besides its rows, at its end, so that all ranks have as many."""

    rows: int
    steps: int
    """Of an epoch."""


class Ended(Exception):
    """Validation, when a rank was told to end."""


class Stop:
    """SIGTERM: SageMaker sends it when it takes a spot instance back, at the runtime's ceiling and on request.

    SIGKILL follows 120 s later. While a step is computed the request is kept; else the job ends at once.
    """

    def __init__(self) -> None:
        self.asked = False
        self.training = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True
        if not self.training:
            raise Interrupted(
                "Told to end while no step was computed; another attempt goes on from the last checkpoint"
            )


class Progress(TrainerCallback):
    """Writes a line of `metrics.jsonl` a step, on rank 0, and has all ranks save and end when one is told to."""

    def __init__(self, file: Path, stop: Stop, resumed: int, ranks: Ranks) -> None:
        """`resumed` is the step that the job goes on from; what an earlier attempt did after it is forgotten."""
        self.file, self.stop, self._ranks = file, stop, ranks
        self.validation_loss: float | None = None
        self._saved = resumed
        self._tokens, self._time = 0, 0.0
        if not ranks.is_first:
            return
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= resumed]
        file.write_text("".join(kept), encoding="utf-8")

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._tokens, self._time = int(state.num_input_tokens_seen), time.monotonic()
        if self._ranks.is_first:
            say(f"Training: step {state.global_step} of {state.max_steps}")

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        logs = logs or {}
        if (validation := logs.get("eval_loss")) is not None:
            self.validation_loss = validation
            self._time = time.monotonic()  # the next step's rate leaves out what validation took
            if self._ranks.is_first:
                say(f"Step {state.global_step}: validation loss {validation:.4f}")
        if (loss := logs.get("loss")) is None:
            return
        if not math.isfinite(loss):
            raise Refused(
                f"The loss is {loss} at step {state.global_step}: the training has diverged. Lower learning_rate, to a "
                "tenth for example, or raise warmup_ratio."
            )
        if not self._ranks.is_first:
            return
        now, tokens = time.monotonic(), int(state.num_input_tokens_seen)
        rate = (tokens - self._tokens) / max(now - self._time, 1e-9)
        self._tokens, self._time = tokens, now
        line = {
            "time": time.time(),
            "step": state.global_step,
            "steps": state.max_steps,
            "epoch": round(state.epoch, 4),
            "loss": loss,
            "learning_rate": logs["learning_rate"],
            "gradient_norm": logs.get("grad_norm"),
            "tokens": tokens,
            "tokens_per_second": round(rate, 1),
        }
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        say(f"Step {line['step']} of {line['steps']}: loss {loss:.4f}, {rate:.0f} tokens/s")

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # Between two optimizer steps the weights are those of the last step: what is saved now is that step.
        self._end_if_asked(args, state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= state.max_steps:  # as newer versions do by themselves
            control.should_evaluate = args.eval_strategy != "no"
        self._end_if_asked(args, state, control)

    def on_prediction_step(self, args: Any, _state: Any, _control: Any, **_: Any) -> None:
        if self._asked(args):
            raise Ended

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._saved = state.global_step
        if self._asked(args):  # rather than after one step more
            control.should_training_stop = True

    def _end_if_asked(self, args: Any, state: Any, control: Any) -> None:
        if self._asked(args):
            control.should_evaluate = False
            control.should_save = state.global_step > self._saved
            control.should_training_stop = True

    def _asked(self, args: Any) -> bool:
        """Whether a rank was told to end, which all of them then know; asked at the same place by all."""
        agreed = self._ranks.any(self.stop.asked, args.device)
        if agreed:  # and never back: SIGTERM may have come while they agreed that nobody was told
            self.stop.asked = True
        return agreed
