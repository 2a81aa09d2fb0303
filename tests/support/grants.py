"""What our policies allow beside what our code asks the SDK for: a grant a row, with the page that says why.

`tests/unit/test_grants.py` compares what is rendered with what was asked (tests/unit/goldens/asked.txt) and these rows.
"""

from typing import NamedTuple

AWS = "https://docs.aws.amazon.com/"
LAMBDA = AWS + "lambda/latest/dg/"
SAGEMAKER = AWS + "sagemaker/latest/dg/"
STEPS = AWS + "step-functions/latest/dg/"
LOG = LAMBDA + "monitoring-cloudwatchlogs.html"
POLLING = LAMBDA + "services-sqs-configure.html"
COLLECTION = AWS + "opensearch-service/latest/developerguide/serverless-data-access.html"
DOMAIN = AWS + "opensearch-service/latest/developerguide/ac.html"
ROLES = SAGEMAKER + "sagemaker-roles.html"
CHECKPOINTS = SAGEMAKER + "model-checkpoints.html"
PARTS = AWS + "AmazonS3/latest/userguide/mpuoverview.html"
MLFLOW = SAGEMAKER + "mlflow-create-tracking-server-iam.html"
APP = SAGEMAKER + "mlflow-app-setup-prerequisites-iam.html"
SYNC = STEPS + "connect-sagemaker.html"
DELIVERY = STEPS + "cw-logs.html"
MISSING = AWS + "AmazonS3/latest/API/API_GetObject.html"
KARPENTER = "https://karpenter.sh/docs/reference/cloudformation/"
POD = AWS + "eks/latest/userguide/pod-id-role.html"
TO_QUEUE = AWS + "eventbridge/latest/userguide/eb-use-resource-based.html"
NETWORK = LAMBDA + "configuration-vpc.html"
OBJECTS = AWS + "AmazonS3/latest/userguide/UsingKMSEncryption.html"
ITEMS = AWS + "amazondynamodb/latest/developerguide/encryption.usagenotes.html"
MESSAGES = AWS + "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html"
OUTPUT = AWS + "sagemaker/latest/APIReference/API_OutputDataConfig.html"
TRUST = AWS + "IAM/latest/UserGuide/reference_policies_elements_principal.html"

LOGS = "Lambda writes a function's log as the function"
POLL = "Lambda reads the queue as the function"
SIGNED = "asked by signed HTTP, not by the SDK"
NOT_FOUND = "without it S3 answers 403 where an object isn't there"
JOB = "SageMaker does it as the job's role"
SERVES = "SageMaker does it as the endpoint's role"
LARGE = "a large file is sent in parts, and an upload that fails is to leave none"
STORE = "MLflow keeps artifacts as its own role"
TRACK = "the trainer's MLflow client asks by signed HTTP"
WAITS = "how Step Functions waits for a job, and ends it"
WRITES = "how Step Functions has its log delivered"
NODES = "Karpenter makes and ends nodes"
INSIDE = "Lambda brings the function into the cluster's network, where only that reaches it"
KEYED = "the service asks the key in its name, where data is encrypted by a key of one's own"
ASSUME = "the service takes the role"


class Row(NamedTuple):
    """One grant: whose (`function` is each one's), the action, why, and the page that says so."""

    who: str
    action: str
    why: str
    page: str


