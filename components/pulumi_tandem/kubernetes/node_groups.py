"""Managed node groups, with their launch templates."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import ec2, eks
from tandem_contract.instance_types import INSTANCE_TYPES

from ..foundation.outputs import register
from ..foundation.tags import Tags
from .capacity import BLOCK, THROUGHPUT, taints, uses_instance_store
from .cluster_checks import AMI_TYPES, ami_type
from .node_config import node_config

GPU_PRESENT = "nvidia.com/gpu.present"
"""Label by which the chart of NVIDIA's device plugin finds nodes that need it."""
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
CAPACITY = {"on-demand": "ON_DEMAND", "spot": "SPOT", BLOCK: "CAPACITY_BLOCK"}
# nodeadm reads this part of a group's user data and leaves the rest to EKS.
PART = """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="//"

--//
Content-Type: application/node.eks.aws

{0}
--//--
"""


class NodeGroupsArgs(TypedDict):
    """Arguments of `NodeGroups`."""

    cluster_name: pulumi.Input[str]
    """Name of the cluster."""
    version: pulumi.Input[str]
    """Its minor version of Kubernetes, which its nodes follow."""
    node_role_arn: pulumi.Input[str]
    """ARN of the nodes' role."""
    subnet_ids: Sequence[pulumi.Input[str]]
    """Where nodes may be."""
    subnets_by_zone: Mapping[str, Sequence[pulumi.Input[str]]]
    """The same by zone, as far as it is known."""
    security_group_ids: Sequence[pulumi.Input[str]]
    """The cluster's group; with the adapter, its group too."""
    groups: Sequence[Mapping[str, Any]]
    """Complete `GpuNodeGroup`s, and the one of the cluster's own Pods."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class NodeGroups(pulumi.ComponentResource):
    """EKS managed node groups, each with its launch template.

    Creates for each group the template (encrypted volume; instance metadata by token alone, and not from Pods;
    reservation or capacity block; EFA's interfaces), with EFA a placement group unless a reservation says where, and
    the group. When the cluster's version changes EKS replaces the nodes, one after the other, each drained first; a
    capacity block's group needs `desired: 0` meanwhile (EKS user guide, "capacity blocks").

    Idle cost: the nodes that are desired, by the hour, used or not.
    """

    def __init__(self, name: str, args: NodeGroupsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:NodeGroups", name, {}, opts)
        for group in args["groups"]:
            self._group(f"{name}-{group['name']}", group, args)
        register(self)

    def _group(self, name: str, group: Mapping[str, Any], args: NodeGroupsArgs) -> None:
        child, tags = pulumi.ResourceOptions(parent=self), args.get("tags") or {}
        image = group["ami_type"] or ami_type(group["instance_types"])
        gpus = bool(INSTANCE_TYPES[group["instance_types"][0]].gpus)
        labels = {GPU_PRESENT: "true"} if gpus and not AMI_TYPES[image].plugin else {}
        template = self._template(name, group, image, args)
        inside = [subnet for zone in group["zones"] for subnet in args["subnets_by_zone"][zone]]
        eks.NodeGroup(
            name,
            cluster_name=args["cluster_name"],
            # The group's own name: a change that replaces it makes the new one first.
            node_group_name_prefix=f"{group['name']}-",
            node_role_arn=args["node_role_arn"],
            subnet_ids=inside or list(args["subnet_ids"]),
            # EKS takes a block's type from the template, and no type in both places.
            instance_types=None if group["capacity"] == BLOCK else list(group["instance_types"]),
            version=args["version"],
            ami_type=image,
            capacity_type=CAPACITY[group["capacity"]],
            scaling_config={
                "min_size": group["minimum"],
                "desired_size": group["desired"],
                "max_size": group["maximum"],
            },
            update_config={"max_unavailable": 1},
            node_repair_config={"enabled": group["repair"]},
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            labels={**labels, **group["labels"]},
            taints=[
                {"key": each["key"], "value": each["value"], "effect": EFFECTS[each["effect"]]}
                for each in (taints(group) if gpus else group["taints"])
            ],
            tags=tags,
            opts=child,
        )

    def _template(self, name: str, group: Mapping[str, Any], image: str, args: NodeGroupsArgs) -> ec2.LaunchTemplate:
        child, tags = pulumi.ResourceOptions(parent=self), args.get("tags") or {}
        disk = "/dev/xvda" if image.startswith("AL2023") else "/dev/xvdb"  # Bottlerocket's second one holds images
        more: dict[str, Any] = {"vpc_security_group_ids": list(args["security_group_ids"])}
        if group["efa"]:
            more = {"network_interfaces": interfaces(group["instance_types"][0], args["security_group_ids"])}
        if group["efa"] and not group["reservation"]:
            # What is reserved was placed before: in a group that it isn't in, EC2 finds no capacity for it.
            placement = ec2.PlacementGroup(f"{name}-placement", strategy="cluster", tags=tags, opts=child)
            more["placement"] = {"group_name": placement.name}
        if group["reservation"]:
            more["capacity_reservation_specification"] = {
                "capacity_reservation_target": {"capacity_reservation_id": group["reservation"]}
            }
        if group["capacity"] == BLOCK:
            more["instance_market_options"] = {"market_type": "capacity-block"}
            more["instance_type"] = group["instance_types"][0]
        own_disks, gpus = uses_instance_store(group), INSTANCE_TYPES[group["instance_types"][0]].gpus
        # Bottlerocket has settings of its own, and raises the limit by itself (bottlerocket-core-kit#141).
        if config := node_config(raid=own_disks, efa=group["efa"] and image.startswith("AL2023")):
            more["user_data"] = base64.b64encode(PART.format(config).encode()).decode()
        return ec2.LaunchTemplate(
            name,
            block_device_mappings=[
                {
                    "device_name": disk,
                    "ebs": {
                        "volume_size": group["volume_gigabytes"],
                        "volume_type": "gp3",
                        **({"throughput": THROUGHPUT} if gpus and not own_disks else {}),
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                }
            ],
            # One hop: a Pod of its own network can't take the node's role.
            metadata_options={"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 1},
            tag_specifications=[
                {"resource_type": kind, "tags": {**tags, "Name": name}} for kind in ("instance", "volume")
            ],
            tags=tags,
            opts=child,
            **more,
        )


def interfaces(instance_type: str, groups: Sequence[pulumi.Input[str]]) -> list[dict[str, Any]]:
    """EFA's interfaces of an instance: the first one carries IP too, the others are for the adapter alone."""
    return [
        {
            "network_card_index": card,
            "device_index": 1 if card else 0,
            "interface_type": "efa-only" if card else "efa",
            "security_groups": list(groups),
            "delete_on_termination": "true",
        }
        for card in range(INSTANCE_TYPES[instance_type].efa)
    ]
