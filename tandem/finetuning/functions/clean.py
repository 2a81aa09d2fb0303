"""Lambda handler at destroy: removes what runs have made outside Pulumi."""

import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from tandem.runtime.clients import client
from tandem.runtime.pages import each
from tandem.runtime.telemetry import log

from . import owned

WAIT_SECONDS = 480  # for all jobs to stop; the function may take ten minutes
RUNNING = ("InProgress", "Stopping")


def handler(event: Mapping[str, Any], context: Any) -> dict[str, int]:  # noqa: ARG001
    """`{"group", "pipeline", "tf": {"action"}}`: on `delete` stops runs and deletes packages, else does nothing.

    Raises `TimeoutError` when jobs are still stopping at the end: destroying again goes on.
    """
    done = {"executions": 0, "jobs": 0, "packages": 0}
    if event["tf"]["action"] != "delete":
        return done
    stepfunctions, sagemaker = client("stepfunctions"), client("sagemaker")
    running = {"stateMachineArn": event["pipeline"], "statusFilter": "RUNNING"}
    jobs: list[str] = []
    for execution in each(stepfunctions, "list_executions", "executions", **running):
        stepfunctions.stop_execution(executionArn=execution["executionArn"], error="Destroyed", cause="pulumi destroy")
        done["executions"] += 1
        jobs += _jobs(execution["name"].rpartition("-")[0])
    for job in jobs:
        done["jobs"] += _stop(job)
    deadline = time.monotonic() + WAIT_SECONDS
    while waiting := [job for job in jobs if _status(job) in RUNNING]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"still stopping: {', '.join(waiting)}; destroy again in a few minutes")
        time.sleep(3)
    packages = each(sagemaker, "list_model_packages", "ModelPackageSummaryList", ModelPackageGroupName=event["group"])
    for package in list(packages):
        sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
        done["packages"] += 1
    log("cleaned", **done)
    return done


def _jobs(run: str) -> list[str]:
    found = each(client("sagemaker"), "list_training_jobs", "TrainingJobSummaries", NameContains=run)
    running = (job for job in found if job["TrainingJobStatus"] in RUNNING)
    return [job["TrainingJobName"] for job in running if owned.is_our_job(job)]


def _status(job: str) -> str:
    return client("sagemaker").describe_training_job(TrainingJobName=job)["TrainingJobStatus"]


def _stop(job: str) -> bool:
    """Stop a job; the end of its execution may have been faster, and a stopping job refuses to be stopped."""
    try:
        client("sagemaker").stop_training_job(TrainingJobName=job)
    except ClientError:
        if _status(job) == "InProgress":
            raise
        return False
    return True
