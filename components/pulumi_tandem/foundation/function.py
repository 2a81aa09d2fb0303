"""Lambda function that runs `tandem`'s code, with its role and log."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_

from .alarms import alarm
from .function_code import function_code
from .function_platform import ARCHITECTURE, PYTHON
from .house_rules import LOG_DAYS
from .outputs import register
from .policy import allow, policy_document, trust
from .tags import Tags

# What counts as which (Lambda guide, "Types of metrics for Lambda functions"): a call that runs out of time or memory
# is an error; one that is throttled is neither an invocation nor an error.
FAILURES = (
    ("errors", "Errors", "a call raised, or ran out of time or memory. The function's log says why."),
    (
        "throttled",
        "Throttles",
        "calls found no room to run: other functions of the account take its concurrency (Lambda's quota of concurrent "
        "executions), or the account's is small.",
    ),
)
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


class WatchedBy(str, Enum):
    """Who notices that a function fails: somebody has to."""

    ALARMS = "alarms"
    """Nobody waits for it, so it has two alarms of its own."""
    API = "api"
    """An API answers 5xx in its place, on which an alarm is."""
    RUN = "run"
    """The run of the training pipeline that called it fails, on which an alarm is."""
    DEPLOYMENT = "deployment"
    """The engine calls it, and `pulumi up` or `destroy` fails."""


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
    watched_by: WatchedBy
    """Who notices that it fails."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that its alarms notify."""
    subnet_ids: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Subnets that it runs in, for what only they reach; from them it needs a way to every service that it calls."""
    security_group_ids: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Its security groups there."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class Function(pulumi.ComponentResource):
    """Lambda function on arm64 with a role that allows what its statements say, and a log group kept 14 days.

    Creates a role, its policy, a log group and the function; where nobody waits for it also two alarms, on calls that
    raised or timed out, and on calls that Lambda refused to start.

    Idle cost: none, or two alarms, $0.20 a month.
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
        if args["watched_by"] == WatchedBy.ALARMS:
            for suffix, metric, happened in FAILURES:
                alarm(
                    f"{name}-{suffix}",
                    namespace="AWS/Lambda",
                    metric=metric,
                    dimensions={"FunctionName": function.name},
                    statistic="Sum",
                    threshold=0,
                    description=f"{name}: {happened}",
                    topic_arn=args.get("alarm_topic_arn"),
                    tags=tags,
                    parent=self,
                )
        self.function_name, self.function_arn = function.name, function.arn
        self.invoke_arn, self.role_arn = function.invoke_arn, role.arn
        register(self)
