"""Who may do what in the namespace of training: its Pods on the network, and who starts, reads and stops jobs."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

METADATA_SERVICE = "169.254.169.254/32"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
"""Labels of a namespace that takes only Pods without privileges."""

READ = ["get", "list", "watch"]
RULES: list[dict[str, Any]] = [
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


def rules(
    name: str, namespace: str, group: str, options: dict[str, Any], wait_for: list[pulumi.Resource]
) -> list[pulumi.Resource]:
    """The namespace's network policy; and what `group`, of Kubernetes, may do: run jobs, and read the queue's use."""
    opts = pulumi.ResourceOptions(**options, depends_on=wait_for)
    named = {"name": f"{namespace}-runs", "namespace": namespace}
    subjects = [{"kind": "Group", "name": group, "api_group": "rbac.authorization.k8s.io"}]
    role = kubernetes.rbac.v1.Role(f"{name}-runs", metadata=named, rules=RULES, opts=opts)
    bound = kubernetes.rbac.v1.RoleBinding(
        f"{name}-runs",
        metadata=named,
        role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": named["name"]},
        subjects=subjects,
        opts=pulumi.ResourceOptions(**options, depends_on=[role]),
    )
    # Its use is what a job waits for, and its status has no namespace.
    usage = kubernetes.rbac.v1.ClusterRole(
        f"{name}-usage",
        metadata={"name": f"{namespace}-usage"},
        rules=[
            {
                "api_groups": ["kueue.x-k8s.io"],
                "resources": ["clusterqueues"],
                "resource_names": [namespace],
                "verbs": ["get"],
            }
        ],
        opts=opts,
    )
    usage_bound = kubernetes.rbac.v1.ClusterRoleBinding(
        f"{name}-usage",
        metadata={"name": f"{namespace}-usage"},
        role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{namespace}-usage"},
        subjects=subjects,
        opts=pulumi.ResourceOptions(**options, depends_on=[usage]),
    )
    network = kubernetes.networking.v1.NetworkPolicy(
        f"{name}-network",
        metadata={"name": "training", "namespace": namespace},
        spec=NETWORK,
        opts=opts,
    )
    return [bound, usage_bound, network]


NETWORK: dict[str, Any] = {
    "pod_selector": {},
    "policy_types": ["Ingress", "Egress"],
    # The ranks of a job talk on ports that nobody knows before; nobody else has business with them.
    "ingress": [{"from_": [{"pod_selector": {}}]}],
    # S3, MLflow and Hugging Face are anywhere; the node's own credentials are none of a Pod's.
    "egress": [{"to": [{"ip_block": {"cidr": "0.0.0.0/0", "except_": [METADATA_SERVICE]}}]}],
}
