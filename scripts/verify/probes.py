"""What only an account can answer: a row for each fact of docs/aws-facts.md that a verification can see, or see fail.

The local cloud is not AWS: there no probe is answered, whatever it would have said.
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from pulumi_tandem.rag.stores.domain import FIELDS as DOMAIN
from tandem_contract.bedrock_models import PROFILE, default_generator, parse

from scripts.verify.stack import configured
from tandem.clients import aws
from tandem.rag.ledger import INDEXED, LONGEST_KEY, Ledger, Row
from tandem.runtime.pages import each

HOLDS, FAILS, UNANSWERED, NOT_HERE = "holds", "does not hold", "not answered", "not answerable here"
EVENT_SECONDS = 300
"""A document is found by its event within this, or by no event: a sweep comes later, each 15 minutes."""
EMPTY_SECONDS = 1800
"""Karpenter ends empty nodes within this."""
POLL_SECONDS = 5.0
KEY = "verify-aws/hut.md"


class Deployed(NamedTuple):
    """A stack that stands, or stood, and what was done with it."""

    stack: str
    outputs: Mapping[str, Any]
    worked: Collection[str]
    """The steps that succeeded: `up`, the commands of use, `destroy` where the first try did."""
    model: str = ""
    """Who answered the question, as the query API tells it; empty if nobody did."""


class Seen(NamedTuple):
    """What a probe saw."""

    holds: bool
    evidence: str


class Probe(NamedTuple):
    """A fact's key, the outputs that a stack it can be asked of has, and how: a step that shows it, or a function."""

    fact: str
    needs: tuple[str, ...]
    asks: str
    see: str | Callable[[Deployed], Seen | None]
    """The function returns None where this stack can't show it."""
    after: bool = False
    """Whether it is asked when the stack is gone."""


class Answer(NamedTuple):
    """What became of a probe."""

    fact: str
    state: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.fact}: {self.state} ({self.evidence})"


def ask(probes: Iterable[Probe], deployed: Deployed, here: bool) -> list[Answer]:
    """The answers of the probes that this stack's outputs make possible; `here` is on the local cloud."""
    return [_answer(probe, deployed, here) for probe in probes if all(map(deployed.outputs.get, probe.needs))]


def _answer(probe: Probe, deployed: Deployed, here: bool) -> Answer:
    if here:
        return Answer(probe.fact, NOT_HERE, "the local cloud stands in for AWS")
    if isinstance(probe.see, str):
        if probe.see in deployed.worked:
            return Answer(probe.fact, HOLDS, f"{probe.see} succeeded")
        return Answer(probe.fact, UNANSWERED, f"{probe.see} wasn't done, or failed, for whatever reason")
    try:
        seen = probe.see(deployed)
    except Exception as error:
        return Answer(probe.fact, UNANSWERED, f"{type(error).__name__}: {error}")
    if seen is None:
        return Answer(probe.fact, UNANSWERED, "this stack can't show it")
    return Answer(probe.fact, HOLDS if seen.holds else FAILS, seen.evidence)


def until(found: Callable[[], Any], seconds: float) -> tuple[Any, float]:
    """What is found, or its last falsehood, and after how many seconds."""
    began = time.monotonic()
    while not (value := found()) and time.monotonic() - began < seconds:
        time.sleep(POLL_SECONDS)
    return value, time.monotonic() - began


class _Document:
    """A document of ours in the stack's bucket, and its row in the ledger."""

    def __init__(self, deployed: Deployed) -> None:
        self._s3, self._bucket = aws.client("s3"), deployed.outputs["documentsBucket"]
        self._ledger = Ledger(aws.client("dynamodb"), deployed.outputs["ledgerTable"])

    def put(self, text: str) -> str:
        """Its ETag."""
        return self._s3.put_object(Bucket=self._bucket, Key=KEY, Body=text.encode())["ETag"].strip('"')

    def embedder(self) -> str:
        """That of the active index."""
        active = self._ledger.active()
        return active.embedder if active else ""

    def row(self) -> Row | None:
        active = self._ledger.active()
        return self._ledger.row(active.index, KEY) if active else None

    def indexed(self, version: str) -> Row | None:
        row = self.row()
        return row if row and row.status == INDEXED and row.version.strip('"') == version else None


def _event(deployed: Deployed) -> Seen:
    document = _Document(deployed)
    version = document.put("# The hut\n\nThe hut is closed from November to March.\n")
    row, seconds = until(lambda: document.indexed(version), EVENT_SECONDS)
    row = row or document.row()  # of one that couldn't be indexed the event has come all the same
    return Seen(bool(row), f"{row.status if row else 'unknown to the ledger'} after {seconds:.0f} s")


