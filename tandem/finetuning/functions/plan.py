"""Lambda handler of the plan step: plans the next job of a run, before each job of the training pipeline."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract.envelope import RunEnvelope
from tandem_contract.errors import TandemError
from tandem_contract.names import Tag, Variable
from tandem_contract.run_record import Run, job_name

from tandem.runtime.clients import client
from tandem.runtime.pages import each
from tandem.runtime.telemetry import log

from . import job_inputs

# How our code ends when another attempt can't help (docs/training-image.md), what SageMaker says then
# (aws/sagemaker-python-sdk#35, #57; tests/recorded_aws), and what was killed, nobody knows by whom.
REFUSED = re.compile(r"exit code: 2\b|^ClientError: .*(Cannot pull|manifest unknown|assume the role|sts:AssumeRole)")
KILLED = re.compile(r"exit code: 137\b")
IN_PROGRESS = ("InProgress", "Stopping")
ABSENT = ("ValidationException", "ResourceNotFound")
"""What SageMaker says of a job that there isn't."""


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    """`{"run", "step": "train"}`, or `{"run", "step": "evaluate", "trained"}`; after a failure with `failure`, `job`.

    Returns the parts of CreateTrainingJob that differ from run to run; where the step is complete,
    `{"trained": {"model", "status"}}` or `{"evaluated": ...}`; where a job of it goes on,
    `{"running": true, "TrainingJobName"}`. Raises `TandemError`, which ends the run.
    """
    step, envelope = event["step"], RunEnvelope.from_json(os.environ[Variable.ENVELOPE])
    run = job_inputs.checked(event["run"])
    jobs = _jobs(run.name, step)
    if done := next((job["TrainingJobName"] for job in jobs if job["TrainingJobStatus"] == "Completed"), None):
        return {job_inputs.COMPLETE[step]: _made(done)}
    failed = _failed(event) if "failure" in event else None
    going = [job for job in (*jobs, *([failed] if failed else [])) if job["TrainingJobStatus"] in IN_PROGRESS]
    if going:
        log("found running", run=run.name, step=step, job=going[0]["TrainingJobName"])
        return {"running": True, "TrainingJobName": going[0]["TrainingJobName"]}
    attempt = len(jobs) + 1
    _may_try(attempt, envelope, failed)
    request = _request(run, step, attempt, job_inputs.trained_model(event["trained"]) if step == "evaluate" else None)
    log("planned", run=run.name, step=step, attempt=attempt, job=request["TrainingJobName"])
    return request


def _jobs(run: str, step: str) -> list[dict[str, Any]]:
    """The jobs of the step so far. SageMaker's list is the count, so a resumed run can't begin anew."""
    prefix = job_name(run, step, 0)[:-1]
    found = each(client("sagemaker"), "list_training_jobs", "TrainingJobSummaries", NameContains=prefix, MaxResults=100)
    return [job for job in found if job["TrainingJobName"].startswith(prefix)]


def _made(job: str) -> dict[str, str]:
    """Where a completed job left what it made; what came after it may have failed."""
    described = client("sagemaker").describe_training_job(TrainingJobName=job)
    return {"model": described["ModelArtifacts"]["S3ModelArtifacts"], "status": "Completed"}


def _failed(event: Mapping[str, Any]) -> dict[str, Any]:
    """The job that a task has failed with, as SageMaker has it now: it may go on, if only an answer was lost.

    Raises `TandemError` if none was started. Then there is nothing to count (a quota of 0, say), and trying again would
    go round for ever.
    """
    failure = event["failure"]
    try:
        # The last release's machine, which may still run, names the job in the cause alone.
        name = event.get("job") or json.loads(failure["Cause"])["TrainingJobName"]
        return client("sagemaker").describe_training_job(TrainingJobName=name)
    except (ValueError, TypeError, KeyError, ClientError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] not in ABSENT:
            raise
        raise TandemError(f"{failure.get('Error', '')}: {failure.get('Cause', '')}") from error


def _may_try(attempt: int, envelope: RunEnvelope, failed: Mapping[str, Any] | None) -> None:
    reason = ""
    if failed:
        reason = failed.get("FailureReason") or f"it ended as {failed['TrainingJobStatus']}"
    if REFUSED.search(reason):
        raise TandemError(reason)
    if attempt > envelope.attempts:
        if KILLED.search(reason):
            reason += " (killed, as the kernel does for want of memory: a larger instance has more)"
        used = f"all {envelope.attempts} attempts of the run envelope are used"
        raise TandemError(f"{used}. Last failure: {reason}" if reason else f"{used}: raise it, deploy, resume")


def _request(run: Run, step: str, attempt: int, model: str | None) -> dict[str, Any]:
    bucket, name = os.environ[Variable.ARTIFACT_BUCKET], job_name(run.name, step, attempt)
    return {
        "TrainingJobName": name,
        "InputDataConfig": [_channel(channel, uri) for channel, uri in job_inputs.channels(run, model).items()],
        "OutputDataConfig": {
            "S3OutputPath": f"s3://{bucket}/{run.folder}jobs/",
            "CompressionType": "NONE",
            # Without, SageMaker encrypts by the account's key for S3, whatever the bucket's default is.
            **({"KmsKeyId": key} if (key := os.environ.get(Variable.KMS_KEY)) else {}),
        },
        "CheckpointConfig": {"S3Uri": job_inputs.kept(run, step), "LocalPath": "/opt/ml/checkpoints"},
        "Environment": job_inputs.environment(run),
        "Tags": [
            {"Key": Tag.STACK, "Value": os.environ[Variable.STACK]},
            {"Key": Tag.ARTIFACTS, "Value": bucket},
            {"Key": "tandem:run", "Value": run.name},
            {"Key": "tandem:manifest-digest", "Value": run.manifest_digest},
            {"Key": "tandem:recipe-digest", "Value": run.recipe_digest},
        ],
    }


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
