"""A cluster that was there before: what EKS says about it, and what `GpuCluster` needs of it."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pulumi
import pulumi_aws as aws
from tandem_contract.checks import Checks, shown

from ..foundation.answers import answer, there
from .capacity import capacities

ANYWHERE = "0.0.0.0/0"
ENFORCED = re.compile(r"enableNetworkPolicy[\"']?\s*:\s*[\"']?true")
"""What the VPC plugin's configuration, JSON or YAML, says where network policies are enforced."""


class Existing(NamedTuple):
    """A cluster that is there."""

    endpoint: str
    authority: str
    subnet_ids: list[str]
    security_group_id: str
    version: str
    open: bool
    """Whether its endpoint is reachable from anywhere."""
    authentication: str
    """Its authentication mode; empty where nobody says."""
    auto: bool
    """Whether it is in Auto Mode, whose own nodes have the agents built in."""
    agent: bool | None
    """Whether it has the agent of Pod Identity."""
    policies: bool | None
    """Whether its VPC plugin enforces network policies."""


def existing_cluster(name: str, options: pulumi.InvokeOptions) -> Existing | None:
    fields = ("endpoint", "certificate_authorities", "vpc_config", "version")
    found = answer(f"cluster {name}", lambda: aws.eks.get_cluster(name=name, opts=options), *fields, when=bool(name))
    if found is None:
        return None
    network = found.vpc_config
    agent, plugin = (_addon(name, each, options) for each in ("eks-pod-identity-agent", "vpc-cni"))
    return Existing(
        found.endpoint,
        found.certificate_authorities[0].data,
        list(network.subnet_ids),
        network.cluster_security_group_id,
        found.version,
        bool(network.endpoint_public_access) and ANYWHERE in network.public_access_cidrs,
        found.access_configs[0].authentication_mode if found.access_configs else "",
        any(each.enabled for each in found.compute_configs or ()),
        None if agent is None else agent is not False,
        None if plugin is None else isinstance(plugin, str) and bool(ENFORCED.search(plugin)),
    )


def _addon(cluster: str, addon: str, options: pulumi.InvokeOptions) -> str | bool | None:
    """The configuration of a cluster's add-on; False where it isn't there, None where nobody says."""
    return there(
        f"the add-on {addon} of cluster {cluster}",
        lambda: aws.eks.get_addon(cluster_name=cluster, addon_name=addon, opts=options).configuration_values or "",
    )


def check_existing(checks: Checks, args: Mapping[str, Any], existing: Existing | None) -> None:
    name = args["existing_cluster"]
    if existing is None:
        remedy = "Look at its name, its region and your permission `eks:DescribeCluster`."
        checks.add("existing_cluster", f"{shown(name)} isn't described by EKS", remedy)
        return
    if existing.authentication == "CONFIG_MAP":
        update = "--access-config authenticationMode=API_AND_CONFIG_MAP"
        remedy = f"What is there stays valid: aws eks update-cluster-config --name {name} {update}"
        checks.add("existing_cluster", f"{shown(name)} takes no access entries (its mode is CONFIG_MAP)", remedy)
    # Auto Mode's own nodes have it, ours haven't.
    if existing.agent is False and not (existing.auto and not capacities(args)):
        create = f"aws eks create-addon --cluster-name {name} --addon-name eks-pod-identity-agent"
        problem = f"{shown(name)} hasn't the add-on eks-pod-identity-agent: Pods would get no credentials"
        checks.add("existing_cluster", problem, f"{create} --resolve-conflicts OVERWRITE")
    if existing.policies is False and not existing.auto:
        pulumi.log.warn(
            f"Nothing says that cluster {name} enforces network policies, on which runs rely: "
            'set `enableNetworkPolicy` of its add-on vpc-cni to "true".'
        )
