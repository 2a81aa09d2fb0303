"""Whether a run can ever start on a cluster: the services say nothing, and its job would wait for ever."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tandem_contract.checks import Checks, near, shown
from tandem_contract.instance_types import INSTANCE_TYPES

from .capacity import Capacity
from .training_fields import INSTALL
from .versions import check_together

IMAGES_GB = 100
"""Of a node's disk for its images and system, beside what a run may use."""
GPU_TYPES = [name for name, kind in INSTANCE_TYPES.items() if kind.gpus]


class Needed(NamedTuple):
    """What a step of a run takes, and the argument that says so."""

    key: str
    instance_type: str
    instances: int
    volume_gb: int


def needed(envelope: Mapping[str, Any], train: str, evaluate: str) -> list[Needed]:
    """What the two steps take; `train` and `evaluate` are the arguments that give their instance types."""
    volume = envelope["volume_gb"]
    training = Needed(train, envelope["instance_type"], envelope["instance_count"], volume)
    evaluation = Needed(evaluate, envelope["evaluation_instance_type"], 1, volume)
    # One that nobody gave is the other once more, and no mistake of its own.
    return [training] if evaluation[:2] == training[:2] else [training, evaluation]


def gpus(steps: list[Needed]) -> dict[str, int]:
    """GPUs that a run takes at most at once, by instance type: the quotas that let one run go at a time."""
    most: dict[str, int] = {}
    for step in steps:
        if kind := INSTANCE_TYPES.get(step.instance_type):
            most[step.instance_type] = max(most.get(step.instance_type, 0), kind.gpus * step.instances)
    return most


def check_instance_types(checks: Checks, steps: list[Needed]) -> None:
    """Whether each step's instance type exists and has GPUs."""
    for key, name, *_ in steps:
        if name not in GPU_TYPES:
            bare = name.removeprefix("ml.")
            remedy = f"On a cluster it is {bare}." if bare in GPU_TYPES else near(name, GPU_TYPES)
            checks.refuse(key, name, "an EC2 instance type with GPUs", remedy or f"For example {GPU_TYPES[0]}.")


def quotas_of(settings: Mapping[str, Any], steps: list[Needed]) -> dict[str, int]:
    """GPUs that may be had at once by instance type: as given, or what one run takes."""
    return {each["instance_type"]: each["gpus"] for each in settings["quotas"]} or gpus(steps)


def check_quotas(checks: Checks, key: str, settings: Mapping[str, Any], steps: list[Needed]) -> None:
    """Whether each quota is one, and no step needs more than all of it; `key` is where they are."""
    names = [each["instance_type"] for each in settings["quotas"]]
    for number, name in enumerate(names):
        place = f"{key}[{number}].instance_type"
        if name not in GPU_TYPES:
            remedy = near(name, GPU_TYPES) or f"For example {GPU_TYPES[0]}."
            checks.refuse(place, name, "an EC2 instance type with GPUs", remedy)
        elif names.index(name) < number:
            checks.add(place, f"{shown(name)} is there twice", "Keep one of the two.")
    quotas = quotas_of(settings, steps)
    for step in steps:
        need, quota = gpus([step]).get(step.instance_type), quotas.get(step.instance_type, 0)
        if need and quota < need:
            problem = (
                f"{shown(step.instance_type)} is not allowed: a run takes {need} of its GPUs at once, the quota is "
                f"{quota}, and so it would wait for ever"
            )
            checks.add(step.key, problem, f"Let `{key}` give it {need} or more, or take fewer or smaller instances.")


def check_capacity(
    checks: Checks, key: str, capacities: Sequence[Capacity], quotas: Mapping[str, int], steps: list[Needed]
) -> None:
    """Whether the cluster's groups and pools may have what each step needs, and what each quota, at `key`, lets go."""
    there = {
        name: sum(each.gpus for each in capacities if name in each.instance_types)
        for name in {*quotas, *(step.instance_type for step in steps)}
    }
    for step in steps:
        need, have = gpus([step])[step.instance_type], there[step.instance_type]
        if have < need:
            problem = f"{shown(step.instance_type)} is not allowed: a run takes {need} of its GPUs at once, and the "
            problem += f"groups and pools of `cluster` have {have} at most, so it would wait for ever"
            checks.add(step.key, problem, "Give a pool of `cluster` this type and so many `gpus`.")
        elif step.instances > 1:
            _check_zones(checks, step, [each for each in capacities if step.instance_type in each.instance_types])
        for place in capacities:
            _check_disk(checks, step, place)
    for name, quota in quotas.items():
        if quota > there[name] >= gpus(steps).get(name, 0):
            problem = f"{quota} is more than the {there[name]} GPUs that the groups and pools of `cluster` have at most"
            remedy = "Jobs would be let go and wait for nodes: lower it, or raise the pool's `gpus`."
            checks.add(key, f"{name}: {problem}", remedy)


def _check_zones(checks: Checks, step: Needed, places: Sequence[Capacity]) -> None:
    """Whether all instances of a step are in one zone: sharded weights go between them at every step of training."""
    spread = [each.name for each in places if not each.one_zone]
    if spread or len({tuple(each.zones) for each in places}) > 1:
        names = ", ".join(spread or [each.name for each in places])
        problem = f"{step.instances} of {shown(step.instance_type)} may be in several zones ({names} of `cluster`)"
        remedy = "Between them training is slow, and EC2 bills $0.01 a GB each way: give a pool `one_zone`, or one of "
        checks.add(step.key, problem, f"{remedy}`zones`.")


def _check_disk(checks: Checks, step: Needed, place: Capacity) -> None:
    """Whether a node has the disk that a run may fill: else the kubelet evicts its Pods, again and again."""
    needed, disk = step.volume_gb + IMAGES_GB, place.disks.get(step.instance_type, math.inf)
    if disk < needed:
        problem = f"{shown(step.instance_type)} has {disk} GB of disk in `{place.name}` of `cluster`, "
        problem += f"and a run may use {step.volume_gb} beside {IMAGES_GB} for images"
        remedy = f"Give `{place.name}` `volume_gigabytes` of {needed} and no `instance_store`, or let a run use less."
        checks.add(step.key, problem, remedy)


def check_releases(checks: Checks, settings: Mapping[str, Any], kubernetes: str) -> None:
    """Whether the releases of what is installed go together, and with the cluster's Kubernetes where it is known."""
    chosen = {"kueue": settings["kueue_version"], "trainer": settings["trainer_version"]}
    if settings["controllers"] == INSTALL and kubernetes and all(chosen.values()):
        found = Checks()
        check_together(found, "versions", {"kubernetes": kubernetes, **chosen})
        for mistake in found.mistakes:
            part = mistake.where.rpartition(".")[2]
            checks.add(f"{part}_version", mistake.problem, mistake.remedy)
