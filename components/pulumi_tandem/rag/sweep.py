"""Lambda function on a schedule that compares bucket, ledger and index, and repairs."""

from typing import NotRequired, TypedDict

import pulumi
from tandem_contract.names import Metric, Variable

from ..foundation.alarms import alarm
from ..foundation.arns import bucket_arn, table_arn
from ..foundation.function import Function, WatchedBy
from ..foundation.outputs import register
from ..foundation.policy import allow
from ..foundation.schedule import every
from ..foundation.tags import Tags
from ..foundation.work_queue import WorkQueue
from .stores.base import Permission, StoreAccess

MOST_SECONDS = 600


class SweepArgs(TypedDict):
    """Arguments of `Sweep`."""

    documents_bucket: pulumi.Input[str]
    """Name of the bucket."""
    ledger_table: pulumi.Input[str]
    """Name of the ledger's table."""
    store: StoreAccess
    """The store."""
    minutes: int
    """How often it runs, and if that is less than ten minutes, how long it has."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that the alarm notifies."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class Sweep(pulumi.ComponentResource):
    """Lambda function on a schedule: compares bucket, ledger and index, queues what differs, deletes orphaned chunks.

    Creates the function with its access, the schedule, and alarms: on the age of the oldest document that isn't
    indexed, which rings too when sweeps don't come to their end, and on the function's errors and throttles.

    Idle cost: three alarms, $0.30 a month, and the metric of one, $0.30; runs that find nothing wake no search.
    """

    function_name: pulumi.Output[str]
    """Name of the function, to run it at will."""

    def __init__(
        self,
        name: str,
        queue: WorkQueue,
        args: SweepArgs,
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__("tandem:index:Sweep", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags") or {}
        shared: dict = {"tags": tags}
        if topic := args.get("alarm_topic_arn"):
            shared["alarm_topic_arn"] = topic
        bucket, ledger = args["documents_bucket"], args["ledger_table"]
        repairing = args["store"].grant(Permission.READ, Permission.WRITE)
        function = Function(
            name,
            {
                "handler": "tandem.rag.functions.sweep.handler",
                "statements": [
                    allow(["s3:ListBucket"], bucket_arn(bucket, self)),
                    allow(
                        [f"dynamodb:{action}" for action in ("GetItem", "Query", "UpdateItem", "DeleteItem")],
                        table_arn(ledger, self),
                    ),
                    allow(["sqs:SendMessage"], queue.queue_arn),
                    *repairing.statements,
                ],
                "environment": {
                    Variable.LEDGER_TABLE: ledger,
                    Variable.DOCUMENTS_BUCKET: bucket,
                    Variable.QUEUE_URL: queue.queue_url,
                },
                "memory_megabytes": 512,
                # Until the next one at most, so that no two go over the same rows.
                "timeout_seconds": min(MOST_SECONDS, 60 * args["minutes"]),
                "watched_by": WatchedBy.ALARMS,
                **shared,
            },
            opts=child,
        )
        repairing.for_role(self, name, function.role_arn)
        every(
            name,
            args["minutes"],
            function,
            description="When bucket, ledger and index are compared",
            tags=tags,
            parent=self,
        )
        alarm(
            f"{name}-stale",
            namespace=Metric.NAMESPACE,
            metric=Metric.OLDEST_UNINDEXED,
            dimensions={Metric.BUCKET: bucket},
            statistic="Maximum",
            threshold=3600,
            # Only a sweep that came to its end says how old the oldest is: silence is a fault. Two in a row, since one
            # may be late, or meet a store that is away for a moment; no alarm period is longer than a day.
            period_seconds=60 * args["minutes"],
            periods=2,
            missing="breaching",
            description="Two sweeps in a row have found a document that waited over an hour to be indexed, or haven't "
            "come to their end: look at the queue, its dead letters, and the sweep's log. A new stack's may ring "
            "until its second sweep.",
            topic_arn=topic,
            tags=tags,
            parent=self,
        )
        self.function_name = function.function_name
        register(self)
