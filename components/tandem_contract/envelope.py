"""The run envelope: the limits within which every run of a pipeline stays, whoever starts it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .checks import Checks
from .errors import Mistake, Mistakes
from .fields import Field

ENVELOPE_PARAMETER = "/run-envelope"
"""How the name of the SSM parameter that holds it ends."""
PENDING_SECONDS = 7200
"""That a job may wait for an instance; waiting isn't billed."""
QUEUE_SECONDS = 86_400
"""That a job may wait for quota and a node on a cluster; waiting for quota isn't billed."""
FINISHING_SECONDS = 1800
"""That a job may take to upload its model once its own time is up."""

MOST_INSTANCES = 16

SUBJECT, REMEDY = "The run envelope", "`pulumi up` writes it."
INSTANCE = r"(ml\.)?(?!ml\.)[^.]+\.[^.]+"
INSTANCE_KINDS = "an instance type: SageMaker's with `ml.`, on a cluster EC2's without"
SHORTER = "Train in parts that continue from a checkpoint, or on a larger instance."
FIELDS = {
    "instance_type": Field(
        "ml.g6e.2xlarge", pattern=INSTANCE, allowed=INSTANCE_KINDS, remedy="For example ml.g6e.2xlarge."
    ),
    "instance_count": Field(
        1, low=1, high=MOST_INSTANCES, unit="instances", remedy="Take an instance with more GPUs instead."
    ),
    # SageMaker ends jobs at 28 days; a new account's quota "Longest run time for a training job" does at 5.
    "max_runtime_seconds": Field(4 * 3600, low=720, high=432_000, unit="seconds", remedy=SHORTER),
    "attempts": Field(
        2, low=1, high=5, unit="attempts", remedy="Each may cost the whole training time: find out why it fails."
    ),
    "spot": Field(False),
    # What CreateTrainingJob takes as VolumeSizeInGB without a quota of one's own.
    "volume_gb": Field(
        200,
        low=30,
        high=16_384,
        unit="GB",
        remedy="200 has room for an 8B model, its checkpoints and the merged model.",
    ),
    "checkpoint": Field(True),
    "evaluation_instance_type": Field(
        "ml.g6e.2xlarge", pattern=INSTANCE, allowed=INSTANCE_KINDS, remedy="For example ml.g6e.2xlarge."
    ),
    "evaluation_max_runtime_seconds": Field(
        3600, low=720, high=432_000, unit="seconds", remedy="Evaluate fewer rows: `evaluation.max_rows`."
    ),
}


@dataclass(frozen=True)
class RunEnvelope:
    """What one run may use at most. A resumed run draws on the same envelope."""

    instance_type: str
    """Instance that trains, e.g. `ml.g6e.2xlarge`; on a cluster EC2's name, `g6e.2xlarge`."""
    instance_count: int
    max_runtime_seconds: int
    """After which one attempt at training is stopped."""
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
        """Read an envelope; raises `Mistakes` if it isn't one that can be used."""
        checks, values = Checks(), dict[str, Any]()
        try:
            content = json.loads(text)
        except ValueError as error:
            raise Mistakes(SUBJECT, [Mistake("", f"It is not JSON ({error})", REMEDY)]) from error
        given = checks.mapping("", content, REMEDY)
        if not checks.mistakes:
            values = read(checks, given, REMEDY)
        checks.finish(SUBJECT)
        return cls(**values)

    def to_json(self) -> str:
        """The envelope as one line of JSON."""
        return json.dumps(asdict(self))


def read(checks: Checks, given: Mapping[str, Any], remedy: str = "Each key has to be there.") -> dict[str, Any]:
    """Every key with its value, None where it is refused; `remedy` is for those that lack."""
    checks.known(given, FIELDS, "a key of it")
    values = {}
    for name, field in FIELDS.items():
        if given.get(name) is None:
            checks.missing(name, remedy)
        values[name] = field.read(checks, name, given.get(name))
    if values["spot"] is True and values["checkpoint"] is False:
        together = "An interruption would lose all work: turn `checkpoint` on, or `spot` off."
        checks.refuse("spot", True, "only with checkpoints", together)
    return values


DEFAULT = RunEnvelope(**{name: field.default for name, field in FIELDS.items()})
