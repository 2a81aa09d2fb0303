"""ARNs of things that aren't resources of the program."""

from typing import Any

import pulumi
import pulumi_aws as aws

TOPIC: dict[str, Any] = {
    "pattern": r"arn:[^:]+:sns:[^:]+:\d{12}:[\w-]+(\.fifo)?",
    "allowed": "the ARN of an SNS topic",
    "remedy": "For example arn:aws:sns:us-east-1:123456789012:alarms.",
    "output": True,
}
"""Of a field with a topic."""
SECRET_ARN = r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+-[A-Za-z0-9]{6}"  # noqa: S105 (a pattern)
"""The whole ARN of a secret: a policy with a part of it allows nothing (IAM compares the whole)."""


def aws_arn(service: str, resource: str, parent: pulumi.Resource) -> pulumi.Output[str]:
    """`arn:<partition>:<service>::aws:<resource>`, which is AWS's own, in the partition that `parent` is put into."""
    return pulumi.Output.format("arn:{0}:{1}::aws:{2}", _partition(parent).partition, service, resource)


def bucket_arn(name: pulumi.Input[str], parent: pulumi.Resource) -> pulumi.Output[str]:
    """The ARN of a bucket, in the partition that `parent` is put into."""
    return pulumi.Output.format("arn:{0}:s3:::{1}", _partition(parent).partition, name)


def table_arn(name: pulumi.Input[str], parent: pulumi.Resource) -> pulumi.Output[str]:
    """The ARN of a DynamoDB table, in the account and region that `parent` is put into."""
    return account_arn("dynamodb", pulumi.Output.concat("table/", name), parent)


def ec2_principal(parent: pulumi.Resource) -> pulumi.Output[str]:
    """EC2 as a principal: alone of those that we name it is another one in China.

    AWS CDK, region-info, `Default.servicePrincipal`: EC2's is by partition, the others are the same in all.
    """
    return pulumi.Output.format("ec2.{0}", _partition(parent).dns_suffix)


def _partition(parent: pulumi.Resource) -> pulumi.Output[aws.GetPartitionResult]:
    return aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=parent))


def account_arn(service: str, resource: pulumi.Input[str], parent: pulumi.Resource) -> pulumi.Output[str]:
    """`arn:<partition>:<service>:<region>:<account>:<resource>` of the account and region that `parent` is put into."""
    options = pulumi.InvokeOutputOptions(parent=parent)
    return pulumi.Output.format(
        "arn:{0}:{1}:{2}:{3}:{4}",
        aws.get_partition_output(opts=options).partition,
        service,
        aws.get_region_output(opts=options).region,
        aws.get_caller_identity_output(opts=options).account_id,
        resource,
    )
