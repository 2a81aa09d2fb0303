"""SQS queue with a dead-letter queue and alarms."""

from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import sqs

from .alarms import alarm
from .outputs import register
from .policy import from_events, only_tls, policy_document
from .tags import Tags

RETENTION_SECONDS = 14 * 24 * 3600  # the longest that SQS keeps a message


class WorkQueueArgs(TypedDict):
    """Arguments of `WorkQueue`."""

    visibility_seconds: int
    """How long a received message stays hidden; six times its function's timeout, as AWS recommends for Lambda."""
    max_receives: int
    """Attempts before a message goes to the dead-letter queue."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that the alarms notify."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class WorkQueue(pulumi.ComponentResource):
    """SQS queue that EventBridge rules of this account may fill, with a dead-letter queue and two alarms.

    Creates two queues (SSE-SQS, TLS only), their policies, and alarms on dead letters and on the oldest message.
    Dead letters are kept 14 days. `tandem redrive` puts them back: SQS's own redrive can't, of those that a function or
    EventBridge has sent there.

    Idle cost: two alarms, $0.20 a month beyond the account's ten free ones.
    """

    queue_arn: pulumi.Output[str]
    """ARN of the queue."""
    queue_url: pulumi.Output[str]
    """URL of the queue."""
    dead_letter_arn: pulumi.Output[str]
    """ARN of the dead-letter queue."""
    dead_letter_url: pulumi.Output[str]
    """URL of the dead-letter queue."""

    def __init__(self, name: str, args: WorkQueueArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:WorkQueue", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags, topic = args.get("tags"), args.get("alarm_topic_arn")
        dead_letters = sqs.Queue(
            f"{name}-dead-letters",
            message_retention_seconds=RETENTION_SECONDS,
            sqs_managed_sse_enabled=True,
            tags=tags,
            opts=child,
        )
        queue = sqs.Queue(
            name,
            visibility_timeout_seconds=int(args["visibility_seconds"]),
            message_retention_seconds=RETENTION_SECONDS,
            sqs_managed_sse_enabled=True,
            redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": int(args["max_receives"])}
            ),
            tags=tags,
            opts=child,
        )
        sqs.RedriveAllowPolicy(
            f"{name}-redrive",
            queue_url=dead_letters.url,
            redrive_allow_policy=pulumi.Output.json_dumps(
                {"redrivePermission": "byQueue", "sourceQueueArns": [queue.arn]}
            ),
            opts=child,
        )
        for suffix, target in (("policy", queue), ("dead-letters-policy", dead_letters)):
            sqs.QueuePolicy(
                f"{name}-{suffix}",
                queue_url=target.url,
                policy=policy_document([from_events(target.arn), only_tls([target.arn], "sqs:*")]),
                opts=child,
            )
        alarm(
            f"{name}-dead-letters-waiting",
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": dead_letters.name},
            statistic="Maximum",
            threshold=0,
            description="Work was given up. Read the messages' `reason`, mend the cause, redrive.",
            topic_arn=topic,
            tags=tags,
            parent=self,
        )
        # Of what keeps failing it sees nothing: SQS puts a message that was received three times behind the others (SQS
        # guide, "Available CloudWatch metrics", read 2026-11-30). The alarm above sees it once it is given up.
        alarm(
            f"{name}-stalled",
            namespace="AWS/SQS",
            metric="ApproximateAgeOfOldestMessage",
            dimensions={"QueueName": queue.name},
            statistic="Maximum",
            threshold=1800,
            description="The oldest message has waited half an hour: the work falls behind.",
            topic_arn=topic,
            tags=tags,
            parent=self,
        )
        self.queue_arn, self.queue_url = queue.arn, queue.url
        self.dead_letter_arn, self.dead_letter_url = dead_letters.arn, dead_letters.url
        register(self)
