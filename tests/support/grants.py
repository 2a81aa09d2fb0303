"""What our policies allow beside what our code asks the SDK for: a grant a row, with the page that says why.

`tests/unit/test_grants.py` compares what is rendered with what was asked (tests/unit/goldens/asked.txt) and these rows.
"""

from typing import NamedTuple

from tandem_contract.embedders import EMBEDDERS

AWS = "https://docs.aws.amazon.com/"
LAMBDA = AWS + "lambda/latest/dg/"
SAGEMAKER = AWS + "sagemaker/latest/dg/"
STEPS = AWS + "step-functions/latest/dg/"
LOG = LAMBDA + "monitoring-cloudwatchlogs.html"
POLLING = LAMBDA + "services-sqs-configure.html"
COLLECTION = AWS + "opensearch-service/latest/developerguide/serverless-data-access.html"
DATA = AWS + "opensearch-service/latest/developerguide/serverless-genref.html"
DOMAIN = AWS + "opensearch-service/latest/developerguide/ac.html"
OBJECTS = AWS + "AmazonS3/latest/userguide/UsingKMSEncryption.html"
ITEMS = AWS + "amazondynamodb/latest/developerguide/encryption.usagenotes.html"
MESSAGES = AWS + "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html"
OUTPUT = AWS + "sagemaker/latest/APIReference/API_OutputDataConfig.html"
ROLES = SAGEMAKER + "sagemaker-roles.html"
CHECKPOINTS = SAGEMAKER + "model-checkpoints.html"
PARTS = AWS + "AmazonS3/latest/userguide/mpuoverview.html"
MLFLOW = SAGEMAKER + "mlflow-create-tracking-server-iam.html"
APP = SAGEMAKER + "mlflow-app-setup-prerequisites-iam.html"
SYNC = STEPS + "connect-sagemaker.html"
DELIVERY = STEPS + "cw-logs.html"
KARPENTER = "https://karpenter.sh/docs/reference/cloudformation/"
POD = AWS + "eks/latest/userguide/pod-id-role.html"
TO_QUEUE = AWS + "eventbridge/latest/userguide/eb-use-resource-based.html"
NETWORK = LAMBDA + "configuration-vpc.html"
TRUST = AWS + "IAM/latest/UserGuide/reference_policies_elements_principal.html"

LOGS = "Lambda writes a function's log as the function"
POLL = "Lambda reads the queue as the function"
SIGNED = "asked by signed HTTP, not by the SDK"
JOB = "SageMaker does it as the job's role"
SERVES = "SageMaker does it as the endpoint's role"
LARGE = "a large file is sent in parts, and an upload that fails is to leave none"
STORE = "MLflow keeps artifacts as its own role"
TRACK = "the trainer's MLflow client asks by signed HTTP"
WAITS = "how Step Functions waits for a job, and ends it"
WRITES = "how Step Functions has its log delivered"
NODES = "Karpenter makes and ends nodes"
INSIDE = "Lambda brings the function into the cluster's network, where only that reaches it"
NAMED = "whoever `storeReaders` names may search"
KEYED = "the service asks the key in its name, where data is encrypted by a key of one's own"
ASSUME = "the service takes the role"
IN_GROUP = "a guess (fact `sagemaker-package-group`): the page has the package alone"
PACKAGES = AWS + "service-authorization/latest/reference/list_amazonsagemaker.html"
USERS = ("ingest", "query")

ALL = "*"
NOTHING = ""
OWN_LOG = "log-group:*-log-*:*"
INDICES = "index/*/*"
COLLECTIONS = "collection/*"  # an id of AWS's
DOMAINS = "domain/*/*"
SEARCHES = "domain/*/*/_search"
BULKS = "domain/*/*/_bulk"
JOBS = "training-job/*"
ENDPOINTS = "endpoint/*"
PARTS_OF_ENDPOINTS = "inference-component/*"
KEYS = "key/*"
IMAGES = "repository/*"
APPS = "mlflow-app/*-tracking-*"
SERVERS = "mlflow-tracking-server/*-tracking-*"
NODE_PARTS = "*/*"  # kinds by action are in the page's template; conditions keep them to the cluster
QUEUES = "*"  # a queue's own policy speaks of it alone


