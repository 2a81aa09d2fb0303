"""Alarms, dashboards, logs, budgets, and the policies that make alarms."""

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, USED, Inputs
from ..model import Number, Resource
from .inputs import count, number, text

SERVICE = "AmazonCloudWatch"
OF_AWS = ("AWS/", "/aws/")


def metric_alarm(resource: Resource, bill: Bill) -> None:
    """An alarm bills for each metric that it watches; a metric of one's own bills beside it."""
    if resource.shown("evaluationCriteria") is not None:
        bill.not_priced("an alarm on a query (PromQL): it bills for the metrics that the query finds")
        return
    watched = [f"metricQueries.{index}." for index in range(count(resource, "metricQueries"))]
    for at in watched:
        expression = str(resource.get(f"{at}expression", "")).upper()
        if "ANOMALY_DETECTION_BAND" in expression or "SELECT" in expression:
            bill.not_priced("an alarm on anomalies or on a query: it bills for several metrics")
            return
    metrics = [f"{at}metric." for at in watched if resource.get(f"{at}metric")] if watched else [""]
    if any(number(resource, f"{at}period", 60) < 60 for at in metrics):
        bill.charge(Number.IDLE, "alarm of high resolution", SERVICE, "alarm:high-resolution", len(metrics))
    else:
        bill.charge(Number.IDLE, "alarm", SERVICE, "alarm:standard", len(metrics))
    for at in metrics:
        namespace = text(resource, f"{at}namespace")
        if not namespace.startswith(OF_AWS):
            # Somebody has to write it: without its price the alarm would look free of its larger half.
            what = f"metric of one's own, {namespace} {resource.get(f'{at}metricName')}, written every hour"
            bill.charge(Number.IDLE, what, SERVICE, "metric:custom", 1, assumed=True)


def composite_alarm(_: Resource, bill: Bill) -> None:
    """An alarm on alarms."""
    bill.charge(Number.IDLE, "composite alarm", SERVICE, "alarm:composite", 1)


def dashboard(_: Resource, bill: Bill) -> None:
    """A dashboard; an account's first three, of up to 50 metrics each, are free."""
    bill.charge(Number.IDLE, "dashboard", SERVICE, "dashboard", 1)


def log_group(resource: Resource, bill: Bill) -> None:
    """Logs that are kept; what is taken in is in no number."""
    bill.counted_with("storage", "log_gigabytes")
    if not bill.usage:
        bill.note(f"what it takes in bills {bill.rate(SERVICE, 'logs:ingestion')}, in the standard class")
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
        bill.charge(Number.IDLE, "the two alarms of high resolution that it makes", SERVICE, "alarm:high-resolution", 2)
    else:
        formula = f"{tracked}.customizedMetricSpecification.metrics"
        terms = [f"{formula}.{index}.metricStat" for index in range(count(resource, formula))]
        metrics = len([at for at in terms if resource.shown(at) is not None]) or 1
        of = f", of {metrics} metrics each" if metrics > 1 else ""
        bill.charge(Number.IDLE, f"the two alarms that it makes{of}", SERVICE, "alarm:standard", 2 * metrics)


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

_FORMULA = "targetTrackingScalingPolicyConfiguration.customizedMetricSpecification"
INPUTS: dict[str, Inputs] = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": Inputs(
        """namespace metricName period evaluationCriteria.* metricQueries[].expression metricQueries[].metric.namespace
        metricQueries[].metric.metricName metricQueries[].metric.period""",
        {
            NAMES: "name alarmDescription metricQueries[].id metricQueries[].label",
            "notices bill where they go": "actionsEnabled alarmActions[] okActions[] insufficientDataActions[]",
            BEHAVIOUR: """comparisonOperator datapointsToAlarm evaluateLowSampleCountPercentiles evaluationPeriods
            evaluationWindow.* extendedStatistic statistic threshold thresholdMetricId treatMissingData unit
            dimensions.* warmUpConfiguration.* metricQueries[].accountId metricQueries[].returnData
            metricQueries[].metric.dimensions.* metricQueries[].metric.stat metricQueries[].metric.unit""",
        },
        {"what is evaluated more often than once a minute bills more": "evaluationInterval metricQueries[].period"},
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": Inputs(
        free={
            NAMES: "alarmName alarmDescription",
            "notices bill where they go": "actionsEnabled alarmActions[] okActions[] insufficientDataActions[]",
            BEHAVIOUR: "alarmRule actionsSuppressor.*",
        },
    ),
    "aws:cloudwatch/dashboard:Dashboard": Inputs(
        free={NAMES: "dashboardName", "what it shows costs nothing": "dashboardBody"},
    ),
    "aws:cloudwatch/logGroup:LogGroup": Inputs(
        "retentionInDays",
        {NAMES: "name namePrefix", ACCESS: "kmsKeyId", LIFE: "deletionProtectionEnabled skipDestroy"},
        {"the class decides what taking in a GB costs, which isn't counted": "logGroupClass"},
    ),
    "aws:appautoscaling/policy:Policy": Inputs(
        f"""policyType targetTrackingScalingPolicyConfiguration.predefinedMetricSpecification.predefinedMetricType
        {_FORMULA}.metrics[].metricStat.*""",
        {
            NAMES: f"name {_FORMULA}.metrics[].id {_FORMULA}.metrics[].label",
            PLACE: "resourceId scalableDimension serviceNamespace",
            BEHAVIOUR: f"""predictiveScalingPolicyConfiguration.* stepScalingPolicyConfiguration.*
            targetTrackingScalingPolicyConfiguration.disableScaleIn
            targetTrackingScalingPolicyConfiguration.scaleInCooldown
            targetTrackingScalingPolicyConfiguration.scaleOutCooldown
            targetTrackingScalingPolicyConfiguration.targetValue
            targetTrackingScalingPolicyConfiguration.predefinedMetricSpecification.resourceLabel
            {_FORMULA}.dimensions.* {_FORMULA}.statistic {_FORMULA}.unit {_FORMULA}.metrics[].expression
            {_FORMULA}.metrics[].returnData""",
        },
        {"a metric of one's own bills where it is written": f"{_FORMULA}.namespace {_FORMULA}.metricName"},
    ),
    "aws:budgets/budgetAction:BudgetAction": Inputs(
        free={
            PLACE: "accountId budgetName",
            ACCESS: "executionRoleArn",
            BEHAVIOUR: "actionThreshold.* actionType approvalModel definition.* notificationType",
            USED: "subscribers.*",
        },
    ),
}
