"""Kueue and Kubeflow Trainer: the controllers that training on a cluster stands on."""

import json
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from ..foundation.outputs import register
from .charts import chart

MOST_REQUEUES = 3


class TrainingControllersArgs(TypedDict):
    """Arguments of `TrainingControllers`."""

    provider: pulumi.ProviderResource
    """The Kubernetes provider that reaches the cluster."""
    kueue_version: str
    """Release of Kueue."""
    trainer_version: str
    """Release of Kubeflow Trainer, which brings JobSet."""
    ready_minutes: int
    """How long the nodes, images and data of a job may take before it gives its quota back."""


class TrainingControllers(pulumi.ComponentResource):
    """Kueue, which says when a job may start, and Kubeflow Trainer with JobSet, which make Pods of it, by their charts.

    Creates a namespace and a chart for each. Trainer comes first, since Kueue looks for its kinds.

    Idle cost: none of its own; they run on the cluster's system nodes.
    """

    def __init__(self, name: str, args: TrainingControllersArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:TrainingControllers", name, {}, opts)
        before: list[pulumi.Resource] = []
        for which, namespace, version, values in (
            ("kubeflow-trainer", "kubeflow-system", args["trainer_version"], {}),
            ("kueue", "kueue-system", args["kueue_version"], kueue_values(args["ready_minutes"])),
        ):
            space = kubernetes.core.v1.Namespace(
                f"{name}-{which}",
                metadata={"name": namespace},
                opts=pulumi.ResourceOptions(parent=self, provider=args["provider"], depends_on=before),
            )
            installed = chart(
                f"{name}-{which}",
                which,
                namespace,
                values,
                release=which,
                version=version,
                provider=args["provider"],
                parent=self,
                depends_on=[*before, space],
            )
            before = [installed]
        register(self)


def kueue_values(ready_minutes: int) -> dict[str, Any]:
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
