"""Arguments of the fine-tuning environment: their fields, and the rules between them."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pulumi
from tandem_contract import defaults, envelope
from tandem_contract.checks import Checks
from tandem_contract.envelope import RunEnvelope
from tandem_contract.fields import Field, Table
from tandem_contract.instance_types import INSTANCE_TYPES
from tandem_contract.usage import RUN_USAGE, SECONDS_AN_HOUR

from ..choices import EndpointMode, TrainingBackend
from ..finetuning.experiment_tracking import APP, NONE, SERVER
from ..finetuning.images import SERVING, TRAINING, check_images, check_region
from ..foundation.arguments import NOTHING
from ..foundation.arns import MODEL_PACKAGE, SECRET, TOPIC
from ..foundation.existing import BUCKET, check_bucket, check_house
from ..foundation.house_rules import HOUSE_RULES, check_house_rules
from ..foundation.retention import retention_of
from ..foundation.tags import TAGS
from ..kubernetes.capacity import capacities
from ..kubernetes.cluster_fields import CLUSTER, VOLUME
from ..kubernetes.cluster_fields import NONE as NO_POOLS
from ..kubernetes.training_checks import (
    IMAGES_GB,
    check_capacity,
    check_instance_types,
    check_quotas,
    check_releases,
    needed,
    quotas_of,
)
from ..kubernetes.training_fields import CLUSTER_TRAINING

MOST_VOLUME_GB = int(VOLUME.high or 0)
SAGEMAKERS: dict[str, str] = {"pattern": r"ml(\.[^.]+){2}", "allowed": "a SageMaker instance type"}
TRAINING_INSTANCE = envelope.FIELDS["instance_type"].default


def _limit(name: str, help: str, **changes: Any) -> Field:
    """A limit of the run envelope as an argument."""
    return envelope.FIELDS[name]._replace(help=help, **changes)


def _hours(name: str, help: str, remedy: str) -> Field:
    seconds = envelope.FIELDS[name]
    amounts = {key: getattr(seconds, key) / SECONDS_AN_HOUR for key in ("default", "low", "high")}
    return seconds._replace(help=help, unit="hours", remedy=remedy, **amounts)


def check_place(
    checks: Checks, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None, shared: Mapping[str, Any] = NOTHING
) -> None:
    """Whether images are to be had in the region of an environment with these options, and what is brought fits.

    `shared` are the rules of an environment around it, which are looked at there.
    """
    check_region(checks, args, opts)
    check_house(checks, args, opts)
    check_bucket(checks, "existing_dataset_bucket", {**args, **shared}, opts)


def _rules(checks: Checks, args: dict[str, Any], given: Mapping[str, Any]) -> None:
    check_house_rules(checks, args)
    if args["training_backend"] == TrainingBackend.EKS:
        _check_cluster(checks, args, given.get("cluster") or {})
    else:
        _check_sagemaker(checks, args, given)
    if args["serving_image"] is not None and args["host_ami"] is not None:
        check_images(checks, args["serving_image"], args["host_ami"])


def _check_sagemaker(checks: Checks, args: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for key in ("training_instance", "evaluation_instance"):
        if args[key] and not re.fullmatch(SAGEMAKERS["pattern"], args[key]):
            known = args[key] in INSTANCE_TYPES
            remedy = f"With SageMaker it is ml.{args[key]}." if known else f"For example {TRAINING_INSTANCE}."
            checks.refuse(key, args[key], SAGEMAKERS["allowed"], remedy)
    for key in ("cluster", "cluster_training"):
        if given.get(key):
            checks.add(key, "is for training on EKS alone", "Remove it, or set `training_backend` to eks.")


def _check_cluster(checks: Checks, args: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Whether a run can ever start there."""
    if args["cluster"]["existing_kubeconfig"]:
        remedy = "Set `existing_cluster` to its name: runs find it by EKS's API."
        checks.add("cluster.existing_kubeconfig", "is not enough for training", remedy)
    if checks.mistakes:  # what follows is only true of values that are
        return
    evaluates = "evaluation_instance" if args["evaluation_instance"] else "training_instance"
    steps = needed(run_envelope(args), "training_instance", evaluates)
    sharing = args["cluster_training"]
    check_releases(checks.under("cluster_training"), sharing, args["cluster"]["versions"]["kubernetes"])
    check_instance_types(checks, steps)
    if checks.mistakes:
        return
    check_quotas(checks, "cluster_training.quotas", sharing, steps)
    if checks.mistakes:
        return
    whole = CLUSTER.read(checks.under("cluster"), cluster_arguments(args, given))
    if checks.mistakes:
        return
    there = capacities(whole)
    # The nodes of a cluster that was there before may be anything.
    if there or not whole["existing_cluster"]:
        check_capacity(checks, "cluster_training.quotas", there, quotas_of(sharing, steps), steps)


