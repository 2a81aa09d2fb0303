"""Lambda handler of the cost guard: on a schedule, stops jobs and endpoints past their limits."""

import datetime
import os
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract.envelope import FINISHING_SECONDS, PENDING_SECONDS
from tandem_contract.names import Tag, Variable

from tandem.runtime.clients import client
from tandem.runtime.pages import each
from tandem.runtime.telemetry import log

from . import owned

SUBJECT_CHARACTERS = 100  # SNS's limit
AGAIN = {
    "jobs": "Job {name} was stopped: it was started {hours:.1f} hours ago, longer than the run envelope lets one take. "
    "If it is of a run, `tandem finetune resume RUN --stack {stack}` goes on from its checkpoint; maxTrainingHours is "
    "the limit.",
    "endpoints": "Endpoint {name} was deleted: it was last changed {hours:.1f} hours ago, past its endpointHours. "
    "Pulumi doesn't know: `pulumi up --refresh --stack {stack}` makes it again, with the model that was promoted last. "
    "`tandem:endpointHours: 0` keeps it, and its bill.",
}
"""What is told of what was ended, by kind."""


def handler(event: Mapping[str, Any], context: Any) -> dict[str, list[str]]:  # noqa: ARG001
    """`{}` -> the names of what was stopped, `{"jobs", "endpoints"}`, of which the alarm topic was told."""
    now = datetime.datetime.now(datetime.UTC)
    # SageMaker stops a job at its own limit; the guard is for what was started past the pipeline, or lost its limit.
    longest = int(os.environ[Variable.LONGEST_JOB_SECONDS]) + PENDING_SECONDS + FINISHING_SECONDS
    stopped: dict[str, list[str]] = {"jobs": [], "endpoints": []}
    told: list[str] = []
    failed: list[str] = []

    def ended(kind: str, name: str, age: datetime.timedelta) -> None:
        stopped[kind].append(name)
        hours = age.total_seconds() / 3600
        told.append(AGAIN[kind].format(name=name, hours=hours, stack=os.environ[Variable.STACK]))

    for job in each(client("sagemaker"), "list_training_jobs", "TrainingJobSummaries", StatusEquals="InProgress"):
        # Waiting for an instance isn't billed, but a list doesn't tell it apart.
        age = now - job["CreationTime"]
        if age.total_seconds() > longest and owned.is_our_job(job):
            name = job["TrainingJobName"]
            if _done(client("sagemaker").stop_training_job, failed, TrainingJobName=name):
                ended("jobs", name, age)
    for endpoint in each(client("sagemaker"), "list_endpoints", "Endpoints"):
        tags = owned.tags(endpoint["EndpointArn"])
        hours, age = tags.get(Tag.EXPIRES_HOURS), now - endpoint["LastModifiedTime"]
        if owned.is_ours(tags) and hours and age > datetime.timedelta(hours=float(hours)):
            name = endpoint["EndpointName"]
            if not _empty(name, failed):
                continue  # to be deleted in the next round: one with inference components can't be
            if _done(client("sagemaker").delete_endpoint, failed, EndpointName=name):
                ended("endpoints", name, age)
    log("guard", **stopped, failed=failed)
    _tell(told, failed)
    if failed:
        raise RuntimeError("; ".join(failed))
    return stopped


def _tell(what: list[str], failed: list[str]) -> None:
    topic = os.environ.get(Variable.ALARM_TOPIC)
    if what and topic:
        subject = f"Tandem's cost guard ended {len(what)} of stack {os.environ[Variable.STACK]}"[:SUBJECT_CHARACTERS]
        _done(client("sns").publish, failed, TopicArn=topic, Subject=subject, Message="\n\n".join(what))


def _empty(endpoint: str, failed: list[str]) -> bool:
    """Whether an endpoint has no inference components, which bill with it; asks for the deletion of those it has."""
    components = list(
        each(client("sagemaker"), "list_inference_components", "InferenceComponents", EndpointNameEquals=endpoint)
    )
    for component in components:
        if component["InferenceComponentStatus"] != "Deleting":
            name = component["InferenceComponentName"]
            _done(client("sagemaker").delete_inference_component, failed, InferenceComponentName=name)
    return not components


def _done(stop: Callable[..., Any], failed: list[str], **request: str) -> bool:
    """Whether it could be stopped; what one refuses must not keep the others running."""
    try:
        stop(**request)
    except ClientError as error:
        failed.append(f"{next(iter(request.values()))}: {error}")
        return False
    return True
