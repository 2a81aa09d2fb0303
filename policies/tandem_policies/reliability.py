"""Rules against losing work and data."""

import math
from collections.abc import Iterator

from . import resource_types as aws
from .documents import parsed
from .levels import ADVISORY, DISABLED, MANDATORY, Levels
from .rules import Resource, Rule, Settings, at, has, one

SHORT_SECONDS = 300
"""What a queue forgets so soon is a notice that nobody needs later, as of a spot interruption, and no work."""
HAS_DEAD_LETTERS = ((aws.REDRIVE_POLICY, "queueUrl"),)
IS_FOR_DEAD_LETTERS = (
    (aws.QUEUE, "redrivePolicy"),
    (aws.REDRIVE_POLICY, "redrivePolicy"),
    ("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "queueUrl"),
    ("aws:cloudwatch/eventTarget:EventTarget", "deadLetterConfig"),
    (aws.EVENT_SOURCE, "destinationConfig"),
    (aws.FUNCTION, "deadLetterConfig"),
    ("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig", "destinationConfig"),
    ("aws:scheduler/schedule:Schedule", "target"),
    ("aws:sns/topicSubscription:TopicSubscription", "redrivePolicy"),
)


def queue_dead_letters(resource: Resource, _: Settings) -> Iterator[str]:
    """A queue whose failing messages vanish, or come back for ever."""
    if one(resource.properties, "messageRetentionSeconds", math.inf) <= SHORT_SECONDS:
        return
    if not has(resource.properties, "redrivePolicy") and not resource.referrers(
        *HAS_DEAD_LETTERS, *IS_FOR_DEAD_LETTERS
    ):
        yield "it has no redrivePolicy, and isn't itself for dead letters"


def data_protected(resource: Resource, _: Settings) -> Iterator[str]:
    """Data that a mistake in a program would delete."""
    if not resource.protect:
        yield "it isn't protected: a change that replaces or removes it would delete its data"
    for key in ("forceDestroy", "forceDelete"):
        if resource.properties.get(key):
            yield f"{key} is true"


def data_recoverable(resource: Resource, _: Settings) -> Iterator[str]:
    """Data that can't be had back after a wrong write."""
    if resource.type == aws.TABLE:
        if one(resource.properties, "pointInTimeRecovery.enabled") is not True:
            yield "pointInTimeRecovery.enabled is not true"
    elif resource.type in aws.DATABASES:
        if not resource.properties.get("backupRetentionPeriod"):
            yield "backupRetentionPeriod is not set"
    else:
        versionings = resource.referrers(*((type_, "bucket") for type_ in aws.BUCKET_VERSIONING))
        states = [one(each.properties, "versioningConfiguration.status") for each in versionings]
        if "Enabled" not in states and one(resource.properties, "versioning.enabled") is not True:
            yield "the bucket has no aws:s3/bucketVersioning:BucketVersioning with status Enabled"


def endpoint_rolls_back(resource: Resource, _: Settings) -> Iterator[str]:
    """A new model that stays although it fails."""
    if resource.type == aws.ENDPOINT:
        configurations = resource.references.get("endpointConfigName", [])
        variants = [each for one_ in configurations for each in at(one_.properties, "productionVariants")]
        if variants and not any(has(variant, "modelName") for variant in variants):
            return  # its models are inference components, which roll back by themselves
        alarms = at(resource.properties, "deploymentConfig.autoRollbackConfiguration.alarms")
    elif resource.properties.get("typeName") == "AWS::SageMaker::InferenceComponent":
        state = parsed(resource.properties.get("desiredState"))
        alarms = at(state, "DeploymentConfig.AutoRollbackConfiguration.Alarms")
    else:
        return
    if next(alarms, None) is None:
        yield "an update that fails its alarms isn't rolled back: it names none"


RULES = [
    Rule(
        name="queue-dead-letters",
        severity="high",
        what="Queues have a queue for their dead letters, but those that forget a message within five minutes.",
        why=(
            "Jobs that stay in processing (aws-samples/aws-genai-llm-chatbot#185, #500); of ten peers in retrieval, "
            "none redrives."
        ),
        url="https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html",
        remedy="Set redrivePolicy, as WorkQueue does.",
        types=(aws.QUEUE,),
        check=queue_dead_letters,
        whole_stack=True,
    ),
    Rule(
        name="data-protected",
        severity="high",
        levels=Levels(DISABLED, MANDATORY),  # a dev stack can be made again, and is
        what=(
            "What holds data is protected, so that the engine refuses to replace or delete it, and never erases by "
            "force."
        ),
        why=(
            "An upgrade of a library replaced knowledge bases (awslabs/generative-ai-cdk-constructs#690); a changed "
            "embedder wedged stacks (aws-samples/generative-ai-use-cases#661)."
        ),
        url="https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
        remedy="Set retention: keep in the stack file, or protect=True in the resource's options.",
        types=aws.DATA,
        check=data_protected,
    ),
    Rule(
        name="data-recoverable",
        controls=("DynamoDB.2", "S3.14"),
        severity="medium",
        levels=Levels(ADVISORY, MANDATORY),
        what="Tables have point-in-time recovery, buckets versions, databases backups.",
        why="AWS keeps none of them by default; a bad deployment overwrites as well as it deletes.",
        url="https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html",
        remedy="Turn it on; DataBucket and the ledger do.",
        types=(*aws.BUCKETS, aws.TABLE, *aws.DATABASES),
        check=data_recoverable,
        whole_stack=True,
    ),
    Rule(
        name="endpoint-rolls-back",
        severity="high",
        levels=Levels(ADVISORY, MANDATORY),
        what="An endpoint, or an inference component, rolls back an update on alarms.",
        why=(
            "None of eight peers wires it; endpoints stay in Creating and can't be deleted "
            "(aws/amazon-sagemaker-examples#3432)."
        ),
        url="https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html",
        remedy="Name alarms in deploymentConfig.autoRollbackConfiguration, as InferenceEndpoint does.",
        types=(aws.ENDPOINT, aws.INFERENCE_COMPONENT),
        check=endpoint_rolls_back,
        whole_stack=True,
        waits=(
            "The desired state of a component is text with ARNs, which no first preview knows; the update decides at "
            "its end."
        ),
    ),
]
