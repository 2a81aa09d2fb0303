"""What trains and evaluates for a pipeline: SageMaker's jobs, or those of a cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pulumi
from tandem_contract.names import Tag

from ..foundation.data_bucket import DataBucket
from ..foundation.function import Function, FunctionArgs, WatchedBy
from ..foundation.policy import Statement, allow
from ..foundation.tags import Tags
from .training_state_machine import Steps


class Jobs(NamedTuple):
    """What the pipeline makes its state machine of."""

    steps: Steps
    functions: Sequence[Function]
    """That the steps call."""
    statements: Sequence[Statement]
    """What else the state machine needs for them."""
    role_arn: pulumi.Output[str]
    """Of the jobs themselves."""
    ready: Sequence[pulumi.Resource] = ()
    """What has to be there before a run may start."""


class Given(NamedTuple):
    """What the pipeline has, whatever runs its jobs."""

    name: str
    parent: pulumi.Resource
    datasets: DataBucket
    artifacts: DataBucket
    envelope: Mapping[str, Any]
    environment: Mapping[str, pulumi.Input[str]]
    """Of the function that gives jobs what they need."""
    tags: Tags
    alarm_topic_arn: pulumi.Input[str] | None = None
    """SNS topic that alarms notify."""

    def function(
        self, step: str, statements: Sequence[Any], environment: Mapping[str, pulumi.Input[str]], **more: Any
    ) -> Function:
        """The function of a step, named for it. A run fails with it, unless `watched_by` says otherwise."""
        args: FunctionArgs = {
            "handler": f"tandem.finetuning.functions.{step}.handler",
            "statements": statements,
            "environment": dict(environment),
            "memory_megabytes": 512,
            "timeout_seconds": 60,
            "watched_by": WatchedBy.RUN,
            "tags": self.tags,
            **({"alarm_topic_arn": self.alarm_topic_arn} if self.alarm_topic_arn else {}),
            **more,
        }
        return Function(f"{self.name}-{step}", args, opts=pulumi.ResourceOptions(parent=self.parent))

    @property
    def records(self) -> Statement:
        """Reading what is recorded of runs."""
        return allow(["s3:GetObject"], pulumi.Output.concat(self.artifacts.bucket_arn, "/runs/*"))

    @property
    def manifests(self) -> Statement:
        """Reading data sets, of which a function reads the manifest."""
        return allow(["s3:GetObject"], pulumi.Output.concat(self.datasets.bucket_arn, "/datasets/*"))


def of_this_stack(artifacts: DataBucket) -> dict[str, Any]:
    """Conditions that a job, an endpoint or an inference component is this stack's, by its tags.

    Another stack of this name, in the same account, has another bucket. What an earlier release started tells none,
    nor does an inference component, so there it is the name alone.
    """
    return {
        "StringEquals": {f"aws:ResourceTag/{Tag.STACK}": pulumi.get_stack()},
        "StringEqualsIfExists": {f"aws:ResourceTag/{Tag.ARTIFACTS}": artifacts.bucket_name},
    }


def data_of_jobs(dataset_arn: pulumi.Input[str], artifact_arn: pulumi.Input[str]) -> list[Statement]:
    """What a job does with the two buckets: it writes below runs/ alone, neither data sets nor base models nor code."""
    read = [pulumi.Output.concat(dataset_arn, "/datasets/*"), pulumi.Output.concat(artifact_arn, "/*")]
    return [
        allow(["s3:ListBucket"], [dataset_arn, artifact_arn]),
        allow(["s3:GetObject"], read),
        allow(
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
            pulumi.Output.concat(artifact_arn, "/runs/*"),
        ),
    ]
