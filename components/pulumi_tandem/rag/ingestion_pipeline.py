"""SQS queue, Lambda function and scheduled sweep that index the documents of a bucket."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch, lambda_
from tandem_contract.embedders import EMBEDDERS
from tandem_contract.fields import variables
from tandem_contract.names import Variable
from tandem_contract.settings import INGEST_SETTINGS

from ..foundation.bedrock import invoke_models
from ..foundation.data_bucket import DataBucket
from ..foundation.function import Function
from ..foundation.outputs import register
from ..foundation.policy import allow, read_secret
from ..foundation.tags import Tags
from ..foundation.work_queue import WorkQueue
from .ledger import Ledger
from .stores.base import Permission, VectorStore
from .sweep import Sweep

INGEST_SECONDS = 300
QUEUE_CONSUMER = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"]
LEDGER_WRITER = [
    f"dynamodb:{action}"
    for action in (
        "GetItem",
        "BatchGetItem",
        "Query",
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "ConditionCheckItem",
    )
]
MAX_RECEIVES = 10  # with the function's back-off, about half an hour of outage before a message is given up


class IngestionPipelineArgs(TypedDict):
    """Arguments of `IngestionPipeline`."""

    settings: Mapping[str, Any]
    """Values of `INGEST_SETTINGS`."""
    sweep_minutes: int
    """How often bucket, ledger and index are compared."""
    embedder_secret_arn: NotRequired[pulumi.Input[str]]
    """Secret with the key of an embedder behind a URL."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms notify."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class IngestionPipeline(pulumi.ComponentResource):
    """SQS queue and Lambda function that index documents as they change, and a scheduled sweep that repairs.

    Creates a rule for the bucket's changes, a queue with dead letters, the ingest function with its access to the
    store, and the sweep. At most five documents are worked on at a time, which bounds the load on the embedder.

    Idle cost: about $0.90 a month: three alarms ($0.30), the metric of one of them ($0.30), polling of the queue
    ($0.26), and the sweep's runs, which wake no search while nothing has changed.
    """

    queue_url: pulumi.Output[str]
    """URL of the queue of changes."""
    dead_letter_url: pulumi.Output[str]
    """URL of the queue of what was given up."""

    def __init__(
        self,
        name: str,
        bucket: DataBucket,
        ledger: Ledger,
        store: VectorStore,
        args: IngestionPipelineArgs,
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__("tandem:index:IngestionPipeline", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags") or {}
        shared: dict = {"tags": tags}
        if topic := args.get("alarm_topic_arn"):
            shared["alarm_topic_arn"] = topic
        queue = WorkQueue(
            f"{name}-changes",
            {"visibility_seconds": 6 * INGEST_SECONDS, "max_receives": MAX_RECEIVES, **shared},
            opts=child,
        )
        rule = cloudwatch.EventRule(
            f"{name}-changed",
            description="Documents that came, changed or went",
            event_pattern=pulumi.Output.json_dumps(
                {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created", "Object Deleted"],
                    "detail": {"bucket": {"name": [bucket.bucket_name]}},
                }
            ),
            tags=tags,
            opts=child,
        )
        cloudwatch.EventTarget(
            f"{name}-to-queue",
            rule=rule.name,
            arn=queue.queue_arn,
            dead_letter_config={"arn": queue.dead_letter_arn},
            opts=child,
        )
        writing = store.grant(Permission.WRITE)
        ingest = Function(
            f"{name}-ingest",
            {
                "handler": "tandem.rag.functions.ingest.handler",
                "statements": [
                    allow(["s3:GetObject"], pulumi.Output.concat(bucket.bucket_arn, "/*")),
                    # Without ListBucket, S3 answers 403 instead of 404 for a deleted document.
                    allow(["s3:ListBucket"], bucket.bucket_arn),
                    # It sends to its own queue what takes longer than a call (docs/adr/0017).
                    allow([*QUEUE_CONSUMER, "sqs:SendMessage"], queue.queue_arn),
                    allow(["sqs:SendMessage"], queue.dead_letter_arn),
                    allow(LEDGER_WRITER, ledger.table_arn),
                    *invoke_models(EMBEDDERS, self),
                    *read_secret(args.get("embedder_secret_arn")),
                    *writing.statements,
                ],
                "environment": {
                    Variable.LEDGER_TABLE: ledger.table_name,
                    Variable.DOCUMENTS_BUCKET: bucket.bucket_name,
                    Variable.QUEUE_URL: queue.queue_url,
                    Variable.DEAD_LETTER_QUEUE_URL: queue.dead_letter_url,
                    **variables(INGEST_SETTINGS, args["settings"]),
                },
                "memory_megabytes": 1024,
                "timeout_seconds": INGEST_SECONDS,
                "tags": tags,
            },
            opts=child,
        )
        # A document of many calls is a chain that Lambda would take for an endless loop, and cut off after 16. It ends:
        # a call that has written nothing asks for no other.
        lambda_.FunctionRecursionConfig(
            f"{name}-goes-on", function_name=ingest.function_name, recursive_loop="Allow", opts=child
        )
        access = writing.for_role(self, f"{name}-ingest", ingest.role_arn)
        lambda_.EventSourceMapping(
            f"{name}-work",
            event_source_arn=queue.queue_arn,
            function_name=ingest.function_name,
            batch_size=10,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config={"maximum_concurrency": 5},
            tags=tags,
            # Before there is an index to write to, every message would be a failed attempt.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[ingest, *access, store]),
        )
        Sweep(f"{name}-sweep", bucket, ledger, store, queue, {"minutes": args["sweep_minutes"], **shared}, opts=child)
        self.queue_url, self.dead_letter_url = queue.queue_url, queue.dead_letter_url
        register(self)
