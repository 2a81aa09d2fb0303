"""Lambda function that stops runs and deletes model packages when its stack is destroyed."""

from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import lambda_
from tandem_contract.names import Variable
from tandem_contract.payloads import CleanUp

from ..foundation.arguments import NOTHING
from ..foundation.arns import account_arn
from ..foundation.data_bucket import DataBucket
from ..foundation.function import Function, WatchedBy
from ..foundation.outputs import register
from ..foundation.policy import allow
from ..foundation.tags import Tags
from .jobs import of_this_stack
from .model_registry import ModelRegistry
from .training_pipeline import TrainingPipeline


class RunCleanupArgs(TypedDict):
    """Arguments of `RunCleanup`."""

    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class RunCleanup(pulumi.ComponentResource):
    """Lambda function that, at destroy, stops runs and deletes model packages, before pipeline and group are deleted.

    AWS refuses to delete a model package group with packages in it, and a state machine lives on while it has
    executions. Creates the function and its invocation.

    Idle cost: none.
    """

    def __init__(
        self,
        name: str,
        artifacts: DataBucket,
        registry: ModelRegistry,
        pipeline: TrainingPipeline,
        args: RunCleanupArgs = NOTHING,
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__("tandem:index:RunCleanup", name, {}, opts)
        child, jobs = pulumi.ResourceOptions(parent=self), account_arn("sagemaker", "training-job/*", self)
        executions = pipeline.pipeline_arn.apply(lambda arn: arn.replace(":stateMachine:", ":execution:") + ":*")
        function = Function(
            name,
            {
                "handler": "tandem.finetuning.functions.clean.handler",
                "statements": [
                    allow(["states:ListExecutions"], pipeline.pipeline_arn),
                    allow(["states:StopExecution"], executions),
                    # Lists have no resource to name (service authorization reference).
                    allow(["sagemaker:ListTrainingJobs", "sagemaker:ListModelPackages"], "*"),
                    allow(["sagemaker:DescribeTrainingJob", "sagemaker:ListTags"], jobs),
                    allow(["sagemaker:StopTrainingJob"], jobs, **of_this_stack(artifacts)),
                    allow(["sagemaker:DeleteModelPackage"], registry.package_arns),
                ],
                "environment": {
                    Variable.STACK: pulumi.get_stack(),
                    Variable.ARTIFACT_BUCKET: artifacts.bucket_name,
                },
                "memory_megabytes": 256,
                "timeout_seconds": 600,
                "watched_by": WatchedBy.DEPLOYMENT,
                "tags": args.get("tags") or {},
            },
            opts=child,
        )
        payload: CleanUp = {"group": registry.group_name, "pipeline": pipeline.pipeline_arn}
        lambda_.Invocation(
            f"{name}-at-destroy",
            function_name=function.function_name,
            lifecycle_scope="CRUD",
            input=pulumi.Output.json_dumps(payload),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[function]),
        )
        register(self)
