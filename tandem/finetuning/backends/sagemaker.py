"""The runs of a stack: starts them, follows them, stops them, and takes their models to an endpoint."""

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract import run_record
from tandem_contract.envelope import RunEnvelope
from tandem_contract.run_record import Run

from tandem.cost.prices import NotPriced, PriceTable, Unavailable
from tandem.finetuning import recipe as recipes
from tandem.finetuning.dataset.store import Stored

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
RUNNING, SUCCEEDED = "RUNNING", "SUCCEEDED"
IN_PROGRESS = {"InProgress", "Stopping"}


class RunError(Exception):
    """What was asked of a run can't be done; the text says why, and the remedy."""


@dataclass(frozen=True)
class Job:
    """A SageMaker job of a run."""

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

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.status in IN_PROGRESS


@dataclass(frozen=True)
class Status:
    """How a run stands."""

    run: str
    state: str
    """Of its execution: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED."""
    cause: str
    jobs: list[Job] = field(default_factory=list)
    progress: Mapping[str, Any] | None = None
    """The newest line of metrics: `step`, `steps`, `loss`, `tokens_per_second` and more."""

    @property
    def step(self) -> str:
        """What it is doing: `train`, `evaluate`, `decide`, or nothing."""
        if self.state != RUNNING:
            return ""
        return next((job.step for job in reversed(self.jobs) if job.running), "decide")

    def spent(self, table: PriceTable) -> Decimal | None:
        """Dollars for the instances' time so far, at on-demand rates; None where an instance isn't priced."""
        total = Decimal(0)
        for job in self.jobs:
            try:
                row = table.price("AmazonSageMaker", f"training:{job.instance_type}")
            except (NotPriced, Unavailable):
                return None
            total += Decimal(job.seconds * job.instances) * (row.usd or Decimal(0)) / 3600
        return total