class Row(NamedTuple):
    """One grant: whose (`function` is each one's), the action, of what, why, and the page that says so.

    Of what is the name of a variable of the stack's functions, with objects after a slash where it is a bucket's, or
    the end of an ARN.
    """

    who: str
    action: str
    on: str
    why: str
    page: str


ROWS = [
    Row(*row)
    for row in (
        ("function", "logs:CreateLogStream", OWN_LOG, LOGS, LOG),
        ("function", "logs:PutLogEvents", OWN_LOG, LOGS, LOG),
        ("ingest", "sqs:ReceiveMessage", "TANDEM_QUEUE_URL", POLL, POLLING),
        ("ingest", "sqs:DeleteMessage", "TANDEM_QUEUE_URL", POLL, POLLING),
        ("ingest", "sqs:GetQueueAttributes", "TANDEM_QUEUE_URL", POLL, POLLING),
        ("ingest", "aoss:APIAccessAll", COLLECTIONS, SIGNED, COLLECTION),
        ("ingest", "es:ESHttpPost", BULKS, SIGNED, DOMAIN),
        ("sweep", "aoss:APIAccessAll", COLLECTIONS, SIGNED, COLLECTION),
        ("sweep", "es:ESHttpPost", SEARCHES, SIGNED, DOMAIN),
        ("sweep", "es:ESHttpPost", BULKS, SIGNED, DOMAIN),
        ("query", "aoss:APIAccessAll", COLLECTIONS, SIGNED, COLLECTION),
        ("query", "es:ESHttpPost", SEARCHES, SIGNED, DOMAIN),
        ("ensure_index", "aoss:APIAccessAll", COLLECTIONS, SIGNED, COLLECTION),
        ("ensure_index", "es:ESHttpPut", DOMAINS, SIGNED, DOMAIN),
        ("ensure_index", "aoss:CreateIndex", INDICES, SIGNED, DATA),
        ("ensure_index", "aoss:DescribeIndex", INDICES, SIGNED, DATA),
        ("ensure_index", "aoss:UpdateIndex", INDICES, SIGNED, DATA),
        ("ingest", "aoss:DescribeIndex", INDICES, SIGNED, DATA),
        ("ingest", "aoss:WriteDocument", INDICES, SIGNED, DATA),
        ("sweep", "aoss:DescribeIndex", INDICES, SIGNED, DATA),
        ("sweep", "aoss:ReadDocument", INDICES, SIGNED, DATA),
        ("sweep", "aoss:WriteDocument", INDICES, SIGNED, DATA),
        ("query", "aoss:DescribeIndex", INDICES, SIGNED, DATA),
        ("query", "aoss:ReadDocument", INDICES, SIGNED, DATA),
        ("drop_indices", "aoss:APIAccessAll", COLLECTIONS, SIGNED, COLLECTION),
        ("drop_indices", "aoss:DeleteIndex", INDICES, SIGNED, DATA),
        ("reader", "aoss:DescribeIndex", INDICES, NAMED, DATA),
        ("reader", "aoss:ReadDocument", INDICES, NAMED, DATA),
        ("drop_indices", "es:ESHttpDelete", DOMAINS, SIGNED, DOMAIN),
        *((who, "kms:Decrypt", KEYS, KEYED, OBJECTS) for who in ("cluster", "endpoint", "gate", "job", "plan")),
        *((who, "kms:Decrypt", KEYS, KEYED, OBJECTS) for who in ("ingest", "register", "runs", "tracking")),
        *((who, "kms:Decrypt", KEYS, KEYED, ITEMS) for who in ("drop_indices", "ensure_index", "query")),
        *((who, "kms:Decrypt", KEYS, KEYED, MESSAGES) for who in ("karpenter", "sweep")),
        *((who, "kms:GenerateDataKey", KEYS, KEYED, OBJECTS) for who in ("cluster", "job", "runs", "tracking")),
        *((who, "kms:GenerateDataKey", KEYS, KEYED, MESSAGES) for who in ("ingest", "sweep")),
        ("job", "kms:Encrypt", KEYS, "SageMaker wants it of the role where a job's output has a key", OUTPUT),
        ("register", "sagemaker:CreateModelPackage", "model-package-group/*-models-*", IN_GROUP, PACKAGES),
        ("cluster", "ec2:CreateNetworkInterface", ALL, INSIDE, NETWORK),
        ("cluster", "ec2:DescribeNetworkInterfaces", ALL, INSIDE, NETWORK),
        ("cluster", "ec2:DescribeSubnets", ALL, INSIDE, NETWORK),
        ("cluster", "ec2:DeleteNetworkInterface", ALL, INSIDE, NETWORK),
        ("cluster", "ec2:AssignPrivateIpAddresses", ALL, INSIDE, NETWORK),
        ("cluster", "ec2:UnassignPrivateIpAddresses", ALL, INSIDE, NETWORK),
        ("machine", "sagemaker:AddTags", JOBS, "a job that is created has tags", SYNC),
        ("machine", "sagemaker:ListTags", JOBS, WAITS, SYNC),
        ("machine", "iam:PassRole", "role/*-training-job-role-*", "a job that is created has a role", SYNC),
        ("machine", "events:PutTargets", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule", WAITS, SYNC),
        ("machine", "events:PutRule", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule", WAITS, SYNC),
        ("machine", "events:DescribeRule", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule", WAITS, SYNC),
        ("machine", "logs:CreateLogDelivery", ALL, WRITES, DELIVERY),
        ("machine", "logs:GetLogDelivery", ALL, WRITES, DELIVERY),
        ("machine", "logs:UpdateLogDelivery", ALL, WRITES, DELIVERY),
        ("machine", "logs:DeleteLogDelivery", ALL, WRITES, DELIVERY),
        ("machine", "logs:ListLogDeliveries", ALL, WRITES, DELIVERY),
        ("machine", "logs:PutResourcePolicy", ALL, WRITES, DELIVERY),
        ("machine", "logs:DescribeResourcePolicies", ALL, WRITES, DELIVERY),
        ("machine", "logs:DescribeLogGroups", ALL, WRITES, DELIVERY),
        ("job", "s3:ListBucket", "TANDEM_DATASET_BUCKET", JOB, ROLES),
        ("job", "s3:ListBucket", "TANDEM_ARTIFACT_BUCKET", JOB, ROLES),
        ("job", "s3:GetObject", "TANDEM_DATASET_BUCKET/datasets/*", JOB, ROLES),
        ("job", "s3:GetObject", "TANDEM_ARTIFACT_BUCKET/*", JOB, ROLES),
        ("job", "s3:PutObject", "TANDEM_ARTIFACT_BUCKET/runs/*", JOB, ROLES),
        ("job", "s3:AbortMultipartUpload", "TANDEM_ARTIFACT_BUCKET/runs/*", LARGE, PARTS),
        (
            "job",
            "s3:DeleteObject",
            "TANDEM_ARTIFACT_BUCKET/runs/*",
            "SageMaker keeps checkpoints in step, deletions too",
            CHECKPOINTS,
        ),
        ("job", "logs:CreateLogGroup", "log-group:/aws/sagemaker/TrainingJobs*", JOB, ROLES),
        ("job", "logs:CreateLogStream", "log-group:/aws/sagemaker/TrainingJobs*", JOB, ROLES),
        ("job", "logs:PutLogEvents", "log-group:/aws/sagemaker/TrainingJobs*", JOB, ROLES),
        ("job", "logs:DescribeLogStreams", "log-group:/aws/sagemaker/TrainingJobs*", JOB, ROLES),
        ("job", "cloudwatch:PutMetricData", ALL, JOB, ROLES),
        ("job", "ecr:GetAuthorizationToken", ALL, JOB, ROLES),
        ("job", "ecr:BatchCheckLayerAvailability", IMAGES, JOB, ROLES),
        ("job", "ecr:BatchGetImage", IMAGES, JOB, ROLES),
        ("job", "ecr:GetDownloadUrlForLayer", IMAGES, JOB, ROLES),
        ("job", "sagemaker:CallMlflowAppApi", APPS, TRACK, APP),
        ("job", "sagemaker-mlflow:CreateExperiment", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:GetExperiment", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:GetExperimentByName", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:CreateRun", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:GetRun", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:UpdateRun", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:LogBatch", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:LogMetric", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:LogParam", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:LogInputs", SERVERS, TRACK, MLFLOW),
        ("job", "sagemaker-mlflow:SetTag", SERVERS, TRACK, MLFLOW),
        ("runs", "s3:AbortMultipartUpload", "TANDEM_ARTIFACT_BUCKET/runs/*", LARGE, PARTS),
        ("runs", "sagemaker:CallMlflowAppApi", APPS, TRACK, APP),
        ("tracking", "s3:ListBucket", "TANDEM_ARTIFACT_BUCKET", STORE, MLFLOW),
        ("tracking", "s3:GetObject", "TANDEM_ARTIFACT_BUCKET/mlflow/*", STORE, MLFLOW),
        ("tracking", "s3:PutObject", "TANDEM_ARTIFACT_BUCKET/mlflow/*", STORE, MLFLOW),
        ("tracking", "s3:DeleteObject", "TANDEM_ARTIFACT_BUCKET/mlflow/*", STORE, MLFLOW),
        ("endpoint", "s3:ListBucket", "TANDEM_ARTIFACT_BUCKET", SERVES, ROLES),
        ("endpoint", "s3:GetObject", "TANDEM_ARTIFACT_BUCKET/runs/*", SERVES, ROLES),
        ("endpoint", "logs:CreateLogGroup", "log-group:*-endpoint-log-*", SERVES, ROLES),
        ("endpoint", "logs:CreateLogStream", "log-group:*-endpoint-log-*", SERVES, ROLES),
        ("endpoint", "logs:PutLogEvents", "log-group:*-endpoint-log-*", SERVES, ROLES),
        ("endpoint", "cloudwatch:PutMetricData", ALL, SERVES, ROLES),
        ("endpoint", "ecr:GetAuthorizationToken", ALL, SERVES, ROLES),
        ("endpoint", "ecr:BatchCheckLayerAvailability", IMAGES, SERVES, ROLES),
        ("endpoint", "ecr:BatchGetImage", IMAGES, SERVES, ROLES),
        ("endpoint", "ecr:GetDownloadUrlForLayer", IMAGES, SERVES, ROLES),
        ("karpenter", "ec2:RunInstances", NODE_PARTS, NODES, KARPENTER),
        ("karpenter", "ec2:CreateFleet", NODE_PARTS, NODES, KARPENTER),
        ("karpenter", "ec2:CreateLaunchTemplate", NODE_PARTS, NODES, KARPENTER),
        ("karpenter", "ec2:CreateTags", NODE_PARTS, NODES, KARPENTER),
        ("karpenter", "ec2:TerminateInstances", NODE_PARTS, NODES, KARPENTER),
        ("karpenter", "ec2:DeleteLaunchTemplate", NODE_PARTS, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeAvailabilityZones", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeCapacityReservations", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeImages", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeInstanceStatus", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeInstanceTypeOfferings", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeInstanceTypes", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeInstances", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeLaunchTemplates", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribePlacementGroups", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeSecurityGroups", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeSpotPriceHistory", ALL, NODES, KARPENTER),
        ("karpenter", "ec2:DescribeSubnets", ALL, NODES, KARPENTER),
        ("karpenter", "pricing:GetProducts", ALL, NODES, KARPENTER),
        ("karpenter", "ssm:GetParameter", "parameter/aws/service/*", NODES, KARPENTER),
        ("karpenter", "sqs:DeleteMessage", "*-karpenter-interruptions-*", NODES, KARPENTER),
        ("karpenter", "sqs:GetQueueUrl", "*-karpenter-interruptions-*", NODES, KARPENTER),
        ("karpenter", "sqs:ReceiveMessage", "*-karpenter-interruptions-*", NODES, KARPENTER),
        ("karpenter", "iam:PassRole", "role/*-cluster-node-role-*", NODES, KARPENTER),
        ("karpenter", "iam:GetInstanceProfile", "instance-profile/*", NODES, KARPENTER),
        ("karpenter", "iam:ListInstanceProfiles", ALL, NODES, KARPENTER),
        ("karpenter", "eks:DescribeCluster", "TANDEM_CLUSTER", NODES, KARPENTER),
        ("events.amazonaws.com", "sqs:SendMessage", QUEUES, "rules of EventBridge send to the queue", TO_QUEUE),
        ("lambda.amazonaws.com", "sts:AssumeRole", NOTHING, ASSUME, TRUST),
        ("states.amazonaws.com", "sts:AssumeRole", NOTHING, ASSUME, TRUST),
        ("sagemaker.amazonaws.com", "sts:AssumeRole", NOTHING, ASSUME, TRUST),
        ("eks.amazonaws.com", "sts:AssumeRole", NOTHING, ASSUME, TRUST),
        ("ec2.amazonaws.com", "sts:AssumeRole", NOTHING, ASSUME, TRUST),
        ("pods.eks.amazonaws.com", "sts:AssumeRole", NOTHING, ASSUME, POD),
        ("pods.eks.amazonaws.com", "sts:TagSession", NOTHING, ASSUME, POD),
    )
]


class Unnamed(NamedTuple):
    """What our code asks for by a name that it learns when it runs: of what, as in a `Row`, and where it learns it."""

    who: str
    action: str
    on: str
    why: str


LISTED = "it lists them, and looks at their tags"
INDEXED = "the ledger names the model of an index, which may be one of before"
MADE = "the pipeline or its function names the job"
WRITTEN = "the run's record names it"
UNNAMED = [
    *(Unnamed(who, "bedrock:InvokeModel", f"foundation-model/{it}", INDEXED) for who in USERS for it in EMBEDDERS),
    Unnamed("ingest", "secretsmanager:GetSecretValue", "embedder_secret_arn", INDEXED),
    Unnamed("query", "secretsmanager:GetSecretValue", "embedder_secret_arn", INDEXED),
    Unnamed("ensure_index", "bedrock:InvokeModel", "embedder", INDEXED),
    Unnamed("clean", "states:StopExecution", "pipeline", LISTED),
    Unnamed("clean", "sagemaker:DescribeTrainingJob", JOBS, LISTED),
    Unnamed("clean", "sagemaker:StopTrainingJob", JOBS, LISTED),
    Unnamed("clean", "sagemaker:DeleteModelPackage", "group", LISTED),
    Unnamed("clean", "sagemaker:ListTags", JOBS, LISTED),
    Unnamed("guard", "sagemaker:DescribeTrainingJob", JOBS, LISTED),
    Unnamed("guard", "sagemaker:ListTags", JOBS, LISTED),
    Unnamed("guard", "sagemaker:ListTags", ENDPOINTS, LISTED),
    Unnamed("guard", "sagemaker:StopTrainingJob", JOBS, LISTED),
    Unnamed("guard", "sagemaker:DeleteEndpoint", ENDPOINTS, LISTED),
    Unnamed("guard", "sagemaker:DeleteInferenceComponent", PARTS_OF_ENDPOINTS, LISTED),
    Unnamed("plan", "sagemaker:DescribeTrainingJob", JOBS, MADE),
    Unnamed("register", "sagemaker:DescribeModelPackage", "TANDEM_MODEL_PACKAGE_GROUP", LISTED),
    Unnamed("machine", "sagemaker:CreateTrainingJob", JOBS, MADE),
    Unnamed("machine", "sagemaker:DescribeTrainingJob", JOBS, MADE),
    Unnamed("machine", "sagemaker:StopTrainingJob", JOBS, MADE),
    Unnamed("runs", "s3:ListBucket", "TANDEM_DATASET_BUCKET", WRITTEN),
    Unnamed("runs", "s3:ListBucket", "TANDEM_ARTIFACT_BUCKET", WRITTEN),
    Unnamed("runs", "s3:GetObject", "TANDEM_DATASET_BUCKET/datasets/*", WRITTEN),
    Unnamed("runs", "s3:GetObject", "TANDEM_ARTIFACT_BUCKET/*", WRITTEN),
    Unnamed("runs", "s3:PutObject", "TANDEM_ARTIFACT_BUCKET/runs/*", WRITTEN),
    Unnamed("runs", "s3:DeleteObject", "TANDEM_ARTIFACT_BUCKET/runs/*", WRITTEN),
]

PREFIXES = {
    "bedrock-runtime": "bedrock",
    "sagemaker-runtime": "sagemaker",
    "stepfunctions": "states",
    "opensearch": "es",
    "opensearchserverless": "aoss",
    "elbv2": "elasticloadbalancing",
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
    "sqs:DeleteMessageBatch": ["sqs:DeleteMessage"],
    "sqs:ChangeMessageVisibilityBatch": ["sqs:ChangeMessageVisibility"],
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
