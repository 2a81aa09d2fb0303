"""Back ends whose runs are executions of the stack's training pipeline, which starts their jobs."""

import json
import re
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tandem_contract import run_record
from tandem_contract.envelope import RunEnvelope
from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from tandem.cost.prices import NoPrice, load
from tandem.finetuning.dataset.store import DataSetVersion
from tandem.runtime.quotas import Quotas

from .base import RUNNING, SUCCEEDED, TRAINING, Backend, Job, Plan, Status
from .instances import price_of
from .preflight import preflight

ACTIVITIES = {"train": TRAINING, "evaluate": "evaluating"}
COMPLETED = "Completed"
GATE_FAILED = "GateFailed"  # as the state machine ends
CHECKPOINT = re.compile(r"checkpoint-(\d+)/complete\.json")
"""What training writes last of a checkpoint."""
SAGEMAKERS = "ml."


class Pipeline(Backend):
    """Runs of the stack's training pipeline; its jobs are the back end's."""

    spent_on: str
    """What the money so far is of."""
    instances: str
    """How the names of its instances begin."""

    @abstractmethod
    def quotas(self, envelope: RunEnvelope) -> Quotas:
        """What a run takes of the account's quotas."""

    @abstractmethod
    def stop(self, run: Run, jobs: Sequence[Job]) -> None:
        """Stop jobs that are running; one that has ended meanwhile stays as it is."""

    @abstractmethod
    def jobs(self, run: Run) -> list[Job]:
        """The run's jobs, oldest first."""

    def used(self, run: Run, step: str) -> int:
        """How many of the envelope's attempts a step has used."""
        return sum(job.step == step for job in self.jobs(run))

    def doing(self, job: Job) -> str:
        """What a job that hasn't ended is doing."""
        return ACTIVITIES[job.step]

    def envelope(self) -> RunEnvelope:
        """The run envelope as deployed."""
        parameter = self.workspace.outputs["runEnvelopeParameter"]
        return RunEnvelope.from_json(self._client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])

    def check(self, recipe: Mapping[str, Any], data_set: DataSetVersion, manifest: Mapping[str, Any]) -> Plan:
        """By the model, the data set, the run envelope, the account's quota and the price table."""
        buckets = (self.workspace.outputs[name] for name in ("artifactBucket", "datasetBucket"))
        envelope = self.envelope()
        if envelope.instance_type.startswith(SAGEMAKERS) != (self.instances == SAGEMAKERS):
            there = "SageMaker" if envelope.instance_type.startswith(SAGEMAKERS) else "a cluster"
            raise TandemError(
                f"The stack trains on {there} ({envelope.instance_type}), not with back end {self.name!r}: leave "
                "`backend` out of the recipe and --backend out of the command, or set tandem:trainingBackend."
            )
        about = (self.quotas(envelope), self.workspace.configuration)
        return preflight(self._client, recipe, data_set, manifest, envelope, *buckets, *about)

    def start(self, run: Run) -> None:
        """Start the run's first execution."""
        self._execute(run, 1)

    def status(self, run: Run) -> Status:
        """By its newest execution, its jobs and the metrics that training writes."""
        execution, jobs, metrics = self._execution(run), self.jobs(run), self.metrics(run)
        state, activity = execution["status"], ""
        if state == RUNNING:
            waiting = "between two jobs" if jobs else "waiting for its first job"
            activity = next((self.doing(job) for job in reversed(jobs) if job.running), waiting)
        spent, spent_on = self._spent(jobs)
        progress = metrics[-1] if metrics else None
        about = (run.name, state, _cause(execution), activity, progress, jobs, spent, spent_on)
        if state in (RUNNING, SUCCEEDED):
            return Status(*about)
        complete = {job.step for job in jobs if job.status == COMPLETED}
        left = [step for step in ACTIVITIES if step not in complete]
        at = left[0] if left else "gate" if execution.get("error") == GATE_FAILED else "register"
        return Status(*about, failed_at=at, kept=self._kept(run, complete))

    def _kept(self, run: Run, complete: Collection[str]) -> str:
        """What a run that ended early leaves to go on from."""
        if "evaluate" in complete:
            return "model and evaluation are kept: `tandem finetune resume` repeats neither"
        if "train" in complete:
            return "the model is kept: `tandem finetune resume` evaluates it, and trains nothing"
        files = set(self.records.files(run_record.checkpoints(run.name)))
        steps = [int(found[1]) for file in files if (found := CHECKPOINT.fullmatch(file))]
        if not steps:
            return "no checkpoint yet: `tandem finetune resume` begins anew"
        return f"the checkpoint of step {max(steps)} is kept: `tandem finetune resume` goes on from it"

    def _spent(self, jobs: Sequence[Job]) -> tuple[Decimal | None, str]:
        """Dollars for the instances' time so far, at on-demand rates; None, and why, where they can't be told."""
        total = Decimal(0)
        try:
            for job in jobs:
                row = load(self._client("sts").meta.region_name).price(*price_of(job.instance_type))
                total += Decimal(job.seconds * job.instances) * (row.usd or Decimal(0)) / 3600
        except NoPrice:
            return None, "an instance is NOT PRICED"
        except TandemError as error:
            return None, str(error)
        return total, self.spent_on

    def metrics(self, run: Run) -> list[dict[str, Any]]:
        """What training has reported, a line a step."""
        text = (self.records.read(f"{run_record.checkpoints(run.name)}metrics.jsonl") or b"").decode()
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def evaluation(self, run: Run) -> dict[str, Any]:
        """As the newest complete evaluation job wrote it."""
        for job in reversed(self.jobs(run)):
            if job.step == "evaluate" and job.status == COMPLETED:
                return self.records.read_json(f"{run.folder}jobs/{job.name}/output/model/evaluation.json")
        return super().evaluation(run)

    def cancel(self, run: Run) -> list[str]:
        """Stop the execution and its jobs, whose names are returned; checkpoints stay."""
        execution = self._execution(run)
        if execution["status"] == RUNNING:
            self._client("stepfunctions").stop_execution(
                executionArn=execution["executionArn"], error="Cancelled", cause="tandem finetune cancel"
            )
        running = [job for job in self.jobs(run) if job.running]
        self.stop(run, running)
        return [job.name for job in running]

    def resume(self, run: Run) -> str:
        """Go on from the last checkpoint, within the same envelope; returns which attempt of how many it is.

        What is complete isn't repeated, neither training nor evaluation: then only the gate and registering are.

        Raises `TandemError` if the run goes on, has succeeded, or has no attempt left.
        """
        execution, jobs = self._execution(run), self.jobs(run)
        if execution["status"] in (RUNNING, SUCCEEDED):
            raise TandemError(f"Run {run.name!r} is {execution['status'].lower()}: there is nothing to resume.")
        if any(job.running for job in jobs):
            raise TandemError(f"A job of run {run.name!r} is still stopping: try again in a minute.")
        complete = {job.step for job in jobs if job.status == COMPLETED}
        if complete == set(ACTIVITIES):
            self._execute(run, int(execution["name"].rpartition("-")[2]) + 1)
            return "gate and registration, with the evaluation that there is"
        step = "evaluate" if "train" in complete else "train"
        used = self.used(run, step)
        if used >= (most := self.envelope().attempts):
            raise TandemError(
                f"Run {run.name!r} has used its {used} of {most} attempts to {step}: raise tandem:attempts, "
                "`pulumi up`, and resume."
            )
        self._execute(run, int(execution["name"].rpartition("-")[2]) + 1)
        return f"attempt {used + 1} of {most}"

    def _client(self, service: str) -> Any:
        return self.workspace.client(service)

    def _execute(self, run: Run, number: int) -> None:
        """Start an execution under a name of its own: the same one again is no error and starts nothing."""
        self._client("stepfunctions").start_execution(
            stateMachineArn=self.workspace.outputs["trainingPipelineArn"],
            name=f"{run.name}-{number}",
            input=json.dumps({"run": run.name}),
        )

    def _execution(self, run: Run) -> dict[str, Any]:
        """The newest execution of a run; each resumption is another one, with the next number."""
        stepfunctions, found, number = self._client("stepfunctions"), None, 1
        prefix = self.workspace.outputs["trainingPipelineArn"].replace(":stateMachine:", ":execution:")
        while True:
            try:
                found = stepfunctions.describe_execution(executionArn=f"{prefix}:{run.name}-{number}")
            except stepfunctions.exceptions.ExecutionDoesNotExist:
                break
            number += 1
        if found is None:
            raise self.never_started(run)
        return found


def check_host(job: Job, host: str, hosts: Sequence[str]) -> None:
    """Raise `TandemError` for a host that a job hasn't; none at all is the first."""
    if host and host not in hosts:
        raise TandemError(
            f"{job.name}, a job of step {job.step}, has no host {host!r}: it has {', '.join(hosts)}. --step chooses "
            "another step's job."
        )


def _cause(execution: Mapping[str, Any]) -> str:
    """Why it ended, in the words of whoever said so: a failed job, a function or the gate."""
    cause = execution.get("cause", "")
    try:
        content = json.loads(cause)
    except ValueError:
        return cause
    return content.get("FailureReason") or content.get("errorMessage") or cause