class Runs:
    """The runs of one stack. `client` gives a boto3 client by its service's name; errors of AWS are botocore's."""

    def __init__(self, client: Any, *, artifacts: str, pipeline_arn: str, envelope_parameter: str) -> None:
        self._client = client
        self._artifacts, self._pipeline, self._parameter = artifacts, pipeline_arn, envelope_parameter

    def envelope(self) -> RunEnvelope:
        """The run envelope as deployed."""
        answer = self._client("ssm").get_parameter(Name=self._parameter)
        return RunEnvelope.from_json(answer["Parameter"]["Value"])

    def prepare(
        self,
        recipe: Mapping[str, Any],
        stored: Stored,
        manifest: Mapping[str, Any],
        envelope: Mapping[str, Any],
        price: Mapping[str, str],
    ) -> Run:
        """Write a new run's record and recipe; nothing runs yet."""
        now = datetime.datetime.now(datetime.UTC)
        run = Run(
            name=run_record.new_name(stored.name, now),
            dataset=stored.prefix,
            manifest_digest=manifest["digest"],
            recipe_digest=recipes.digest(recipe),
            recipe=recipe,
            envelope=envelope,
            price=price,
            started_at=now.isoformat(timespec="seconds"),
        )
        s3 = self._client("s3")
        content = json.dumps(recipe, indent=2, sort_keys=True).encode()
        s3.put_object(Bucket=self._artifacts, Key=run_record.recipe_key(run.name), Body=content)
        s3.put_object(Bucket=self._artifacts, Key=run_record.record_key(run.name), Body=run.to_json())
        return run

    def start(self, run: str) -> None:
        """Start a prepared run's execution; starting it again is no error and starts nothing."""
        name = f"{run}-1"
        self._client("stepfunctions").start_execution(
            stateMachineArn=self._pipeline, name=name, input=json.dumps({"run": run})
        )

    def record(self, run: str) -> Run:
        """The record of a run; raises `RunError` if there is none."""
        try:
            answer = self._client("s3").get_object(Bucket=self._artifacts, Key=run_record.record_key(run))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            known = ", ".join(self.names()[:5]) or "none"
            raise RunError(f"There is no run {run!r}; the newest are: {known}.") from error
        return Run.from_json(answer["Body"].read())

    def names(self) -> list[str]:
        """The runs that were started, newest first."""
        s3, prefix = self._client("s3"), run_record.folder("").rstrip("/") + "/"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._artifacts, Prefix=prefix, Delimiter="/")
        found = [entry["Prefix"].split("/")[1] for page in pages for entry in page.get("CommonPrefixes", [])]
        # A name ends in its time and two random bytes.
        return sorted(found, key=lambda name: name.rsplit("-", 3)[1:], reverse=True)

    def status(self, run: str) -> Status:
        """How the run stands; raises `RunError` if it was never started."""
        execution = self._execution(run)
        return Status(run, execution["status"], _cause(execution), list(self.jobs(run)), self.progress(run))

    def jobs(self, run: str) -> Iterator[Job]:
        """The run's jobs, oldest first."""
        sagemaker = self._client("sagemaker")
        pages = sagemaker.get_paginator("list_training_jobs").paginate(
            NameContains=run, SortBy="CreationTime", SortOrder="Ascending"
        )
        for name in [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]:
            step, _, attempt = name.removeprefix(f"{run}-").rpartition("-")
            if not name.startswith(f"{run}-") or step not in run_record.STEPS:
                continue
            job = sagemaker.describe_training_job(TrainingJobName=name)
            resources = job["ResourceConfig"]
            yield Job(
                name=name,
                step=step,
                attempt=int(attempt),
                status=job["TrainingJobStatus"],
                detail=job.get("SecondaryStatus", ""),
                reason=job.get("FailureReason", ""),
                seconds=_billed(job),
                instance_type=resources["InstanceType"],
                instances=resources["InstanceCount"],
            )

    def progress(self, run: str) -> dict[str, Any] | None:
        """The newest line of the run's metrics; None before the first."""
        lines = self.metrics(run)
        return lines[-1] if lines else None

    def metrics(self, run: str) -> list[dict[str, Any]]:
        """What training has reported, a line a step."""
        key = f"{run_record.checkpoints(run)}metrics.jsonl"
        try:
            text = self._client("s3").get_object(Bucket=self._artifacts, Key=key)["Body"].read().decode()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return []
            raise
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def evaluation(self, run: str) -> dict[str, Any]:
        """The run's evaluation; raises `RunError` before there is one."""
        for job in reversed(list(self.jobs(run))):
            if job.step == "evaluate" and job.status == "Completed":
                key = f"{run_record.folder(run)}jobs/{job.name}/output/model/evaluation.json"
                return json.loads(self._client("s3").get_object(Bucket=self._artifacts, Key=key)["Body"].read())
        raise RunError(f"Run {run!r} has no evaluation: `tandem finetune status {run}` says how it stands.")

    def logs(self, job: str, token: str | None = None) -> tuple[list[str], str | None]:
        """Lines of a job's log after `token`, and the token to go on with."""
        logs = self._client("logs")
        try:
            streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/")["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return [], token
        if not streams:
            return [], token
        request = {"logGroupName": LOG_GROUP, "logStreamName": streams[0]["logStreamName"], "startFromHead": True}
        answer = logs.get_log_events(**request, **({"nextToken": token} if token else {}))
        return [event["message"] for event in answer["events"]], answer["nextForwardToken"]

    def cancel(self, run: str) -> list[str]:
        """Stop the run and return the names of the jobs that were stopped; what has ended stays as it is."""
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

    def resume(self, run: str) -> int:
        """Go on with a run that failed or was cancelled, within the same envelope; returns the next attempt's number.

        A completed training isn't repeated. A run that failed at the gate is evaluated again.

        Raises `RunError` if it is running, has succeeded, or has no attempt left.
        """
        record, execution = self.record(run), self._execution(run)
        if execution["status"] in (RUNNING, SUCCEEDED):
            raise RunError(f"Run {run!r} is {execution['status'].lower()}: there is nothing to resume.")
        if any(job.running for job in self.jobs(run)):
            raise RunError(f"A job of run {run!r} is still stopping: try again in a minute.")
        jobs = list(self.jobs(run))
        step = "evaluate" if any(job.step == "train" and job.status == "Completed" for job in jobs) else "train"
        used = sum(job.step == step for job in jobs)
        if used >= (most := self.envelope().attempts):
            raise RunError(
                f"Run {run!r} has used its {used} of {most} attempts to {step}: raise tandem:attempts, `pulumi up`, "
                "and resume."
            )
        number = int(execution["name"].rpartition("-")[2]) + 1
        self._client("stepfunctions").start_execution(
            stateMachineArn=self._pipeline, name=f"{record.name}-{number}", input=json.dumps({"run": record.name})
        )
        return used + 1

    def _execution(self, run: str) -> dict[str, Any]:
        """The newest execution of a run; each resumption is another one, with the next number."""
        stepfunctions, found, number = self._client("stepfunctions"), None, 1
        prefix = self._pipeline.replace(":stateMachine:", ":execution:")
        while True:
            try:
                found = stepfunctions.describe_execution(executionArn=f"{prefix}:{run}-{number}")
            except stepfunctions.exceptions.ExecutionDoesNotExist:
                break
            number += 1
        if found is None:
            self.record(run)
            raise RunError(f"Run {run!r} was prepared but never started: start it again.")
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
