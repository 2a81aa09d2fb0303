"""AWS's Foundational Security Best Practices for the kinds of things that Tandem makes.

The settings that no rule of another subject looks at, a row each, and the controls that are not looked at, with why.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from . import resource_types as aws
from .levels import ADVISORY, Levels
from .rules import Findings, Resource, Rule, Settings, at

NOTEBOOK = "aws:sagemaker/notebookInstance:NotebookInstance"
ENDED_RUNTIMES = (  # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
    *("dotnet", "go1.", "java8", "nodejs4", "nodejs6", "nodejs8", "nodejs10", "nodejs12", "nodejs14", "nodejs16"),
    *("nodejs18", "python2", "python3.6", "python3.7", "python3.8", "python3.9", "ruby2"),
)
LIVING_RUNTIMES = ("java8.al2", "dotnet8", "dotnet9", "dotnet10")


class Row(NamedTuple):
    """A setting; `met` is asked with each value there is at the path, or with None."""

    type: str
    path: str
    met: Callable[[Any], bool]
    control: str
    says: str


def _is(wanted: Any) -> Callable[[Any], bool]:
    return lambda value: value == wanted


def _runs(runtime: Any) -> bool:
    text = str(runtime or "")
    return text in LIVING_RUNTIMES or not text.startswith(ENDED_RUNTIMES)


ROWS = (
    Row(aws.REPOSITORY, "imageScanningConfiguration.scanOnPush", _is(True), "ECR.1", "images aren't scanned"),
    Row(
        aws.REPOSITORY,
        "imageTagMutability",
        lambda value: str(value).startswith("IMMUTABLE"),
        "ECR.2",
        "a tag may be put on another image",
    ),
    Row("aws:kms/key:Key", "enableKeyRotation", _is(True), "KMS.4", "the key isn't rotated"),
    Row(aws.TABLE, "deletionProtectionEnabled", _is(True), "DynamoDB.6", "the table may be deleted"),
    Row(
        "aws:sfn/stateMachine:StateMachine",
        "loggingConfiguration.level",
        lambda value: value in ("ALL", "ERROR", "FATAL"),
        "StepFunctions.1",
        "runs aren't logged",
    ),
    Row(aws.FUNCTION, "runtime", _runs, "Lambda.2", "AWS no longer supports the runtime"),
    Row("aws:apigateway/stage:Stage", "xrayTracingEnabled", _is(True), "APIGateway.3", "requests aren't traced"),
    Row(
        "aws:apigatewayv2/stage:Stage",
        "accessLogSettings.destinationArn",
        lambda value: value is not None,
        "APIGateway.9",
        "requests aren't logged",
    ),
    Row("aws:sagemaker/model:Model", "enableNetworkIsolation", _is(True), "SageMaker.5", "it has the network"),
    Row(NOTEBOOK, "directInternetAccess", _is("Disabled"), "SageMaker.1", "it is on the internet"),
    Row(NOTEBOOK, "subnetId", lambda value: value is not None, "SageMaker.2", "it isn't in a network of your own"),
    Row(NOTEBOOK, "rootAccess", _is("Disabled"), "SageMaker.3", "its users are root"),
    Row(aws.INSTANCE, "metadataOptions.httpTokens", _is("required"), "EC2.8", "any request gets its role"),
    Row(aws.INSTANCE, "associatePublicIpAddress", lambda value: value is not True, "EC2.9", "it has a public address"),
    Row("aws:ec2/subnet:Subnet", "mapPublicIpOnLaunch", lambda value: not value, "EC2.15", "it gives public addresses"),
    Row(
        aws.LAUNCH_TEMPLATE,
        "networkInterfaces.associatePublicIpAddress",
        lambda value: str(value).lower() != "true",
        "EC2.25",
        "it gives public addresses",
    ),
    Row(aws.DOMAIN, "advancedSecurityOptions.enabled", _is(True), "OpenSearch.7", "it has no fine-grained access"),
)
ACCOUNT = "a setting of the account or a habit of its people, not of a stack"
NONE_MADE = "Tandem makes none"
NOT_CHECKED = {
    "APIGateway.1": "it is in the method settings of ours, not in a stage",
    "APIGateway.2": "for back ends over HTTP; ours are functions",
    "APIGateway.4": "a web ACL bills by the month; IAM or JWT asks who calls",
    "APIGateway.5": "the cache is off",
    "DynamoDB.1": "tables are on demand",
    "DynamoDB.4": "point-in-time recovery is the backup",
    "EC2.6": "flow logs bill by what they hold; a network of your own has yours",
    "EC2.16": ACCOUNT,
    "ECR.3": "every repository of ours has one",
    "Lambda.3": "functions call AWS's services, which a network puts behind endpoints that bill",
    "Lambda.5": "only those of a cluster are in a network, in all its subnets",
    "OpenSearch.4": "a domain of ours writes none; its bill would grow with them",
    "OpenSearch.5": "audit logs need fine-grained access",
    "OpenSearch.6": "three data nodes bill by the hour; `storeInstances` chooses",
    "OpenSearch.10": "ours update themselves",
    "S3.2": "see bucket-private and resource-policy-closed",
    "S3.3": "see bucket-private and resource-policy-closed",
    "S3.6": "who is named in a policy was meant",
    "S3.7": "a second region is the owner's choice",
    "S3.9": "access logs go to `logBucket` where one is given",
    "S3.10": "every bucket of ours has a life cycle",
    "S3.11": "those whose events anybody needs send them to EventBridge",
    "S3.13": "every bucket of ours has a life cycle",
    "S3.15": "an object lock would keep what its owner asks to erase",
    "S3.17": "with `kmsKeyArn`; without, S3's own key encrypts",
    "S3.20": "needs the root user's device at each deletion",
    "SageMaker.4": "a second instance doubles the bill; `endpointInstances` chooses",
    "KMS.3": "the engine tells a deletion, and the key waits for days",
    **dict.fromkeys(("S3.1", "EC2.4", "EC2.7", "EC2.10", "EC2.12", "EC2.22"), ACCOUNT),
    **dict.fromkeys(("IAM.2", "IAM.3", "IAM.4", "IAM.5", "IAM.6", "IAM.7", "IAM.8", "IAM.9", "IAM.10"), ACCOUNT),
    **dict.fromkeys(("IAM.19", "IAM.22", "IAM.26"), ACCOUNT),
    **dict.fromkeys(("DynamoDB.3", "DynamoDB.7", "EC2.1", "EC2.17", "EC2.20", "EC2.23", "EC2.24"), NONE_MADE),
    **dict.fromkeys(("EC2.28", "EC2.51", "S3.19", "SNS.2"), NONE_MADE),
}
"""Controls of those services that no rule looks after, and why."""


def aws_foundations(resource: Resource, _: Settings) -> Findings:
    """Settings that AWS's list asks for."""
    yield from (_unmet(resource, row) for row in ROWS if row.type == resource.type)


def _unmet(resource: Resource, row: Row) -> Findings:
    for value in list(at(resource.properties, row.path)) or [None]:
        if not row.met(value):
            yield f"{row.path} is {'not set' if value is None else value}: {row.says} ({row.control})"


RULES = [
    Rule(
        name="aws-foundations",
        severity="medium",
        levels=Levels(ADVISORY, ADVISORY),
        what="What AWS's Foundational Security Best Practices ask of what Tandem makes, where no other rule does.",
        why="It is what Security Hub will say of the account once it is deployed.",
        url="https://docs.aws.amazon.com/securityhub/latest/userguide/fsbp-standard.html",
        remedy="Set it, or disable the control in Security Hub with the reason.",
        controls=tuple(row.control for row in ROWS),
        types=tuple(dict.fromkeys(row.type for row in ROWS)),
        check=aws_foundations,
    ),
]
