"""What is known of a job on a cluster, `runs/RUN/jobs/JOB/job.json`: written by its function, read by commands."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tandem_contract.errors import TandemError
from tandem_contract.run_record import folder

FORMAT = 1
QUEUED, STARTING, RESTARTING, STOPPING = "queued", "starting", "restarting", "stopping"
WORKING = {"train": "training", "evaluate": "evaluating"}
SUCCEEDED, FAILED, STOPPED = "succeeded", "failed", "stopped"
ENDED = (SUCCEEDED, FAILED, STOPPED)


@dataclass(frozen=True)
class JobRecord:
    """A job as it was last seen. Times are UTC, ISO 8601; empty where there is none."""

    name: str
    run: str
    step: str
    attempt: int
    """Which TrainJob of this step it is, from 1."""
    instance_type: str
    instances: int
    created_at: str
    state: str = QUEUED
    sentence: str = ""
    """What it does or waits for, or why it has ended."""
    trouble: str = ""
    """What last kept its Pods from running."""
    ended_at: str = ""
    restarts: int = 0
    """Of all its Pods together."""
    counted_restarts: int = 0
    """Those that use up attempts: evictions don't."""
    conditions: tuple[Mapping[str, str], ...] = ()
    """Of the queue's Workload, as they changed: `type`, `status`, `reason`, `message`, `time`."""
    pods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By name, also those that are gone: `node`, `phase`, `exit_code`, `reason`, `started`, `ended`, `seen`."""
    node_seconds: int = 0
    """That its Pods have had nodes, all together."""

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.state in ENDED

    @property
    def attempts(self) -> int:
        """How many of the run envelope's attempts it has used."""
        return 1 + self.counted_restarts

    def to_json(self) -> bytes:
        """The record's bytes."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2).encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> "JobRecord":
        """Read a record; raises `TandemError` for one of another format."""
        content = json.loads(text)
        if content.pop("format", None) != FORMAT:
            raise TandemError(f"the job's record is not of format {FORMAT}: it was made by another version of tandem")
        return replace(cls(**content), conditions=tuple(content["conditions"]))


def jobs(run: str) -> str:
    """Prefix of what the jobs of a run leave."""
    return f"{folder(run)}jobs/"


def of_job(run: str, job: str) -> str:
    """Prefix of what a job leaves."""
    return f"{jobs(run)}{job}/"


def record_key(run: str, job: str) -> str:
    """Key of a job's record."""
    return f"{of_job(run, job)}job.json"


def output(run: str, job: str) -> str:
    """Prefix of `failure` and `model/`, as SageMaker lays a job's output out."""
    return f"{of_job(run, job)}output/"


def logs(run: str, job: str) -> str:
    """Prefix of `HOST.log` and `rank-N.log`."""
    return f"{of_job(run, job)}logs/"
