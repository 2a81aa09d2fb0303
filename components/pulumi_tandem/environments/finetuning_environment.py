"""Fine-tuning environment: data sets, training on SageMaker or EKS, model registry, endpoint."""

from typing import Any, cast

import pulumi
from tandem_contract.usage import finetuning_usage

from ..arguments import FineTuningEnvironmentArgs, GpuClusterArgs
from ..choices import EndpointMode, Retention, TrainingBackend
from ..finetuning.cost_guard import CostGuard, CostGuardArgs
from ..finetuning.experiment_tracking import NONE, ExperimentTracking
from ..finetuning.images import image_uri
from ..finetuning.inference_endpoint import InferenceEndpoint, InferenceEndpointArgs
from ..finetuning.model_registry import ModelRegistry
from ..finetuning.run_cleanup import RunCleanup
from ..finetuning.training_images import TrainingImages
from ..finetuning.training_pipeline import TrainingPipeline, TrainingPipelineArgs
from ..foundation.arguments import NOTHING, of_part, valid
from ..foundation.data_bucket import DATA_BUCKET, DataBucket
from ..foundation.house_rules import by_key, under_house_rules
from ..foundation.outputs import register
from ..foundation.policy import Statement, allow
from ..foundation.region import region_for
from ..foundation.tags import environment_tags
from ..foundation.usage import register_usage
from ..kubernetes.cluster_training import ClusterTraining
from ..kubernetes.gpu_cluster import GpuCluster
from .finetuning_fields import FINETUNING, check_place, cluster_arguments, run_envelope


