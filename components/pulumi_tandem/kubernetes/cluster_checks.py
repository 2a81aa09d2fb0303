"""Checks of `GpuCluster`'s arguments that need nobody's answer: what EKS and Karpenter would say too late, or never."""

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tandem_contract.checks import Checks, near, shown
from tandem_contract.instance_types import INSTANCE_TYPES, InstanceType

from .versions import check_addons, check_together


class Image(NamedTuple):
    """One of EKS's images for nodes."""

    arch: str
    gpu: bool
    plugin: bool
    """Whether it runs NVIDIA's device plugin itself."""


# The service's list (botocore, eks, AMITypes) without Windows, AL2, Neuron and what a group has by its own image.
AMI_TYPES = {
    "AL2023_x86_64_STANDARD": Image("x86_64", gpu=False, plugin=False),
    "AL2023_ARM_64_STANDARD": Image("arm64", gpu=False, plugin=False),
    "AL2023_x86_64_NVIDIA": Image("x86_64", gpu=True, plugin=False),
    "AL2023_ARM_64_NVIDIA": Image("arm64", gpu=True, plugin=False),
    "BOTTLEROCKET_x86_64": Image("x86_64", gpu=False, plugin=False),
    "BOTTLEROCKET_ARM_64": Image("arm64", gpu=False, plugin=False),
    "BOTTLEROCKET_x86_64_NVIDIA": Image("x86_64", gpu=True, plugin=True),
    "BOTTLEROCKET_ARM_64_NVIDIA": Image("arm64", gpu=True, plugin=True),
}
RESERVED = ("kubernetes.io", "k8s.io", "karpenter.sh", "karpenter.k8s.aws")
"""Domains of labels that EKS or Karpenter refuse."""


def ami_type(types: list[str]) -> str:
    """EKS's AL2023 image for instances of these types."""
    first = INSTANCE_TYPES[types[0]]
    return f"AL2023_{'ARM_64' if first.arch == 'arm64' else 'x86_64'}_{'NVIDIA' if first.gpus else 'STANDARD'}"


