"""Clusters, and training on one, as they are registered."""

import pytest
from pulumi_tandem.kubernetes.cluster_training import ClusterTraining
from pulumi_tandem.kubernetes.gpu_cluster import GpuCluster
from tandem_contract import envelope

from scripts.recorder import Recording, record

ENVELOPE = {
    **{name: field.default for name, field in envelope.FIELDS.items()},
    "instance_type": "g6e.12xlarge",
    "evaluation_instance_type": "g6e.2xlarge",
}

ARGUMENTS = {
    "envelope": ENVELOPE,
    "training_image": "i:1",
    "dataset_bucket_arn": "arn:aws:s3:::data",
    "artifact_bucket_arn": "arn:aws:s3:::artifacts",
}

BLOCK = {
    "name": "block",
    "instance_types": ["p5.48xlarge"],
    "capacity": "capacity-block",
    "reservation": "cr-0123456789abcdef0",
    "desired": 0,
    "efa": True,
    "zones": ["us-east-1a"],
}
SPOT = {"name": "spare", "instance_types": ["g6e.12xlarge"], "capacity": "spot", "desired": 1, "maximum": 2}
BOTTLEROCKET = {"name": "rocket", "instance_types": ["g5.xlarge"], "ami_type": "BOTTLEROCKET_x86_64_NVIDIA"}


def cluster(preview: bool = False, **args) -> Recording:
    return record(lambda: GpuCluster("gpu", args), preview=preview)


@pytest.fixture(scope="module")
def plain() -> Recording:
    return cluster()


def alone(more: dict, settings: dict | None = None, cluster: dict | None = None, **changed) -> ClusterTraining:
    """Training on a cluster, without an environment around it."""
    arguments = {**ARGUMENTS, "envelope": ENVELOPE | changed, "settings": settings or {}}
    pool = {"instance_types": ["g6e.12xlarge", "g6e.2xlarge"], "gpus": 8}
    return ClusterTraining("runs", GpuCluster("gpus", {"node_pools": [pool], **(cluster or {})}), arguments | more)