ROWS = [
    Row(*row)
    for row in (
        ("function", "logs:CreateLogStream", LOGS, LOG),
        ("function", "logs:PutLogEvents", LOGS, LOG),
        ("ingest", "sqs:ReceiveMessage", POLL, POLLING),
        ("ingest", "sqs:DeleteMessage", POLL, POLLING),
        ("ingest", "sqs:GetQueueAttributes", POLL, POLLING),
        ("ingest", "s3:ListBucket", NOT_FOUND, MISSING),
        ("ingest", "aoss:APIAccessAll", SIGNED, COLLECTION),
        ("ingest", "es:ESHttpPost", SIGNED, DOMAIN),
        ("sweep", "aoss:APIAccessAll", SIGNED, COLLECTION),
        ("sweep", "es:ESHttpPost", SIGNED, DOMAIN),
        ("query", "aoss:APIAccessAll", SIGNED, COLLECTION),
        ("query", "es:ESHttpPost", SIGNED, DOMAIN),
        ("ensure_index", "aoss:APIAccessAll", SIGNED, COLLECTION),
        ("ensure_index", "es:ESHttpPut", SIGNED, DOMAIN),
        ("cluster", "ec2:CreateNetworkInterface", INSIDE, NETWORK),
        ("cluster", "ec2:DescribeNetworkInterfaces", INSIDE, NETWORK),
        ("cluster", "ec2:DescribeSubnets", INSIDE, NETWORK),
        ("cluster", "ec2:DeleteNetworkInterface", INSIDE, NETWORK),
        ("cluster", "ec2:AssignPrivateIpAddresses", INSIDE, NETWORK),
        ("cluster", "ec2:UnassignPrivateIpAddresses", INSIDE, NETWORK),
        ("machine", "sagemaker:AddTags", "a job that is created has tags", SYNC),
        ("machine", "sagemaker:ListTags", WAITS, SYNC),
        ("machine", "iam:PassRole", "a job that is created has a role", SYNC),
        ("machine", "events:PutTargets", WAITS, SYNC),
        ("machine", "events:PutRule", WAITS, SYNC),
        ("machine", "events:DescribeRule", WAITS, SYNC),
        ("machine", "logs:CreateLogDelivery", WRITES, DELIVERY),
        ("machine", "logs:GetLogDelivery", WRITES, DELIVERY),
        ("machine", "logs:UpdateLogDelivery", WRITES, DELIVERY),
        ("machine", "logs:DeleteLogDelivery", WRITES, DELIVERY),
        ("machine", "logs:ListLogDeliveries", WRITES, DELIVERY),
        ("machine", "logs:PutResourcePolicy", WRITES, DELIVERY),
        ("machine", "logs:DescribeResourcePolicies", WRITES, DELIVERY),
        ("machine", "logs:DescribeLogGroups", WRITES, DELIVERY),
        ("job", "s3:ListBucket", JOB, ROLES),
        ("job", "s3:GetObject", JOB, ROLES),
        ("job", "s3:PutObject", JOB, ROLES),
        ("job", "s3:AbortMultipartUpload", LARGE, PARTS),
        ("job", "s3:DeleteObject", "SageMaker keeps checkpoints in step, deletions too", CHECKPOINTS),
        ("job", "logs:CreateLogGroup", JOB, ROLES),
        ("job", "logs:CreateLogStream", JOB, ROLES),
        ("job", "logs:PutLogEvents", JOB, ROLES),
        ("job", "logs:DescribeLogStreams", JOB, ROLES),
        ("job", "cloudwatch:PutMetricData", JOB, ROLES),
        ("job", "ecr:GetAuthorizationToken", JOB, ROLES),
        ("job", "ecr:BatchCheckLayerAvailability", JOB, ROLES),
        ("job", "ecr:BatchGetImage", JOB, ROLES),
        ("job", "ecr:GetDownloadUrlForLayer", JOB, ROLES),
        ("job", "sagemaker:CallMlflowAppApi", TRACK, APP),
        ("job", "sagemaker-mlflow:CreateExperiment", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:GetExperiment", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:GetExperimentByName", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:CreateRun", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:GetRun", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:UpdateRun", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:LogBatch", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:LogMetric", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:LogParam", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:LogInputs", TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:SetTag", TRACK, MLFLOW),
        ("runs", "s3:AbortMultipartUpload", LARGE, PARTS),
        ("runs", "sagemaker:CallMlflowAppApi", TRACK, APP),
        ("tracking", "s3:ListBucket", STORE, MLFLOW),
        ("tracking", "s3:GetObject", STORE, MLFLOW),
        ("tracking", "s3:PutObject", STORE, MLFLOW),
        ("tracking", "s3:DeleteObject", STORE, MLFLOW),
        ("endpoint", "s3:ListBucket", SERVES, ROLES),
        ("endpoint", "s3:GetObject", SERVES, ROLES),
        ("endpoint", "logs:CreateLogGroup", SERVES, ROLES),
        ("endpoint", "logs:CreateLogStream", SERVES, ROLES),
        ("endpoint", "logs:PutLogEvents", SERVES, ROLES),
        ("endpoint", "cloudwatch:PutMetricData", SERVES, ROLES),
        ("endpoint", "ecr:GetAuthorizationToken", SERVES, ROLES),
        ("endpoint", "ecr:BatchCheckLayerAvailability", SERVES, ROLES),
        ("endpoint", "ecr:BatchGetImage", SERVES, ROLES),
        ("endpoint", "ecr:GetDownloadUrlForLayer", SERVES, ROLES),
        ("karpenter", "ec2:RunInstances", NODES, KARPENTER),
        ("karpenter", "ec2:CreateFleet", NODES, KARPENTER),
        ("karpenter", "ec2:CreateLaunchTemplate", NODES, KARPENTER),
        ("karpenter", "ec2:CreateTags", NODES, KARPENTER),
        ("karpenter", "ec2:TerminateInstances", NODES, KARPENTER),
        ("karpenter", "ec2:DeleteLaunchTemplate", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeAvailabilityZones", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeCapacityReservations", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeImages", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeInstanceStatus", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeInstanceTypeOfferings", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeInstanceTypes", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeInstances", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeLaunchTemplates", NODES, KARPENTER),
        ("karpenter", "ec2:DescribePlacementGroups", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeSecurityGroups", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeSpotPriceHistory", NODES, KARPENTER),
        ("karpenter", "ec2:DescribeSubnets", NODES, KARPENTER),
        ("karpenter", "pricing:GetProducts", NODES, KARPENTER),
        ("karpenter", "ssm:GetParameter", NODES, KARPENTER),
        ("karpenter", "sqs:DeleteMessage", NODES, KARPENTER),
        ("karpenter", "sqs:GetQueueUrl", NODES, KARPENTER),
        ("karpenter", "sqs:ReceiveMessage", NODES, KARPENTER),
        ("karpenter", "iam:PassRole", NODES, KARPENTER),
        ("karpenter", "iam:GetInstanceProfile", NODES, KARPENTER),
        ("karpenter", "iam:ListInstanceProfiles", NODES, KARPENTER),
        ("karpenter", "eks:DescribeCluster", NODES, KARPENTER),
        ("events.amazonaws.com", "sqs:SendMessage", "rules of EventBridge send to the queue", TO_QUEUE),
        ("lambda.amazonaws.com", "sts:AssumeRole", ASSUME, TRUST),
        ("states.amazonaws.com", "sts:AssumeRole", ASSUME, TRUST),
        ("sagemaker.amazonaws.com", "sts:AssumeRole", ASSUME, TRUST),
        ("eks.amazonaws.com", "sts:AssumeRole", ASSUME, TRUST),
        ("ec2.amazonaws.com", "sts:AssumeRole", ASSUME, TRUST),
        ("pods.eks.amazonaws.com", "sts:AssumeRole", ASSUME, POD),
        ("pods.eks.amazonaws.com", "sts:TagSession", ASSUME, POD),
        ("drop_indices", "aoss:APIAccessAll", SIGNED, COLLECTION),
        ("drop_indices", "es:ESHttpDelete", SIGNED, DOMAIN),
        *((who, "kms:Decrypt", KEYED, OBJECTS) for who in ("cluster", "endpoint", "gate", "job", "plan", "register")),
        *((who, "kms:Decrypt", KEYED, OBJECTS) for who in ("ingest", "runs", "tracking")),
        *((who, "kms:Decrypt", KEYED, ITEMS) for who in ("drop_indices", "ensure_index", "query")),
        *((who, "kms:Decrypt", KEYED, MESSAGES) for who in ("karpenter", "sweep")),
        *((who, "kms:GenerateDataKey", KEYED, OBJECTS) for who in ("cluster", "job", "runs", "tracking")),
        *((who, "kms:GenerateDataKey", KEYED, MESSAGES) for who in ("ingest", "sweep")),
        ("job", "kms:Encrypt", "SageMaker wants it of the role where a job's output has a key", OUTPUT),
    )
]

