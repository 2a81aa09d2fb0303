"""Units of the kinds of key: what a price row sells one of. Pricers multiply by it, so another is a wrong price."""

from fnmatch import fnmatchcase

KEYS: dict[str, dict[str, str]] = {
    "AWSDataTransfer": {"GB": "egress:internet inter-az:each-direction"},
    "AWSELB": {"hour": "alb:hours nlb:hours", "LCU-hour": "alb:lcu nlb:lcu"},
    "AWSEvents": {"1M events": "events:*", "1M invocations": "scheduler:invocations"},
    "AWSLambda": {"1M requests": "requests", "GB-second": "duration:* provisioned:*"},
    "AWSQueueService": {"1M requests": "requests:*"},
    "AWSSecretsManager": {"secret-month": "secret", "10k requests": "requests"},
    "AmazonApiGateway": {"1M requests": "requests:*", "hour": "cache:*"},
    "AmazonBedrock": {"1M tokens": "input:* cached-input:* output:*", "1k queries": "rerank:*"},
    "AmazonCloudWatch": {
        "GB": "logs:ingestion logs:insights",
        "GB-month": "logs:storage",
        "alarm-month": "alarm:*",
        "metric-month": "metric:*",
        "dashboard-month": "dashboard",
    },
    "AmazonDynamoDB": {"1M RRU": "reads:*", "1M WRU": "writes:*", "GB-month": "storage:*"},
    "AmazonEC2": {
        "hour": "ondemand:* nat:hours",
        "GB": "nat:data",
        "GB-month": "ebs:*:storage",
        "IOPS-month": "ebs:*:iops",
        "MiBps-month": "ebs:*:throughput",
    },
    "AmazonECR": {"GB-month": "storage:*"},
    "AmazonECS": {"vCPU-hour": "fargate:*:vcpu", "GB-hour": "fargate:*:memory fargate:storage"},
    "AmazonEFS": {"GB-month": "storage:*", "MiBps-month": "throughput:*"},
    "AmazonEKS": {"hour": "cluster:*"},
    "AmazonES": {"hour": "ondemand:*", "OCU-hour": "ocu:*", "GB-month": "storage:*", "month": "floor:*"},
    "AmazonElastiCache": {"hour": "*:cache.*", "GB-hour": "*:serverless:storage", "1M ECPU": "*:serverless:ecpu"},
    "AmazonKinesis": {"hour": "*:hours", "GB": "on-demand:in on-demand:out *:data", "1M units": "*:put-units"},
    "AmazonRDS": {
        "hour": "*:db.*",
        "GB-month": "storage:* *:storage",
        "IOPS-month": "iops:*",
        "ACU-hour": "*:acu *:acu-io-optimized",
        "1M I/Os": "*:io",
    },
    "AmazonS3": {"GB-month": "storage:*", "1k requests": "requests:*"},
    "AmazonSageMaker": {
        "hour": "training:* hosting:* notebook:* studio:* mlflow-app mlflow-server:*",
        "GB-month": "storage:*",
        "GB": "data:*",
    },
    "AmazonStates": {"1k transitions": "transitions", "1M requests": "express:requests"},
    "AmazonVPC": {"hour": "endpoint:hours ipv4:hours", "GB": "endpoint:data"},
    "awskms": {"key-month": "key", "10k requests": "requests:*"},
    "awswaf": {
        "ACL-month": "acl",
        "rule-month": "rule",
        "group-month": "bot-control",
        "1M requests": "requests",
    },
}
"""Service -> unit -> patterns of the keys that have it, `*` any text."""


def unit_of(service: str, key: str) -> str:
    """The unit of a key; empty where no pattern has it, so that it is a kind of key that nobody has thought of."""
    for unit, patterns in KEYS.get(service, {}).items():
        if any(fnmatchcase(key, pattern) for pattern in patterns.split()):
            return unit
    return ""
