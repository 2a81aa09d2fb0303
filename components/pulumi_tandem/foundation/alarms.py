"""CloudWatch alarms in the one form that Tandem uses."""

import pulumi
from pulumi_aws import cloudwatch

from .tags import Tags


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
    tags: Tags | None = None,
) -> cloudwatch.MetricAlarm:
    """An alarm above `threshold`; silence is healthy. Costs $0.10 a month; the first ten of an account are free."""
    return cloudwatch.MetricAlarm(
        name,
        namespace=namespace,
        metric_name=metric,
        dimensions=dimensions,
        statistic=statistic,
        period=period_seconds,
        evaluation_periods=periods,
        comparison_operator="GreaterThanThreshold",
        threshold=threshold,
        treat_missing_data="notBreaching",
        alarm_description=description,
        alarm_actions=[topic_arn] if topic_arn else [],
        ok_actions=[topic_arn] if topic_arn else [],
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
