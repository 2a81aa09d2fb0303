"""Protocol of a training back end, and what all of them share: plans, statuses, and the records of runs."""

import datetime
import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract import run_record
from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from tandem.cost.run_price import RunPrice
from tandem.finetuning import recipe as recipes
from tandem.finetuning.backend_table import facts
from tandem.finetuning.dataset.store import DataSetVersion
from tandem.runtime.pages import each

# Outputs of a stack that every back end is given.
OUTPUTS = ("artifactBucket", "datasetBucket", "modelPackageGroup")
RUNNING, STOPPING, SUCCEEDED, FAILED, ABORTED = "RUNNING", "STOPPING", "SUCCEEDED", "FAILED", "ABORTED"
TRAINING = "training"
Lines = tuple[list[str], str | None]
"""Of a log, and the token to go on with."""


@dataclass(frozen=True)
class Plan:
    """A run that may be started."""

    recipe: Mapping[str, Any]
    data_set: DataSetVersion
    manifest: Mapping[str, Any]
    price: RunPrice | None
    """None: NOT PRICED, which is not free."""
    notes: tuple[str, ...]
    envelope: Mapping[str, Any] = field(default_factory=dict)
    """The limits that the run stays within; empty where the back end has none."""

    @property
    def shown_price(self) -> dict[str, str]:
        """Both prices as they were shown, in dollars."""
        if self.price is None:
            return {"expected": "NOT PRICED", "ceiling": "NOT PRICED"}
        expected = self.price.expected_usd
        return {"expected": "unknown" if expected is None else str(expected), "ceiling": str(self.price.ceiling_usd)}


@dataclass(frozen=True)
class Job:
    """A job of a run in the account."""

    name: str
    step: str
    attempt: int
    status: str
    detail: str
    reason: str
    seconds: int
    """Billed so far, of each instance."""
    instance_type: str
    instances: int
    running: bool
    """Whether it has not ended."""


@dataclass(frozen=True)
class Status:
    """How a run stands."""

    run: str
    state: str
    """RUNNING, STOPPING (cancelled, and not ended yet), SUCCEEDED, FAILED, ABORTED, or another end."""
    cause: str = ""
    """Why it has ended; while it runs, what a managed service says of it."""
    activity: str = ""
    """What it is doing: `training`, or another word; empty when it has ended."""
    progress: Mapping[str, Any] | None = None
    """The newest metrics: `step`, `steps`, `loss`, `tokens_per_second` and more; None before the first."""
    jobs: Sequence[Job] = ()
    spent: Decimal | None = None
    """US dollars so far; None: not known, or not yet."""
    spent_on: str = ""
    """What `spent` counts, or why it isn't known."""
    failed_at: str = ""
    """The step that a run ended in which didn't succeed: `train`, `evaluate`, `gate` or `register`."""
    kept: str = ""
    """What there is of such a run, and what goes on from it."""

    @property
    def running(self) -> bool:
        """Whether its state may still change."""
        return self.state in (RUNNING, STOPPING)


class RunRecords:
    """The records of a stack's runs, in its artifact bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def create(self, plan: Plan, backend: str = "", *, urgent: bool = False) -> Run:
        """Write a new run's record and recipe; nothing runs yet. `backend` runs it, by default the recipe's."""
        now = datetime.datetime.now(datetime.UTC)
        run = Run(
            name=run_record.new_name(plan.data_set.name, now),
            dataset=plan.data_set.prefix,
            manifest_digest=plan.manifest["digest"],
            recipe_digest=recipes.digest(plan.recipe),
            recipe=plan.recipe,
            envelope=plan.envelope,
            price=plan.shown_price,
            started_at=now.isoformat(timespec="seconds"),
            backend="" if backend == plan.recipe["backend"] else backend,
            urgent=urgent,
        )
        self.write_json(run_record.recipe_key(run.name), plan.recipe)
        self.write(run_record.record_key(run.name), run.to_json())
        return run

    def get(self, name: str) -> Run:
        """The record of a run; raises `TandemError` if there is none."""
        if content := self.read(run_record.record_key(name)):
            return Run.from_json(content)
        known = ", ".join(self.names()[:5]) or "none"
        raise TandemError(f"There is no run {name!r}; the newest are: {known}.")

    def names(self) -> list[str]:
        """The runs that were prepared, newest first."""
        # A name ends in its time and two random bytes.
        return sorted(self.folders(run_record.RUNS), key=lambda name: name.rsplit("-", 3)[1:], reverse=True)

    def files(self, prefix: str) -> list[str]:
        """The names of the objects below a prefix."""
        found = each(self._s3, "list_objects_v2", "Contents", Bucket=self._bucket, Prefix=prefix)
        return [entry["Key"].removeprefix(prefix) for entry in found]

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders in a prefix."""
        where = {"Bucket": self._bucket, "Prefix": prefix, "Delimiter": "/"}
        found = each(self._s3, "list_objects_v2", "CommonPrefixes", **where)
        return [entry["Prefix"].removeprefix(prefix).rstrip("/") for entry in found]

    def read(self, key: str) -> bytes | None:
        """An object of the artifact bucket; None if it isn't there."""
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None

    def read_json(self, key: str) -> Any:
        """The content of a JSON object; None if it isn't there."""
        content = self.read(key)
        return None if content is None else json.loads(content)

    def write(self, key: str, content: bytes) -> None:
        """Write an object."""
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content)

    def write_json(self, key: str, content: Any) -> None:
        """Write a JSON object."""
        self.write(key, json.dumps(content, indent=2, sort_keys=True).encode())


