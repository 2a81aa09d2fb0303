"""Kueue's objects: which jobs may have GPUs, and in which order."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from tandem_contract.cluster import EFA, GPU, INSTANCE_TYPE_LABEL, flavor_name, urgent_class

from ..foundation.outputs import register
from .capacity import GPU_TAINT, Capacity

API = "kueue.x-k8s.io/v1beta2"
# What runs share are GPUs; the rest comes with their machines, yet a resource that isn't listed admits no job.
OTHERS = {"cpu": "1M", "memory": "1Pi", "ephemeral-storage": "1Pi", EFA: "1M"}


class WorkloadPriorityClass(pulumi.CustomResource):
    """Kueue's kind of that name, whose value stands beside `spec`, where `CustomResource` takes none."""

    def __init__(self, resource: str, name: str, value: int, description: str, opts: pulumi.ResourceOptions):
        kind = {"apiVersion": API, "kind": "WorkloadPriorityClass"}
        content = {**kind, "metadata": {"name": name}, "value": value, "description": description}
        super().__init__(f"kubernetes:{API}:WorkloadPriorityClass", resource, content, opts)


class JobQueueArgs(TypedDict):
    """Arguments of `JobQueue`."""

    provider: pulumi.ProviderResource
    """The Kubernetes provider that reaches the cluster."""
    namespace: str
    """Namespace whose jobs it lets go; the queue has its name."""
    quotas: Mapping[str, int]
    """GPUs that jobs may have at once, by EC2 instance type."""
    capacity: Sequence[Capacity]
    """Where such nodes may be, whose taints jobs get to tolerate."""


class JobQueue(pulumi.ComponentResource):
    """Kueue's ClusterQueue of a namespace, with a flavor for each instance type, and a priority class of urgent jobs.

    A job names its instance type as a node selector, and is let go when as many of its GPUs are free; an urgent one
    takes the place of others. Deleting it waits for its jobs to end: the namespace depends on it.

    Idle cost: none.
    """

    def __init__(self, name: str, args: JobQueueArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:JobQueue", name, {}, opts)
        options: dict[str, Any] = {"parent": self, "provider": args["provider"]}
        namespace, quotas = args["namespace"], args["quotas"]
        flavors = [
            CustomResource(
                f"{name}-{instance_type}",
                api_version=API,
                kind="ResourceFlavor",
                metadata={"name": flavor_name(namespace, instance_type)},
                spec={
                    "nodeLabels": {INSTANCE_TYPE_LABEL: instance_type},
                    "tolerations": tolerations(instance_type, args["capacity"]),
                },
                opts=pulumi.ResourceOptions(**options),
            )
            for instance_type in sorted(quotas)
        ]
        CustomResource(
            name,
            api_version=API,
            kind="ClusterQueue",
            metadata={"name": namespace},
            spec=cluster_queue_spec(namespace, quotas),
            opts=pulumi.ResourceOptions(**options, depends_on=flavors),
        )
        WorkloadPriorityClass(
            f"{name}-urgent",
            urgent_class(namespace),
            1000,
            "Goes first, and takes the place of running jobs, which save and wait",
            pulumi.ResourceOptions(**options),
        )
        register(self)


def tolerations(instance_type: str, capacity: Sequence[Capacity]) -> list[dict[str, str]]:
    """Of all taints that nodes of this type have, that of GPUs in any case."""
    taints = [GPU_TAINT, *(taint for each in capacity if instance_type in each.instance_types for taint in each.taints)]
    told = {(taint["key"], taint["effect"]): "Exists" for taint in taints}
    return [{"key": key, "operator": operator, "effect": effect} for (key, effect), operator in told.items()]


def cluster_queue_spec(namespace: str, quotas: Mapping[str, int]) -> dict[str, Any]:
    """The ClusterQueue's spec; quantities are texts, since a number that the server writes as text differs for ever."""
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "queueingStrategy": "BestEffortFIFO",
        "preemption": {"withinClusterQueue": "LowerPriority"},
        "resourceGroups": [
            {
                "coveredResources": [GPU, *OTHERS],
                "flavors": [
                    {
                        "name": flavor_name(namespace, instance_type),
                        "resources": [
                            {"name": GPU, "nominalQuota": str(quotas[instance_type])},
                            *({"name": key, "nominalQuota": value} for key, value in OTHERS.items()),
                        ],
                    }
                    for instance_type in sorted(quotas)
                ],
            }
        ],
    }
