"""The TrainJob of a run's step: what the runtime, which has all that is the same for every run, leaves open."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tandem_contract.cluster import (
    EFA,
    GPU,
    INSTANCE_TYPE_LABEL,
    LOGS,
    PRIORITY_LABEL,
    QUEUE,
    QUEUE_LABEL,
    REPLICATED_JOB,
    RUNTIME_KIND,
    Container,
    Label,
    PodVariable,
    label_value,
    urgent_class,
)
from tandem_contract.errors import TandemError
from tandem_contract.instance_types import INSTANCE_TYPES, efa_variables
from tandem_contract.names import Variable
from tandem_contract.run_record import Run

API = "trainer.kubeflow.org/v1alpha1"
PATCHED_BY = "tandem.dev/tandem"
"""Trainer keeps a job's changes of its runtime by who made them."""


@dataclass(frozen=True)
class Places:
    """Where a job's Pods find what they read, and leave what they make: `s3://` addresses."""

    channels: Mapping[str, str]
    """Name to prefix; `code` is that of tandem.pyz."""
    checkpoints: str
    output: str


def manifest(
    run: Run,
    step: str,
    job: str,
    *,
    runtime: str,
    namespace: str,
    image: str,
    instance_type: str,
    instances: int,
    efa: bool,
    seconds: int,
    stack: str,
    region: str,
    places: Places,
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """The TrainJob `job`, which has a Pod on each of so many instances, all of its GPUs, and `seconds` in all.

    Several instances talk over EFA if their nodes offer it.

    Raises `TandemError` for an instance type that isn't known: how many GPUs to ask for isn't, either.
    """
    inputs = {name: uri for name, uri in places.channels.items() if name != "code"}
    outputs = {PodVariable.OUTPUT: places.output, PodVariable.CHECKPOINTS: places.checkpoints, "AWS_REGION": region}
    fetches = {
        PodVariable.CODE: f"{places.channels['code']}tandem.pyz",
        PodVariable.CHANNELS: json.dumps(inputs, sort_keys=True),
        **outputs,
    }
    efa = efa and instances > 1
    environment = {**environment, PodVariable.LOGS: LOGS, "AWS_REGION": region, Variable.INSTANCE_TYPE: instance_type}
    labels = {Label.RUN: run.name, Label.STEP: step, Label.STACK: label_value(stack)}
    queue = {QUEUE_LABEL: QUEUE} | ({PRIORITY_LABEL: urgent_class(namespace)} if run.urgent else {})
    return {
        "apiVersion": API,
        "kind": "TrainJob",
        "metadata": {
            "name": job,
            "labels": {**queue, **labels},
            "annotations": {
                "tandem.dev/manifest-digest": run.manifest_digest,
                "tandem.dev/recipe-digest": run.recipe_digest,
            },
        },
        "spec": {
            "runtimeRef": {"kind": RUNTIME_KIND, "name": runtime},
            # From the time when the queue lets it go: the waiting for quota isn't in it.
            "activeDeadlineSeconds": seconds,
            "trainer": {
                "image": image,
                "args": [step],
                "numNodes": instances,
                "env": _variables(environment | (efa_variables(instance_type) if efa else {})),
                **_resources(instance_type, efa),
            },
            "runtimePatches": [
                {
                    "manager": PATCHED_BY,
                    "trainingRuntimeSpec": {
                        "template": {
                            "spec": {"replicatedJobs": [_pods(labels, instance_type, fetches, outputs)]},
                        }
                    },
                }
            ],
        },
    }


def _pods(
    labels: Mapping[str, str], instance_type: str, fetches: Mapping[str, str], mirrors: Mapping[str, str]
) -> dict[str, Any]:
    """The changes of its Pods."""
    pod = {
        "metadata": {"labels": dict(labels)},
        "spec": {
            "nodeSelector": {INSTANCE_TYPE_LABEL: instance_type},
            "initContainers": [
                {"name": Container.FETCH, "env": _variables(fetches)},
                {"name": Container.MIRROR, "env": _variables(mirrors)},
            ],
        },
    }
    return {"name": REPLICATED_JOB, "template": {"spec": {"template": pod}}}


def _resources(instance_type: str, efa: bool) -> dict[str, Any]:
    """All GPUs of an instance, so that no other Pod with a GPU shares it, and half of the rest, which leaves room for
    what a cluster runs on every node.

    Trainer gives torchrun the number of processors where no GPU is asked for: one rank is meant there.
    """
    if (has := INSTANCE_TYPES.get(instance_type)) is None:
        raise TandemError(f"{instance_type} is no instance type that is known: set tandem:trainingInstance to another.")
    asked = {"cpu": str(has.vcpus // 2), "memory": f"{has.memory_gib // 2}Gi"}
    if not has.gpus:
        return {"resourcesPerNode": {"requests": asked}, "numProcPerNode": 1}
    devices = {GPU: str(has.gpus)} | ({EFA: str(has.efa)} if efa else {})
    return {"resourcesPerNode": {"requests": asked | devices, "limits": devices}}


def _variables(environment: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in environment.items()]
