"""The controllers whose charts stacks install and that run here as processes: what each needs, where it listens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from localcloud import paths
from localcloud.services import supervisor

NAME = "app.kubernetes.io/name"
SETTINGS = "controller_manager_config.yaml"
WEBHOOK, VISIBILITY, HEALTH = "webhook", "visibility", "health"


class Controller(NamedTuple):
    """A controller: its chart's name, which label its Deployment, and its ports that the API server asks for, by what
    they are in its container. One without ports has no settings' file."""

    app: str
    ports: Mapping[str, str] = {}


# By the name of the program.
CONTROLLERS = {
    "kueue": Controller("kueue", {"9443": WEBHOOK, "8082": VISIBILITY}),
    "jobset": Controller("jobset", {"9443": WEBHOOK}),
    "trainer": Controller("kubeflow-trainer", {"9443": WEBHOOK}),
    "karpenter": Controller("karpenter"),
}


def record(name: str) -> Path:
    """Of the process of a controller."""
    return paths.RUN / f"controllers-{name}.json"


def local_port(namespace: str, selector: Mapping[str, str], target_port: str | int) -> int | None:
    """The port of this machine at which the Pods of a Service's selector listen; None where none does.

    `target_port` is the Service's: of the container, or its name.
    """
    for name in CONTROLLERS:
        about = supervisor.running(record(name))
        if about.get("namespace") == namespace and selector.items() <= about["labels"].items():
            return about["targets"].get(str(target_port))
    return None


def settings(name: str, given: dict[str, Any], namespace: str, ports: Mapping[str, int]) -> dict[str, Any]:
    """The settings of a chart's ConfigMap, with what is different outside a container: addresses, folders; and without
    an election, for which a controller started again would wait."""
    here: dict[str, Any] = {
        "health": {"healthProbeBindAddress": f"127.0.0.1:{ports[HEALTH]}"},
        "metrics": {"bindAddress": "0"},  # none
        "webhook": {"host": "127.0.0.1", "port": ports[WEBHOOK]},
        "leaderElection": {"leaderElect": False},
    }
    if name == "kueue":
        here["webhook"]["certDir"] = "k8s-webhook-server/serving-certs"
        here["visibilityServer"] = {"bindAddress": "127.0.0.1", "bindPort": ports[VISIBILITY]}
        here["namespace"] = namespace
    return given | {
        key: given.get(key, {}) | value if isinstance(value, dict) else value for key, value in here.items()
    }