def check_cluster(checks: Checks, args: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Adds every mistake between the arguments."""
    _check_existing(checks, args, given)
    _check_network(checks, args)
    _check_names(checks, args)
    _check_types(checks, "system_instance_type", [args["system_instance_type"]], gpu=False)
    for number, group in enumerate(args["node_groups"] or ()):
        _check_group(checks.under(f"node_groups[{number}]"), group, args)
    for number, pool in enumerate(args["node_pools"] or ()):
        _check_pool(checks.under(f"node_pools[{number}]"), pool)
    versions = args["versions"]
    if None not in (versions["kubernetes"], versions["karpenter"]):
        check_together(checks, "versions", {key: versions[key] for key in ("kubernetes", "karpenter")})
    check_addons(checks, versions["addons"] or {})


def _check_existing(checks: Checks, args: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    cluster, config = args["existing_cluster"], args["existing_kubeconfig"]
    if cluster and config:
        checks.add("existing_kubeconfig", "is given beside `existing_cluster`", "Keep one of the two.")
    there = "existing_cluster" if cluster else "existing_kubeconfig" if config else ""
    mine = ("cidr", "zones", "endpoint_public", "public_cidrs", "admins", "system_instance_type", "kms_key_arn")
    if config:
        mine = (*mine, "subnet_ids", "autoscaler", "node_pools", "node_groups", "device_plugins", "metrics", "versions")
    for key in mine:
        if there and key in given:
            checks.add(key, f"is given beside `{there}`, whose own stays as it is", f"Remove it, or `{there}`.")
    if args["autoscaler"] == "present" and not cluster:
        checks.refuse("autoscaler", "present", "only with `existing_cluster`", "Set it to karpenter.")
    if args["autoscaler"] == "none" and given.get("node_pools"):
        remedy = "Remove them, or set `autoscaler` to karpenter."
        checks.add("node_pools", "are given, and `autoscaler` is none: nothing would start a node", remedy)


def _check_network(checks: Checks, args: Mapping[str, Any]) -> None:
    if args["subnet_ids"] and len(args["subnet_ids"]) < 2 and not args["existing_cluster"]:
        checks.add("subnet_ids", "has one subnet", "EKS wants two zones or more: name a subnet of another too.")
    if args["zones"] and not 2 <= len(set(args["zones"])) <= 3:
        checks.refuse(
            "zones", args["zones"], "two or three zones", "EKS wants two zones or more for its control plane."
        )
    for key in ("cidr", "public_cidrs"):
        for each in [args[key]] if key == "cidr" else args[key] or ():
            try:
                ipaddress.IPv4Network(each) if each else None
            except ValueError as error:
                checks.refuse(key, each, f"an IPv4 block; {error}", "For example 10.60.0.0/16.")


def _places(args: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key in ("node_groups", "node_pools"):
        for number, each in enumerate(args[key] or ()):
            yield f"{key}[{number}]", each


def _check_names(checks: Checks, args: Mapping[str, Any]) -> None:
    counted = Counter(each["name"] for _, each in _places(args))
    for place, each in _places(args):
        if each["name"] == "":
            checks.missing(f"{place}.name", "For example l40s.")
        elif each["name"] in ("system", "efa"):
            checks.refuse(f"{place}.name", each["name"], "not a name of the cluster's own", "Choose another.")
        elif each["name"] and counted[each["name"]] > 1:
            remedy = "Labels and quotas tell groups and pools by it: choose another."
            checks.add(f"{place}.name", f"{shown(each['name'])} is there twice", remedy)
        for label in each["labels"] or {}:
            domain = label.rpartition("/")[0]
            if domain.endswith(RESERVED):
                checks.add(
                    f"{place}.labels", f"{shown(label)} is a label of {domain}", "Write it below a domain of yours."
                )
        for number, taint in enumerate(each["taints"] or ()):
            if taint["key"] == "":
                checks.missing(f"{place}.taints[{number}].key", "For example team.")


def _check_types(checks: Checks, key: str, names: list[str] | None, *, gpu: bool) -> list[InstanceType]:
    """The types; none where one is refused."""
    known = {name for name, each in INSTANCE_TYPES.items() if bool(each.gpus) is gpu}
    kind = "a type with GPUs" if gpu else "a type for the cluster's own Pods"
    unknown = [name for name in names or () if name and name not in known]
    for name in unknown:
        remedy = near(name, known) or f"Known here: {', '.join(sorted(known))}."
        checks.refuse(key, name, f"{kind}, of those whose memory, GPUs and vCPUs are known here", remedy)
    if names == []:
        checks.missing(key, "For example g6e.12xlarge.")
    return [INSTANCE_TYPES[name] for name in names or () if name] if not unknown and names else []


def _check_pool(checks: Checks, pool: Mapping[str, Any]) -> None:
    types = _check_types(checks, "instance_types", pool["instance_types"], gpu=True)
    if types and pool["gpus"] is not None and pool["gpus"] < (least := min(each.gpus for each in types)):
        remedy = f"Raise it to {least}, or take a type with fewer."
        checks.refuse("gpus", pool["gpus"], f"the smallest of its types has {least}: no node would ever start", remedy)
    if types and pool["efa"]:
        _check_efa(checks, pool, types)


def _check_efa(checks: Checks, place: Mapping[str, Any], types: list[InstanceType]) -> None:
    for name, each in zip(place["instance_types"], types, strict=True):
        if not each.efa:
            with_it = ", ".join(other for other, it in INSTANCE_TYPES.items() if it.efa and it.gpu == each.gpu)
            checks.refuse("efa", True, f"{name} has no Elastic Fabric Adapter", f"Take {with_it}, or leave it out.")
    if place["zones"] is not None and len(place["zones"]) != 1:
        checks.refuse(
            "zones", place["zones"], "one zone with `efa`", "The adapter doesn't reach beyond a zone: name one."
        )


def _check_group(checks: Checks, group: Mapping[str, Any], args: Mapping[str, Any]) -> None:
    types = _check_types(checks, "instance_types", group["instance_types"], gpu=True)
    _check_size(checks, group, args["group_autoscaler"])
    if types:
        _check_image(checks, group, types)
        if len({each.gpus for each in types}) > 1:
            counts = ", ".join(f"{name} {each.gpus}" for name, each in zip(group["instance_types"], types, strict=True))
            remedy = "Make a group of each: jobs ask for a number of GPUs on a node."
            checks.add("instance_types", f"have different numbers of GPUs ({counts})", remedy)
        if group["efa"]:
            _check_efa(checks, group, types)
            if len(types) > 1:
                remedy = "Their interfaces differ: name one."
                checks.refuse("instance_types", group["instance_types"], "one type with `efa`", remedy)
    _check_purchase(checks, group)


def _check_size(checks: Checks, group: Mapping[str, Any], autoscaler: bool | None) -> None:
    minimum, desired, maximum = (group[key] for key in ("minimum", "desired", "maximum"))
    if None in (minimum, desired, maximum):
        return
    if not minimum <= desired <= maximum:
        remedy = f"Set `desired` between `minimum`, {minimum}, and `maximum`, {maximum}."
        checks.refuse("desired", desired, f"from {minimum} to {maximum}", remedy)
    elif desired == 0 and autoscaler is False and group["capacity"] != "capacity-block":
        # EKS takes it; jobs then wait for ever. A block's nodes are asked for when the block begins.
        remedy = "Raise it, take a pool of Karpenter's, or set `group_autoscaler` if you run one."
        checks.refuse("desired", 0, "nothing starts nodes of a group: jobs would wait for ever", remedy)


def _check_image(checks: Checks, group: Mapping[str, Any], types: list[InstanceType]) -> None:
    arches = {each.arch for each in types}
    if len(arches) > 1:
        checks.add("instance_types", "have different architectures", "Make a group of each: a group has one image.")
        return
    if not group["ami_type"]:
        return
    image, arch = AMI_TYPES.get(group["ami_type"]), arches.pop()
    fitting = [name for name, each in AMI_TYPES.items() if each.gpu and each.arch == arch]
    remedy = f"Leave it out for {fitting[0]}, or take {' or '.join(fitting[1:])}."
    if image is None:
        checks.refuse("ami_type", group["ami_type"], ", ".join(AMI_TYPES), near(group["ami_type"], AMI_TYPES) or remedy)
    elif image.arch != arch:
        checks.refuse("ami_type", group["ami_type"], f"an image for {arch}, which its instances have", remedy)
    elif not image.gpu:
        checks.refuse("ami_type", group["ami_type"], "an image with NVIDIA's driver", remedy)


def _check_purchase(checks: Checks, group: Mapping[str, Any]) -> None:
    capacity, reservation = group["capacity"], group["reservation"]
    if capacity == "capacity-block":
        if reservation == "":
            checks.missing("reservation", "It is the block's id: `aws ec2 describe-capacity-reservations`.")
        if group["zones"] is not None and len(group["zones"]) != 1:
            checks.refuse("zones", group["zones"], "the block's own zone", "A block is in one zone: name it.")
        if group["instance_types"] and len(group["instance_types"]) > 1:
            checks.refuse(
                "instance_types", group["instance_types"], "the block's own type", "A block has one: name it."
            )
    elif capacity == "spot" and reservation:
        checks.refuse("capacity", "spot", "not with a reservation", "Reserved nodes are on-demand or a capacity block.")
