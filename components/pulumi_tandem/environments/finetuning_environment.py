"""Fine-tuning, whole."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi

from ..finetuning.cost_guard import CostGuard, CostGuardArgs
from ..finetuning.experiment_tracking import APP, NONE, SERVER, ExperimentTracking
from ..finetuning.images import SERVING, TRAINING, image_mistakes
from ..finetuning.inference_endpoint import EndpointMode, InferenceEndpoint, InferenceEndpointArgs
from ..finetuning.model_registry import ModelRegistry
from ..finetuning.run_cleanup import RunCleanup
from ..finetuning.training_images import TrainingImages
from ..finetuning.training_pipeline import TrainingPipeline, TrainingPipelineArgs
from ..foundation.data_bucket import DataBucket
from ..foundation.mistakes import InvalidArguments, Mistake, among, outside, unknown_arguments
from ..foundation.retention import Retention
from ..foundation.tags import environment_tags
from ..foundation.usage import register_usage, usage_mistakes


class RunUsage(TypedDict):
    """What a fine-tuning environment is assumed to hold, and a run to take; for its cost alone."""

    datasets_gigabytes: NotRequired[float]
    """Data sets in the bucket; 1 by default."""
    artifacts_gigabytes: NotRequired[float]
    """Runs, checkpoints, models and base models in the bucket; 20 by default."""
    images_gigabytes: NotRequired[float]
    """Images of your own in the repository; 0 by default."""
    log_gigabytes: NotRequired[float]
    """Logs that are kept; 0.1 by default."""
    training_hours: NotRequired[float]
    """Time that a run trains; 1 by default."""
    evaluation_hours: NotRequired[float]
    """Time that its evaluation takes; 0.25 by default."""


RUN_USAGE: dict[str, float] = {
    "datasets_gigabytes": 1,
    "artifacts_gigabytes": 20,
    "images_gigabytes": 0,
    "log_gigabytes": 0.1,
    "training_hours": 1,
    "evaluation_hours": 0.25,
}


class FineTuningEnvironmentArgs(TypedDict):
    """Arguments of `FineTuningEnvironment`; every one has a default."""

    training_instance: NotRequired[str]
    """SageMaker instance that trains; `ml.g6e.2xlarge` by default (48 GB of GPU memory, $2.80 an hour): 24 GB are too
    few for QLoRA of an 8B model once it saves a checkpoint."""
    training_instances: NotRequired[int]
    """How many of them, 1 (default) to 16."""
    max_training_hours: NotRequired[float]
    """Longest that one attempt may train, 0.2 to 120 hours; 4 by default. With the attempts, the ceiling of a run."""
    attempts: NotRequired[int]
    """How often a run may start training, 1 to 5; 2 by default. Each goes on from the last checkpoint."""
    spot: NotRequired[bool]
    """Whether to train on spot capacity; false by default. Interrupted runs use up attempts."""
    volume_gigabytes: NotRequired[int]
    """Disk of each instance, 30 to 16,384 GB; 200 by default. Billed while jobs run."""
    evaluation_instance: NotRequired[str]
    """SageMaker instance that evaluates; the training instance by default."""
    max_evaluation_hours: NotRequired[float]
    """Longest that the evaluation may take, 0.2 to 120 hours; 1 by default."""
    training_image: NotRequired[str]
    """Image of the training job: a Deep Learning Container's `repository:tag`, or a full URI."""
    serving_image: NotRequired[str]
    """Image that evaluates and serves; LMI with vLLM by default. TGI is refused."""
    host_ami: NotRequired[str]
    """SageMaker host image of the endpoint; chosen by the serving image's CUDA by default."""
    tracking: NotRequired[str]
    """`app` (default; serverless MLflow, no hourly charge), `server` (about $470 a month), `none`, or the URL of an
    MLflow of your own."""
    model: NotRequired[str]
    """ARN of the approved model package to serve; empty (default) for no endpoint. `tandem finetune promote` writes
    it."""
    endpoint_instance: NotRequired[str]
    """SageMaker instance that serves; `ml.g6e.xlarge` by default ($2.61 an hour while the endpoint exists)."""
    endpoint_mode: NotRequired[EndpointMode]
    """`steady` (default), or `zero`: no instances, and no bill, while nobody asks; the first request then fails and
    wakes one within minutes."""
    endpoint_instances: NotRequired[int]
    """How many of them, 1 (default) to 16, with `zero` at most; with two or more, a new model first answers on one of
    them."""
    endpoint_gpus: NotRequired[int]
    """GPUs that a copy of the model takes with `zero`, 0 to 8; 1 by default."""
    endpoint_hours: NotRequired[int]
    """Hours after which the cost guard deletes the endpoint, up to 8,760; 8 by default, 0 for never."""
    monthly_budget: NotRequired[int]
    """Dollars a month above which alerts go out; 100 by default, 0 for no budget."""
    alert_email: NotRequired[str]
    """Who gets the budget's alerts; without it only the alarm topic does."""
    retention: NotRequired[Retention]
    """What destroy does to data sets, models and images: `keep` (default) refuses, `erase` deletes them."""
    run_usage: NotRequired[RunUsage]
    """Assumptions that `tandem cost` counts with."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms, approvals and the budget notify."""
    tags: NotRequired[dict[str, str]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""


DEFAULTS: dict[str, Any] = {
    "training_instance": "ml.g6e.2xlarge",
    "training_instances": 1,
    "max_training_hours": 4.0,
    "attempts": 2,
    "spot": False,
    "volume_gigabytes": 200,
    "evaluation_instance": "",
    "max_evaluation_hours": 1.0,
    "training_image": TRAINING,
    "serving_image": SERVING,
    "host_ami": "",
    "tracking": APP,
    "model": "",
    "endpoint_instance": "ml.g6e.xlarge",
    "endpoint_mode": "steady",
    "endpoint_instances": 1,
    "endpoint_gpus": 1,
    "endpoint_hours": 8,
    "monthly_budget": 100,
    "alert_email": "",
    "retention": "keep",
    "run_usage": {},
    "alarm_topic_arn": None,
    "tags": {},
}


def finetuning_mistakes(given: Mapping[str, Any]) -> list[Mistake]:
    """Every argument that can't be used, in the order of the arguments; empty if all can."""
    args: dict[str, Any] = {**DEFAULTS, **given}
    mistakes = unknown_arguments(given, DEFAULTS)
    for key in ("training_instance", "evaluation_instance", "endpoint_instance"):
        parts = str(args[key]).split(".")
        if args[key] != DEFAULTS[key] and (parts[0] != "ml" or len(parts) != 3):
            mistakes.append(Mistake(key, args[key], "a SageMaker instance type", "For example ml.g6e.2xlarge."))
    for key, low, high, unit, remedy in (
        ("training_instances", 1, 16, "instances", "Take an instance with more GPUs instead."),
        ("max_training_hours", 0.2, 120.0, "hours", "SageMaker's own limit is five days."),
        ("attempts", 1, 5, "attempts", "Each may cost the whole training time."),
        ("volume_gigabytes", 30, 16384, "GB", "200 has room for an 8B model, its checkpoints and the merged model."),
        ("max_evaluation_hours", 0.2, 120.0, "hours", "Evaluate fewer rows instead."),
        ("endpoint_instances", 1, 16, "instances", "1 is enough for a development stack."),
        ("endpoint_gpus", 0, 8, "GPUs", "1 is right for an instance with one."),
        ("endpoint_hours", 0, 8760, "hours", "0 keeps the endpoint, and its bill, until it is destroyed."),
        ("monthly_budget", 0, 10_000_000, "dollars", "0 makes no budget."),
    ):
        mistakes += outside(key, args[key], low, high, unit, remedy)
    if not isinstance(args["spot"], bool):
        mistakes.append(Mistake("spot", args["spot"], "true or false", "Write it without quotes."))
    mistakes += among("endpoint_mode", args["endpoint_mode"], EndpointMode)
    mistakes += image_mistakes("serving_image", str(args["serving_image"]), str(args["host_ami"]))
    if args["tracking"] not in (APP, SERVER, NONE) and not str(args["tracking"]).startswith("https://"):
        allowed = f"{APP}, {SERVER}, {NONE} or an https URL"
        mistakes.append(Mistake("tracking", args["tracking"], allowed, f"{APP} costs nothing while idle."))
    if args["model"] != "" and ":model-package/" not in str(args["model"]):
        remedy = "`tandem finetune promote` writes it; remove it for no endpoint."
        mistakes.append(Mistake("model", args["model"], "the ARN of a model package", remedy))
    mistakes += among("retention", args["retention"], Retention)
    mistakes += usage_mistakes("run_usage", args["run_usage"], RUN_USAGE)
    return mistakes


class FineTuningEnvironment(pulumi.ComponentResource):
    """From a data set to a tuned, evaluated, registered model, and to an endpoint once one is promoted.

    Composes buckets for data sets and artifacts, an image repository, MLflow, a `TrainingPipeline`, a `ModelRegistry`,
    a `CostGuard`, and an `InferenceEndpoint` where `model` names an approved package. Runs are started by command and
    never by `pulumi up`. Idle cost without an endpoint: about $0.11 a month (an alarm, the guard) and storage; an
    endpoint bills by the hour. Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    dataset_bucket: pulumi.Output[str]
    """Name of the bucket of data sets."""
    artifact_bucket: pulumi.Output[str]
    """Name of the bucket of runs, checkpoints, models and base models."""
    training_pipeline_arn: pulumi.Output[str]
    """ARN of the state machine that runs are executions of."""
    run_envelope_parameter: pulumi.Output[str]
    """Name of the SSM parameter with the run envelope."""
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

    def __init__(self, name: str, args: FineTuningEnvironmentArgs, opts: pulumi.ResourceOptions | None = None):
        if mistakes := finetuning_mistakes(args):
            raise InvalidArguments(f"FineTuningEnvironment {name!r}", mistakes)
        super().__init__("tandem:index:FineTuningEnvironment", name, {}, opts)
        settings: dict[str, Any] = {**DEFAULTS, **args}
        # Numbers arrive as floats from programs in other languages (pulumi/pulumi#21944).
        settings |= {key: int(settings[key]) for key, default in DEFAULTS.items() if type(default) is int}
        child, retention = pulumi.ResourceOptions(parent=self), Retention(settings["retention"])
        tags = environment_tags(name, settings["tags"])
        shared: Any = {"tags": tags}
        if settings["alarm_topic_arn"]:
            shared["alarm_topic_arn"] = settings["alarm_topic_arn"]

        datasets = DataBucket(f"{name}-datasets", {"retention": retention, "tags": tags}, opts=child)
        artifacts = DataBucket(f"{name}-artifacts", {"retention": retention, "tags": tags}, opts=child)
        images = TrainingImages(f"{name}-images", {"retention": retention, "tags": tags}, opts=child)
        registry = ModelRegistry(f"{name}-models", shared, opts=child)
        pipeline_args: TrainingPipelineArgs = {
            "envelope": run_envelope(settings),
            "training_image": settings["training_image"],
            "serving_image": settings["serving_image"],
            "serving_environment": {},
            "repository_arn": images.repository_arn,
            **shared,
        }
        self.tracking_uri = pulumi.Output.from_input("")
        if settings["tracking"] != NONE:
            tracking = ExperimentTracking(
                f"{name}-tracking", artifacts, {"tracking": settings["tracking"], "tags": tags}, opts=child
            )
            self.tracking_uri = pipeline_args["tracking_uri"] = tracking.tracking_uri
            pipeline_args["tracking_statements"] = tracking.log_statements
        pipeline = TrainingPipeline(f"{name}-training", datasets, artifacts, registry, pipeline_args, opts=child)
        before_endpoint = []
        if retention is Retention.ERASE:
            before_endpoint = [RunCleanup(f"{name}-cleanup", registry, pipeline, {"tags": tags}, opts=child)]
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
        guard = CostGuard(f"{name}-guard", guard_args, opts=child)
        usage = {"kind": "finetuning", "envelope": envelope, "assumed": {**RUN_USAGE, **settings["run_usage"]}}
        register_usage(name, usage, tags=tags, parent=self)

        self.dataset_bucket, self.artifact_bucket = datasets.bucket_name, artifacts.bucket_name
        self.training_pipeline_arn, self.run_envelope_parameter = pipeline.pipeline_arn, pipeline.envelope_parameter
        self.model_package_group, self.image_repository_url = registry.group_name, images.repository_url
        self.guard_function = guard.function_name
        self.register_outputs(
            {
                "datasetBucket": self.dataset_bucket,
                "artifactBucket": self.artifact_bucket,
                "trainingPipelineArn": self.training_pipeline_arn,
                "runEnvelopeParameter": self.run_envelope_parameter,
                "modelPackageGroup": self.model_package_group,
                "imageRepositoryUrl": self.image_repository_url,
                "trackingUri": self.tracking_uri,
                "endpointName": self.endpoint_name,
                "inferenceComponent": self.inference_component,
            }
        )


def run_envelope(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What one run may use at most, in the form that the pipeline's functions read."""
    return {
        "instance_type": settings["training_instance"],
        "instance_count": settings["training_instances"],
        "max_runtime_seconds": round(settings["max_training_hours"] * 3600),
        "attempts": settings["attempts"],
        "spot": settings["spot"],
        "volume_gb": settings["volume_gigabytes"],
        "checkpoint": True,
        "evaluation_instance_type": settings["evaluation_instance"] or settings["training_instance"],
        "evaluation_max_runtime_seconds": round(settings["max_evaluation_hours"] * 3600),
    }
