"""Arguments of the fine-tuning environment: their fields, and the rules between them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tandem_contract import defaults, envelope
from tandem_contract.checks import Checks
from tandem_contract.envelope import RunEnvelope
from tandem_contract.fields import Field, Table
from tandem_contract.usage import RUN_USAGE, SECONDS_AN_HOUR

from ..finetuning.experiment_tracking import APP, NONE, SERVER
from ..finetuning.images import SERVING, TRAINING, check_images
from ..finetuning.inference_endpoint import EndpointMode
from ..foundation.retention import retention_of
from ..foundation.tags import TAGS


def _limit(name: str, help: str, **changes: Any) -> Field:
    """A limit of the run envelope as an argument."""
    return envelope.FIELDS[name]._replace(help=help, **changes)


def _hours(name: str, help: str, remedy: str) -> Field:
    seconds = envelope.FIELDS[name]
    amounts = {key: getattr(seconds, key) / SECONDS_AN_HOUR for key in ("default", "low", "high")}
    return seconds._replace(help=help, unit="hours", remedy=remedy, **amounts)


def _rules(checks: Checks, args: dict[str, Any], given: Mapping[str, Any]) -> None:  # noqa: ARG001
    if args["serving_image"] is not None and args["host_ami"] is not None:
        check_images(checks, args["serving_image"], args["host_ami"])


FINETUNING = Table(
    "FineTuningEnvironmentArgs",
    "Arguments of `FineTuningEnvironment`; every one has a default.",
    {
        "training_instance": _limit(
            "instance_type",
            "SageMaker instance that trains. The default has 48 GB of GPU memory: 24 GB are too few for QLoRA of an 8B "
            "model once it saves a checkpoint.",
            cost="The default costs $2.80 an hour while it trains.",
        ),
        "training_instances": _limit("instance_count", "How many of them share each run, by all their GPUs."),
        "max_training_hours": _hours(
            "max_runtime_seconds",
            "Longest that one attempt may train. With the attempts, the ceiling of a run's price.",
            "SageMaker's own limit is five days.",
        ),
        "attempts": _limit("attempts", "How often a run may start training; each goes on from the last checkpoint."),
        "spot": _limit("spot", "Whether to train on spot capacity; interrupted runs use up attempts."),
        "volume_gigabytes": _limit("volume_gb", "Disk of each instance.", cost="Billed while jobs run."),
        "evaluation_instance": _limit(
            "evaluation_instance_type",
            "SageMaker instance that evaluates, on one GPU; the training instance by default.",
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
            pattern=".*:model-package/.*",
            allowed="the ARN of a model package",
            remedy="`tandem finetune promote` writes it; remove it for no endpoint.",
        ),
        "endpoint_instance": _limit(
            "instance_type",
            "SageMaker instance that serves.",
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
            "When the cost guard deletes the endpoint; 0 for never.",
            low=0,
            high=8760,
            unit="hours",
            remedy="0 keeps the endpoint, and its bill, until it is destroyed.",
        ),
        "monthly_budget": Field(
            100,
            "What a month may cost before alerts go out; 0 for no budget.",
            low=0,
            high=10_000_000,
            unit="dollars",
            remedy="0 makes no budget.",
        ),
        "alert_email": Field("", "Who gets the budget's alerts; without it only the alarm topic does."),
        "retention": retention_of("data sets, models and images"),
        "run_usage": Field({}, "Assumptions of fine-tuning that `tandem cost` counts with.", table=RUN_USAGE),
        "alarm_topic_arn": Field(
            "",
            "SNS topic that alarms, approvals and the budget notify; without it alarms are only visible in CloudWatch.",
            output=True,
        ),
        "tags": TAGS,
    },
    _rules,
)


def run_envelope(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What one run may use at most, in the form that the pipeline's functions read."""
    return asdict(
        RunEnvelope(
            instance_type=settings["training_instance"],
            instance_count=settings["training_instances"],
            max_runtime_seconds=round(settings["max_training_hours"] * SECONDS_AN_HOUR),
            attempts=settings["attempts"],
            spot=settings["spot"],
            volume_gb=settings["volume_gigabytes"],
            checkpoint=True,
            evaluation_instance_type=settings["evaluation_instance"] or settings["training_instance"],
            evaluation_max_runtime_seconds=round(settings["max_evaluation_hours"] * SECONDS_AN_HOUR),
        )
    )
