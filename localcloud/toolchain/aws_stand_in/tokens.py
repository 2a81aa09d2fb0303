"""What the Terraform AWS provider calls the types and functions of pulumi-aws."""

import re

# Pulumi module -> what Terraform's names begin with, where that isn't the module's own name.
PREFIXES = {"apigateway": "api_gateway_", "ec2": "", "index": ""}

# Pulumi token -> Terraform name, where the rule below doesn't give it.
EXCEPTIONS = {
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": "sqs_queue_redrive_allow_policy",
    "aws:sqs/redrivePolicy:RedrivePolicy": "sqs_queue_redrive_policy",
}


def terraform_name(token: str) -> str:
    """The Terraform name without `aws_` of a resource or function.

    >>> terraform_name("aws:cloudwatch/eventRule:EventRule")
    'cloudwatch_event_rule'
    """
    _, path, name = token.split(":")
    module = path.split("/")[0]
    if module == "opensearch" and name.startswith("Serverless"):
        module, name = "opensearchserverless", name.removeprefix("Serverless")
    name = re.sub(r"(?<!^)([A-Z])", r"_\1", name.removeprefix("get")).lower()
    return EXCEPTIONS.get(token, PREFIXES.get(module, f"{module}_") + name)


def bridge_token(token: str) -> str:
    """The token of the same thing in the schema that the bridge makes of the Terraform provider.

    >>> bridge_token("aws:s3/bucket:Bucket")
    'aws:index/s3Bucket:S3Bucket'
    """
    pascal = "".join(part[0].upper() + part[1:] for part in terraform_name(token).split("_"))
    if token.split(":")[2].startswith("get"):
        return f"aws:index/get{pascal}:get{pascal}"
    return f"aws:index/{pascal[0].lower()}{pascal[1:]}:{pascal}"


def type_of(urn: str) -> str:
    """The type token in a URN, without its parents' types."""
    return urn.split("::")[2].split("$")[-1]


def bridge_urn(urn: str) -> str:
    """The URN with its type replaced by the bridge's token."""
    stack, project, _, name = urn.split("::", 3)
    return f"{stack}::{project}::{bridge_token(type_of(urn))}::{name}"
