"""AWS budget, and a scheduled function that stops jobs and endpoints past their limits."""

from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import budgets
from tandem_contract.names import Tag, Variable

from ..foundation.arns import account_arn
from ..foundation.function import Function
from ..foundation.outputs import register
from ..foundation.policy import allow
from ..foundation.schedule import every
from ..foundation.tags import Tags

EVERY_MINUTES = 15


class CostGuardArgs(TypedDict):
    """Arguments of `CostGuard`."""

    longest_job_seconds: int
    """The longest that the run envelope lets a job bill; one that runs longer is stopped."""
    monthly_budget: int
    """Dollars a month of what carries the stack's tag; an alert goes out at 80 % and when the forecast exceeds it. 0
    for no budget."""
    alert_email: NotRequired[str]
    """Who gets the alerts; without it and without a topic the budget only shows in the console."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that gets the alerts."""
    tags: NotRequired[Tags]
    """Cost-allocation tags; `tandem:stack` decides what the guard looks at."""


class CostGuard(pulumi.ComponentResource):
    """AWS budget, and a scheduled function that stops jobs past the run envelope and endpoints past their expiry.

    Creates the function on a schedule of 15 minutes, and the budget if `monthly_budget` isn't 0. Only what carries the
    stack's `tandem:stack` tag is touched.

    Idle cost: 2,880 short runs a month, about a cent; a budget that only alerts is free.
    """

    function_name: pulumi.Output[str]
    """Name of the function, to run it at will."""

    def __init__(self, name: str, args: CostGuardArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:CostGuard", name, {}, opts)
        child, tags = pulumi.ResourceOptions(parent=self), args.get("tags") or {}
        stack = pulumi.get_stack()
        jobs, endpoints, components = (
            account_arn("sagemaker", f"{kind}/*", self) for kind in ("training-job", "endpoint", "inference-component")
        )
        ours = {f"aws:ResourceTag/{Tag.STACK}": stack}
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
                    allow(["sagemaker:StopTrainingJob"], jobs, StringEquals=ours),
                    allow(["sagemaker:DeleteEndpoint"], endpoints, StringEquals=ours),
                    allow(["sagemaker:DeleteInferenceComponent"], components, StringEquals=ours),
                ],
                "environment": {
                    Variable.STACK: stack,
                    Variable.LONGEST_JOB_SECONDS: str(int(args["longest_job_seconds"])),
                },
                "memory_megabytes": 256,
                "timeout_seconds": 120,
                "tags": tags,
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
        if args["monthly_budget"]:
            who: dict = {"subscriber_email_addresses": [args["alert_email"]]} if args.get("alert_email") else {}
            if topic := args.get("alarm_topic_arn"):
                who["subscriber_sns_topic_arns"] = [topic]
            levels = (("ACTUAL", 80), ("FORECASTED", 100)) if who else ()
            budgets.Budget(
                f"{name}-budget",
                budget_type="COST",
                time_unit="MONTHLY",
                limit_amount=str(args["monthly_budget"]),
                limit_unit="USD",
                # Tags count only once they are activated as cost-allocation tags in the billing console.
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
