"""Objects of a job as Kueue 0.17, Trainer 2.2, JobSet 0.11 and Kubernetes 1.35 keep them (recorded, cut to what says
something)."""

from typing import Any

NAMESPACE = "tandem-training"
TRAINJOBS = f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{NAMESPACE}/trainjobs"
WORKLOADS = f"/apis/kueue.x-k8s.io/v1beta2/namespaces/{NAMESPACE}/workloads"
QUEUES = f"/apis/kueue.x-k8s.io/v1beta2/namespaces/{NAMESPACE}/localqueues"
CLUSTER_QUEUES = "/apis/kueue.x-k8s.io/v1beta2/clusterqueues"
JOBSETS = f"/apis/jobset.x-k8s.io/v1alpha2/namespaces/{NAMESPACE}/jobsets"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"


def at(second: int) -> str:
    """A time of the play."""
    return f"2026-11-29T09:{46 + second // 60:02}:{second % 60:02}Z"


def condition(kind: str, second: int, status: str = "True", reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at(second)}


PENDING = condition(
    "QuotaReserved",
    0,
    "False",
    "Pending",
    "couldn't assign flavors to pod set node: insufficient unused quota for nvidia.com/gpu in flavor l40s, 8 more "
    "needed",
)
RESERVED = condition("QuotaReserved", 0, "True", "QuotaReserved", "Quota reserved in ClusterQueue training")
ADMITTED = condition("Admitted", 0, "True", "Admitted", "The workload is admitted")
FINISHED = condition("Finished", 18, "True", "Succeeded", "jobset completed successfully")
COMPLETE = condition("Complete", 17, "True", "AllJobsCompleted", "jobset completed successfully")


def workload(
    job: str,
    *conditions: dict[str, str],
    run: str = "",
    gpus: int = 4,
    flavor: str = f"{NAMESPACE}-g6e-12xlarge",
    **spec: Any,
) -> dict[str, Any]:
    """A Workload of a TrainJob, or of a Job that is no run of ours."""
    labels = {"tandem.dev/run": run} if run else {}
    container = {"name": "node", "resources": {"requests": {"cpu": "8", "nvidia.com/gpu": str(gpus)}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    kind = "TrainJob" if run else "Job"
    assigned = {"name": "node", "count": 2, "flavors": {"cpu": flavor, "nvidia.com/gpu": flavor}}
    admission = {"clusterQueue": NAMESPACE, "podSetAssignments": [assigned]}
    return {
        "metadata": {"ownerReferences": [{"kind": kind, "name": job, "uid": f"uid-{job}"}]},
        "spec": {"podSets": [{"name": "node", "count": 2, "template": template}], "queueName": "tandem", **spec},
        "status": {"conditions": list(conditions), **({"admission": admission} if RESERVED in conditions else {})},
    }


def pod(job: str, index: int, *, attempt: int = 0, node: str = "", **status: Any) -> dict[str, Any]:
    labels = {"jobset.sigs.k8s.io/jobset-name": job, "jobset.sigs.k8s.io/restart-attempt": str(attempt)}
    labels |= {"batch.kubernetes.io/job-completion-index": str(index), "batch.kubernetes.io/job-name": f"{job}-node-0"}
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "node"}], **({"nodeName": node} if node else {})},
        "status": {"phase": "Pending", **status},
    }


def state(name: str, **state: Any) -> dict[str, Any]:
    return {"name": name, "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1", "state": state}


FETCHED = state("fetch", terminated={"exitCode": 0, "reason": "Completed", "startedAt": at(5), "finishedAt": at(6)})
RUNNING = {
    "phase": "Running",
    "startTime": at(5),
    "initContainerStatuses": [FETCHED, state("mirror", running={"startedAt": at(6)})],
    "containerStatuses": [state("node", running={"startedAt": at(6)})],
}


def over(code: int, second: int, **status: Any) -> dict[str, Any]:
    """The status of a Pod whose trainer has ended."""
    reason = "Completed" if code == 0 else "Error"
    end = {"exitCode": code, "reason": reason, "startedAt": at(6), "finishedAt": at(second)}
    return {
        "phase": "Failed" if code else "Succeeded",
        "startTime": at(5),
        "initContainerStatuses": [FETCHED, state("mirror", terminated={"exitCode": 0, "reason": "Completed"})],
        "containerStatuses": [state("node", terminated=end)],
        **status,
    }


UNPLACED = {
    "conditions": [
        condition(
            "PodScheduled",
            1,
            "False",
            "Unschedulable",
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate",
        )
    ]
}


def child(job: str, *conditions: dict[str, str]) -> dict[str, Any]:
    """The Job of a JobSet."""
    return {
        "metadata": {"labels": {"jobset.sigs.k8s.io/jobset-name": job}},
        "status": {"conditions": list(conditions)},
    }


def broke(code: int, second: int = 20) -> dict[str, str]:
    """What a Job says whose Pod has ended with an error."""
    message = f"Container node for pod {NAMESPACE}/x-node-0-1-7qh4j failed with exit code {code} matching FailJob rule"
    return condition("Failed", second, "True", "PodFailurePolicy", f"{message} at index 0")
