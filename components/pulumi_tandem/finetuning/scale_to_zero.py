"""SageMaker inference component that scales to zero: instances start on requests and end without them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pulumi
from pulumi_aws import appautoscaling, cloudcontrol, cloudwatch, sagemaker

from ..foundation.alarms import alarm
from ..foundation.tags import Tags

DIMENSION = "sagemaker:inference-component:DesiredCopyCount"
SERVICE = "sagemaker"
METRICS = "AWS/SageMaker"
# A copy is placed by its GPUs; the least memory only keeps it off a host that has none left.
MEMORY_MEGABYTES = 1024
REQUESTS_PER_COPY = 5
WAKE_COOLDOWN_SECONDS = 60


class Copies(NamedTuple):
    """How many copies of a model may run, and what each needs."""

    at_most: int
    gpus: int
    start_seconds: int
    bake_seconds: int


def scale_to_zero(
    name: str,
    *,
    component_name: pulumi.Output[str],
    endpoint: sagemaker.Endpoint,
    variant: str,
    model: sagemaker.Model,
    copies: Copies,
    rollback_alarms: Sequence[cloudwatch.MetricAlarm],
    topic_arn: pulumi.Input[str] | None,
    tags: Tags,
    parent: pulumi.Resource,
) -> pulumi.Output[str]:
    """Put a model onto an endpoint as an inference component that scales between zero and `copies.at_most` copies.

    Creates the component, a scalable target with two policies, an alarm that tells `topic_arn` of an hour in which
    no copy came, and the alarm that wakes it: a request that finds no
    copy fails, is counted in `NoCapacityInvocationFailures`, and brings one within minutes; the last one goes after
    15 to 25 minutes without requests (SageMaker developer guide, "Scale an endpoint to zero instances"; others measured
    25, stdapi-ai/stdapi.ai#43). The component starts with one copy, so that a deployment proves that the model serves.
    Returns its name. The two alarms cost $0.10 a month each.
    """
    child = pulumi.ResourceOptions(parent=parent)
    # pulumi-aws has no inference component (hashicorp/terraform-provider-aws#35226): the Cloud Control API does.
    component = cloudcontrol.Resource(
        f"{name}-component",
        type_name="AWS::SageMaker::InferenceComponent",
        desired_state=pulumi.Output.json_dumps(
            {
                "InferenceComponentName": component_name,
                "EndpointName": endpoint.name,
                "VariantName": variant,
                "Specification": {
                    "ModelName": model.name,
                    "ComputeResourceRequirements": {
                        "NumberOfAcceleratorDevicesRequired": copies.gpus,
                        "MinMemoryRequiredInMb": MEMORY_MEGABYTES,
                    },
                    "StartupParameters": {
                        "ContainerStartupHealthCheckTimeoutInSeconds": copies.start_seconds,
                        "ModelDataDownloadTimeoutInSeconds": copies.start_seconds,
                    },
                },
                "RuntimeConfig": {"CopyCount": 1},
                "DeploymentConfig": {
                    "RollingUpdatePolicy": {
                        "MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1},
                        "WaitIntervalInSeconds": copies.bake_seconds,
                    },
                    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": each.name} for each in rollback_alarms]},
                },
                "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
            }
        ),
        opts=child,
    )
    target = appautoscaling.Target(
        f"{name}-copies",
        service_namespace=SERVICE,
        scalable_dimension=DIMENSION,
        resource_id=pulumi.Output.concat("inference-component/", component_name),
        min_capacity=0,
        max_capacity=copies.at_most,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[component]),
    )
    scaled: dict[str, Any] = {
        "service_namespace": target.service_namespace,
        "scalable_dimension": target.scalable_dimension,
        "resource_id": target.resource_id,
        "opts": child,
    }
    appautoscaling.Policy(
        f"{name}-load",
        policy_type="TargetTrackingScaling",
        target_tracking_scaling_policy_configuration={
            "target_value": REQUESTS_PER_COPY,
            "predefined_metric_specification": {
                "predefined_metric_type": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
            },
        },
        **scaled,
    )
    wake = appautoscaling.Policy(
        f"{name}-wake",
        policy_type="StepScaling",
        step_scaling_policy_configuration={
            "adjustment_type": "ChangeInCapacity",
            "metric_aggregation_type": "Maximum",
            "cooldown": WAKE_COOLDOWN_SECONDS,
            "step_adjustments": [{"metric_interval_lower_bound": "0", "scaling_adjustment": 1}],
        },
        **scaled,
    )
    cloudwatch.MetricAlarm(
        f"{name}-asleep",
        namespace=METRICS,
        metric_name="NoCapacityInvocationFailures",
        dimensions={"InferenceComponentName": component_name},
        statistic="Maximum",
        period=60,
        evaluation_periods=1,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=1,
        treat_missing_data="missing",
        alarm_description="A request found no copy of the model: wakes one.",
        alarm_actions=[wake.arn],
        tags=tags,
        opts=child,
    )
    # Who asks is answered 4xx meanwhile, which no other alarm counts.
    alarm(
        f"{name}-no-copy",
        namespace=METRICS,
        metric="NoCapacityInvocationFailures",
        dimensions={"InferenceComponentName": component_name},
        statistic="Sum",
        threshold=0,
        period_seconds=900,
        periods=4,
        description="For an hour requests have found no copy of the model: no instance can be had, or none starts. "
        "The endpoint's events in the console and its log say why; tandem:endpointMode: steady keeps an instance.",
        topic_arn=topic_arn,
        tags=tags,
        parent=parent,
    )
    return pulumi.Output.all(component.id, component_name).apply(lambda made: made[1])
