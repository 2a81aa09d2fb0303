"""SageMaker as a back end: the training pipeline's jobs are training jobs, and so is an evaluation."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract import run_record
from tandem_contract.envelope import RunEnvelope
from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from tandem.runtime.pages import each
from tandem.runtime.quotas import Quotas

from ..base import Job, Lines
from ..pipeline import SAGEMAKERS, Pipeline, check_host
from .quotas import quotas

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
IN_PROGRESS = ("InProgress", "Stopping")


class SageMaker(Pipeline):
    """Runs of the stack's training pipeline, as SageMaker's training jobs."""

    spent_on, instances = "of instances' time", SAGEMAKERS

    def quotas(self, envelope: RunEnvelope) -> Quotas:
        """Of instances for training."""
        return quotas(envelope)

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

    def logs(self, job: Job, host: str = "", token: str | None = None, rank: int | None = None) -> Lines:
        """From CloudWatch: each host of a job, `algo-1` and so on, writes a stream of its own, `JOB/HOST-TIME`."""
        if rank is not None:
            raise TandemError("SageMaker keeps a log a host, which its ranks share: choose it by --host, not --rank.")
        hosts = [f"algo-{number}" for number in range(1, job.instances + 1)]
        check_host(job, host, hosts)
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

    def stop(self, run: Run, jobs: Sequence[Job]) -> None:  # noqa: ARG002
        """By their names."""
        for job in jobs:
            try:
                self._client("sagemaker").stop_training_job(TrainingJobName=job.name)
            except ClientError as error:
                # The end of the execution stops its job too, and a stopping job refuses to be stopped.
                if error.response["Error"]["Code"] != "ValidationException":
                    raise


def _billed(job: Mapping[str, Any]) -> int:
    if "BillableTimeInSeconds" in job:
        return int(job["BillableTimeInSeconds"])
    if started := job.get("TrainingStartTime"):
        ended = job.get("TrainingEndTime") or datetime.datetime.now(datetime.UTC)
        return round((ended - started).total_seconds())
    return 0
