"""How many GPUs the groups and pools of a cluster can have at once."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tandem_contract.cluster import GPU
from tandem_contract.instance_types import INSTANCE_TYPES

Taint = Mapping[str, str]
BLOCK = "capacity-block"
"""How a group is bought whose nodes are there in a time that was booked."""
THROUGHPUT = 500
"""MB/s of a root volume that Pods write to. gp3 has 125 by itself: 65 GB of checkpoint would take nine minutes. EC2
allows a quarter of the IOPS, of which gp3 has 3,000."""
GPU_TAINT: Taint = {"key": GPU, "value": "true", "effect": "NoSchedule"}


class Capacity(NamedTuple):
    """A managed group, or a pool of Karpenter's, as the jobs see it that run there."""

    name: str
    instance_types: Sequence[str]
    nodes: int
    """At most, and as small ones as there are."""
    gpus: int
    """At most."""
    vcpus: int
    """At most, with the types that have the fewest for a GPU; what EC2's quotas count."""
    spot: bool
    reserved: bool
    """Whether a reservation or capacity block holds them."""
    efa: bool
    disks: Mapping[str, int]
    """GB that images and Pods have on a node, by instance type."""
    taints: Sequence[Taint]
    """All of them, that of GPUs too."""
    labels: Mapping[str, str]
    zones: Sequence[str]
    """Those that it names."""
    one_zone: bool
    """Whether all its nodes are in one."""


def capacities(args: Mapping[str, Any]) -> list[Capacity]:
    """Those of the groups and pools of complete arguments of `GpuCluster`."""
    return [*map(_of_pool, pools_of(args)), *(_of_group(each, args) for each in args["node_groups"])]


def pools_of(args: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The pools that are made."""
    return [] if args["autoscaler"] == "none" or args["existing_kubeconfig"] else args["node_pools"]


def _of_pool(pool: Mapping[str, Any]) -> Capacity:
    types = [INSTANCE_TYPES[name] for name in pool["instance_types"]]
    return Capacity(
        name=pool["name"],
        instance_types=pool["instance_types"],
        nodes=pool["gpus"] // min(each.gpus for each in types),
        gpus=pool["gpus"],
        vcpus=min(math.floor(pool["gpus"] / each.gpus) * each.vcpus for each in types if each.gpus <= pool["gpus"]),
        spot=pool["spot"],
        reserved=False,
        efa=pool["efa"],
        disks={name: _disk(name, pool, raid=pool["instance_store"]) for name in pool["instance_types"]},
        taints=taints(pool),
        labels=pool["labels"],
        zones=pool["zones"],
        one_zone=pool["one_zone"] or len(pool["zones"]) == 1,
    )


def _of_group(group: Mapping[str, Any], args: Mapping[str, Any]) -> Capacity:
    types = [INSTANCE_TYPES[name] for name in group["instance_types"]]
    # A block's nodes are desired once it begins: jobs may wait for that.
    grows = args["group_autoscaler"] or group["capacity"] == BLOCK
    nodes = group["maximum"] if grows else group["desired"]
    return Capacity(
        name=group["name"],
        instance_types=group["instance_types"],
        nodes=nodes,
        gpus=nodes * min(each.gpus for each in types),
        vcpus=nodes * min(each.vcpus for each in types),
        spot=group["capacity"] == "spot",
        reserved=group["reservation"] != "",
        efa=group["efa"],
        disks={name: _disk(name, group, raid=uses_instance_store(group)) for name in group["instance_types"]},
        taints=taints(group),
        labels=group["labels"],
        zones=group["zones"],
        one_zone=len(group["zones"]) == 1,
    )


def taints(place: Mapping[str, Any]) -> list[Taint]:
    """The taints of a group or pool: that of GPUs, and its own."""
    return [GPU_TAINT, *place["taints"]]


def _disk(name: str, place: Mapping[str, Any], *, raid: bool) -> int:
    return INSTANCE_TYPES[name].local_gb if raid and INSTANCE_TYPES[name].local_gb else place["volume_gigabytes"]


def uses_instance_store(group: Mapping[str, Any]) -> bool:
    """Whether a managed group's nodes join their own disks; of EKS's images AL2023 does."""
    first = INSTANCE_TYPES[group["instance_types"][0]]
    return bool(group["instance_store"] and first.local_gb and not group["ami_type"].startswith("BOTTLEROCKET"))
