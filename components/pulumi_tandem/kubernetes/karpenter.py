"""Karpenter: what starts GPU nodes when Pods wait for them, and its pools."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws
from pulumi_aws import cloudwatch, iam, sqs
from pulumi_kubernetes import apiextensions
from tandem_contract.cluster import EMPTY_SECONDS, GPU, GRACE_SECONDS, INSTANCE_TYPE_LABEL
from tandem_contract.instance_types import INSTANCE_TYPES

from ..foundation.arns import account_arn, ec2_principal
from ..foundation.outputs import register
from ..foundation.policy import from_events, only_tls, policy_document
from ..foundation.tags import Tags
from .capacity import THROUGHPUT, taints
from .charts import chart
from .karpenter_policy import statements
from .node_config import node_config
from .node_groups import GPU_PRESENT
from .pod_identity import pod_identity

NAMESPACE = "kube-system"
NOTICES = {
    "source": ["aws.ec2", "aws.health"],
    "detail-type": [
        "EC2 Spot Instance Interruption Warning",
        "EC2 Instance State-change Notification",
        "AWS Health Event",
    ],
}
"""Events by which Karpenter drains a node before AWS takes it."""
DELETION = pulumi.CustomTimeouts(delete="30m")
"""A node ends within ten minutes, and its instance some minutes later; the provider would wait for ten."""


class KarpenterArgs(TypedDict):
    """Arguments of `Karpenter`."""

    cluster_name: pulumi.Input[str]
    """Name of the cluster."""
    provider: pulumi.ProviderResource
    """The Kubernetes provider that reaches it."""
    install: bool
    """Whether Karpenter itself is installed, or the cluster has one."""
    version: str
    """Its release."""
    node_image: str
    """Release of EKS's AL2023 images."""
    node_role_arn: pulumi.Input[str]
    """ARN of the nodes' role."""
    instance_profile: pulumi.Input[str]
    """Name of the instance profile with it."""
    subnet_ids: Sequence[pulumi.Input[str]]
    """Where nodes may be."""
    security_group_ids: Sequence[pulumi.Input[str]]
    """The cluster's group; with the adapter, its group too."""
    pools: Sequence[Mapping[str, Any]]
    """Complete `GpuNodePool`s."""
    node_tags: Tags
    """Tags of its nodes."""
    after: Sequence[pulumi.Resource]
    """What its Pods need, such as nodes to run on. The queue doesn't, and takes a minute of its own."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class Karpenter(pulumi.ComponentResource):
    """Karpenter with a node pool and a node class for each pool of GPU nodes.

    Creates its role (Pod Identity), a queue that tells it of interruptions, and its charts, unless the cluster has one;
    for each pool an `EC2NodeClass` and a `NodePool`. Nodes come when Pods wait and go a minute after they are empty
    (`WhenEmpty`); neither a new image nor age ends a node that works.

    At destroy a pool goes first: its node class stays until each of its nodes is terminated (Karpenter holds it by a
    finalizer), and Karpenter until then.

    Idle cost: none beside the two nodes that it runs on; the nodes of a pool bill by the hour while they are there.
    """

    def __init__(self, name: str, args: KarpenterArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:Karpenter", name, {}, opts)
        self._name, self._args = name, args
        installed = self._install() if args["install"] else list(args["after"])
        for pool in args["pools"]:
            self._pool(pool, installed)
        register(self)

    def _install(self) -> list[pulumi.Resource]:
        name, args, child = self._name, self._args, pulumi.ResourceOptions(parent=self)
        tags = args.get("tags") or {}
        # What wasn't read in five minutes is too late.
        queue = sqs.Queue(
            f"{name}-interruptions",
            message_retention_seconds=300,
            sqs_managed_sse_enabled=True,
            tags=tags,
            opts=child,
        )
        sqs.QueuePolicy(
            f"{name}-interruptions",
            queue_url=queue.url,
            policy=policy_document([from_events(queue.arn), only_tls([queue.arn], "sqs:*")]),
            opts=child,
        )
        rule = cloudwatch.EventRule(
            f"{name}-interruptions",
            description="AWS is about to take an instance",
            event_pattern=json.dumps(NOTICES),
            tags=tags,
            opts=child,
        )
        told = cloudwatch.EventTarget(f"{name}-interruptions", rule=rule.name, arn=queue.arn, opts=child)
        association, role = pod_identity(name, args["cluster_name"], NAMESPACE, "karpenter", tags=tags, parent=self)
        here = pulumi.InvokeOutputOptions(parent=self)
        allowed = statements(
            partition=aws.get_partition_output(opts=here).partition,
            service=ec2_principal(self),
            region=aws.get_region_output(opts=here).region,
            cluster_name=args["cluster_name"],
            cluster_arn=account_arn("eks", pulumi.Output.concat("cluster/", args["cluster_name"]), self),
            queue_arn=queue.arn,
            node_role_arn=args["node_role_arn"],
        )
        permissions = iam.RolePolicy(
            f"{name}-permissions", role=role.id, policy=allowed.apply(policy_document), opts=child
        )
        version: dict[str, Any] = {"version": args["version"], "provider": args["provider"], "parent": self}
        crds = chart(
            f"{name}-crd",
            "karpenter-crd",
            NAMESPACE,
            {},
            release="karpenter-crd",
            depends_on=list(args["after"]),
            **version,
        )
        controller = chart(
            f"{name}-controller",
            "karpenter",
            NAMESPACE,
            {
                "settings": {"clusterName": args["cluster_name"], "interruptionQueue": queue.name},
                "serviceAccount": {"name": "karpenter"},
                "controller": {
                    "resources": {
                        "requests": {"cpu": "250m", "memory": "512Mi"},
                        "limits": {"memory": "1Gi"},
                    }
                },
            },
            release="karpenter",
            crds=False,
            # Destroyed only once each node of its pools is gone, with its permission to terminate them.
            depends_on=[crds, association, permissions, told],
            **version,
        )
        return [controller]

    def _pool(self, pool: Mapping[str, Any], after: Sequence[pulumi.Resource]) -> None:
        args = self._args
        metadata, types = {"name": pool["name"]}, pool["instance_types"]
        own_disks = pool["instance_store"] and all(INSTANCE_TYPES[name].local_gb for name in types)
        node_class = apiextensions.CustomResource(
            f"{self._name}-{pool['name']}-class",
            api_version="karpenter.k8s.aws/v1",
            kind="EC2NodeClass",
            metadata=metadata,
            spec={
                "amiSelectorTerms": [{"alias": f"al2023@{args['node_image']}"}],
                "instanceProfile": args["instance_profile"],
                "subnetSelectorTerms": [{"id": each} for each in args["subnet_ids"]],
                "securityGroupSelectorTerms": [{"id": each} for each in args["security_group_ids"]],
                # One hop: a Pod of its own network can't take the node's role.
                "metadataOptions": {
                    "httpEndpoint": "enabled",
                    "httpProtocolIPv6": "disabled",
                    "httpPutResponseHopLimit": 1,
                    "httpTokens": "required",
                },
                "blockDeviceMappings": [
                    {
                        "deviceName": "/dev/xvda",
                        "ebs": {
                            "volumeSize": f"{pool['volume_gigabytes']}Gi",
                            "volumeType": "gp3",
                            **({} if own_disks else {"throughput": THROUGHPUT}),
                            "encrypted": True,
                            "deleteOnTermination": True,
                        },
                    }
                ],
                **({"userData": node_config(efa=True)} if pool["efa"] else {}),
                **({"instanceStorePolicy": "RAID0"} if pool["instance_store"] else {}),
                "tags": {**args["node_tags"]},
            },
            opts=pulumi.ResourceOptions(
                parent=self, provider=args["provider"], depends_on=list(after), custom_timeouts=DELETION
            ),
        )
        arches = {"x86_64": "amd64", "arm64": "arm64"}
        requirements = {
            INSTANCE_TYPE_LABEL: list(types),
            "karpenter.sh/capacity-type": ["spot" if pool["spot"] else "on-demand"],
            "kubernetes.io/arch": sorted({arches[INSTANCE_TYPES[name].arch] for name in types}),
            **({"topology.kubernetes.io/zone": list(pool["zones"])} if pool["zones"] else {}),
        }
        apiextensions.CustomResource(
            f"{self._name}-{pool['name']}",
            api_version="karpenter.sh/v1",
            kind="NodePool",
            metadata=metadata,
            spec={
                "template": {
                    "metadata": {"labels": {GPU_PRESENT: "true", **pool["labels"]}},
                    "spec": {
                        "nodeClassRef": {
                            "group": "karpenter.k8s.aws",
                            "kind": "EC2NodeClass",
                            "name": pool["name"],
                        },
                        "taints": [dict(each) for each in taints(pool)],
                        "requirements": [
                            {"key": key, "operator": "In", "values": values} for key, values in requirements.items()
                        ],
                        # A node ends because it is empty, never because it is old.
                        "expireAfter": "Never",
                        "terminationGracePeriod": f"{_most_seconds_of_an_end(pool)}s",
                    },
                },
                "disruption": {
                    # By utilization Karpenter counts no GPUs.
                    "consolidationPolicy": "WhenEmpty",
                    "consolidateAfter": f"{EMPTY_SECONDS}s",
                    "budgets": [
                        {"nodes": "100%", "reasons": ["Empty"]},
                        {"nodes": "0", "reasons": ["Drifted", "Underutilized"]},
                    ],
                },
                # A text: as a number the API server's answer would differ from it for ever.
                "limits": {GPU: str(pool["gpus"])},
            },
            opts=pulumi.ResourceOptions(
                parent=self, provider=args["provider"], depends_on=[node_class], custom_timeouts=DELETION
            ),
        )


def _most_seconds_of_an_end(pool: Mapping[str, Any]) -> int:
    """How long a node that is told to end may last, whatever says do-not-disrupt on it; without, a destroy never ends.

    A Pod that says so gets SIGTERM only once no more than its own grace is left of this (sigs.k8s.io/karpenter,
    `DeleteExpiringPods`). AWS takes a spot node two minutes after its notice: there it has to be at once.
    """
    return GRACE_SECONDS if pool["spot"] else 10 * 60
