"""Kueue: which jobs may have GPUs, and in which order; its controller's configuration and its objects."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from tandem_contract.cluster import EFA, GPU, INSTANCE_TYPE_LABEL, QUEUE, flavor_name

from .capacity import GPU_TAINT, Capacity

API = "kueue.x-k8s.io/v1beta2"
# What runs share are GPUs; the rest comes with their machines, yet a resource that isn't listed admits no job.
OTHERS = {"cpu": "1M", "memory": "1Pi", "ephemeral-storage": "1Pi", EFA: "1M"}
MOST_REQUEUES = 3


def controller_values(ready_minutes: int) -> dict[str, Any]:
    """Values of Kueue's chart. Only jobs that name a queue are its business.

    A job whose Pods don't all run within `ready_minutes` of its admission gives its quota back and waits anew, three
    times; then it is given up. Nodes, images and data sets come within that time.
    """
    configuration = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8081"},
        "metrics": {"bindAddress": ":8443"},
        "webhook": {"port": 9443},
        "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
        "manageJobsWithoutQueueName": False,
        "waitForPodsReady": {
            "timeout": f"{ready_minutes}m",
            "blockAdmission": False,
            "requeuingStrategy": {"timestamp": "Eviction", "backoffLimitCount": MOST_REQUEUES},
        },
        # The chart makes the webhooks of Pods and Deployments optional where they aren't in this list: without Kueue
        # the rest of the cluster goes on.
        "integrations": {"frameworks": ["batch/job", "jobset.x-k8s.io/jobset", "trainer.kubeflow.org/trainjob"]},
    }
    # JSON is YAML.
    return {"managerConfig": {"controllerManagerConfigYaml": json.dumps(configuration, indent=2)}}


class WorkloadPriorityClass(pulumi.CustomResource):
    """Kueue's kind of that name, whose value stands beside `spec`, where `CustomResource` takes none."""

    def __init__(self, resource: str, name: str, value: int, description: str, opts: pulumi.ResourceOptions):
        kind = {"apiVersion": API, "kind": "WorkloadPriorityClass"}
        content = {**kind, "metadata": {"name": name}, "value": value, "description": description}
        super().__init__(f"kubernetes:{API}:WorkloadPriorityClass", resource, content, opts)


def queue(
    name: str,
    namespace: str,
    quotas: Mapping[str, int],
    capacity: Sequence[Capacity],
    wait_for: list[pulumi.Resource],
    options: dict[str, Any],
) -> list[pulumi.Resource]:
    """The ClusterQueue of a namespace, and the WorkloadPriorityClass of what goes first.

    `quotas` are GPUs by instance type, each of which becomes a flavor: a job names its type as a node selector.
    `capacity` is where such nodes may be, whose taints jobs get to tolerate.
    """
    opts = pulumi.ResourceOptions(**options, depends_on=wait_for)
    flavors = [
        CustomResource(
            f"{name}-{instance_type}",
            api_version=API,
            kind="ResourceFlavor",
            metadata={"name": flavor_name(namespace, instance_type)},
            spec={
                "nodeLabels": {INSTANCE_TYPE_LABEL: instance_type},
                "tolerations": tolerations(instance_type, capacity),
            },
            opts=opts,
        )
        for instance_type in sorted(quotas)
    ]
    cluster_queue = CustomResource(
        f"{name}-queue",
        api_version=API,
        kind="ClusterQueue",
        metadata={"name": namespace},
        spec=cluster_queue_spec(namespace, quotas),
        opts=pulumi.ResourceOptions(**options, depends_on=flavors),
    )
    urgent = WorkloadPriorityClass(
        f"{name}-urgent",
        f"{namespace}-urgent",
        1000,
        "Goes first, and takes the place of running jobs, which save and wait",
        opts,
    )
    return [cluster_queue, urgent]


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


def local_queue(name: str, namespace: str, opts: pulumi.ResourceOptions) -> CustomResource:
    """The queue that jobs of the namespace name."""
    return CustomResource(
        f"{name}-local-queue",
        api_version=API,
        kind="LocalQueue",
        metadata={"name": QUEUE, "namespace": namespace},
        spec={"clusterQueue": namespace},
        opts=opts,
    )
