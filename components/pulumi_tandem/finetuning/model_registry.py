"""SageMaker model package group, where tuned models are registered and approved."""

import json
from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch, sagemaker

from ..foundation.arguments import NOTHING
from ..foundation.arns import account_arn
from ..foundation.names import named, physical_name
from ..foundation.outputs import register
from ..foundation.tags import Tags


class ModelRegistryArgs(TypedDict):
    """Arguments of `ModelRegistry`."""

    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that is notified when a model is registered, approved or rejected."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class ModelRegistry(pulumi.ComponentResource):
    """SageMaker model package group, and an EventBridge rule that announces registrations and approvals to a topic.

    Creates the group and, with a topic, the rule with its target. Runs add the packages in it, which must be deleted
    before the group can be (`RunCleanup`).

    Idle cost: none.
    """

    group_name: pulumi.Output[str]
    """Name of the group."""
    group_arn: pulumi.Output[str]
    """ARN of the group."""
    package_arns: pulumi.Output[str]
    """ARN pattern of its packages."""

    def __init__(self, name: str, args: ModelRegistryArgs = NOTHING, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:ModelRegistry", name, {}, opts)
        child, tags = pulumi.ResourceOptions(parent=self), args.get("tags") or {}
        group = sagemaker.ModelPackageGroup(
            name,
            model_package_group_name=physical_name(name, 63),
            model_package_group_description=f"Models tuned by {name}",
            tags=tags,
            opts=named(self, "model_package_group_name"),
        )
        if topic := args.get("alarm_topic_arn"):
            rule = cloudwatch.EventRule(
                f"{name}-changes",
                description="A tuned model was registered, approved or rejected",
                event_pattern=group.model_package_group_name.apply(
                    lambda value: json.dumps(
                        {
                            "source": ["aws.sagemaker"],
                            "detail-type": ["SageMaker Model Package State Change"],
                            "detail": {"ModelPackageGroupName": [value]},
                        }
                    )
                ),
                tags=tags,
                opts=child,
            )
            cloudwatch.EventTarget(f"{name}-announce", rule=rule.name, arn=topic, opts=child)
        self.group_name, self.group_arn = group.model_package_group_name, group.arn
        packages = pulumi.Output.concat("model-package/", self.group_name, "/*")
        self.package_arns = account_arn("sagemaker", packages, self)
        register(self)
