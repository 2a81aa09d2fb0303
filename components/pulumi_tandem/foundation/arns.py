"""ARNs of things that aren't resources of the program."""

from typing import Any

import pulumi
import pulumi_aws as aws
from tandem_contract.arns import ACCOUNT, REGION, Arn

TOPIC: dict[str, Any] = {
    # An alarm with a topic of another region is refused by CloudWatch; one of another account is taken.
    "arn": Arn("sns", r"[\w-]+(\.fifo)?", same=(REGION,)),
    "allowed": "the ARN of an SNS topic",
    "remedy": "For example arn:aws:sns:us-east-1:123456789012:alarms.",
    "output": True,
}
"""Of a field with a topic."""
SECRET: dict[str, Any] = {
    "arn": Arn("secretsmanager", "secret:.+-[A-Za-z0-9]{6}"),
    # A policy with a part of it allows nothing: IAM compares the whole.
    "allowed": "the whole ARN of a secret, which ends in a hyphen and six characters",
    "hidden": True,
    "output": True,
}
"""Of a field with a secret."""
KMS_KEY: dict[str, Any] = {
    "arn": Arn("kms", r"key/[\w-]+", same=(REGION,)),
    "allowed": "the ARN of a KMS key",
    "remedy": "An alias's ARN is none: `aws kms describe-key --key-id alias/NAME` prints the key's.",
    "output": True,
}
"""Of a field with a key."""
BOUNDARY: dict[str, Any] = {
    "arn": Arn("iam", "policy/.+", region="", account=r"(\d{12}|aws)", same=(ACCOUNT,)),
    "allowed": "the ARN of a managed policy",
    "remedy": "For example arn:aws:iam::123456789012:policy/boundary.",
    "output": True,
}
"""Of a field with a policy that bounds roles, which is of their account or AWS's own."""
PRINCIPALS: dict[str, Any] = {
    "arn": Arn("iam", "(role|user)/.+", region=""),
    "allowed": "the ARN of a role or user",
    "remedy": "An assumed role's session is none: name the role.",
    "output": True,
}
"""Of a field with roles and users."""
USER_POOL = Arn("cognito-idp", r"userpool/[\w-]+")
"""Of any account and region (API Gateway developer guide, "Configure cross-account Amazon Cognito authorizer")."""
MODEL_PACKAGE = Arn("sagemaker", "model-package/.+", same=(REGION,))


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