@dataclass(frozen=True)
class Workspace:
    """What a back end works with."""

    client: Callable[[str], Any]
    """A boto3 client by its service's name."""
    outputs: Mapping[str, str]
    """Outputs of the stack: `OUTPUTS`, and those of the back end's row."""
    secret: str | None = None
    """Name of the secret with a managed service's key, in place of the usual one."""
    url: str | None = None
    """Base URL of a compatible service, in place of a managed service's own."""
    served: Mapping[str, str] = field(default_factory=dict)
    """Model -> the endpoint that a managed service serves it at, where it needs one."""
    configuration: Mapping[str, str] = field(default_factory=dict)
    """Of the stack, deployed or not, as `tandem:endpointInstance`: what comes after a run depends on it."""
    progress: Callable[[int, int], None] = lambda *_: None
    """Called with how many of how many answers of an evaluation are there."""


class Backend(ABC):
    """Trains the runs of one stack whose recipes name it.

    What is abstract every back end does; of the rest one that can't says so. Errors are `TandemError` and the SDK's.
    """

    def __init__(self, name: str, workspace: Workspace) -> None:
        self.name, self.facts, self.workspace = name, facts(name), workspace
        self.records = RunRecords(workspace.client("s3"), workspace.outputs["artifactBucket"])

    @abstractmethod
    def check(self, recipe: Mapping[str, Any], data_set: DataSetVersion, manifest: Mapping[str, Any]) -> Plan:
        """Plan a run by a checked recipe; raises `TandemError` with all that speaks against it. Nothing is billed."""

    @abstractmethod
    def start(self, run: Run) -> None:
        """Start a run that has its record; a second call starts nothing."""

    @abstractmethod
    def status(self, run: Run) -> Status:
        """How a run stands; raises `TandemError` if it was never started."""

    @abstractmethod
    def cancel(self, run: Run) -> list[str]:
        """Ask for a run's end, and return what is stopping; what has ended stays as it is."""

    def resume(self, run: Run) -> str:
        """Go on with a run that has failed or was cancelled, and return what goes on (`attempt 2 of 3`)."""
        raise TandemError(f"Run {run.name!r} can't be resumed: {self.facts.title} can't resume; start a new one.")

    def jobs(self, run: Run) -> list[Job]:
        """The run's jobs in the account, oldest first."""
        raise TandemError(f"Run {run.name!r} has no job here to read: it runs at {self.facts.title}; look there.")

    def logs(self, job: Job, host: str = "", token: str | None = None, rank: int | None = None) -> Lines:  # noqa: ARG002
        """Lines after `token` of the log that a host of one of `jobs` writes, or a rank, and the token to go on with.

        Without either it is the first host that has a log. Raises `TandemError` for one that the job hasn't.
        """
        raise TandemError(f"{job.name} has no log here to read: it runs at {self.facts.title}; look there.")

    def evaluation(self, run: Run) -> dict[str, Any]:
        """The run's evaluation; raises `TandemError` before there is one."""
        if found := self.records.read_json(f"{run.folder}evaluation.json"):
            return found
        raise TandemError(
            f"Run {run.name!r} has no evaluation: `tandem finetune status {run.name}` says how it stands."
        )

    def never_started(self, run: Run) -> TandemError:
        """The error for a run that has a record and nothing else."""
        return TandemError(f"Run {run.name!r} was prepared but never started: start it again.")


def open_backend(name: str, workspace: Workspace) -> Backend:
    """The back end of that name; raises `TandemError` for one that isn't in the table."""
    module, _, implementation = facts(name).implementation.partition(":")
    return getattr(importlib.import_module(module), implementation)(name, workspace)
