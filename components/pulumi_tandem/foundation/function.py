"""Lambda function that runs `tandem`'s code, with its role and log."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_

from .function_code import function_code
from .function_platform import ARCHITECTURE, PYTHON
from .outputs import register
from .policy import allow, policy_document, trust
from .tags import Tags

LOG_DAYS = 14
# Lambda looks for all of them on every resource (Lambda guide, "Giving Lambda functions access to resources in a VPC").
USE_INTERFACES = allow(
    [
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    ],
    "*",
)


class FunctionArgs(TypedDict):
    """Arguments of `Function`."""

    handler: str
    """Dotted path of the handler, e.g. `tandem.rag.functions.query.handler`."""
    statements: Sequence[Any]
    """IAM statements beyond writing its own log."""
    environment: dict[str, pulumi.Input[str]]
    """Environment variables; never secrets."""
    memory_megabytes: int
    """Memory, which also buys processor time: 1,769 MB is one vCPU."""
    timeout_seconds: int
    """Longest run."""
    subnet_ids: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Subnets that it runs in, for what only they reach; from them it needs a way to every service that it calls."""
    security_group_ids: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Its security groups there."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class Function(pulumi.ComponentResource):
    """Lambda function on arm64 with a role that allows what its statements say, and a log group kept 14 days.

    Creates a role, its policy, a log group and the function.

    Idle cost: none.
    """

    function_name: pulumi.Output[str]
    """Name of the function."""
    function_arn: pulumi.Output[str]
    """ARN of the function."""
    invoke_arn: pulumi.Output[str]
    """ARN by which API Gateway invokes it."""
    role_arn: pulumi.Output[str]
    """ARN of its role."""

    def __init__(self, name: str, args: FunctionArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:Function", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags")
        log = cloudwatch.LogGroup(f"{name}-log", retention_in_days=LOG_DAYS, tags=tags, opts=child)
        role = iam.Role(f"{name}-role", assume_role_policy=trust("lambda.amazonaws.com"), tags=tags, opts=child)
        write_log = allow(["logs:CreateLogStream", "logs:PutLogEvents"], pulumi.Output.concat(log.arn, ":*"))
        statements, more = [write_log, *args["statements"]], {}
        if "subnet_ids" in args:
            statements.append(USE_INTERFACES)
            groups = args.get("security_group_ids", [])
            more["vpc_config"] = {"subnet_ids": args["subnet_ids"], "security_group_ids": groups}
        permissions = iam.RolePolicy(
            f"{name}-permissions", role=role.id, policy=policy_document(statements), opts=child
        )
        function = lambda_.Function(
            name,
            role=role.arn,
            runtime=f"python{PYTHON}",
            architectures=[ARCHITECTURE],
            handler=args["handler"],
            code=function_code(args["handler"]),
            memory_size=args["memory_megabytes"],
            timeout=args["timeout_seconds"],
            environment={"variables": args["environment"]},
            logging_config={"log_format": "Text", "log_group": log.name},
            tags=tags,
            **more,
            # Without its permissions the first invocations would fail.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permissions]),
        )
        self.function_name, self.function_arn = function.name, function.arn
        self.invoke_arn, self.role_arn = function.invoke_arn, role.arn
        register(self)
