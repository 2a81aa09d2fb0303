"""Lambda handler of the plan step: plans the next job of a run, before each job of the training pipeline."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from tandem_contract.envelope import RunEnvelope
from tandem_contract.errors import TandemError
from tandem_contract.names import Tag, Variable
from tandem_contract.run_record import Run, job_name

from tandem.runtime.clients import client
from tandem.runtime.pages import each
from tandem.runtime.telemetry import log

from . import job_inputs

# How our training code ends when another attempt can't help (docs/training-image.md).
REFUSED = re.compile(r"exit code: 2\b")


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    """`{"run", "step": "train"}`, after a failed attempt with `failure`; or `{"run", "step": "evaluate", "trained"}`.

    Returns the parts of CreateTrainingJob that differ from run to run, or for a resumed run whose training is complete
    `{"trained": {"model", "status"}}`. Raises `TandemError`, which ends the run.
    """
    step, envelope = event["step"], RunEnvelope.from_json(os.environ[Variable.ENVELOPE])
    run = job_inputs.checked(event["run"])
    jobs = _jobs(run.name, step)
    if step == "train" and (trained := _trained(jobs)):
        return {"trained": trained}
    attempt = len(jobs) + 1
    _may_try(attempt, envelope, event.get("failure"))
    request = _request(run, step, attempt, job_inputs.trained_model(event["trained"]) if step == "evaluate" else None)
    log("planned", run=run.name, step=step, attempt=attempt, job=request["TrainingJobName"])
    return request


def _jobs(run: str, step: str) -> list[dict[str, Any]]:
    """The jobs of the step so far. SageMaker's list is the count, so a resumed run can't begin anew."""
    prefix = job_name(run, step, 0)[:-1]
    found = each(client("sagemaker"), "list_training_jobs", "TrainingJobSummaries", NameContains=prefix, MaxResults=100)
    return [job for job in found if job["TrainingJobName"].startswith(prefix)]


def _trained(jobs: list[dict[str, Any]]) -> dict[str, str] | None:
    """Where a completed training left its model; what came after it may have failed."""
    done = next((job["TrainingJobName"] for job in jobs if job["TrainingJobStatus"] == "Completed"), None)
    if done is None:
        return None
    described = client("sagemaker").describe_training_job(TrainingJobName=done)
    return {"model": described["ModelArtifacts"]["S3ModelArtifacts"], "status": "Completed"}


def _may_try(attempt: int, envelope: RunEnvelope, failure: Mapping[str, Any] | None) -> None:
    job, reason = _failed(failure) if failure else (None, "")
    # Without a job (a quota of 0, say) there is nothing to count, and this would go round for ever.
    if REFUSED.search(reason) or (failure and job is None):
        raise TandemError(reason)
    if attempt > envelope.attempts:
        used = f"all {envelope.attempts} attempts of the run envelope are used"
        raise TandemError(f"{used}. Last failure: {reason}" if reason else f"{used}: raise it, deploy, resume")


def _failed(failure: Mapping[str, Any]) -> tuple[str | None, str]:
    """What Step Functions tells of a failed task: the job's name and why it failed; no name if none was started.

    The cause is the job's description as JSON, or the words in which SageMaker refused to start it.
    """
    cause = failure.get("Cause", "")
    try:
        job = json.loads(cause)
        return job["TrainingJobName"], job.get("FailureReason") or f"it ended as {job['TrainingJobStatus']}"
    except (ValueError, TypeError, KeyError):
        return None, f"{failure.get('Error', '')}: {cause}"


def _request(run: Run, step: str, attempt: int, model: str | None) -> dict[str, Any]:
    bucket, name = os.environ[Variable.ARTIFACT_BUCKET], job_name(run.name, step, attempt)
    return {
        "TrainingJobName": name,
        "InputDataConfig": [_channel(channel, uri) for channel, uri in job_inputs.channels(run, model).items()],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/{run.folder}jobs/", "CompressionType": "NONE"},
        "CheckpointConfig": {"S3Uri": job_inputs.kept(run, step), "LocalPath": "/opt/ml/checkpoints"},
        "Environment": job_inputs.environment(run),
        "Tags": [
            {"Key": Tag.STACK, "Value": os.environ[Variable.STACK]},
            {"Key": "tandem:run", "Value": run.name},
            {"Key": "tandem:manifest-digest", "Value": run.manifest_digest},
            {"Key": "tandem:recipe-digest", "Value": run.recipe_digest},
        ],
    }


def _channel(name: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