class FineTuningEnvironment(pulumi.ComponentResource):
    """Fine-tuning on SageMaker or EKS: from a data set to a registered model, and an endpoint for a promoted one.

    Composes buckets for data sets and artifacts, an image repository, MLflow, a `TrainingPipeline`, a `ModelRegistry`,
    a `CostGuard`, and an `InferenceEndpoint` where `model` names an approved package; with `training_backend` `eks`
    also a `GpuCluster` with `ClusterTraining`. Runs are started by command and never by `pulumi up`.

    Idle cost: about $0.51 a month (five alarms, the guard) and storage; an endpoint and a cluster bill by the hour.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    dataset_bucket: pulumi.Output[str]
    """Name of the bucket of data sets."""
    artifact_bucket: pulumi.Output[str]
    """Name of the bucket of runs, checkpoints, models and base models."""
    training_pipeline_arn: pulumi.Output[str]
    """ARN of the state machine that runs are executions of."""
    run_envelope_parameter: pulumi.Output[str]
    """Name of the SSM parameter with the run envelope."""
    training_backend: pulumi.Output[str]
    """Where runs train: `sagemaker` or `eks`."""
    cluster_name: pulumi.Output[str]
    """Name of the EKS cluster; empty without one."""
    cluster_function: pulumi.Output[str]
    """Name of the function that runs jobs on it, by which one is cancelled; empty without one."""
    model_package_group: pulumi.Output[str]
    """Name of the model package group."""
    image_repository_url: pulumi.Output[str]
    """URL of the repository for images of your own."""
    tracking_uri: pulumi.Output[str]
    """MLflow tracking URI; empty without tracking."""
    endpoint_name: pulumi.Output[str]
    """Name of the endpoint; empty without one."""
    inference_component: pulumi.Output[str]
    """Name of the inference component that requests have to name; empty unless the endpoint scales to zero."""
    guard_function: pulumi.Output[str]
    """Name of the cost guard's function, to run it at will."""
    region: pulumi.Output[str]
    """AWS region that it is in."""

    def __init__(
        self, name: str, args: FineTuningEnvironmentArgs = NOTHING, opts: pulumi.ResourceOptions | None = None
    ):
        """Registers it and all that it is made of under `name`; every argument has a default."""
        settings = valid(
            "FineTuningEnvironment",
            name,
            FINETUNING,
            args,
            lambda checks, values: check_place(checks, values, opts),
            opts=opts,
        )
        super().__init__("tandem:index:FineTuningEnvironment", name, {}, under_house_rules(opts, settings))
        child, retention = pulumi.ResourceOptions(parent=self), Retention(settings["retention"])
        tags = environment_tags(name, settings["tags"])
        shared: Any = {"tags": tags}
        if settings["alarm_topic_arn"]:
            shared["alarm_topic_arn"] = settings["alarm_topic_arn"]

        cluster = None
        if settings["training_backend"] == TrainingBackend.EKS:
            # First, since it asks the account what it can give, and refuses before anything else is made.
            given: dict[str, Any] = {**cluster_arguments(settings, args.get("cluster") or {}), "tags": tags}
            if not settings["cluster"]["existing_cluster"]:
                given = by_key(settings) | given
            cluster = GpuCluster(f"{name}-cluster", cast(GpuClusterArgs, given), opts=child)
        holding = of_part(DATA_BUCKET, settings, existing_bucket=settings["existing_dataset_bucket"], tags=tags)
        datasets = DataBucket(f"{name}-datasets", holding, opts=child)
        artifacts = DataBucket(
            f"{name}-artifacts", {"retention": retention, "rewritten": ["runs/"], "tags": tags}, opts=child
        )
        images = TrainingImages(f"{name}-images", {"retention": retention, "tags": tags}, opts=child)
        registry = ModelRegistry(f"{name}-models", shared, opts=child)
        pipeline_args: TrainingPipelineArgs = {
            "envelope": run_envelope(settings),
            "training_image": settings["training_image"],
            "serving_image": settings["serving_image"],
            "serving_environment": {},
            "repository_arn": images.repository_arn,
            **by_key(settings),
            **shared,
        }
        statements: list[Statement] = []
        if secret := settings["hub_token_secret"]:
            pipeline_args["hub_token_secret"] = secret
            statements.append(allow(["secretsmanager:GetSecretValue"], secret))
        self.tracking_uri = pulumi.Output.from_input("")
        if settings["tracking"] != NONE:
            tracking = ExperimentTracking(
                f"{name}-tracking", artifacts, {"tracking": settings["tracking"], "tags": tags}, opts=child
            )
            self.tracking_uri = pipeline_args["tracking_uri"] = tracking.tracking_uri
            statements += tracking.log_statements
        pipeline_args["job_statements"] = statements
        self.cluster_name = pulumi.Output.from_input("")
        if cluster:
            training = ClusterTraining(
                f"{name}-runs",
                cluster,
                {
                    "envelope": pipeline_args["envelope"],
                    "training_image": image_uri(settings["training_image"], self),
                    "dataset_bucket_arn": datasets.bucket_arn,
                    "artifact_bucket_arn": artifacts.bucket_arn,
                    "settings": settings["cluster_training"],
                    "statements": statements,
                    "tags": tags,
                },
                opts=child,
            )
            pipeline_args["cluster"], self.cluster_name = training.for_pipeline, cluster.cluster_name
        pipeline = TrainingPipeline(f"{name}-training", datasets, artifacts, registry, pipeline_args, opts=child)
        before_endpoint: list[pulumi.Resource] = []
        if retention is Retention.ERASE:
            cleanup = RunCleanup(f"{name}-cleanup", artifacts, registry, pipeline, {"tags": tags}, opts=child)
            before_endpoint.append(cleanup)
        self.endpoint_name = self.inference_component = pulumi.Output.from_input("")
        if settings["model"]:
            endpoint_args: InferenceEndpointArgs = {
                "model": settings["model"],
                "instance_type": settings["endpoint_instance"],
                "mode": EndpointMode(settings["endpoint_mode"]),
                "instances": settings["endpoint_instances"],
                "gpus": settings["endpoint_gpus"],
                "serving_image": settings["serving_image"],
                "expires_hours": settings["endpoint_hours"],
                "repository_arn": images.repository_arn,
                **shared,
            }
            if settings["host_ami"]:
                endpoint_args["host_ami"] = settings["host_ami"]
            # Destroyed before its model package is.
            after = pulumi.ResourceOptions(parent=self, depends_on=before_endpoint)
            endpoint = InferenceEndpoint(f"{name}-endpoint", artifacts, endpoint_args, opts=after)
            self.endpoint_name, self.inference_component = endpoint.endpoint_name, endpoint.inference_component
        envelope = pipeline_args["envelope"]
        guard_args: CostGuardArgs = {
            "longest_job_seconds": max(envelope["max_runtime_seconds"], envelope["evaluation_max_runtime_seconds"]),
            "monthly_budget": settings["monthly_budget"],
            "alert_email": settings["alert_email"],
            **shared,
        }
        guard = CostGuard(f"{name}-guard", artifacts, guard_args, opts=child)
        register_usage(name, finetuning_usage(envelope, settings["run_usage"]), tags=tags, parent=self)

        self.dataset_bucket, self.artifact_bucket = datasets.bucket_name, artifacts.bucket_name
        self.training_backend = pulumi.Output.from_input(str.__str__(settings["training_backend"]))
        self.training_pipeline_arn, self.run_envelope_parameter = pipeline.pipeline_arn, pipeline.envelope_parameter
        self.cluster_function = pipeline.cluster_function
        self.model_package_group, self.image_repository_url = registry.group_name, images.repository_url
        self.guard_function = guard.function_name
        self.region = region_for(self)
        register(self)
