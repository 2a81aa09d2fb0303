"""EventBridge schedule of a Lambda function."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, lambda_

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
