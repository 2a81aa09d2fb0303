"""EKS cluster with GPU nodes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_aws import cloudwatch, eks, iam, kms
from tandem_contract.cluster import INSTANCE_TYPE_LABEL

from ..arguments import GpuClusterArgs
from ..foundation.arguments import NOTHING, valid
from ..foundation.arns import aws_arn, ec2_principal
from ..foundation.house_rules import LOG_DAYS
from ..foundation.outputs import register
from ..foundation.policy import trust
from ..foundation.region import region_for
from ..foundation.tags import environment_tags
from .capacity import Capacity, capacities, pools_of
from .charts import chart
from .cluster_account import Account, ask, check_account, in_one_zone, subnets_of, zones_of
from .cluster_addons import ClusterAddons, NodeAgents, NodeAgentsArgs
from .cluster_checks import AMI_TYPES, ami_type
from .cluster_fields import CLUSTER, INSTALL, KARPENTER, NODE_GROUP
from .cluster_network import ClusterNetwork, adapter_group
from .existing_cluster import ANYWHERE, Existing
from .karpenter import Karpenter
from .kubeconfig import kubeconfig
from .node_groups import NodeGroups

LOG_TYPES = ["api", "audit", "authenticator"]
SYSTEM_NODES, SYSTEM_NODES_WHILE_UPDATING = 2, 3
# EKS's minimal policy is for its Auto Mode: AL2023's nodeadm asks EC2 for its instance (`getPrivateDNSName`), and ends
# where it may not (awslabs/amazon-eks-ami#2632).
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
# A cluster of ours gives it to the VPC plugin by Pod Identity. Another's may have the node's role alone, as Karpenter's
# own guide has it: nodes of a role that lacks it are never ready (karpenter-provider-aws#1185).
NETWORK_POLICY = "AmazonEKS_CNI_Policy"
ADMIN = "cluster-access-policy/AmazonEKSClusterAdminPolicy"


class GpuCluster(pulumi.ComponentResource):
    """EKS cluster whose GPU nodes come when jobs wait for them, and go when they are empty.

    Creates the control plane (access by IAM alone, secrets encrypted by a key of its own or a given one, audit log kept
    14 days), a
    `ClusterNetwork` unless subnets are given, two nodes for the cluster's own Pods, `ClusterAddons`, device plugins,
    and GPU nodes in two ways: pools of `Karpenter`'s, the default, and managed `NodeGroups`. Who creates the cluster
    administers it, beside `admins`. `existing_cluster` or `existing_kubeconfig` brings a cluster that is there.

    At destroy each goes after what needs it: what runs on the cluster, pools with their nodes, node groups, add-ons,
    control plane, network.

    Idle cost: $261 a month in us-east-1: the control plane $73, two m7i.large $147 and their volumes $3.20, the NAT
    gateway and its address $36.50, the key $1, and CloudWatch's metrics besides. No GPU node runs while there is no
    work.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    cluster_name: pulumi.Output[str]
    """Name of the cluster; empty with `existing_kubeconfig`."""
    endpoint: pulumi.Output[str]
    """URL of its API; empty with `existing_kubeconfig`."""
    version: pulumi.Output[str]
    """Its minor version of Kubernetes; empty with `existing_kubeconfig`."""
    kubeconfig: pulumi.Output[str]
    """How kubectl and programs reach it: a kubeconfig that asks `aws eks get-token`. Secret, as a given one may be."""
    node_role_arn: pulumi.Output[str]
    """ARN of the role of its nodes; empty where no node is made."""
    subnet_ids: pulumi.Output[list[str]]
    """Ids of the subnets that its nodes are in."""
    security_group_id: pulumi.Output[str]
    """Id of the security group that EKS makes for the cluster, which its nodes have."""

    def __init__(self, name: str, args: GpuClusterArgs = NOTHING, opts: pulumi.ResourceOptions | None = None):
        """Registers it and all that it is made of under `name`; every argument has a default."""
        account: Account | None = None

        def check(checks: Any, complete: dict[str, Any]) -> None:
            nonlocal account
            if not checks.mistakes:
                account = ask(complete, name, opts)
                check_account(checks, complete, account)

        settings = valid("GpuCluster", name, CLUSTER, args, check, opts=opts)
        super().__init__("tandem:index:GpuCluster", name, {}, opts)
        self._name, self._settings, self._child = name, settings, pulumi.ResourceOptions(parent=self)
        self._tags = environment_tags(name, settings["tags"])
        assert account is not None  # noqa: S101 - `valid` has raised otherwise
        settings["node_pools"] = [in_one_zone(each, settings, account) for each in settings["node_pools"]]
        self._addon_versions = {**account.addons, **settings["versions"]["addons"]}
        self.capacity: list[Capacity] = capacities(settings)
        """What its groups and pools can have, for what runs on them to check itself against."""
        self.ready: list[pulumi.Resource] = []
        """What runs on the cluster depends on these, so that it starts after them and is destroyed before."""
        anywhere = settings["endpoint_public"] and ANYWHERE in settings["public_cidrs"]
        self.endpoint_open = account.existing.open if account.existing else anywhere
        """Whether its API is reachable from anywhere, functions outside its network among it."""
        self.kubernetes = account.existing.version if account.existing else settings["versions"]["kubernetes"]
        """Its minor version as far as it is known before it is there: not with `existing_kubeconfig`."""
        if settings["existing_kubeconfig"]:
            self.endpoint_open, self.kubernetes = True, ""
        self.node_role_arn = pulumi.Output.from_input("")
        if settings["existing_kubeconfig"]:
            self._given()
        else:
            self._cluster(account)
        register(self)

    def _given(self) -> None:
        """A cluster of which we have a kubeconfig alone."""
        self.cluster_name = self.endpoint = self.version = self.security_group_id = pulumi.Output.from_input("")
        self.subnet_ids = pulumi.Output.from_input([])
        self.kubeconfig = pulumi.Output.secret(self._settings["existing_kubeconfig"])
        self.provider = self._kubernetes([])
        self.ready = [self.provider]

    def _cluster(self, account: Account) -> None:
        settings = self._settings
        subnets: list[pulumi.Input[str]]
        if account.existing:
            subnets = subnets_of(settings, account.existing)
            by_zone = _by_zone(account)
            nodes_after: list[pulumi.Resource] = []
            authority = self._found(account.existing)
            made: list[pulumi.Resource] = []
        else:
            network, by_zone, subnets = self._network(account)
            cluster, made = self._control_plane(subnets)
            authority = cluster.certificate_authority.data
            agents = NodeAgents(
                f"{self._name}-agents", self._addons, opts=pulumi.ResourceOptions(parent=self, depends_on=made)
            )
            nodes_after = [*network, agents]
        self.subnet_ids = pulumi.Output.all(*subnets)
        region = region_for(self)
        self.kubeconfig = pulumi.Output.secret(kubeconfig(self.cluster_name, self.endpoint, authority, region))
        self.provider = self._kubernetes(made)

        groups: list[Mapping[str, Any]] = list(settings["node_groups"])
        if not account.existing:
            groups.insert(0, self._system_group())
        pools = list(pools_of(settings))
        self.ready = [self.provider]
        if not (groups or pools):
            return
        role, profile = self._node_role()
        self.node_role_arn = role.arn
        security_groups = [self.security_group_id]
        if any(each.efa for each in self.capacity):
            group, rules = adapter_group(f"{self._name}-efa", subnets[0], self._tags, self)
            security_groups.append(group.id)
            nodes_after += rules
        nodes = self._node_groups(groups, subnets, by_zone, security_groups, [*nodes_after, profile])
        self.ready += nodes
        if not account.existing:
            after_nodes = pulumi.ResourceOptions(parent=self, depends_on=nodes)
            measured = settings["metrics"] != "none"
            self.ready.append(
                ClusterAddons(f"{self._name}-addons", {**self._addons, "metrics": measured}, opts=after_nodes)
            )
        self.ready += self._device_plugins(groups, pools)
        if pools:
            self.ready.append(
                Karpenter(
                    f"{self._name}-karpenter",
                    {
                        "cluster_name": self.cluster_name,
                        "provider": self.provider,
                        "install": settings["autoscaler"] == KARPENTER,
                        "version": settings["versions"]["karpenter"],
                        "node_image": settings["versions"]["node_image"],
                        "node_role_arn": role.arn,
                        "instance_profile": profile.name,
                        "subnet_ids": subnets,
                        "security_group_ids": security_groups,
                        "pools": pools,
                        "node_tags": environment_tags(self._name, settings["node_tags"]),
                        "after": [*self.ready, *nodes_after],
                        "tags": self._tags,
                    },
                    opts=self._child,
                )
            )

    def _found(self, existing: Existing) -> pulumi.Input[str]:
        """Outputs of a cluster that is there; its certificate."""
        self.cluster_name = pulumi.Output.from_input(self._settings["existing_cluster"])
        self.endpoint = pulumi.Output.from_input(existing.endpoint)
        self.version = pulumi.Output.from_input(existing.version)
        self.security_group_id = pulumi.Output.from_input(existing.security_group_id)
        return existing.authority

    def _network(
        self, account: Account
    ) -> tuple[list[pulumi.Resource], dict[str, list[pulumi.Input[str]]], list[pulumi.Input[str]]]:
        """A network of its own, if any; the subnets by zone, as far as zones are known; all subnets."""
        settings = self._settings
        if settings["subnet_ids"]:
            return [], _by_zone(account), list(settings["subnet_ids"])
        network = ClusterNetwork(
            f"{self._name}-network",
            {"cidr": settings["cidr"], "zones": zones_of(settings, account), "tags": self._tags},
            opts=self._child,
        )
        return [network], {zone: [each] for zone, each in network.subnets.items()}, list(network.subnets.values())

    def _control_plane(self, subnets: list[pulumi.Input[str]]) -> tuple[eks.Cluster, list[pulumi.Resource]]:
        """The control plane, and with it those who may use it."""
        name, settings, tags, child = self._name, self._settings, self._tags, self._child
        # The cluster is called as its role is, which gets a name of its own each time that it is made: EKS and
        # CloudWatch's agent write on for a while after a destroy, and what they make anew then would be in the way of
        # the next log groups of the same name.
        role = iam.Role(name, assume_role_policy=trust("eks.amazonaws.com"), tags=tags, opts=child)
        attached = iam.RolePolicyAttachment(
            f"{name}-role", role=role.name, policy_arn=aws_arn("iam", "policy/AmazonEKSClusterPolicy", self), opts=child
        )
        key = settings["kms_key_arn"]
        if key == "":
            key = kms.Key(
                f"{name}-secrets",
                description=pulumi.Output.concat("Secrets of the cluster ", role.name),
                enable_key_rotation=True,
                deletion_window_in_days=7,
                tags=tags,
                opts=child,
            ).arn
        # Made by us under the name that EKS would use, or it would be kept for ever, and after the cluster.
        log = cloudwatch.LogGroup(
            f"{name}-log",
            name=pulumi.Output.concat("/aws/eks/", role.name, "/cluster"),
            retention_in_days=LOG_DAYS,
            tags=tags,
            opts=child,
        )
        public = settings["endpoint_public"]
        cluster = eks.Cluster(
            name,
            name=role.name,
            role_arn=role.arn,
            version=settings["versions"]["kubernetes"],
            # The add-ons are resources instead; a change of this one would replace the cluster.
            bootstrap_self_managed_addons=False,
            access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": True},
            encryption_config={"provider": {"key_arn": key}, "resources": ["secrets"]},
            enabled_cluster_log_types=LOG_TYPES,
            upgrade_policy={"support_type": "EXTENDED" if settings["extended_support"] else "STANDARD"},
            vpc_config={
                "subnet_ids": subnets,
                "endpoint_private_access": True,
                "endpoint_public_access": public,
                **({"public_access_cidrs": settings["public_cidrs"]} if public else {}),
            },
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[attached, log]),
        )
        self.cluster_name, self.endpoint = cluster.name, cluster.endpoint
        self.version = cluster.version
        self.security_group_id = cluster.vpc_config.cluster_security_group_id
        made: list[pulumi.Resource] = [cluster]
        for number, admin in enumerate(settings["admins"]):
            entry = eks.AccessEntry(
                f"{name}-admin-{number}", cluster_name=cluster.name, principal_arn=admin, tags=tags, opts=child
            )
            made.append(
                eks.AccessPolicyAssociation(
                    f"{name}-admin-{number}",
                    cluster_name=cluster.name,
                    principal_arn=entry.principal_arn,
                    policy_arn=aws_arn("eks", ADMIN, self),
                    access_scope={"type": "cluster"},
                    opts=child,
                )
            )
        return cluster, made

    def _kubernetes(self, after: list[pulumi.Resource]) -> kubernetes.Provider:
        return kubernetes.Provider(
            f"{self._name}-kubernetes",
            kubeconfig=self.kubeconfig,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )

    @property
    def _addons(self) -> NodeAgentsArgs:
        return {"cluster_name": self.cluster_name, "versions": self._addon_versions, "tags": self._tags}

    def _system_group(self) -> dict[str, Any]:
        return NODE_GROUP.defaults | {
            "name": "system",
            "instance_types": [self._settings["system_instance_type"]],
            "minimum": SYSTEM_NODES,
            "desired": SYSTEM_NODES,
            "maximum": SYSTEM_NODES_WHILE_UPDATING,
            "volume_gigabytes": 20,
        }

    def _node_role(self) -> tuple[iam.Role, iam.InstanceProfile]:
        """What nodes are: they pull images and join the cluster; Pods have roles of their own."""
        name, tags, child = self._name, self._tags, self._child
        policies = (*NODE_POLICIES, NETWORK_POLICY) if self._settings["existing_cluster"] else NODE_POLICIES
        trusted = ec2_principal(self).apply(trust)
        role = iam.Role(f"{name}-node-role", assume_role_policy=trusted, tags=tags, opts=child)
        attached: list[pulumi.Resource] = [
            iam.RolePolicyAttachment(
                f"{name}-node-{policy}", role=role.name, policy_arn=aws_arn("iam", f"policy/{policy}", self), opts=child
            )
            for policy in policies
        ]
        # Before any group: EKS makes one with the first group of a role that has none, keeps it when the last group
        # goes, and refuses ours beside it (aws/containers-roadmap#2631). Pools have the same role, and groups come and
        # go.
        attached.append(
            eks.AccessEntry(
                f"{name}-nodes",
                cluster_name=self.cluster_name,
                principal_arn=role.arn,
                type="EC2_LINUX",
                tags=tags,
                opts=child,
            )
        )
        profile = iam.InstanceProfile(
            f"{name}-node",
            role=role.name,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=attached),
        )
        return role, profile

    def _node_groups(
        self,
        groups: list[Mapping[str, Any]],
        subnets: list[pulumi.Input[str]],
        by_zone: Mapping[str, Sequence[pulumi.Input[str]]],
        security_groups: list[pulumi.Output[str]],
        after: list[pulumi.Resource],
    ) -> list[pulumi.Resource]:
        if not groups:
            return []
        made = NodeGroups(
            f"{self._name}-nodes",
            {
                "cluster_name": self.cluster_name,
                "version": self.version,
                "node_role_arn": pulumi.Output.from_input(self.node_role_arn),
                "subnet_ids": subnets,
                "subnets_by_zone": by_zone,
                "security_group_ids": security_groups,
                "groups": groups,
                "tags": self._tags,
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        return [made]

    def _device_plugins(self, groups: list[Mapping[str, Any]], pools: list[Mapping[str, Any]]) -> list[pulumi.Resource]:
        """What offers GPUs and adapters of a node to its Pods; EKS's images have the drivers alone."""
        made: list[pulumi.Resource] = []
        # Two plugins that register the same resource end each other's Pods.
        if (self._settings["device_plugins"] or ("" if self._settings["existing_cluster"] else INSTALL)) != INSTALL:
            return made
        images = [AMI_TYPES[each["ami_type"] or ami_type(each["instance_types"])] for each in groups]
        common: dict[str, Any] = {"provider": self.provider, "parent": self, "depends_on": self.ready}
        # A node that is tainted for a team has devices too. Without its plugin Karpenter never holds one for ready, and
        # so never for empty: it would bill for ever.
        anywhere = {"tolerations": [{"operator": "Exists"}]}
        if pools or any(image.gpu and not image.plugin for image in images):
            version = self._settings["versions"]["nvidia_device_plugin"]
            plugin, name = "nvidia-device-plugin", f"{self._name}-nvidia-device-plugin"
            made.append(chart(name, plugin, "kube-system", anywhere, release=plugin, version=version, **common))
        if adapters := {kind for each in self.capacity if each.efa for kind in each.instance_types}:
            plugin = "aws-efa-k8s-device-plugin"
            # The chart knows the types that had an adapter when it was made, and leaves the nodes of others out.
            values = {
                **anywhere,
                "supportedInstanceLabels": {"keys": [INSTANCE_TYPE_LABEL], "values": sorted(adapters)},
            }
            made.append(chart(f"{self._name}-efa-plugin", plugin, "kube-system", values, release=plugin, **common))
        return made


def _by_zone(account: Account) -> dict[str, list[pulumi.Input[str]]]:
    """Subnets that were there before, by zone, as far as zones are known."""
    found: dict[str, list[pulumi.Input[str]]] = {}
    for name, subnet in account.subnets.items():
        if subnet:
            found.setdefault(subnet.zone, []).append(name)
    return found
