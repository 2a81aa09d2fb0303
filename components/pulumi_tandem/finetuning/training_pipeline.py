"""Step Functions state machine of a fine-tuning run: train, evaluate, gate, register."""

import json
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
from pulumi_aws import cloudwatch, iam, s3, sfn, ssm
from tandem_contract.envelope import ENVELOPE_PARAMETER
from tandem_contract.names import Variable

from ..foundation.alarms import alarm
from ..foundation.data_bucket import DataBucket
from ..foundation.function import Function
from ..foundation.house_rules import LOG_DAYS
from ..foundation.names import named, physical_name
from ..foundation.outputs import register
from ..foundation.policy import allow, policy_document, trust
from ..foundation.tags import Tags
from .cluster_jobs import TrainingCluster, cluster_jobs
from .images import image_uri
from .jobs import Given, Jobs
from .model_registry import ModelRegistry
from .sagemaker_jobs import sagemaker_jobs
from .training_code import training_code
from .training_state_machine import definition, in_partition


class TrainingPipelineArgs(TypedDict):
    """Arguments of `TrainingPipeline`."""

    envelope: dict[str, Any]
    """The run envelope: `instance_type`, `instance_count`, `max_runtime_seconds`, `attempts`, `spot`, `volume_gb`,
    `checkpoint`, `evaluation_instance_type`, `evaluation_max_runtime_seconds`."""
    training_image: str
    """Image of the training job."""
    serving_image: str
    """Image that evaluates and serves, so that what can't be served is never registered."""
    serving_environment: dict[str, str]
    """Environment of the serving container."""
    cluster: NotRequired[TrainingCluster]
    """The cluster whose jobs train and evaluate; without it SageMaker's do."""
    repository_arn: NotRequired[pulumi.Input[str]]
    """Repository of own images that the jobs may pull."""
    tracking_uri: NotRequired[pulumi.Input[str]]
    """MLflow to log to."""
    hub_token_secret: NotRequired[pulumi.Input[str]]
    """ARN of the secret with the Hugging Face token that gated base models need."""
    job_statements: NotRequired[Sequence[Any]]
    """IAM statements that jobs need beyond the buckets: to log to MLflow, to read that secret."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key that encrypts what SageMaker's jobs leave, which S3's default for a bucket doesn't."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that the alarm notifies."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class TrainingPipeline(pulumi.ComponentResource):
    """Step Functions state machine that turns a data set and a recipe into a registered model, within a run envelope.

    Creates three functions, the training code as an object, the state machine with its role and log, the envelope as an
    SSM parameter, and alarms on runs that fail or run out of time; for SageMaker's jobs their role, for a cluster's an
    access entry. A run costs its instances' time: at most `attempts` x `max_runtime_seconds`, and
    `evaluation_max_runtime_seconds`.

    Idle cost: two alarms, $0.20 a month; on a cluster three more, on the function that nobody waits for.
    """

    pipeline_arn: pulumi.Output[str]
    """ARN of the state machine."""
    job_role_arn: pulumi.Output[str]
    """ARN of the jobs' role."""
    envelope_parameter: pulumi.Output[str]
    """Name of the SSM parameter that holds the run envelope."""
    cluster_function: pulumi.Output[str]
    """Name of the function that runs jobs on a cluster; empty without one."""

    def __init__(
        self,
        name: str,
        datasets: DataBucket,
        artifacts: DataBucket,
        registry: ModelRegistry,
        args: TrainingPipelineArgs,
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__("tandem:index:TrainingPipeline", name, {}, opts)
        self._name, self._tags, self._child = name, args.get("tags") or {}, pulumi.ResourceOptions(parent=self)
        envelope = json.dumps(args["envelope"], sort_keys=True)
        images = {"train": image_uri(args["training_image"], self), "evaluate": image_uri(args["serving_image"], self)}
        code = s3.BucketObjectv2(
            f"{name}-code",
            bucket=artifacts.bucket_name,
            key=training_code().key,
            source=training_code().asset,
            opts=self._child,
        )
        given = Given(
            name,
            self,
            datasets,
            artifacts,
            args["envelope"],
            {
                Variable.ARTIFACT_BUCKET: artifacts.bucket_name,
                Variable.DATASET_BUCKET: datasets.bucket_name,
                Variable.ENVELOPE: envelope,
                Variable.CODE: pulumi.Output.format("s3://{0}/{1}", artifacts.bucket_name, code.key.apply(_folder)),
                Variable.STACK: pulumi.get_stack(),
                **({Variable.KMS_KEY: args["kms_key_arn"]} if "kms_key_arn" in args else {}),
                **({Variable.TRACKING_URI: args["tracking_uri"]} if "tracking_uri" in args else {}),
                **({Variable.HUB_TOKEN_ARN: args["hub_token_secret"]} if "hub_token_secret" in args else {}),
            },
            self._tags,
            args.get("alarm_topic_arn"),
        )
        self.cluster_function = pulumi.Output.from_input("")
        if "cluster" in args:
            jobs = cluster_jobs(given, images, args["cluster"])
            self.cluster_function = jobs.functions[0].function_name
        else:
            pulled = [args["training_image"], args["serving_image"]]
            more = args.get("job_statements", ())
            jobs = sagemaker_jobs(given, images, pulled, args.get("repository_arn"), more)
        functions = self._functions(given, registry, images["evaluate"], args["serving_environment"])
        parameter = ssm.Parameter(
            f"{name}-envelope",
            type="String",
            name=f"/tandem/{pulumi.get_project()}/{pulumi.get_stack()}/{physical_name(name, 63)}{ENVELOPE_PARAMETER}",
            description="What one fine-tuning run may use at most",
            # Plain, so that a preview shows it before and after (cost, policies); `value` would be a secret there.
            insecure_value=envelope,
            tags=self._tags,
            opts=named(self),
        )
        log = cloudwatch.LogGroup(
            f"{name}-runs",
            # The log's name has to begin like this, or the log's resource policy grows until it is full
            # (Step Functions guide, "Logging").
            name_prefix=f"/aws/vendedlogs/states/{name}-",
            retention_in_days=LOG_DAYS,
            tags=self._tags,
            opts=self._child,
        )
        role, permissions = self._machine_role(functions, jobs)
        arns = {key: function.function_arn for key, function in functions.items()}
        machine_text = pulumi.Output.json_dumps(definition(functions=arns, steps=jobs.steps))
        partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=self)).partition
        machine = sfn.StateMachine(
            name,
            role_arn=role.arn,
            definition=pulumi.Output.all(machine_text, partition).apply(lambda both: in_partition(*both)),
            logging_configuration={
                "level": "ERROR",
                "include_execution_data": True,
                "log_destination": pulumi.Output.concat(log.arn, ":*"),
            },
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permissions, *jobs.ready]),
        )
        # One that runs out of its own time isn't counted as failed (Step Functions guide, "Execution metrics").
        for suffix, metric, happened in (
            ("failed", "ExecutionsFailed", "failed"),
            ("late", "ExecutionsTimedOut", "took longer than all of its steps may"),
        ):
            alarm(
                f"{name}-{suffix}",
                namespace="AWS/States",
                metric=metric,
                dimensions={"StateMachineArn": machine.arn},
                statistic="Sum",
                threshold=0,
                description=f"A fine-tuning run {happened}: `tandem finetune status RUN` says why.",
                topic_arn=args.get("alarm_topic_arn"),
                tags=self._tags,
                parent=self,
            )
        self.pipeline_arn, self.job_role_arn, self.envelope_parameter = machine.arn, jobs.role_arn, parameter.name
        register(self)

    def _functions(
        self, given: Given, registry: ModelRegistry, serving_image: pulumi.Input[str], serving: dict[str, str]
    ) -> dict[str, Function]:
        packages = [
            # Creating one is also a change of its group.
            allow(["sagemaker:CreateModelPackage"], [registry.group_arn, registry.package_arns]),
            allow(["sagemaker:DescribeModelPackage"], registry.package_arns),
            # Without a resource too.
            allow(["sagemaker:ListModelPackages"], "*"),
        ]
        environment = {Variable.ARTIFACT_BUCKET: given.environment[Variable.ARTIFACT_BUCKET]}
        registration = {
            Variable.MODEL_PACKAGE_GROUP: registry.group_name,
            Variable.SERVING_IMAGE: serving_image,
            Variable.SERVING_ENVIRONMENT: json.dumps(serving, sort_keys=True),
        }
        return {
            "gate": given.function("gate", [given.records], environment),
            "register": given.function("register", [given.records, *packages], environment | registration),
        }

    def _machine_role(self, functions: dict[str, Function], jobs: Jobs) -> tuple[iam.Role, iam.RolePolicy]:
        role = iam.Role(
            f"{self._name}-role", assume_role_policy=trust("states.amazonaws.com"), tags=self._tags, opts=self._child
        )
        called = [function.function_arn for function in (*jobs.functions, *functions.values())]
        statements = [
            allow(["lambda:InvokeFunction"], called),
            *jobs.statements,
            # Log deliveries have no resource to name (Step Functions guide, "Logging").
            allow(
                [
                    "logs:CreateLogDelivery",
                    "logs:GetLogDelivery",
                    "logs:UpdateLogDelivery",
                    "logs:DeleteLogDelivery",
                    "logs:ListLogDeliveries",
                    "logs:PutResourcePolicy",
                    "logs:DescribeResourcePolicies",
                    "logs:DescribeLogGroups",
                ],
                "*",
            ),
        ]
        permissions = iam.RolePolicy(
            f"{self._name}-permissions", role=role.id, policy=policy_document(statements), opts=self._child
        )
        return role, permissions


def _folder(key: str) -> str:
    return key.rpartition("/")[0] + "/"
