"""EventBridge schedule of a Lambda function."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, lambda_

from .alarms import alarm
from .function import Function
from .tags import Tags


def every(
    name: str,
    minutes: int,
    function: Function,
    *,
    description: str,
    tags: Tags,
    parent: pulumi.Resource,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Run a function every so many minutes: a rule, its target and the permission. Bills as the function does.

    It gets `payload`, or the event of the schedule.
    """
    child = pulumi.ResourceOptions(parent=parent)
    rule = cloudwatch.EventRule(
        f"{name}-schedule",
        description=description,
        schedule_expression=f"rate({minutes} minutes)",
        tags=tags,
        opts=child,
    )
    permission = lambda_.Permission(
        f"{name}-permission",
        action="lambda:InvokeFunction",
        function=function.function_name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=child,
    )
    cloudwatch.EventTarget(
        f"{name}-start",
        rule=rule.name,
        arn=function.function_arn,
        input=json.dumps(payload) if payload else None,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission]),
    )


def not_started(
    name: str,
    minutes: int,
    function: Function,
    *,
    topic_arn: pulumi.Input[str] | None,
    tags: Tags,
    parent: pulumi.Resource,
) -> None:
    """An alarm on a function that should run every so many minutes and hasn't twice: nobody else would notice.

    Its rule is off, or the rule's target or permission is gone. A new one's may ring until the first run. Costs $0.10 a
    month.
    """
    alarm(
        f"{name}-not-started",
        namespace="AWS/Lambda",
        metric="Invocations",
        dimensions={"FunctionName": function.function_name},
        statistic="Sum",
        threshold=1,
        comparison="LessThanThreshold",
        period_seconds=60 * minutes,
        periods=2,
        missing="breaching",
        description=f"{name} wasn't started twice in a row: look at its rule in EventBridge, the rule's target, and "
        "the function's permission; `pulumi up --refresh` makes them anew. A new stack's may ring until its first run.",
        topic_arn=topic_arn,
        tags=tags,
        parent=parent,
    )