def _ids(deployed: Deployed) -> Seen | None:
    row = _Document(deployed).row()
    lengths = sorted({len(chunk) for chunk in row.chunks}) if row else []
    return Seen(lengths == [28], f"ids of {lengths} characters") if lengths else None


def _deletion(deployed: Deployed) -> Seen | None:
    document = _Document(deployed)
    before = document.row()
    if not before or not before.chunks:  # of which nothing would have to go
        return None
    version = document.put("# The hut\n\nThe hut is closed from October to April.\n")
    gone, seconds = until(lambda: (row := document.indexed(version)) and not row.garbage, EVENT_SECONDS)
    if gone is None:  # the change wasn't indexed, for whatever reason
        return None
    return Seen(gone, f"the changed document's old chunks are {'' if gone else 'not '}gone after {seconds:.0f} s")


def _move(deployed: Deployed) -> Seen | None:
    sqs, url = aws.client("sqs"), deployed.outputs["deadLetterQueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"verify": "a message that SQS itself didn't move"}))
    sqs.start_message_move_task(SourceArn=arn)
    over, _ = until(lambda: _over(sqs.list_message_move_tasks(SourceArn=arn)["Results"]), EVENT_SECONDS)
    if not over:
        return None
    said = f"{over['Status']} {over.get('FailureReason', '')}".strip()
    if "CouldNotDetermineMessageSource" in said or over["Status"] == "COMPLETED":
        return Seen(over["Status"] != "COMPLETED", said)
    raise RuntimeError(said)  # which has another reason


def _over(tasks: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((task for task in tasks if task["Status"] in ("COMPLETED", "FAILED", "CANCELLED")), None)


def _empty_page(deployed: Deployed) -> Seen:
    page = aws.client("s3").list_objects_v2(Bucket=deployed.outputs["documentsBucket"], Prefix="verify-aws/nothing/")
    return Seen("Contents" not in page, ", ".join(sorted(page.keys() - {"ResponseMetadata"})))


def _sort_key(deployed: Deployed) -> Seen:
    table = aws.client("dynamodb")

    def look(size: int) -> None:
        key = {"pk": {"S": "verify-aws"}, "sk": {"S": "k" * size}}
        table.get_item(TableName=deployed.outputs["ledgerTable"], Key=key)

    look(1)  # what refuses this too refuses something else
    refused = []
    for size in (LONGEST_KEY, LONGEST_KEY + 1):
        try:
            look(size)
        except table.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            refused.append(f"{size} bytes: ValidationException")
    return Seen(
        refused == [f"{LONGEST_KEY + 1} bytes: ValidationException"], "; ".join(refused) or "both sizes are taken"
    )


def _titan(deployed: Deployed) -> Seen | None:
    if INGEST not in deployed.worked or (embedder := _Document(deployed).embedder()) != "amazon.titan-embed-text-v2:0":
        return None
    return Seen(True, f"{embedder} took a document")


def _converse(deployed: Deployed) -> Seen | None:
    generator = configured(deployed.stack).get("tandem:generator") or default_generator(aws.region())
    return Seen(True, f"{generator} answered") if deployed.model == generator else None


def _profile(deployed: Deployed) -> Seen | None:
    named = parse(deployed.model)
    return _converse(deployed) if named and named.kind == PROFILE else None


def _instance(deployed: Deployed) -> Seen | None:
    instance = configured(deployed.stack).get("tandem:storeInstance") or DOMAIN["store_instance"].default
    return Seen(True, f"{instance} is there") if "up" in deployed.worked and instance.startswith("r7g.") else None


def _nova(_deployed: Deployed) -> Seen | None:
    listed = aws.client("bedrock").list_foundation_models(byProvider="Amazon")["modelSummaries"]
    found = {
        model["modelId"]: model["inferenceTypesSupported"] for model in listed if "nova-2-lite" in model["modelId"]
    }
    return Seen(all("ON_DEMAND" not in kinds for kinds in found.values()), json.dumps(found)) if found else None


def _quotas() -> dict[str, float]:
    listed = each(aws.client("service-quotas"), "list_service_quotas", "Quotas", ServiceCode="sagemaker")
    return {quota["QuotaName"]: quota["Value"] for quota in listed}


def _spot(_deployed: Deployed) -> Seen:
    found = [name for name in _quotas() if name.endswith("for spot training job usage")]
    return Seen(bool(found), f"{len(found)} quotas, such as {found[0] if found else 'none'}")


def _longest(_deployed: Deployed) -> Seen | None:
    found = _quotas().get("Longest run time for a training job")
    return Seen(found in (5 * 86400, 28 * 86400), f"{found:g} seconds") if found else None


def _from_zero(deployed: Deployed) -> Seen | None:
    """Whether no node of Karpenter's is there now, some time after a run that had some."""
    if RUN not in deployed.worked:
        return None
    gone, seconds = until(lambda: not _nodes(deployed.outputs["clusterName"]), EMPTY_SECONDS)
    return Seen(gone, f"{'no' if gone else 'a'} GPU node {seconds:.0f} s after the run")


def _nodes(cluster: str) -> list[str]:
    """The instances that Karpenter started for a cluster and hasn't ended."""
    filters = [
        {"Name": f"tag:kubernetes.io/cluster/{cluster}", "Values": ["owned"]},
        {"Name": "tag-key", "Values": ["karpenter.sh/nodepool"]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "shutting-down"]},
    ]
    found = each(aws.client("ec2"), "describe_instances", "Reservations", Filters=filters)
    return [instance["InstanceId"] for reservation in found for instance in reservation["Instances"]]


def _logs_stay(deployed: Deployed) -> Seen | None:
    if RUN not in deployed.worked:
        return None
    groups = each(aws.client("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix="/aws/sagemaker/")
    found = [group["logGroupName"] for group in groups if "retentionInDays" not in group]
    return Seen(bool(found), ", ".join(found) or "none")


def _pods(deployed: Deployed) -> Seen | None:
    """Whether what only the Pod's sidecar writes is in the bucket: it has no role but that of Pod Identity."""
    bucket = deployed.outputs["artifactBucket"]
    keys = [
        found["Key"] for found in each(aws.client("s3"), "list_objects_v2", "Contents", Bucket=bucket, Prefix="runs/")
    ]
    written = [key for key in keys if key.endswith("/metrics.jsonl")]
    if not written and RUN not in deployed.worked:
        return None
    return Seen(bool(written), ", ".join(written) or "no metrics of a Pod in the bucket")


INGEST, ASK, RUN, RESIZE = "tandem ingest", "tandem ask", "tandem finetune start", "up with another maxSearchOcu"
RAG, TUNING, CLUSTER = ("queryUrl",), ("trainingPipelineArn",), ("clusterName",)
LEDGER = ("documentsBucket", "ledgerTable")
PROBES = [
    Probe("aoss-nextgen-minimum-zero", RAG, "are the group's limits and replicas taken?", "up"),
    Probe("aoss-strict-mapping", RAG, "is the index's mapping taken?", "up"),
    Probe("aoss-digest-of-body", RAG, "is the signed request with its digest taken?", "up"),
    Probe("aoss-policy-propagation", RAG, "did the index function wait long enough for its access?", "up"),
    Probe("titan-limits", LEDGER, "does the embedder take what is sent?", _titan),
    Probe("aoss-no-ids-of-ours", RAG, "is a bulk write without ids of ours taken?", INGEST),
    Probe("aoss-write-shows", RAG, "is a write found within the command's patience?", INGEST),
    Probe("dynamodb-transaction-actions", RAG, "may the function write its transactions?", INGEST),
    Probe("bedrock-converse-is-invoke", RAG, "may the function converse?", _converse),
    Probe("bedrock-profile-grants", RAG, "may the function ask a profile and its models?", _profile),
    Probe("s3-empty-page", LEDGER, "has a listing of nothing `Contents`?", _empty_page),
    Probe("dynamodb-sort-key", LEDGER, "how long may a sort key be?", _sort_key),
    Probe("events-source-account", LEDGER, "does the event of a new document get there?", _event),
    Probe("aoss-id-length", LEDGER, "how long are the ids that the collection gives?", _ids),
    Probe("aoss-delete-by-id", LEDGER, "are the chunks of a changed document deleted?", _deletion),
    Probe("sqs-redrive-of-our-own", ("deadLetterQueueUrl",), "is a message of ours moved back by SQS?", _move),
    Probe("bedrock-nova-2-by-profile", RAG, "how is Nova 2 Lite had?", _nova),
    Probe("aoss-group-update", RAG, "does a group's limit change in place?", RESIZE),
    Probe("domain-r7g", RAG, "may a domain have our instances?", _instance),
    Probe("aoss-group-after-collection", RAG, "is the group deleted at the first try?", "destroy", after=True),
    Probe("sagemaker-spot-quota", TUNING, "has spot training quotas of its own?", _spot),
    Probe("sagemaker-new-account-run", TUNING, "how long may a job run?", _longest),
    Probe("sagemaker-sync-rule", TUNING, "does the pipeline hear of its jobs' ends?", RUN),
    Probe("sagemaker-package-prefix", TUNING, "is the model registered?", RUN),
    Probe("sagemaker-pull-needs-role", TUNING, "may the job pull its image?", RUN),
    Probe("sagemaker-cuda-compat", TUNING, "does the serving image see its GPU in a training job?", RUN),
    Probe("eks-pod-identity-tags", CLUSTER, "does the sidecar write to the bucket?", _pods),
    Probe("eks-nodeadm-asks-ec2", CLUSTER, "does a node of a pool join?", RUN),
    Probe("eks-access-entry-takes-time", CLUSTER, "is the pipeline's role known to the cluster?", RUN),
    Probe("eks-karpenter-from-zero", CLUSTER, "do the nodes come, and go?", _from_zero),
    Probe("sagemaker-logs-stay", TUNING, "which log groups of jobs are left?", _logs_stay, after=True),
]
NEVER = {
    "aoss-drop-index": "it takes a collection of somebody's, which a verification has not",
    "aoss-ids-in-knn-filter": "only a question whose words are found beyond the nearest chunks makes such a query",
    "aoss-nextgen-regions": "one region is no list: `tandem preflight` asks the stack's",
    "aoss-ocu-one-nextgen": "it takes a collection group that Pulumi doesn't know, and a kill would leave it",
    "aoss-ocu-steps": "others are refused before they are sent",
    "api-29-seconds": "it takes a question that waits so long, and the function gives up before",
    "api-method-metrics-bill": "it takes the bill of a stack that has them, and ours has none",
    "bedrock-legacy-for-new-customers": "it takes an account that hasn't used such a model for 15 days",
    "bedrock-no-system-text": "it takes a stack with one of these models, which are none of ours",
    "budget-tag-activation": "it takes days, and the payer's account",
    "cache-extended-support": "it takes the bill of a cache whose engine is so old, and none of ours is one",
    "cohere-characters": "the first call would subscribe the account at AWS Marketplace",
    "detailed-monitoring-seven-metrics": "it takes the bill of an instance that has it, and ours have none",
    "domain-disk-changes": "it takes a domain for hours",
    "eks-access-group-names": "it takes a namespace that is called as one of EKS's groups",
    "eks-destroy-leaves-interfaces": "the audit after each cluster's `destroy` names interfaces that are left",
    "eks-group-name": "longer names are refused before they are sent",
    "eks-spot-grace": "it takes a notice of AWS's, which comes when it does",
    "endpoint-failed-first": "it takes a promoted model",
    "endpoint-gone-updates": "it takes a promoted model",
    "lambda-vpc-actions": "it takes a role that has less; the cluster's function is deployed with all of them",
    "rds-extended-support": "it takes the bill of a database whose engine is so old, and none of ours is one",
    "s3-shorter-rule": "it takes days",
    "scaled-to-its-minimum": "it takes a service of ECS, and no environment has one",
    "search-extended-support": "it takes the bill of a domain whose engine is so old, and ours is not",
    "sagemaker-cache-place": "it takes a model of 70 billion parameters",
    "sagemaker-mlflow-listing": "a tracker that fails is a line in the job's log and no failure",
    "sagemaker-package-group": "it takes a role that may not do what ours may",
    "sagemaker-retry-in-use": "it takes an answer that is lost on its way",
    "sqs-moves-poison": "it takes a message that was received three times, and no verification makes one",
    "sqs-visibility-six-times": "it is advice: what happens without is nothing that can be asked",
    "steps-history": "it takes a run of 25,000 events",
    "store-host-gone": "it takes a collection of somebody's that is deleted meanwhile",
    "waf-own-groups": "it takes a month's bill of a web ACL, and no environment has one",
}
"""What no verification asks about, and why."""
# Facts of SageMaker's jobs, which a stack that trains on a cluster doesn't show.
ON_SAGEMAKER = {"sagemaker-sync-rule", "sagemaker-pull-needs-role", "sagemaker-cuda-compat", "sagemaker-logs-stay"}
# Facts of collections, which a stack with a domain doesn't show.
ON_SERVERLESS = {probe.fact for probe in PROBES if probe.fact.startswith("aoss-")}
ON_DOMAINS = {probe.fact for probe in PROBES if probe.fact.startswith("domain-")}


def probes(outputs: Mapping[str, Any], after: bool) -> list[Probe]:
    """The probes that are asked while a stack stands, or when it is gone."""
    aside = ON_SAGEMAKER if outputs.get("clusterName") else set[str]()
    serverless = "aoss" in str(outputs.get("storeEndpoint", ""))
    aside = aside | (ON_DOMAINS if serverless else ON_SERVERLESS)
    return [probe for probe in PROBES if probe.after is after and probe.fact not in aside]
