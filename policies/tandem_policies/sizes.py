"""Rules on how large what bills by the hour may be: types, counts, volumes, runs."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from . import resource_types as aws
from .rules import Findings, Resource, Rule, Setting, Settings, at, pool_instances, run_envelope

INSTANCES = {
    aws.ENDPOINT_CONFIGURATION: ("productionVariants.instanceType", "shadowProductionVariants.instanceType"),
    "aws:sagemaker/notebookInstance:NotebookInstance": ("instanceType",),
    aws.NODE_GROUP: ("instanceTypes",),
    aws.INSTANCE: ("instanceType",),
    aws.LAUNCH_TEMPLATE: ("instanceType",),
    aws.DOMAIN: ("clusterConfig.instanceType", "clusterConfig.dedicatedMasterType", "clusterConfig.warmType"),
}
COUNTS = {  # how many instances there may be at once
    aws.ENDPOINT_CONFIGURATION: tuple(
        f"{kind}.{path}"
        for kind in ("productionVariants", "shadowProductionVariants")
        for path in ("initialInstanceCount", "managedInstanceScaling.maxInstanceCount")
    ),
    aws.SCALING_TARGET: ("maxCapacity",),
    aws.DOMAIN: ("clusterConfig.instanceCount", "clusterConfig.warmCount"),
}
VOLUMES = {  # gigabytes
    "aws:ebs/volume:Volume": ("size",),
    aws.INSTANCE: ("rootBlockDevice.volumeSize", "ebsBlockDevices.volumeSize"),
    aws.DOMAIN: ("ebsOptions.volumeSize",),
    "aws:sagemaker/notebookInstance:NotebookInstance": ("volumeSize",),
}
OTHER_UNITS = re.compile(r"(CapacityUnits|Concurrency|VolumeSize)$")
"""Dimensions of scaling that count no machines: of tables, of functions and endpoints without servers, of brokers."""
SMALL = ["t3*.*", "t4g.*", "[mcr]*.medium", "[mcr]*.large"]
WITHOUT_GPUS = [*SMALL, "[mcr]*.xlarge", "[mcr]*.2xlarge"]
UP_TO_3_DOLLARS = [*WITHOUT_GPUS, "g[456]*.xlarge", "g[456]*.2xlarge", "inf2.xlarge", "inf2.8xlarge"]
UP_TO_14_DOLLARS = [*UP_TO_3_DOLLARS, "[mcr]*.4xlarge", "g[456]*.4xlarge", "g[456]*.8xlarge", "g[456]*.12xlarge"]
UP_TO_14_DOLLARS += ["g[456]*.16xlarge", "p5.4xlarge"]


def instance_allowed(resource: Resource, settings: Settings) -> Iterator[str]:
    """Instances that aren't among the allowed ones."""
    if resource.type == aws.PARAMETER:
        envelope = run_envelope(resource)
        kinds = ("instance_type", "evaluation_instance_type")
        wanted = [envelope.get(kind) for kind in kinds] if isinstance(envelope, Mapping) else []
    elif resource.type == aws.NODE_POOL:
        if (named := pool_instances(resource)) is None:
            yield "it names no instance types, so Karpenter may take any"
        wanted = named or []
    else:
        wanted = [each for path in INSTANCES[resource.type] for each in at(resource.properties, path)]
    for name in dict.fromkeys(wanted):
        family = str(name).removeprefix("ml.").removesuffix(".search")
        if name and not any(fnmatchcase(family, pattern) for pattern in settings["allowed"]):
            yield f"{name} is not among {', '.join(settings['allowed'])}"


