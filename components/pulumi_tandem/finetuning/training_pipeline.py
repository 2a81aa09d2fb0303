"""Step Functions state machine of a fine-tuning run: plan, train, evaluate, gate, register."""

import json
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch, iam, s3, sfn, ssm
from tandem_contract.envelope import ENVELOPE_PARAMETER
from tandem_contract.names import Variable

from ..foundation.alarms import alarm
from ..foundation.arns import account_arn
from ..foundation.data_bucket import DataBucket
from ..foundation.function import Function
from ..foundation.outputs import register
from ..foundation.policy import allow, policy_document, trust
from ..foundation.tags import Tags
from .images import image_uri, may_pull
from .model_registry import ModelRegistry
from .training_code import training_code
from .training_state_machine import definition

LOG_DAYS = 14
WRITE_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


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
    repository_arn: NotRequired[pulumi.Input[str]]
    """Repository of own images that the jobs may pull."""
    tracking_uri: NotRequired[pulumi.Input[str]]
    """MLflow to log to."""
    tracking_statements: NotRequired[Sequence[Any]]
    """IAM statements that logging to it takes."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that the alarm notifies."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class TrainingPipeline(pulumi.ComponentResource):
    """Step Functions state machine that turns a data set and a recipe into a registered model, within a run envelope.

    Creates three functions, the role of the jobs, the training code as an object, the state machine with its role and
    log, the envelope as an SSM parameter, and an alarm on failed runs. A run costs its instances' time: at most
    `attempts` x `max_runtime_seconds`, and `evaluation_max_runtime_seconds`.

    Idle cost: the alarm, $0.10 a month.
    """

    pipeline_arn: pulumi.Output[str]
    """ARN of the state machine."""
    job_role_arn: pulumi.Output[str]
    """ARN of the jobs' role."""
    envelope_parameter: pulumi.Output[str]
    """Name of the SSM parameter that holds the run envelope."""

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
        envelope = args["envelope"]
        images = {"train": image_uri(args["training_image"], self), "evaluate": image_uri(args["serving_image"], self)}
        code = s3.BucketObjectv2(
            f"{name}-code",
            bucket=artifacts.bucket_name,
            key=training_code().key,
            source=training_code().asset,
            opts=self._child,
        )
        code_uri = pulumi.Output.format("s3://{0}/{1}", artifacts.bucket_name, code.key.apply(_folder))
        functions = self._functions(datasets, artifacts, registry, images["evaluate"], code_uri, args)
        job_role = self._job_role(datasets, artifacts, args)
        parameter = ssm.Parameter(
            f"{name}-envelope",
            type="String",
            name=f"/tandem/{pulumi.get_project()}/{pulumi.get_stack()}/{name}{ENVELOPE_PARAMETER}",
            description="What one fine-tuning run may use at most",
            # Plain, so that a preview shows it before and after (cost, policies); `value` would be a secret there.
            insecure_value=json.dumps(envelope, sort_keys=True),
            tags=self._tags,
            opts=self._child,
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
        role, permissions = self._machine_role(functions, job_role, envelope)
        machine = sfn.StateMachine(
            name,
            role_arn=role.arn,
            definition=pulumi.Output.json_dumps(
                definition(
                    functions={key: function.function_arn for key, function in functions.items()},
                    role_arn=job_role.arn,
                    images=images,
                    envelope=envelope,
                )
            ),
            logging_configuration={
                "level": "ERROR",
                "include_execution_data": True,
                "log_destination": pulumi.Output.concat(log.arn, ":*"),
            },
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permissions]),
        )
        alarm(
            f"{name}-failed",
            namespace="AWS/States",
            metric="ExecutionsFailed",
            dimensions={"StateMachineArn": machine.arn},
            statistic="Sum",
            threshold=0,
            description="A fine-tuning run failed: `tandem finetune status RUN` says why.",
            topic_arn=args.get("alarm_topic_arn"),
            tags=self._tags,
            parent=self,
        )
        self.pipeline_arn, self.job_role_arn, self.envelope_parameter = machine.arn, job_role.arn, parameter.name
        register(self)

    def _functions(
        self,
        datasets: DataBucket,
        artifacts: DataBucket,
        registry: ModelRegistry,
        serving_image: pulumi.Input[str],
        code_uri: pulumi.Output[str],
        args: TrainingPipelineArgs,
    ) -> dict[str, Function]:
        records = allow(["s3:GetObject"], pulumi.Output.concat(artifacts.bucket_arn, "/runs/*"))
        manifests = allow(["s3:GetObject"], pulumi.Output.concat(datasets.bucket_arn, "/datasets/*"))
        # sagemaker:ListTrainingJobs has no resource to name (service authorization reference).
        attempts = [
            allow(["sagemaker:ListTrainingJobs"], "*"),
            allow(["sagemaker:DescribeTrainingJob"], account_arn("sagemaker", "training-job/*", self)),
        ]
        packages = [
            # Creating one is also a change of its group.
            allow(["sagemaker:CreateModelPackage"], [registry.group_arn, registry.package_arns]),
            allow(["sagemaker:DescribeModelPackage"], registry.package_arns),
            # Without a resource too.
            allow(["sagemaker:ListModelPackages"], "*"),
        ]
        environment: dict[str, pulumi.Input[str]] = {Variable.ARTIFACT_BUCKET: artifacts.bucket_name}
        specifications: dict[str, tuple[list[Any], dict[str, pulumi.Input[str]]]] = {
            "plan": (
                [records, manifests, *attempts],
                {
                    Variable.DATASET_BUCKET: datasets.bucket_name,
                    Variable.ENVELOPE: json.dumps(args["envelope"], sort_keys=True),
                    Variable.CODE: code_uri,
                    Variable.STACK: pulumi.get_stack(),
                    **({Variable.TRACKING_URI: args["tracking_uri"]} if "tracking_uri" in args else {}),
                },
            ),
            "gate": ([records], {}),
            "register": (
                [records, *packages],
                {
                    Variable.MODEL_PACKAGE_GROUP: registry.group_name,
                    Variable.SERVING_IMAGE: serving_image,
                    Variable.SERVING_ENVIRONMENT: json.dumps(args["serving_environment"], sort_keys=True),
                },
            ),
        }
        return {
            step: Function(
                f"{self._name}-{step}",
                {
                    "handler": f"tandem.finetuning.functions.{step}.handler",
                    "statements": statements,
                    "environment": environment | variables,
                    "memory_megabytes": 512,
                    "timeout_seconds": 60,
                    "tags": self._tags,
                },
                opts=self._child,
            )
            for step, (statements, variables) in specifications.items()
        }

    def _job_role(self, datasets: DataBucket, artifacts: DataBucket, args: TrainingPipelineArgs) -> iam.Role:
        role = iam.Role(
            f"{self._name}-job-role",
            assume_role_policy=trust("sagemaker.amazonaws.com"),
            tags=self._tags,
            opts=self._child,
        )
        arns = [datasets.bucket_arn, artifacts.bucket_arn]
        logs = account_arn("logs", "log-group:/aws/sagemaker/TrainingJobs*", self)
        statements = [
            allow(["s3:ListBucket"], arns),
            allow(["s3:GetObject"], [pulumi.Output.concat(arn, "/*") for arn in arns]),
            # A job writes below runs/ alone: neither data sets nor base models nor code.
            allow(["s3:PutObject", "s3:DeleteObject"], pulumi.Output.concat(artifacts.bucket_arn, "/runs/*")),
            allow([*WRITE_LOGS, "logs:DescribeLogStreams"], logs),
            # These two have no resource to name; the first is limited by its namespace.
            allow(["cloudwatch:PutMetricData"], "*", StringLike={"cloudwatch:namespace": "/aws/sagemaker/*"}),
            allow(["ecr:GetAuthorizationToken"], "*"),
            may_pull([args["training_image"], args["serving_image"]], args.get("repository_arn"), self),
            *args.get("tracking_statements", ()),
        ]
        iam.RolePolicy(
            f"{self._name}-job-permissions", role=role.id, policy=policy_document(statements), opts=self._child
        )
        return role

    def _machine_role(
        self, functions: dict[str, Function], job_role: iam.Role, envelope: dict[str, Any]
    ) -> tuple[iam.Role, iam.RolePolicy]:
        role = iam.Role(
            f"{self._name}-role", assume_role_policy=trust("states.amazonaws.com"), tags=self._tags, opts=self._child
        )
        jobs = account_arn("sagemaker", "training-job/*", self)
        longest = max(envelope["max_runtime_seconds"], envelope["evaluation_max_runtime_seconds"])
        instances = sorted({envelope["instance_type"], envelope["evaluation_instance_type"]})
        statements = [
            allow(["lambda:InvokeFunction"], [function.function_arn for function in functions.values()]),
            # The envelope, once more: what the definition can't exceed, an edited definition can't either.
            allow(
                ["sagemaker:CreateTrainingJob"],
                jobs,
                **{
                    # Without a value "all values" would be true.
                    "Null": {"sagemaker:InstanceTypes": "false"},
                    "ForAllValues:StringEquals": {"sagemaker:InstanceTypes": instances},
                    "NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": str(longest)},
                },
            ),
            allow(["sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"], jobs),
            allow(["sagemaker:AddTags", "sagemaker:ListTags"], jobs),
            allow(["iam:PassRole"], job_role.arn, StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}),
            # How `.sync` hears of a job's end (Step Functions guide, "IAM policies for SageMaker").
            allow(
                ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
                account_arn("events", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule", self),
            ),
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
