"""SQS queue, Lambda function and scheduled sweep that index the documents of a bucket."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, lambda_
from tandem_contract.checks import Checks
from tandem_contract.embedders import EMBEDDERS
from tandem_contract.fields import Field, Table, variables
from tandem_contract.names import Variable
from tandem_contract.settings import INGEST_SETTINGS

from ..arguments import IngestionPipelineArgs
from ..foundation.arguments import valid
from ..foundation.arns import bucket_arn, table_arn
from ..foundation.bedrock import invoke_models
from ..foundation.existing import BUCKET, check_bucket, check_house
from ..foundation.function import Function, WatchedBy
from ..foundation.house_rules import HOUSE_RULES, check_house_rules, under_house_rules
from ..foundation.outputs import register
from ..foundation.policy import allow, read_secret
from ..foundation.tags import TAGS, environment_tags
from ..foundation.work_queue import WorkQueue
from .fields import ALARM_TOPIC, EMBEDDER_SECRET, INGESTION_SETTINGS
from .stores import USED, access_to, check_used
from .stores.base import Permission
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


def _rules(checks: Checks, args: Mapping[str, Any], _given: Mapping[str, Any]) -> None:
    check_house_rules(checks, args)
    check_used(checks, args)


INGESTION = Table(
    "IngestionPipelineArgs",
    "Arguments of `IngestionPipeline`.",
    {
        "documents_bucket": Field(
            "",
            "Name of the bucket whose documents are indexed, all of them; it tells EventBridge of its changes, as a "
            "`DataBucket` does.",
            required=True,
            **BUCKET,
        ),
        **USED,
        "index_name": Field(
            "",
            "The output `index_name` of a store that is made in the same program: no document is taken before that "
            "index is there, and none any more once it is to be dropped.",
            output=True,
        ),
        **INGESTION_SETTINGS,
        "embedder_secret_arn": EMBEDDER_SECRET,
        **HOUSE_RULES,
        "alarm_topic_arn": ALARM_TOPIC,
        "tags": TAGS,
    },
    _rules,
)


class IngestionPipeline(pulumi.ComponentResource):
    """SQS queue and Lambda function that index documents as they change, and a scheduled sweep that repairs.

    Creates a rule for the bucket's changes, a queue with dead letters, the ingest function with its access to the
    store, and the sweep. So many functions work at a time as `ingest_concurrency` says, which bounds the load on the
    embedder.

    One pipeline, one bucket, one ledger: the sweep deletes from the index what the ledger has and the bucket has not,
    so that two pipelines on a ledger would delete each other's documents. The index is the ledger's active one.

    Idle cost: about $1.30 a month: seven alarms ($0.70), the metric of one of them ($0.30), polling of the queue
    ($0.26), and the sweep's runs, which wake no search while nothing has changed.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    queue_url: pulumi.Output[str]
    """URL of the queue of changes."""
    dead_letter_url: pulumi.Output[str]
    """URL of the queue of what was given up."""

    def __init__(self, name: str, args: IngestionPipelineArgs, opts: pulumi.ResourceOptions | None = None):
        """Registers it and all that it is made of under `name`."""

        def look(checks: Checks, values: dict[str, Any]) -> None:
            check_house(checks, values, opts)
            check_bucket(checks, "documents_bucket", values, opts, events=True, shared=True)

        settings = valid("IngestionPipeline", name, INGESTION, args, look, opts=opts)
        super().__init__("tandem:index:IngestionPipeline", name, {}, under_house_rules(opts, settings))
        child = pulumi.ResourceOptions(parent=self)
        bucket, ledger = settings["documents_bucket"], settings["ledger_table"]
        store = access_to(settings, f"IngestionPipeline {name!r}")
        tags = environment_tags(name, settings["tags"])
        shared: dict = {"tags": tags, "alarm_topic_arn": settings["alarm_topic_arn"]}
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
                    "detail": {"bucket": {"name": [bucket]}},
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
                    allow(["s3:GetObject"], pulumi.Output.concat(bucket_arn(bucket, self), "/*")),
                    # Without ListBucket, S3 answers 403 instead of 404 for a deleted document.
                    allow(["s3:ListBucket"], bucket_arn(bucket, self)),
                    # It sends to its own queue what takes longer than a call (docs/adr/0017).
                    allow([*QUEUE_CONSUMER, "sqs:SendMessage"], queue.queue_arn),
                    allow(["sqs:SendMessage"], queue.dead_letter_arn),
                    allow(LEDGER_WRITER, table_arn(ledger, self)),
                    *invoke_models(EMBEDDERS, self),
                    *read_secret(settings["embedder_secret_arn"]),
                    *writing.statements,
                ],
                "environment": {
                    Variable.LEDGER_TABLE: ledger,
                    Variable.DOCUMENTS_BUCKET: bucket,
                    Variable.QUEUE_URL: queue.queue_url,
                    Variable.DEAD_LETTER_QUEUE_URL: queue.dead_letter_url,
                    Variable.MAX_RECEIVES: str(MAX_RECEIVES),
                    **variables(INGEST_SETTINGS, settings),
                },
                "memory_megabytes": 1024,
                "timeout_seconds": INGEST_SECONDS,
                "watched_by": WatchedBy.ALARMS,
                **shared,
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
            scaling_config={"maximum_concurrency": settings["ingest_concurrency"]},
            tags=tags,
            # Before there is an index to write to, every message would be a failed attempt.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[ingest, *access, _once(settings["index_name"], ingest)]
            ),
        )
        Sweep(
            f"{name}-sweep",
            queue,
            {
                "documents_bucket": bucket,
                "ledger_table": ledger,
                "store": store,
                "minutes": settings["sweep_minutes"],
                **shared,
            },
            opts=child,
        )
        self.queue_url, self.dead_letter_url = queue.queue_url, queue.dead_letter_url
        register(self)


def _once(known: pulumi.Input[str], resource: pulumi.Resource) -> pulumi.Output[pulumi.Resource]:
    """A resource to depend on, together with those that something is known from."""
    return pulumi.Output.from_input(known).apply(lambda _: resource)
