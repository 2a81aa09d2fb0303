"""EKS add-ons of a cluster, and the device plugins that its nodes need."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import eks, iam

from ..foundation.outputs import register
from ..foundation.tags import Tags
from .pod_identity import pod_identity

BEFORE_NODES = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
"""Daemons without which a node isn't ready; the others need a node to run on."""
MANAGED = "arn:aws:iam::aws:policy"
# What a node keeps of its subnet's addresses; without these the VPC plugin takes those of a whole interface more.
ADDRESSES = {"MINIMUM_IP_TARGET": "10", "WARM_IP_TARGET": "2"}
CONFIGURATION: dict[str, dict[str, Any]] = {"vpc-cni": {"enableNetworkPolicy": "true", "env": ADDRESSES}}


class ClusterAddonsArgs(TypedDict):
    """Arguments of `ClusterAddons`."""

    cluster_name: pulumi.Input[str]
    """Name of the cluster."""
    names: Sequence[str]
    """EKS add-ons."""
    versions: Mapping[str, str]
    """Versions of some; EKS's default for the others."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class ClusterAddons(pulumi.ComponentResource):
    """EKS add-ons, each with the Pod Identity role that it needs.

    Creates the add-ons. `vpc-cni` enforces network policies and keeps twelve addresses a node;
    `amazon-cloudwatch-observability` sends metrics of nodes, Pods and GPUs (NVIDIA's DCGM exporter) and logs to
    CloudWatch.

    Idle cost: none but CloudWatch's, which bills observations and GB of logs, some dollars a month for two nodes.
    """

    def __init__(self, name: str, args: ClusterAddonsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:ClusterAddons", name, {}, opts)
        tags = args.get("tags") or {}
        roles = {
            "vpc-cni": ("kube-system", "aws-node", "AmazonEKS_CNI_Policy"),
            "amazon-cloudwatch-observability": (
                "amazon-cloudwatch",
                "cloudwatch-agent",
                "CloudWatchAgentServerPolicy",
            ),
        }
        for addon in args["names"]:
            identity: list[pulumi.Resource] = []
            if addon in roles:
                namespace, account, policy = roles[addon]
                association, role = pod_identity(
                    f"{name}-{addon}", args["cluster_name"], namespace, account, tags=tags, parent=self
                )
                attached = iam.RolePolicyAttachment(
                    f"{name}-{addon}",
                    role=role.name,
                    policy_arn=f"{MANAGED}/{policy}",
                    opts=pulumi.ResourceOptions(parent=self),
                )
                identity = [association, attached]
            eks.Addon(
                f"{name}-{addon}",
                cluster_name=args["cluster_name"],
                addon_name=addon,
                addon_version=args["versions"].get(addon),
                configuration_values=json.dumps(CONFIGURATION[addon]) if addon in CONFIGURATION else None,
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="PRESERVE",
                tags=tags,
                opts=pulumi.ResourceOptions(parent=self, depends_on=identity),
            )
        register(self)
