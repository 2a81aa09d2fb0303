"""SageMaker as a back end: a run is an execution of the stack's training pipeline, which starts its jobs."""

import datetime
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract import run_record
from tandem_contract.envelope import RunEnvelope
from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from tandem.cost.prices import NoPrice, load
from tandem.finetuning.dataset.store import DataSetVersion
from tandem.runtime.pages import each

from ..base import RUNNING, SUCCEEDED, TRAINING, Backend, Job, Plan, Status
from .preflight import preflight

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
IN_PROGRESS = ("InProgress", "Stopping")
ACTIVITIES = {"train": TRAINING, "evaluate": "evaluating"}


class SageMaker(Backend):
    """Runs of the stack's training pipeline."""

    def envelope(self) -> RunEnvelope:
        """The run envelope as deployed."""
        parameter = self.workspace.outputs["runEnvelopeParameter"]
        return RunEnvelope.from_json(self._client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])

    def check(self, recipe: Mapping[str, Any], data_set: DataSetVersion, manifest: Mapping[str, Any]) -> Plan:
        """By the model, the data set, the run envelope, the account's quota and the price table."""
        buckets = (self.workspace.outputs[name] for name in ("artifactBucket", "datasetBucket"))
        return preflight(self._client, recipe, data_set, manifest, self.envelope(), *buckets)

    def start(self, run: Run) -> None:
        """Start the run's first execution."""
        self._execute(run, 1)

    def status(self, run: Run) -> Status:
        """By its newest execution, its jobs and the metrics that training writes."""
        execution, jobs, metrics = self._execution(run), self.jobs(run), self.metrics(run)
        state, activity = execution["status"], ""
        if state == RUNNING:
            waiting = "between two jobs" if jobs else "waiting for its first job"
            activity = next((ACTIVITIES[job.step] for job in reversed(jobs) if job.running), waiting)
        spent, spent_on = self._spent(jobs)
        progress = metrics[-1] if metrics else None
        return Status(run.name, state, _cause(execution), activity, progress, jobs, spent, spent_on)

    def _spent(self, jobs: Sequence[Job]) -> tuple[Decimal | None, str]:
        """Dollars for the instances' time so far, at on-demand rates; None, and why, where they can't be told."""
        total = Decimal(0)
        try:
            for job in jobs:
                table = load(self._client("sagemaker").meta.region_name)
                row = table.price("AmazonSageMaker", f"training:{job.instance_type}")
                total += Decimal(job.seconds * job.instances) * (row.usd or Decimal(0)) / 3600
        except NoPrice:
            return None, "an instance is NOT PRICED"
        except TandemError as error:
            return None, str(error)
        return total, "of instances' time"

    def jobs(self, run: Run) -> list[Job]:
        """The run's jobs, oldest first."""
        sagemaker, jobs = self._client("sagemaker"), []
        oldest_first = {"NameContains": run.name, "SortBy": "CreationTime", "SortOrder": "Ascending"}
        for listed in each(sagemaker, "list_training_jobs", "TrainingJobSummaries", **oldest_first):
            name = listed["TrainingJobName"]
            step, _, attempt = name.removeprefix(f"{run.name}-").rpartition("-")
            if not name.startswith(f"{run.name}-") or step not in run_record.STEPS:
                continue
            job = sagemaker.describe_training_job(TrainingJobName=name)
            resources = job["ResourceConfig"]
            jobs.append(
                Job(
                    name=name,
                    step=step,
                    attempt=int(attempt),
                    status=job["TrainingJobStatus"],
                    detail=job.get("SecondaryStatus", ""),
                    reason=job.get("FailureReason", ""),
                    seconds=_billed(job),
                    instance_type=resources["InstanceType"],
                    instances=resources["InstanceCount"],
                    running=job["TrainingJobStatus"] in IN_PROGRESS,
                )
            )
        return jobs

    def metrics(self, run: Run) -> list[dict[str, Any]]:
        """What training has reported, a line a step."""
        text = (self.records.read(f"{run_record.checkpoints(run.name)}metrics.jsonl") or b"").decode()
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def evaluation(self, run: Run) -> dict[str, Any]:
        """As the newest complete evaluation job wrote it."""
        for job in reversed(self.jobs(run)):
            if job.step == "evaluate" and job.status == "Completed":
                return self.records.read_json(f"{run.folder}jobs/{job.name}/output/model/evaluation.json")
        return super().evaluation(run)

    def logs(self, job: Job, host: str = "", token: str | None = None) -> tuple[list[str], str | None]:
        """From CloudWatch: each host of a job, `algo-1` and so on, writes a stream of its own, `JOB/HOST-TIME`."""
        hosts = [f"algo-{number}" for number in range(1, job.instances + 1)]
        if host and host not in hosts:
            raise TandemError(f"{job.name} has no host {host!r}: it has {', '.join(hosts)}.")
        logs = self._client("logs")
        # What is returned as token names the stream too: which one is the first may change while hosts start.
        stream, _, after = (token or "").partition(" ")
        if not stream:
            prefix = f"{job.name}/{host}-" if host else f"{job.name}/"
            try:
                streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=prefix)["logStreams"]
            except logs.exceptions.ResourceNotFoundException:
                return [], None
            if not streams:
                return [], None
            stream = streams[0]["logStreamName"]
        request = {"logGroupName": LOG_GROUP, "logStreamName": stream, "startFromHead": True}
        answer = logs.get_log_events(**request, **({"nextToken": after} if after else {}))
        return [event["message"] for event in answer["events"]], f"{stream} {answer['nextForwardToken']}"

    def cancel(self, run: Run) -> list[str]:
        """Stop the execution and its jobs, whose names are returned; checkpoints stay."""
        execution = self._execution(run)
        if execution["status"] == RUNNING:
            self._client("stepfunctions").stop_execution(
                executionArn=execution["executionArn"], error="Cancelled", cause="tandem finetune cancel"
            )
        stopped = [job.name for job in self.jobs(run) if job.running]
        for name in stopped:
            try:
                self._client("sagemaker").stop_training_job(TrainingJobName=name)
            except ClientError as error:
                # The end of the execution stops its job too, and a stopping job refuses to be stopped.
                if error.response["Error"]["Code"] != "ValidationException":
                    raise
        return stopped

    def resume(self, run: Run) -> str:
        """Go on from the last checkpoint, within the same envelope; returns which attempt of how many it is.

        A completed training isn't repeated. A run that failed at the gate is evaluated again.

        Raises `TandemError` if the run goes on, has succeeded, or has no attempt left.
        """
        execution, jobs = self._execution(run), self.jobs(run)
        if execution["status"] in (RUNNING, SUCCEEDED):
            raise TandemError(f"Run {run.name!r} is {execution['status'].lower()}: there is nothing to resume.")
        if any(job.running for job in jobs):
            raise TandemError(f"A job of run {run.name!r} is still stopping: try again in a minute.")
        step = "evaluate" if any(job.step == "train" and job.status == "Completed" for job in jobs) else "train"
        used = sum(job.step == step for job in jobs)
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


def _billed(job: Mapping[str, Any]) -> int:
    if "BillableTimeInSeconds" in job:
        return int(job["BillableTimeInSeconds"])
    if started := job.get("TrainingStartTime"):
        ended = job.get("TrainingEndTime") or datetime.datetime.now(datetime.UTC)
        return round((ended - started).total_seconds())
    return 0


def _cause(execution: Mapping[str, Any]) -> str:
    """Why it ended, in the words of whoever said so: a failed job, a function or the gate."""
    cause = execution.get("cause", "")
    try:
        content = json.loads(cause)
    except ValueError:
        return cause
    return content.get("FailureReason") or content.get("errorMessage") or cause
