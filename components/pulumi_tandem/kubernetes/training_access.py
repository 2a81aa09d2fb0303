"""Who may start, read and stop jobs of the namespace of training."""

from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from ..foundation.outputs import register

RBAC = "rbac.authorization.k8s.io"
READ = ["get", "list", "watch"]
RULES: list[Any] = [
    {
        "api_groups": ["trainer.kubeflow.org"],
        "resources": ["trainjobs"],
        "verbs": [*READ, "create", "patch", "delete"],
    },
    {"api_groups": ["kueue.x-k8s.io"], "resources": ["workloads", "localqueues"], "verbs": READ},
    {"api_groups": ["jobset.x-k8s.io"], "resources": ["jobsets"], "verbs": READ},
    {"api_groups": ["batch"], "resources": ["jobs"], "verbs": READ},
    {"api_groups": [""], "resources": ["pods", "events"], "verbs": READ},
]
"""What running jobs takes in their namespace. TrainJob, JobSet and Workload each say a part of how a job is."""


class TrainingAccessArgs(TypedDict):
    """Arguments of `TrainingAccess`."""

    provider: pulumi.ProviderResource
    """The Kubernetes provider that reaches the cluster."""
    namespace: str
    """Namespace of the jobs, and name of their ClusterQueue."""
    group: str
    """Kubernetes group that gets the access: an EKS access entry puts IAM roles into it."""


class TrainingAccess(pulumi.ComponentResource):
    """Kubernetes RBAC roles of who runs jobs: all of TrainJobs, reading of what comes of them and of the queue's use.

    Creates a role in the namespace, a cluster role for the one ClusterQueue, and their bindings to a group.

    Idle cost: none.
    """

    def __init__(self, name: str, args: TrainingAccessArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:TrainingAccess", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, provider=args["provider"])
        namespace, rbac = args["namespace"], kubernetes.rbac.v1
        subjects: list[Any] = [{"kind": "Group", "name": args["group"], "api_group": RBAC}]
        jobs: Any = {"name": f"{namespace}-runs", "namespace": namespace}
        role = rbac.Role(f"{name}-jobs", metadata=jobs, rules=RULES, opts=child)
        rbac.RoleBinding(
            f"{name}-jobs",
            metadata=jobs,
            role_ref={"api_group": RBAC, "kind": "Role", "name": jobs["name"]},
            subjects=subjects,
            opts=pulumi.ResourceOptions(parent=self, provider=args["provider"], depends_on=[role]),
        )
        # Its use is what a job waits for, and its status has no namespace.
        usage: Any = {"name": f"{namespace}-usage"}
        queues = {"api_groups": ["kueue.x-k8s.io"], "resources": ["clusterqueues"]}
        reading = rbac.ClusterRole(
            f"{name}-usage",
            metadata=usage,
            rules=[{**queues, "resource_names": [namespace], "verbs": ["get"]}],
            opts=child,
        )
        rbac.ClusterRoleBinding(
            f"{name}-usage",
            metadata=usage,
            role_ref={"api_group": RBAC, "kind": "ClusterRole", "name": usage["name"]},
            subjects=subjects,
            opts=pulumi.ResourceOptions(parent=self, provider=args["provider"], depends_on=[reading]),
        )
        register(self)