def run_envelope_bounded(resource: Resource, settings: Settings) -> Iterator[str]:
    """Limits that a run envelope lacks or exceeds."""
    envelope = run_envelope(resource)
    if isinstance(envelope, str):
        yield f"the run envelope can't be read: {envelope}"
    elif envelope is not None:
        for key in ("max_runtime_seconds", "evaluation_max_runtime_seconds"):
            seconds, hours = envelope.get(key), settings["maxHours"]
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
                yield f"{key} is {seconds}: nothing stops the job"
            elif seconds > hours * 3600:
                yield f"{key} is {seconds:.0f}, and {hours:g} hours are the most"
        if envelope.get("checkpoint") is not True:
            yield f"checkpoint is {envelope.get('checkpoint')}: a job that is stopped leaves nothing"
        attempts = envelope.get("attempts")
        if not isinstance(attempts, int | float) or not 1 <= attempts <= settings["maxAttempts"]:
            yield f"attempts is {attempts}, and 1 to {settings['maxAttempts']:g} are allowed"
        instances = envelope.get("instance_count")
        if not isinstance(instances, int | float) or not 1 <= instances <= settings["maxInstances"]:
            yield f"instance_count is {instances}, and 1 to {settings['maxInstances']:g} are allowed"


def sizes_bounded(resource: Resource, settings: Settings) -> Findings:
    """Instances and gigabytes in a number that nobody meant."""
    envelope = run_envelope(resource) if resource.type == aws.PARAMETER else None
    found = [("volume_gb", envelope.get("volume_gb"), "maxGigabytes")] if isinstance(envelope, Mapping) else []
    for paths, most in ((COUNTS, "maxInstances"), (VOLUMES, "maxGigabytes")):
        found += [(path, each, most) for path in paths.get(resource.type, ()) for each in at(resource.properties, path)]
    for path, size, most in found:
        if isinstance(size, int | float) and size > settings[most] and not _in_other_units(resource):
            yield f"{path} is {size:g}, and {settings[most]:g} are the most"


def _in_other_units(resource: Resource) -> bool:
    dimension = resource.properties.get("scalableDimension") if resource.type == aws.SCALING_TARGET else ""
    return bool(OTHER_UNITS.search(str(dimension)))


RULES = [
    Rule(
        name="instance-allowed",
        severity="high",
        what="Instances are among those that the kind of stack may use.",
        why=(
            "A session left running for thousands of dollars (allegroai/clearml-session#37); $969 of idle GPU hours "
            "(Open-Athena/marin-dna#564). What is allowed costs up to $3 an hour in dev and $14 in prod (us-east-1)."
        ),
        url="https://github.com/allegroai/clearml-session/issues/37",
        remedy=(
            "Choose another instance, or add this one to `allowed` of instance-allowed in a policy pack configuration."
        ),
        types=(aws.PARAMETER, aws.NODE_POOL, *INSTANCES),
        check=instance_allowed,
        settings={
            "allowed": Setting("patterns of instances, without `ml.` and `.search`", UP_TO_3_DOLLARS, UP_TO_14_DOLLARS)
        },
    ),
    Rule(
        name="run-envelope-bounded",
        severity="high",
        what="A run envelope (docs/fine-tuning.md) has a longest runtime, few attempts and instances, and checkpoints.",
        why=(
            "A run without checkpoints hit its runtime limit: the whole spend, no adapter "
            "(Boise-State-Development/agentcore-public-stack#1024)."
        ),
        url="https://github.com/Boise-State-Development/agentcore-public-stack/pull/1024",
        remedy=(
            "Set maxTrainingHours, maxEvaluationHours, attempts and trainingInstances in the stack file; keep "
            "checkpoint on."
        ),
        types=(aws.PARAMETER,),
        check=run_envelope_bounded,
        settings={
            "maxHours": Setting("the longest runtime of one attempt, in hours", 24, 120),
            "maxAttempts": Setting("how often a run may start", 3, 5),
            "maxInstances": Setting("how many instances train at once", 2, 16),
        },
    ),
    Rule(
        name="sizes-bounded",
        severity="high",
        what="Endpoints, domains and volumes have no more instances and gigabytes than somebody would mean.",
        why="Fifty instances of an allowed type cost as much as one that isn't.",
        url="https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html",
        remedy="Take fewer, or raise `maxInstances` or `maxGigabytes` of sizes-bounded in a policy pack configuration.",
        types=tuple({**COUNTS, **VOLUMES, aws.PARAMETER: ()}),
        check=sizes_bounded,
        settings={
            "maxInstances": Setting("the most instances of a variant, a target or a domain", 4, 16),
            "maxGigabytes": Setting("the largest volume, in GB", 1000, 4096),
        },
    ),
]
