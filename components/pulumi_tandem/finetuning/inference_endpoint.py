"""SageMaker endpoint of a tuned model."""

from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch, iam, sagemaker
from tandem_contract.names import Tag

from ..choices import EndpointMode
from ..foundation.alarms import alarm
from ..foundation.data_bucket import DataBucket
from ..foundation.house_rules import LOG_DAYS
from ..foundation.outputs import register
from ..foundation.policy import allow, policy_document, trust
from ..foundation.tags import Tags
from .images import host_ami, may_pull
from .scale_to_zero import Copies, scale_to_zero

VARIANT = "main"
START_SECONDS = 1800  # a container of 18 GB and a model of 16 GB take five to ten minutes
BAKE_SECONDS = 300
SLOW_MICROSECONDS = 30_000_000
ERRORS = "Invocation5XXErrors"


# Below /aws/sagemaker/: a group of the endpoint's or the component's name, which are the same here. The second is as
# public programs read it; AWS's guide doesn't say it.
LOGS = {EndpointMode.STEADY: "Endpoints", EndpointMode.ZERO: "InferenceComponents"}


class InferenceEndpointArgs(TypedDict):
    """Arguments of `InferenceEndpoint`."""

    model: str
    """ARN of an approved model package."""
    instance_type: str
    """Instance that serves."""
    mode: EndpointMode
    """Whether it scales to zero."""
    instances: int
    """How many, at most with `zero`; with two or more a new model first answers on one of them."""
    gpus: int
    """GPUs of a copy of the model, with `zero`."""
    serving_image: str
    """The image that the package names; decides the host image."""
    host_ami: NotRequired[str]
    """SageMaker host image; by default the oldest that has the image's CUDA."""
    expires_hours: int
    """After so many hours the cost guard deletes it; 0 for never. With `zero` it is never: its instances end by
    themselves."""
    repository_arn: NotRequired[pulumi.Input[str]]
    """Repository of own images that the endpoint may pull."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that the alarms notify."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class InferenceEndpoint(pulumi.ComponentResource):
    """SageMaker endpoint for one approved model package, which rolls back a new one on alarms.

    Creates a role with its policy, a model, a configuration, the endpoint, its log, and alarms on errors, latency and
    hours without answers.

    `steady`: replaced blue/green. With two instances or more a new model takes the traffic of one of them first, with
    one it takes all at once; either way it is watched for five minutes before the old one ends.

    `zero`: the model is an inference component (`scale_to_zero`). While it has no instances it refuses requests for
    some minutes: callers need another model. One instance more than `instances` may run while a new model takes over.

    Another mode or number of instances replaces the endpoint: for some minutes nothing serves.

    Idle cost: with `steady` it **bills by the hour while it exists**, used or not: `instances` x the instance's hosting
    price (ml.g5.2xlarge $1.515 an hour, $1,106 a month, us-east-1, 2026-09-27). With `zero` instances bill while they
    run; the alarm that wakes one, and that on none that can be had, cost $0.10 a month each. So do the other three.
    """

    endpoint_name: pulumi.Output[str]
    """Name of the endpoint."""
    endpoint_arn: pulumi.Output[str]
    """ARN of the endpoint."""
    inference_component: pulumi.Output[str]
    """Name of the inference component, which each request has to name; empty with `steady`."""

    def __init__(
        self, name: str, artifacts: DataBucket, args: InferenceEndpointArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("tandem:index:InferenceEndpoint", name, {}, opts)
        child, tags = pulumi.ResourceOptions(parent=self), args.get("tags") or {}
        zero = args["mode"] == EndpointMode.ZERO
        if args["expires_hours"] and not zero:
            tags = tags | {Tag.EXPIRES_HOURS: str(args["expires_hours"])}
        role = iam.Role(f"{name}-role", assume_role_policy=trust("sagemaker.amazonaws.com"), tags=tags, opts=child)
        # The alarms watch the endpoint, and the endpoint rolls back on the alarms: its name has to be there before it.
        endpoint_name = role.name.apply(lambda drawn: drawn.replace(f"{name}-role", name))
        log = cloudwatch.LogGroup(
            f"{name}-log",
            # SageMaker would make it without an end to its retention, and leave it.
            name=pulumi.Output.concat(f"/aws/sagemaker/{LOGS[args['mode']]}/", endpoint_name),
            retention_in_days=LOG_DAYS,
            tags=tags,
            opts=child,
        )
        permissions = iam.RolePolicy(
            f"{name}-permissions", role=role.id, policy=self._permissions(artifacts, args, log), opts=child
        )
        model = sagemaker.Model(
            name,
            execution_role_arn=role.arn,
            primary_container={"model_package_name": args["model"]},
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permissions]),
        )
        variant: sagemaker.EndpointConfigurationProductionVariantArgsDict = {
            "variant_name": VARIANT,
            "instance_type": args["instance_type"],
            "initial_instance_count": 1 if zero else args["instances"],
            "inference_ami_version": args.get("host_ami") or host_ami(args["serving_image"]),
        }
        if zero:
            variant["managed_instance_scaling"] = {
                "status": "ENABLED",
                "min_instance_count": 0,
                "max_instance_count": args["instances"] + 1,
            }
            variant["routing_configs"] = [{"routing_strategy": "LEAST_OUTSTANDING_REQUESTS"}]
        else:
            variant["model_name"] = model.name
            variant["container_startup_health_check_timeout_in_seconds"] = START_SECONDS
            variant["model_data_download_timeout_in_seconds"] = START_SECONDS
        configuration = sagemaker.EndpointConfiguration(
            f"{name}-configuration",
            production_variants=[variant],
            execution_role_arn=role.arn if zero else None,
            tags=tags,
            opts=child,
        )
        errors, slow, _ = (
            alarm(
                f"{name}-{suffix}",
                namespace="AWS/SageMaker",
                metric=metric,
                dimensions={"EndpointName": endpoint_name, "VariantName": VARIANT},
                statistic=statistic,
                threshold=threshold,
                period_seconds=seconds,
                description=description,
                topic_arn=args.get("alarm_topic_arn"),
                tags=tags,
                parent=self,
            )
            for suffix, metric, statistic, threshold, seconds, description in (
                ("errors", ERRORS, "Sum", 5, 300, "More than five requests in five minutes failed."),
                ("slow", "ModelLatency", "Average", SLOW_MICROSECONDS, 300, "Answers take over 30 s on average."),
                # Too late for a rollback; it sees an endpoint that is seldom asked. The average is the share of all.
                (
                    "unanswered",
                    ERRORS,
                    "Average",
                    0.5,
                    3600,
                    "Of an hour's requests most failed, or the only one.",
                ),
            )
        )
        alarms = [errors, slow]
        endpoint = sagemaker.Endpoint(
            name,
            name=endpoint_name,
            endpoint_config_name=configuration.name,
            deployment_config=None if zero else _deployment(args["instances"], [each.name for each in alarms]),
            tags=tags | {Tag.ARTIFACTS: artifacts.bucket_name},
            # Another mode or rollout replaces the endpoint, whose name is taken as long as the old one is there.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.inference_component = pulumi.Output.from_input("")
        if zero:
            self.inference_component = scale_to_zero(
                name,
                component_name=endpoint_name,
                endpoint=endpoint,
                variant=VARIANT,
                model=model,
                copies=Copies(args["instances"], args["gpus"], START_SECONDS, BAKE_SECONDS),
                rollback_alarms=alarms,
                topic_arn=args.get("alarm_topic_arn"),
                tags=tags,
                parent=self,
            )
        self.endpoint_name, self.endpoint_arn = endpoint.name, endpoint.arn
        register(self)

    def _permissions(
        self, artifacts: DataBucket, args: InferenceEndpointArgs, log: cloudwatch.LogGroup
    ) -> pulumi.Output[str]:
        return policy_document(
            [
                allow(["s3:ListBucket"], artifacts.bucket_arn, StringLike={"s3:prefix": "runs/*"}),
                allow(["s3:GetObject"], pulumi.Output.concat(artifacts.bucket_arn, "/runs/*")),
                allow(
                    ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                    [log.arn, pulumi.Output.concat(log.arn, ":*")],
                ),
                # These two have no resource to name; the first is limited by its namespace.
                allow(["cloudwatch:PutMetricData"], "*", StringLike={"cloudwatch:namespace": "/aws/sagemaker/*"}),
                allow(["ecr:GetAuthorizationToken"], "*"),
                may_pull([args["serving_image"]], args.get("repository_arn"), self),
            ]
        )


def _deployment(instances: int, alarms: list[pulumi.Output[str]]) -> sagemaker.EndpointDeploymentConfigArgsDict:
    routing: sagemaker.EndpointDeploymentConfigBlueGreenUpdatePolicyTrafficRoutingConfigurationArgsDict = {
        "type": "CANARY" if instances > 1 else "ALL_AT_ONCE",
        "wait_interval_in_seconds": BAKE_SECONDS,
    }
    if instances > 1:
        # At most half of the instances may be the canary, which one of two or more always is.
        routing["canary_size"] = {"type": "INSTANCE_COUNT", "value": 1}
    return {
        "blue_green_update_policy": {
            "traffic_routing_configuration": routing,
            "termination_wait_in_seconds": BAKE_SECONDS,
        },
        "auto_rollback_configuration": {"alarms": [{"alarm_name": name} for name in alarms]},
    }
