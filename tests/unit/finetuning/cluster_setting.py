"""What the function for jobs on a cluster has around it: a cluster's endpoint, its queue, and credentials."""

import base64
from typing import Any

from botocore.credentials import Credentials

from tandem.runtime import kubernetes
from tests.support.aws_requests import stand_in
from tests.support.kubernetes_api import Cluster

from . import cluster_objects as it

VARIABLES = {
    "TANDEM_CLUSTER": "gpus",
    "TANDEM_CLUSTER_NAMESPACE": it.NAMESPACE,
    "TANDEM_CLUSTER_RUNTIME": "tandem-0123456789",
    "TANDEM_CLUSTER_EFA": "p4d.24xlarge g6e.24xlarge",
    "TANDEM_TRAINING_IMAGE": "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
    "AWS_REGION": "us-east-1",
    "NO_PROXY": "127.0.0.1",
}


def cluster_setting(api: Cluster, clients: dict[str, Any], monkeypatch: Any) -> None:
    """Have `clients` know the cluster, and the cluster a queue of eight GPUs."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    authority = {"data": base64.b64encode(api.authority.encode()).decode()}
    described = {"cluster": {"endpoint": api.url, "certificateAuthority": authority, "status": "ACTIVE"}}
    clients["eks"] = stand_in("eks", describe_cluster=lambda name: described)
    monkeypatch.setattr(kubernetes, "credentials", lambda: Credentials("key", "secret", "session"))
    monkeypatch.setattr(kubernetes, "SECONDS", 1.0)
    kubernetes._connected.cache_clear()
    api.put(f"{it.QUEUES}/tandem", {"metadata": {}, "spec": {"clusterQueue": it.NAMESPACE}})
    resources = [{"name": "cpu", "nominalQuota": "400"}, {"name": "nvidia.com/gpu", "nominalQuota": "8"}]
    flavors = [{"name": f"{it.NAMESPACE}-{name}", "resources": resources} for name in ("g6e-12xlarge", "g6e-2xlarge")]
    groups = [{"coveredResources": ["nvidia.com/gpu"], "flavors": flavors}]
    api.put(f"{it.CLUSTER_QUEUES}/{it.NAMESPACE}", {"metadata": {}, "spec": {"resourceGroups": groups}})