FINETUNING = Table(
    "FineTuningEnvironmentArgs",
    "Arguments of `FineTuningEnvironment`; every one has a default.",
    {
        "training_backend": Field(
            TrainingBackend.SAGEMAKER.value,
            "Where runs train: `sagemaker`, as its training jobs, or `eks`, on a cluster of GPU nodes.",
            choices=TrainingBackend,
            cost="A cluster bills its control plane, system nodes and network by the hour.",
        ),
        "cluster": Field(
            {},
            "The cluster, for `eks`; without pools and groups of its own it has a pool with what the quotas let go.",
            table=CLUSTER,
        ),
        "cluster_training": Field({}, "How runs share the cluster, for `eks`.", table=CLUSTER_TRAINING),
        "training_instance": _limit(
            "instance_type",
            "Instance that trains: SageMaker's, or for `eks` EC2's name, without `ml.`. The default has 48 GB of GPU "
            "memory: 24 GB are too few for QLoRA of an 8B model once it saves a checkpoint.",
            cost="The default costs $2.80 an hour while it trains.",
        ),
        "training_instances": _limit("instance_count", "How many of them share each run, by all their GPUs."),
        "max_training_hours": _hours(
            "max_runtime_seconds",
            "Longest that one attempt may train. With the attempts, the ceiling of a run's price.",
            "SageMaker's own limit is five days.",
        ),
        "attempts": _limit("attempts", "How often a run may start training; each goes on from the last checkpoint."),
        "spot": _limit("spot", "Whether to train on spot capacity; with SageMaker an interruption uses up an attempt."),
        "volume_gigabytes": _limit("volume_gb", "Disk of each instance.", cost="Billed while jobs run."),
        "evaluation_instance": _limit(
            "evaluation_instance_type",
            "Instance that evaluates, on one GPU; the training instance by default.",
            default="",
        ),
        "max_evaluation_hours": _hours(
            "evaluation_max_runtime_seconds", "Longest that the evaluation may take.", "Evaluate fewer rows instead."
        ),
        "training_image": Field(
            TRAINING,
            "Image of the training job: a Deep Learning Container's `repository:tag`, or a full URI "
            "(docs/training-image.md).",
        ),
        "serving_image": Field(
            SERVING,
            "Image that evaluates and serves: a Deep Learning Container's `repository:tag`, or a full URI. TGI "
            "is refused.",
        ),
        "host_ami": Field(
            "", "SageMaker host image of the endpoint; by default the one that has the serving image's CUDA."
        ),
        "hub_token_secret": Field(
            "",
            "ARN of the secret (Secrets Manager) with the Hugging Face token that gated base models need.",
            remedy="`aws secretsmanager create-secret --name tandem/hub --secret-string file://token.txt` prints it.",
            **SECRET,
        ),
        "tracking": Field(
            APP,
            "Experiment tracking: `app` (serverless MLflow), `server`, `none`, or the URL of an MLflow of your own.",
            pattern=rf"{APP}|{SERVER}|{NONE}|https://.*",
            allowed=f"{APP}, {SERVER}, {NONE} or an https URL",
            remedy=f"{APP} costs nothing while idle.",
            cost="An app has no hourly charge, a server costs about $470 a month.",
        ),
        "model": Field(
            "",
            "ARN of the approved model package to serve; `tandem finetune promote` writes it. Empty for no endpoint, "
            "which is what costs.",
            arn=MODEL_PACKAGE,
            allowed="the ARN of a model package",
            remedy="`tandem finetune promote` writes it; remove it for no endpoint.",
        ),
        "endpoint_instance": _limit(
            "instance_type",
            "SageMaker instance that serves.",
            **SAGEMAKERS,
            default=defaults.ENDPOINT_INSTANCE,
            cost="The default costs $2.61 an hour while the endpoint exists.",
        ),
        "endpoint_mode": Field(
            "steady",
            "Whether the endpoint keeps its instances: `steady`, or `zero` for none, and no bill, while nobody asks; "
            "the first request then fails and wakes one within minutes.",
            choices=EndpointMode,
        ),
        "endpoint_instances": Field(
            1,
            "How many instances serve, with `zero` at most; with two or more, a new model first answers on one "
            "of them.",
            low=1,
            high=16,
            unit="instances",
            remedy="1 is enough for a development stack.",
        ),
        "endpoint_gpus": Field(
            1,
            "What a copy of the model takes when the endpoint scales to zero.",
            low=0,
            high=8,
            unit="GPUs",
            remedy="1 is right for an instance with one.",
        ),
        "endpoint_hours": Field(
            8,
            "When the cost guard deletes the endpoint; 0 for never. With `zero` it is never, since its instances end "
            "by themselves.",
            low=0,
            high=8760,
            unit="hours",
            remedy="0 keeps the endpoint, and its bill, until it is destroyed.",
        ),
        "monthly_budget": Field(
            100,
            "What a month may cost before alerts go out; 0 for no budget. It counts nothing until the tag "
            "`tandem:stack` is activated for cost allocation, in the billing console of the account that pays.",
            low=0,
            high=10_000_000,
            unit="dollars",
            remedy="0 makes no budget.",
        ),
        "alert_email": Field(
            "",
            "Who gets the budget's alerts; without it only the alarm topic does.",
            pattern=r"[^@\s]+@[^@\s]+\.[^@\s]+",
            allowed="an e-mail address",
            remedy="For example team@example.com.",
        ),
        "retention": retention_of("data sets, models and images"),
        "existing_dataset_bucket": Field(
            "",
            "Name of a bucket of your own for data sets, which are below `datasets/` in it, in place of one that is "
            "made. Nothing else of it is read, and nothing changed, at destroy neither (docs/bring-your-own.md).",
            **BUCKET,
        ),
        **HOUSE_RULES,
        "run_usage": Field({}, "Assumptions of fine-tuning that `tandem cost` counts with.", table=RUN_USAGE),
        "alarm_topic_arn": Field(
            "",
            "SNS topic that alarms, approvals and the budget notify; without it alarms are only visible in CloudWatch.",
            **TOPIC,
        ),
        "tags": TAGS,
    },
    _rules,
)