PREFIXES = {
    "bedrock-runtime": "bedrock",
    "sagemaker-runtime": "sagemaker",
    "stepfunctions": "states",
    "service-quotas": "servicequotas",
    "resourcegroupstaggingapi": "tag",
}
"""What IAM calls a service, where it isn't what the SDK does."""

ACTIONS = {
    "s3:HeadObject": ["s3:GetObject"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:CopyObject": ["s3:GetObject", "s3:PutObject"],
    "bedrock:Converse": ["bedrock:InvokeModel"],
    "lambda:Invoke": ["lambda:InvokeFunction"],
    "sqs:SendMessageBatch": ["sqs:SendMessage"],
    "dynamodb:TransactWriteItems.ConditionCheck": ["dynamodb:ConditionCheckItem"],
    "dynamodb:TransactWriteItems.Delete": ["dynamodb:DeleteItem"],
    "dynamodb:TransactWriteItems.Put": ["dynamodb:PutItem"],
    "dynamodb:TransactWriteItems.Update": ["dynamodb:UpdateItem"],
}
"""The actions of an operation, where they aren't its own name (the API reference of each, under "Permissions")."""


def actions(service: str, operation: str) -> list[str]:
    """The actions of IAM that an operation of the SDK takes."""
    name = f"{PREFIXES.get(service, service)}:{operation}"
    return ACTIONS.get(name, [name])
