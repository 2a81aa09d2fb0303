"""Rules against losing work and data."""

from collections.abc import Iterator

from .cost import COLLECTION, ENDPOINT
from .rules import BUCKETS, DOMAIN, Resource, Rule, Settings, at, document, has, one
from .security import QUEUE

VERSIONING = ("aws:s3/bucketVersioning:BucketVersioning", "aws:s3/bucketVersioningV2:BucketVersioningV2")
TABLE = "aws:dynamodb/table:Table"
DATABASES = ("aws:rds/cluster:Cluster", "aws:rds/instance:Instance")
DATA = (  # not SageMaker's model package groups, which AWS keeps while there is a package in them
    *BUCKETS,
    TABLE,
    *DATABASES,
    COLLECTION,
    DOMAIN,
    "aws:ecr/repository:Repository",
    "aws:efs/fileSystem:FileSystem",
)
COMPONENT = "aws:cloudcontrol/resource:Resource"
HAS_DEAD_LETTERS = (("aws:sqs/redrivePolicy:RedrivePolicy", "queueUrl"),)
IS_FOR_DEAD_LETTERS = (
    (QUEUE, "redrivePolicy"),
    ("aws:sqs/redrivePolicy:RedrivePolicy", "redrivePolicy"),
    ("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "queueUrl"),
    ("aws:cloudwatch/eventTarget:EventTarget", "deadLetterConfig"),
    ("aws:lambda/eventSourceMapping:EventSourceMapping", "destinationConfig"),
    ("aws:lambda/function:Function", "deadLetterConfig"),
    ("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig", "destinationConfig"),
    ("aws:scheduler/schedule:Schedule", "target"),
    ("aws:sns/topicSubscription:TopicSubscription", "redrivePolicy"),
)


def queue_dead_letters(resource: Resource, _: Settings) -> Iterator[str]:
    """A queue whose failing messages vanish, or come back for ever."""
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
    if resource.type == TABLE:
        if one(resource.properties, "pointInTimeRecovery.enabled") is not True:
            yield "pointInTimeRecovery.enabled is not true"
    elif resource.type in DATABASES:
        if not resource.properties.get("backupRetentionPeriod"):
            yield "backupRetentionPeriod is not set"
    else:
        versionings = resource.referrers(*((type_, "bucket") for type_ in VERSIONING))
        states = [one(each.properties, "versioningConfiguration.status") for each in versionings]
        if "Enabled" not in states and one(resource.properties, "versioning.enabled") is not True:
            yield "the bucket has no aws:s3/bucketVersioning:BucketVersioning with status Enabled"


def endpoint_rolls_back(resource: Resource, _: Settings) -> Iterator[str]:
    """A new model that stays although it fails."""
    if resource.type == ENDPOINT:
        configurations = resource.references.get("endpointConfigName", [])
        variants = [each for one_ in configurations for each in at(one_.properties, "productionVariants")]
        if variants and not any(has(variant, "modelName") for variant in variants):
            return  # its models are inference components, which roll back by themselves
        alarms = at(resource.properties, "deploymentConfig.autoRollbackConfiguration.alarms")
    elif resource.properties.get("typeName") == "AWS::SageMaker::InferenceComponent":
        state = document(resource.properties.get("desiredState"))
        alarms = at(state, "DeploymentConfig.AutoRollbackConfiguration.Alarms")
    else:
        return
    if next(alarms, None) is None:
        yield "an update that fails its alarms isn't rolled back: it names none"


RULES = [
    Rule(
        "queue-dead-letters",
        "high",
        "Queues have a queue for their dead letters.",
        "Jobs that stay in processing (aws-samples/aws-genai-llm-chatbot#185, #500); of ten peers in retrieval, none "
        "redrives.",
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html",
        "Set redrivePolicy, as WorkQueue does.",
        (QUEUE,),
        queue_dead_letters,
        whole_stack=True,
    ),
    Rule(
        "data-protected",
        "high",
        "What holds data is protected, so that the engine refuses to replace or delete it, and never erases by force.",
        "An upgrade of a library replaced knowledge bases (awslabs/generative-ai-cdk-constructs#690); a changed "
        "embedder wedged stacks (aws-samples/generative-ai-use-cases#661).",
        "https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
        "Set retention: keep in the stack file, or protect=True in the resource's options.",
        DATA,
        data_protected,
    ),
    Rule(
        "data-recoverable",
        "medium",
        "Tables have point-in-time recovery, buckets versions, databases backups.",
        "AWS keeps none of them by default; a bad deployment overwrites as well as it deletes.",
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html",
        "Turn it on; DataBucket and the ledger do.",
        (*BUCKETS, TABLE, *DATABASES),
        data_recoverable,
        whole_stack=True,
    ),
    Rule(
        "endpoint-rolls-back",
        "high",
        "An endpoint, or an inference component, rolls back an update on alarms.",
        "None of eight peers wires it; endpoints stay in Creating and can't be deleted "
        "(aws/amazon-sagemaker-examples#3432).",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html",
        "Name alarms in deploymentConfig.autoRollbackConfiguration, as InferenceEndpoint does.",
        (ENDPOINT, COMPONENT),
        endpoint_rolls_back,
        whole_stack=True,
        waits="The desired state of a component is text with ARNs, which no first preview knows; the update decides at "
        "its end.",
    ),
]
