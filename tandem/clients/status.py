"""How a stack stands: addresses, index, queue, endpoint and runs of its environments, and its cost by the state.

It looks only: search isn't woken, no model is asked, nothing is billed but the calls. A part that can't be asked is
`{"unknown": WHY}`, and the others are there all the same.
"""

import datetime
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tandem_contract.errors import TandemError

from tandem.clients import aws_errors, pulumi_stack
from tandem.clients.pulumi_stack import Stack
from tandem.clients.stack_state import Environment, State

Part = dict[str, Any]
ADDRESSES = (
    *("queryUrl", "documentsBucket", "storeEndpoint", "datasetBucket", "artifactBucket", "trackingUri"),
    *("trainingPipelineArn", "endpointName", "clusterName"),
)
"""Outputs that say where something is."""
NEWEST = 3  # runs that are asked about, beside those that go on
AT_ONCE = 4
QUICK = {"connect_timeout": 3, "read_timeout": 10, "retries": {"total_max_attempts": 2}}
UNKNOWN = "unknown"


def status(name: str, environment: str | None = None) -> dict[str, Any]:
    """How the stack of that name stands, or one of its environments.

    Raises `TandemError` for a stack that isn't there, in which nothing is deployed, or without such an environment.
    """
    from tandem.threads import as_they_come

    found = pulumi_stack.state(name)
    own = found.environments or [Environment("", "", found.outputs)]
    chosen = [each for each in own if each.called(environment)]
    if not chosen:
        raise pulumi_stack.no_environment(name, environment or "", found)
    stacks = [Stack(name, each.outputs, str(each) if each.kind else "", QUICK) for each in chosen]
    asking = [(at, part, call) for at, stack in enumerate(stacks) for part, call in _parts(stack).items()]
    answers = {(at, part): answer for (at, part, _), answer in as_they_come(asking, AT_ONCE, lambda it: _asked(it[2]))}
    environments = []
    for at, (each, stack) in enumerate(zip(chosen, stacks, strict=True)):
        addresses = {key: value for key in ADDRESSES if isinstance(value := each.outputs.get(key), str) and value}
        about = {"name": each.name, "kind": each.kind, "region": stack.own_region, "addresses": addresses}
        environments.append(about | {part: answers[place, part] for place, part, _ in asking if place == at})
    return {"stack": name, "environments": environments, "cost": _asked(lambda: cost(found))}


def whole(report: Mapping[str, Any]) -> bool:
    """Whether every part could be asked."""
    parts = [report["cost"], *(part for each in report["environments"] for part in each.values())]
    parts += [run for each in report["environments"] for run in each.get("runs", {}).get("newest", ())]
    return not any(isinstance(part, dict) and UNKNOWN in part for part in parts)


def _parts(stack: Stack) -> dict[str, Callable[[], Part]]:
    """What there is of a stack, by the output that tells."""
    parts = {"documentsBucket": "index", "deadLetterQueueUrl": "queue", "endpointName": "endpoint"}
    parts["artifactBucket"] = "runs"
    asks = {"index": index, "queue": queue, "endpoint": endpoint, "runs": runs}
    return {part: lambda ask=asks[part]: ask(stack) for output, part in parts.items() if stack.outputs.get(output)}


