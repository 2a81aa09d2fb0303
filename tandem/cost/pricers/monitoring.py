"""Alarms, dashboards, logs, budgets, and the policies that make alarms."""

from ..bill import Bill, Pricer
from ..model import Number, Resource
from .inputs import count, number, text

SERVICE = "AmazonCloudWatch"
OF_AWS = ("AWS/", "/aws/")


def metric_alarm(resource: Resource, bill: Bill) -> None:
    """An alarm bills for each metric that it watches; a metric of one's own bills beside it."""
    watched = [f"metricQueries.{index}." for index in range(count(resource, "metricQueries"))]
    for at in watched:
        expression = str(resource.get(f"{at}expression", "")).upper()
        if "ANOMALY_DETECTION_BAND" in expression or "SELECT" in expression:
            bill.not_priced("an alarm on anomalies or on a query: it bills for several metrics")
            return
    metrics = [f"{at}metric." for at in watched if resource.get(f"{at}metric")] if watched else [""]
    if any(number(resource, f"{at}period", 60) < 60 for at in metrics):
        bill.not_priced("an alarm of high resolution: there is no row for it")
        return
    bill.charge(Number.IDLE, "alarm", SERVICE, "alarm:standard", len(metrics))
    for at in metrics:
        namespace = text(resource, f"{at}namespace")
        if not namespace.startswith(OF_AWS):
            # Somebody has to write it: without its price the alarm would look free of its larger half.
            what = f"metric of one's own, {namespace} {resource.get(f'{at}metricName')}, written every hour"
            bill.charge(Number.IDLE, what, SERVICE, "metric:custom", 1, assumed=True)


def composite_alarm(_: Resource, bill: Bill) -> None:
    """An alarm on alarms."""
    bill.not_priced("composite alarms: there is no row for them")


def dashboard(_: Resource, bill: Bill) -> None:
    """A dashboard; an account's first three, of up to 50 metrics each, are free."""
    bill.charge(Number.IDLE, "dashboard", SERVICE, "dashboard", 1)


def log_group(resource: Resource, bill: Bill) -> None:
    """Logs that are kept."""
    bill.counted_with("storage", "log_gigabytes")
    if number(resource, "retentionInDays", 0) == 0:
        bill.note("retentionInDays isn't set: logs are kept, and billed, for ever")


def scaling_policy(resource: Resource, bill: Bill) -> None:
    """Target tracking makes two alarms of its own (Application Auto Scaling user guide); the other kinds make none."""
    tracked = "targetTrackingScalingPolicyConfiguration"
    if resource.get("policyType", "StepScaling") != "TargetTrackingScaling":
        bill.free("it acts on alarms, which bill where they are")
    elif str(resource.get(f"{tracked}.predefinedMetricSpecification.predefinedMetricType", "")).endswith(
        "HighResolution"
    ):
        bill.not_priced("the two alarms of high resolution that it makes: there is no row for them")
    else:
        bill.charge(Number.IDLE, "the two alarms that it makes", SERVICE, "alarm:standard", 2)


def budget_action(_: Resource, bill: Bill) -> None:
    """A budget with an action bills by the day."""
    bill.not_priced("a budget with actions bills by the day, the account's first two excepted: there is no row for it")


PRICERS: dict[str, Pricer] = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": metric_alarm,
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": composite_alarm,
    "aws:cloudwatch/dashboard:Dashboard": dashboard,
    "aws:cloudwatch/logGroup:LogGroup": log_group,
    "aws:appautoscaling/policy:Policy": scaling_policy,
    "aws:budgets/budgetAction:BudgetAction": budget_action,
}
