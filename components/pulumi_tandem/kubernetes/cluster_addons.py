"""EKS add-ons of a cluster, and the device plugins that its nodes need."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch, eks, iam

from ..foundation.arns import aws_arn
from ..foundation.house_rules import LOG_DAYS
from ..foundation.outputs import register
from ..foundation.tags import Tags
from .pod_identity import pod_identity
from .versions import ADDONS, NODE_AGENTS, OBSERVABILITY

"""That a cluster's logs are kept."""
INSIGHTS = ("application", "dataplane", "host", "performance")
"""Log groups that CloudWatch's agent writes to (CloudWatch guide, "Container Insights")."""
# What a node keeps of its subnet's addresses; without these the VPC plugin takes those of a whole interface more.
ADDRESSES = {"MINIMUM_IP_TARGET": "10", "WARM_IP_TARGET": "2"}
CONFIGURATION: dict[str, dict[str, Any]] = {
    "vpc-cni": {"enableNetworkPolicy": "true", "env": ADDRESSES},
    # Its host engine tolerates no taint by itself: every GPU node would count as broken, and be repaired
    # (aws/containers-roadmap#2567).
    "eks-node-monitoring-agent": {"dcgmAgent": {"tolerations": [{"operator": "Exists"}]}},
    # From 5.0.0 on it adds the agents of four languages to every Deployment that has a Service, Kueue's and Trainer's
    # too, and bills what they send (aws-observability/helm-charts, RELEASE_NOTES; operator, pkg/instrumentation/auto).
    OBSERVABILITY: {"manager": {"applicationSignals": {"autoMonitor": {"monitorAllServices": False}}}},
}


ROLES = {
    "vpc-cni": ("vpc-cni", "kube-system", "aws-node", "AmazonEKS_CNI_Policy"),
    OBSERVABILITY: ("metrics", "amazon-cloudwatch", "cloudwatch-agent", "CloudWatchAgentServerPolicy"),
}
"""Of add-ons that call AWS: what their role is called (IAM takes 64 characters), namespace, service account, policy."""


class NodeAgentsArgs(TypedDict):
    """Arguments of `NodeAgents`."""

    cluster_name: pulumi.Input[str]
    """Name of the cluster."""
    versions: Mapping[str, str]
    """Versions of some; EKS's default for the others."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class ClusterAddonsArgs(NodeAgentsArgs):
    """Arguments of `ClusterAddons`."""

    metrics: bool
    """Whether CloudWatch's observability is one of them."""


class NodeAgents(pulumi.ComponentResource):
    """EKS add-ons without which no node is ready: the VPC plugin, kube-proxy, the agent of Pod Identity.

    Creates the three, and the VPC plugin's role. It enforces network policies, and keeps twelve addresses a node.

    Idle cost: none.
    """

    def __init__(self, name: str, args: NodeAgentsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:NodeAgents", name, {}, opts)
        for addon in NODE_AGENTS:
            _addon(name, addon, args, self)
        register(self)


class ClusterAddons(pulumi.ComponentResource):
    """EKS add-ons that need a node to run on: CoreDNS, the node monitoring agent, CloudWatch's observability.

    Creates the add-ons, and CloudWatch's role and log groups (kept 14 days). It sends metrics of nodes, Pods and GPUs
    (by NVIDIA's DCGM exporter) and the logs of all Pods to CloudWatch.

    Idle cost: none but CloudWatch's, which bills observations and GB of logs.
    """

    def __init__(self, name: str, args: ClusterAddonsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:ClusterAddons", name, {}, opts)
        for addon in ADDONS:
            _addon(name, addon, args, self)
        if args["metrics"]:
            # Made by us, or the agent would make them, to be kept for ever.
            groups = [
                cloudwatch.LogGroup(
                    f"{name}-{kind}",
                    name=pulumi.Output.concat("/aws/containerinsights/", args["cluster_name"], "/", kind),
                    retention_in_days=LOG_DAYS,
                    tags=args.get("tags") or {},
                    opts=pulumi.ResourceOptions(parent=self),
                )
                for kind in INSIGHTS
            ]
            _addon(name, OBSERVABILITY, args, self, groups)
        register(self)


def _addon(
    name: str, addon: str, args: NodeAgentsArgs, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()
) -> None:
    tags, needed = args.get("tags") or {}, list(after)
    if addon in ROLES:
        suffix, namespace, account, policy = ROLES[addon]
        association, role = pod_identity(
            f"{name}-{suffix}", args["cluster_name"], namespace, account, tags=tags, parent=parent
        )
        attached = iam.RolePolicyAttachment(
            f"{name}-{suffix}",
            role=role.name,
            policy_arn=aws_arn("iam", f"policy/{policy}", parent),
            opts=pulumi.ResourceOptions(parent=parent),
        )
        needed += [association, attached]
    eks.Addon(
        f"{name}-{addon}",
        cluster_name=args["cluster_name"],
        addon_name=addon,
        addon_version=args["versions"].get(addon),
        configuration_values=json.dumps(CONFIGURATION[addon]) if addon in CONFIGURATION else None,
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="PRESERVE",
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=needed),
    )
