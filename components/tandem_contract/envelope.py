"""The run envelope: the limits within which every run of a pipeline stays, whoever starts it.

The standard library alone: functions carry this module.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

# SageMaker ends jobs at 28 days; a new account's quota "Longest run time for a training job" does at 5.
SECONDS = (600, 432_000)
ATTEMPTS = (1, 5)
INSTANCES = (1, 16)
# What CreateTrainingJob takes as VolumeSizeInGB without a quota of one's own.
VOLUME_GB = (1, 16_384)

SHORTER = "Train in parts that continue from a checkpoint, or on a larger instance"


class EnvelopeError(ValueError):
    """The envelope can't be used; `mistakes` and the text list everything that is wrong with it."""

    def __init__(self, mistakes: list[str]):
        self.mistakes = mistakes
        super().__init__(f"the run envelope has {len(mistakes)} mistake(s): " + "; ".join(mistakes))


@dataclass(frozen=True)
class RunEnvelope:
    """What one run may use at most. A resumed run draws on the same envelope."""

    instance_type: str
    """Instance that trains, e.g. `ml.g6e.2xlarge`."""
    instance_count: int
    max_runtime_seconds: int
    """After which SageMaker stops one attempt at training."""
    attempts: int
    """How often training may be started: once, and once more after each failure."""
    spot: bool
    volume_gb: int
    """Disk of each instance. One with disks of its own gets those, whatever is said here."""
    checkpoint: bool
    evaluation_instance_type: str
    evaluation_max_runtime_seconds: int

    @classmethod
    def from_json(cls, text: str) -> "RunEnvelope":
        """Read an envelope; raises `EnvelopeError` with every mistake if it isn't one that can be used."""
        try:
            content = json.loads(text)
        except ValueError as error:
            raise EnvelopeError([f"not JSON ({error})"]) from error
        if not isinstance(content, dict):
            raise EnvelopeError(["not a JSON object"])
        known = [field.name for field in fields(cls)]
        mistakes = [f"{name!r} is missing" for name in known if name not in content]
        mistakes += [f"unknown key {name!r}; known: {', '.join(known)}" for name in content if name not in known]
        values = {name: _whole(content.get(name)) for name in known}
        mistakes += [mistake for mistake in _mistakes(values) if mistake.partition(":")[0] in content]
        if mistakes:
            raise EnvelopeError(mistakes)
        return cls(**values)

    def to_json(self) -> str:
        """The envelope as one line of JSON."""
        return json.dumps(asdict(self))

    def mistakes(self) -> list[str]:
        """One line for each value that can't be used: key, value, what is allowed, and the remedy."""
        return _mistakes(asdict(self))


def _whole(value: Any) -> Any:
    """Pulumi hands integers over as floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _mistakes(values: Mapping[str, Any]) -> list[str]:
    ranges = {
        "instance_count": (INSTANCES, "instances", "Take an instance with more GPUs instead"),
        "max_runtime_seconds": (SECONDS, "seconds", SHORTER),
        "attempts": (ATTEMPTS, "attempts", "Find out why training fails: each attempt may cost the whole runtime"),
        "volume_gb": (VOLUME_GB, "GB", "Leave room for the base model, checkpoints and the merged model"),
        "evaluation_max_runtime_seconds": (SECONDS, "seconds", "Evaluate fewer rows: `evaluation.max_rows`"),
    }
    found = []
    for key, value in values.items():
        if key.endswith("instance_type"):
            if not isinstance(value, str) or len(value.split(".")) != 3 or not value.startswith("ml."):
                found.append((key, value, "a SageMaker instance type", "Write it as `ml.g6e.2xlarge`"))
        elif key in ("spot", "checkpoint"):
            if not isinstance(value, bool):
                found.append((key, value, "true or false", "Write it without quotes"))
        else:
            (low, high), unit, remedy = ranges[key]
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                found.append((key, value, f"a whole number of {unit} from {low} to {high}", remedy))
    if values["spot"] is True and values["checkpoint"] is False:
        remedy = "An interruption would lose all work: turn `checkpoint` on, or `spot` off"
        found.append(("spot", True, "only with checkpoints", remedy))
    return [f"{key}: {value!r} is not allowed ({allowed}). {remedy}." for key, value, allowed, remedy in found]
