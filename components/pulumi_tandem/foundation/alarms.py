"""CloudWatch alarms in the one form that Tandem uses."""

from typing import Literal

import pulumi
from pulumi_aws import cloudwatch

from .tags import Tags

Comparison = Literal[
    "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]

NEARLY_ALL = 0.875
"""As a share of requests that failed. Exact in binary: the local cloud's bridge compares 0.9 with another 0.9."""


def alarm(
    name: str,
    *,
    namespace: str,
    metric: str,
    dimensions: dict[str, pulumi.Input[str]],
    statistic: str,
    threshold: float,
    description: str,
    topic_arn: pulumi.Input[str] | None,
    parent: pulumi.Resource,
    period_seconds: int = 300,
    periods: int = 1,
    needed: int | None = None,
    comparison: Comparison = "GreaterThanThreshold",
    missing: Literal["notBreaching", "breaching"] = "notBreaching",
    tags: Tags | None = None,
) -> cloudwatch.MetricAlarm:
    """An alarm on each of `periods` in a row, or `needed` of them; `missing` says what a period without data is.

    That is healthy by default.

    It watches one metric, and costs $0.10 a month; the first ten of an account are free. docs/alarms.md shows which
    fault rings which.
    """
    return cloudwatch.MetricAlarm(
        name,
        namespace=namespace,
        metric_name=metric,
        dimensions=dimensions,
        statistic=statistic,
        period=period_seconds,
        evaluation_periods=periods,
        datapoints_to_alarm=needed,
        comparison_operator=comparison,
        threshold=threshold,
        treat_missing_data=missing,
        alarm_description=description,
        alarm_actions=[topic_arn] if topic_arn else [],
        ok_actions=[topic_arn] if topic_arn else [],
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