def run_envelope(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What one run may use at most, in the form that the pipeline's functions read."""
    training = settings["training_instance"]
    if settings["training_backend"] == TrainingBackend.EKS and training == TRAINING_INSTANCE:
        training = training.removeprefix("ml.")  # the default, which is the same machine
    return asdict(
        RunEnvelope(
            instance_type=training,
            instance_count=settings["training_instances"],
            max_runtime_seconds=round(settings["max_training_hours"] * SECONDS_AN_HOUR),
            attempts=settings["attempts"],
            spot=settings["spot"],
            volume_gb=settings["volume_gigabytes"],
            checkpoint=True,
            evaluation_instance_type=settings["evaluation_instance"] or training,
            evaluation_max_runtime_seconds=round(settings["max_evaluation_hours"] * SECONDS_AN_HOUR),
        )
    )


def cluster_arguments(settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the environment's `GpuCluster`: as they are given, and without nodes of its own a pool for the runs.

    The pool has the types and the GPUs of the quotas, each of them for as many as may run at once.
    """
    if given.get("node_pools") is not None or given.get("node_groups") or given.get("autoscaler") == NO_POOLS:
        return dict(given)
    quotas = quotas_of(settings["cluster_training"], needed(run_envelope(settings), "", ""))
    disk = settings["volume_gigabytes"] + IMAGES_GB
    pool = {
        "instance_types": sorted(quotas),
        "gpus": sum(quotas.values()),
        "spot": settings["spot"],
        "one_zone": settings["training_instances"] > 1,
        "volume_gigabytes": min(disk, MOST_VOLUME_GB),
        "instance_store": all(INSTANCE_TYPES[name].local_gb >= disk for name in quotas),
    }
    return {**given, "node_pools": [pool]}
