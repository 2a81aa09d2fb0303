"""AWS budget, and a scheduled function that stops jobs and endpoints past their limits."""

from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import budgets
from tandem_contract.names import Tag, Variable

from ..foundation.arns import account_arn
from ..foundation.data_bucket import DataBucket
from ..foundation.function import Function, WatchedBy
from ..foundation.outputs import register
from ..foundation.policy import allow
from ..foundation.schedule import every, not_started
from ..foundation.tags import Tags
from .jobs import of_this_stack

EVERY_MINUTES = 15


class CostGuardArgs(TypedDict):
    """Arguments of `CostGuard`."""

    longest_job_seconds: int
    """The longest that the run envelope lets a job bill; one that runs longer is stopped."""
    monthly_budget: int
    """Dollars a month of what carries the stack's tag, in this account whichever stack of that name it is of; an alert
    goes out at 80 % and when the forecast exceeds it. 0 for no budget. It counts nothing before the tag is activated in
    billing."""
    alert_email: NotRequired[str]
    """Who gets the alerts; without it and without a topic the budget only shows in the console."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that is told what the guard ended, and gets the budget's alerts and the guard's own alarms."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class CostGuard(pulumi.ComponentResource):
    """AWS budget, and a scheduled function that stops jobs past the run envelope and endpoints past their expiry.

    Creates the function on a schedule of 15 minutes, three alarms, and the budget if `monthly_budget` isn't 0. Only
    what carries the stack's `tandem:stack` and, in `tandem:artifacts`, its artifact bucket is touched, and jobs that an
    earlier release started for that bucket. The topic is told what was ended, and how to have it again.

    **The budget counts nothing until `tandem:stack` is activated** as a cost-allocation tag, once, in the billing
    console of the account that pays (Billing guide, "Activating user-defined cost allocation tags").

    Idle cost: three alarms, $0.30 a month, and 2,880 short runs, about a cent; a budget that only alerts is free.
    """

    function_name: pulumi.Output[str]
    """Name of the function, to run it at will."""

    def __init__(
        self, name: str, artifacts: DataBucket, args: CostGuardArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("tandem:index:CostGuard", name, {}, opts)
        child, tags = pulumi.ResourceOptions(parent=self), args.get("tags") or {}
        stack = pulumi.get_stack()
        jobs, endpoints, components = (
            account_arn("sagemaker", f"{kind}/*", self) for kind in ("training-job", "endpoint", "inference-component")
        )
        watched: Any = {"tags": tags}
        telling: dict[str, pulumi.Input[str]] = {}
        if topic := args.get("alarm_topic_arn"):
            watched["alarm_topic_arn"] = telling[Variable.ALARM_TOPIC] = topic
        ours = of_this_stack(artifacts)
        function = Function(
            name,
            {
                "handler": "tandem.finetuning.functions.guard.handler",
                "statements": [
                    # Lists have no resource to name (service authorization reference).
                    allow(
                        ["sagemaker:ListTrainingJobs", "sagemaker:ListEndpoints", "sagemaker:ListInferenceComponents"],
                        "*",
                    ),
                    allow(["sagemaker:ListTags"], [jobs, endpoints]),
                    allow(["sagemaker:DescribeTrainingJob"], jobs),
                    allow(["sagemaker:StopTrainingJob"], jobs, **ours),
                    allow(["sagemaker:DeleteEndpoint"], endpoints, **ours),
                    allow(["sagemaker:DeleteInferenceComponent"], components, **ours),
                    *([allow(["sns:Publish"], topic)] if topic else ()),
                ],
                "environment": {
                    Variable.STACK: stack,
                    Variable.ARTIFACT_BUCKET: artifacts.bucket_name,
                    Variable.LONGEST_JOB_SECONDS: str(int(args["longest_job_seconds"])),
                    **telling,
                },
                "memory_megabytes": 256,
                "timeout_seconds": 120,
                "watched_by": WatchedBy.ALARMS,
                **watched,
            },
            opts=child,
        )
        every(
            name,
            EVERY_MINUTES,
            function,
            description="When jobs and endpoints are compared with their limits",
            tags=tags,
            parent=self,
        )
        not_started(name, EVERY_MINUTES, function, topic_arn=args.get("alarm_topic_arn"), tags=tags, parent=self)
        if args["monthly_budget"]:
            who: dict = {"subscriber_email_addresses": [args["alert_email"]]} if args.get("alert_email") else {}
            if topic:
                who["subscriber_sns_topic_arns"] = [topic]
            levels = (("ACTUAL", 80), ("FORECASTED", 100)) if who else ()
            budgets.Budget(
                f"{name}-budget",
                budget_type="COST",
                time_unit="MONTHLY",
                limit_amount=str(args["monthly_budget"]),
                limit_unit="USD",
                cost_filters=[{"name": "TagKeyValue", "values": [f"user:{Tag.STACK}${stack}"]}],
                notifications=[
                    {
                        "notification_type": kind,
                        "comparison_operator": "GREATER_THAN",
                        "threshold": threshold,
                        "threshold_type": "PERCENTAGE",
                        **who,
                    }
                    for kind, threshold in levels
                ],
                tags=tags,
                opts=child,
            )
        self.function_name = function.function_name
        register(self)
