"""Runtime of Kubeflow Trainer: what every training Pod of a pipeline has, and what becomes of it when a Pod fails."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pulumi
from tandem_contract.cluster import (
    CODE,
    GRACE_SECONDS,
    LOGS,
    REFUSED,
    REPLICATED_JOB,
    ROOT,
    SERVICE_ACCOUNT,
    Container,
    Label,
    PodVariable,
)
from tandem_contract.instance_types import INSTANCE_TYPES

API = "trainer.kubeflow.org/v1alpha1"
TOLD_TO_END = 143  # 128 and SIGTERM
USER = 10_000  # none that a host has
MOST_SHARED_GIB = 64
START_SECONDS = 300
"""Between the start of a host's container and its meeting the others, by far: it imports torch."""

# What `restricted` asks for (Kubernetes, "Pod Security Standards"), of the Pod and of each container.
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

# The code comes from S3 too, so what brings it has to stand here; its argument is where to put it.
FETCH = (
    """
import boto3, os, sys
code = sys.argv[1]
bucket, _, key = os.environ["%s"].removeprefix("s3://").partition("/")
os.makedirs(os.path.dirname(code), exist_ok=True)
boto3.client("s3").download_file(bucket, key, code)
os.execvp("python3", ["python3", code, "fetch"])
""".strip()
    % (PodVariable.CODE)
)


def training_runtime(
    envelope: Mapping[str, Any], image: pulumi.Input[str], labels: Mapping[str, str], ready_minutes: int
) -> dict[str, Any]:
    """The runtime's spec. `ready_minutes` is how long the queue waits for all Pods of a job.

    A TrainJob can't set any of what matters here (Trainer's `RuntimePatch`): image and command of init containers,
    grace period, what a failure means. It sets image, arguments, environment and resources of `node`, the environment
    of the others, and how many nodes.
    """
    return {
        "mlPolicy": {"numNodes": envelope["instance_count"], "torch": {}},
        "template": {
            "spec": {
                "failurePolicy": {
                    "maxRestarts": envelope["attempts"] - 1,
                    # No new Pod before the last old one has gone: their mirrors still write.
                    "restartStrategy": "BlockingRecreate",
                    "rules": [
                        _rule("evicted", "RestartJobSetAndIgnoreMaxRestarts", "DisruptionTarget", TOLD_TO_END),
                        _rule("refused", "FailJobSet", REFUSED),
                        {"name": "late", "action": "FailJobSet", "onJobFailureReasons": ["DeadlineExceeded"]},
                    ],
                },
                "replicatedJobs": [{"name": REPLICATED_JOB, "template": _job(envelope, image, labels, ready_minutes)}],
            }
        },
    }


def runtime_name(spec: str) -> str:
    """Name of the runtime with this content, as JSON: its fields can't be changed while a run refers to it."""
    return f"tandem-{hashlib.sha256(spec.encode()).hexdigest()[:10]}"


def shared_memory_gib(instance_type: str) -> int:
    """Size of /dev/shm, by which NCCL and data loaders talk: a quarter of the machine's memory, 64 GiB at most.

    It counts as memory of the container once it is written; Kubernetes' own default is 64 MiB.
    """
    return min(MOST_SHARED_GIB, INSTANCE_TYPES[instance_type].memory_gib // 4)


def _rule(name: str, action: str, *causes: str | int) -> dict[str, Any]:
    """What the gang does after a failure that the Job's own policy has named."""
    messages = [f"exit code {cause} " if isinstance(cause, int) else cause for cause in causes]
    return {
        "name": name,
        "action": action,
        "onJobFailureReasons": ["PodFailurePolicy"],
        "onJobFailureMessagePatterns": messages,
    }


def _job(
    envelope: Mapping[str, Any], image: pulumi.Input[str], labels: Mapping[str, str], ready_minutes: int
) -> dict[str, Any]:
    longest = max(envelope["max_runtime_seconds"], envelope["evaluation_max_runtime_seconds"])
    fail = {"action": "FailJob"}
    ended = [(Container.NODE, REFUSED), (Container.FETCH, REFUSED), (Container.NODE, TOLD_TO_END)]
    codes = [
        fail | {"onExitCodes": {"containerName": container, "operator": "In", "values": [code]}}
        for container, code in ended
    ]
    evicted = fail | {"onPodConditions": [{"type": "DisruptionTarget"}]}
    return {
        "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
        "spec": {
            # The JobSet restarts all Pods together; the default, 6, would replace them one by one.
            "backoffLimit": 0,
            # Of one attempt, from its admission on: what waiting for a node takes is in it.
            "activeDeadlineSeconds": longest,
            # The order counts: a Pod that refused its input is not made again because it was evicted as well.
            "podFailurePolicy": {"rules": [*codes[:2], evicted, codes[2]]},
            "template": {
                "metadata": {
                    "labels": {Label.POD: Label.PROCESS, **labels},
                    # Karpenter would move a Pod to a cheaper node.
                    "annotations": {"karpenter.sh/do-not-disrupt": "true"},
                },
                "spec": _pod(envelope, image, ready_minutes),
            },
        },
    }


def _pod(envelope: Mapping[str, Any], image: pulumi.Input[str], ready_minutes: int) -> dict[str, Any]:
    shared = max(shared_memory_gib(envelope[key]) for key in ("instance_type", "evaluation_instance_type"))
    return {
        "restartPolicy": "Never",
        "serviceAccountName": SERVICE_ACCOUNT,
        # Pod Identity brings a token of its own.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": POD_SECURITY,
        "volumes": [
            # With a limit, or a full disk would evict the Pod, which isn't counted: it would come back for ever.
            {"name": "work", "emptyDir": {"sizeLimit": f"{envelope['volume_gb']}G"}},
            {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": f"{shared}Gi"}},
        ],
        "initContainers": [
            _container(Container.FETCH, image, ["python3", "-c", FETCH, CODE], _needs("500m", "2Gi")),
            # A sidecar: started before the trainer, told to end after it.
            _container(Container.MIRROR, image, ["python3", CODE, "mirror"], _needs("250m", "1Gi"))
            | {"restartPolicy": "Always"},
        ],
        "containers": [
            _container(
                Container.NODE,
                image,
                ["python3", CODE],
                {
                    "args": ["train"],
                    "volumeMounts": [*WORK, {"name": "shared-memory", "mountPath": "/dev/shm"}],  # noqa: S108
                },
                # The user has no home in most images, nor a name, which caches of compiled kernels ask for.
                HOME=ROOT,
                USER="tandem",
                # Libfabric's huge pages run out when data loaders fork (AWS, "EFA cheat sheet").
                FI_EFA_USE_HUGE_PAGE="0",
                # The queue gives up first, which uses no attempt, where a host's node doesn't come.
                TANDEM_MEET_SECONDS=str(ready_minutes * 60 + START_SECONDS),
            )
        ],
    }


WORK = [{"name": "work", "mountPath": ROOT}]


def _needs(cpu: str, memory: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}}


def _container(
    name: str, image: pulumi.Input[str], command: list[str], more: Mapping[str, Any], **variables: str
) -> dict[str, Any]:
    variables = {PodVariable.ROOT: ROOT, PodVariable.LOGS: LOGS, **variables}
    return {
        "name": name,
        "image": image,
        "command": command,
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "volumeMounts": WORK,
        "securityContext": CONTAINER_SECURITY,
        **more,
    }


def as_json(spec: Mapping[str, Any]) -> pulumi.Output[str]:
    """The content of which the name is made."""
    return pulumi.Output.from_input(spec).apply(lambda known: json.dumps(known, sort_keys=True))