def _asked(call: Callable[[], Part]) -> Part:
    """What a call gives, or why it gives nothing."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except TandemError as error:
        return {UNKNOWN: str(error)}
    except (BotoCoreError, ClientError) as error:
        return {UNKNOWN: aws_errors.sentence(error)}


def index(stack: Stack) -> Part:
    """The active index version, documents by status, chunks, and how fresh it is: lists the bucket and the ledger."""
    from tandem.clients.documents import STATUSES, WAITING, entries
    from tandem.clients.documents_bucket import DocumentsBucket

    bucket, count, chunks, oldest = DocumentsBucket(stack), Counter[str](), 0, None
    for entry in entries(bucket):
        count[entry.status] += 1
        chunks += entry.chunks
        if entry.status == WAITING:
            oldest = min(entry.modified, oldest or entry.modified)
    agreed = bucket.ledger.swept(bucket.version.index).get("at")
    return {
        "active": bucket.version.index,
        "embedder": bucket.version.embedder,
        "documents": {state: count[state] for state in STATUSES},
        "chunks": chunks,
        "oldest_waiting_seconds": None if oldest is None else round(time.time() - oldest),
        "agreed_at": agreed and datetime.datetime.fromtimestamp(float(agreed), datetime.UTC).isoformat(),
    }


def queue(stack: Stack) -> Part:
    """Messages about documents: waiting, worked on, given up."""
    from tandem.clients.dead_letters import DeadLetters

    (url,) = stack.pick("deadLetterQueueUrl")
    return DeadLetters(stack.client("sqs"), url).waiting()._asdict()


def endpoint(stack: Stack) -> Part:
    """State and instances of the endpoint, and of what scales to zero on it."""
    from tandem.clients.targets import instances_of
    from tandem.finetuning import promotion

    sagemaker, (name,) = stack.client("sagemaker"), stack.pick("endpointName")
    if promotion.is_gone(sagemaker, name):
        return {"name": name, "status": "gone", "instances": {}}
    about = sagemaker.describe_endpoint(EndpointName=name)
    found = {"name": name, "status": about["EndpointStatus"], "instances": dict(instances_of(sagemaker, name).counts)}
    if component := stack.outputs.get("inferenceComponent"):
        served = sagemaker.describe_inference_component(InferenceComponentName=component)
        copies = served.get("RuntimeConfig", {}).get("CurrentCopyCount")
        found["component"] = {"name": component, "status": served["InferenceComponentStatus"], "copies": copies}
    return found


def runs(stack: Stack) -> Part:
    """How many there are, how many go on, and how these and the newest stand."""
    from tandem.finetuning.backends.base import RunRecords
    from tandem.runtime.pages import each

    names = RunRecords(stack.client("s3"), *stack.pick("artifactBucket")).names()
    going: list[str] = []
    if pipeline := stack.outputs.get("trainingPipelineArn"):
        asked = {"stateMachineArn": pipeline, "statusFilter": "RUNNING"}
        found = each(stack.client("stepfunctions"), "list_executions", "executions", **asked)
        going = [execution["name"].rpartition("-")[0] for execution in found]  # RUN-NUMBER
    shown = dict.fromkeys([*going, *names[:NEWEST]])
    return {"count": len(names), "going_on": len(set(going)), "newest": [_run(stack, name) for name in shown]}


def _run(stack: Stack, name: str) -> Part:
    def stands() -> Part:
        from tandem.clients.runs import open_run

        backend, record = open_run(name, stack)
        found = backend.status(record)
        spent = None if found.spent is None else f"{found.spent:.2f}"
        about = {"state": found.state, "activity": found.activity, "cause": found.cause, "spent_usd": spent}
        return about | {"backend": record.runs_at, "started_at": record.started_at}

    return {"name": name, **_asked(stands)}


def cost(found: State) -> Part:
    """What the stack's resources cost, by what the state says of them; what isn't priced is counted and named."""
    from tandem.cost.estimate import estimate
    from tandem.cost.preview import read_preview
    from tandem.cost.summary import summarize
    from tandem.reporting.money import plain

    # The state as a preview in which nothing changes, but that what was replaced still goes.
    steps = [
        {"op": "delete-replaced", "urn": each["urn"], "oldState": each}
        if each.get("delete")
        else {"op": "same", "urn": each["urn"], "oldState": each, "newState": each}
        for each in found.resources
    ]
    summary = summarize(estimate(read_preview(json.dumps({"config": {}, "steps": steps}))))
    numbers = {
        number.value: {"usd": None if it.before is None else plain(it.before), "open": it.before_open}
        for number, it in summary.figures.items()
    }
    gaps = (*summary.not_priced, *summary.not_offered)
    return {
        "numbers": numbers,
        "resources": summary.coverage.resources,
        "not_priced": [
            *({"name": f"{len(each.gaps)} resources", "reasons": [each.reason]} for each in summary.no_tables),
            *({"name": gap.resource.name, "reasons": list(gap.reasons)} for gap in gaps),
        ],
        "problems": list(summary.problems),
    }
