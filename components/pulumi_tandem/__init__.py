"""Pulumi components for retrieval-augmented generation and fine-tuning on AWS."""

from tandem_contract import __version__ as __version__

from . import release  # noqa: F401 - first: it looks whether the others can be imported
from .arguments import (
    ClusterTrainingSettings,
    ClusterVersions,
    FineTuningEnvironmentArgs,
    GpuClusterArgs,
    GpuNodeGroup,
    GpuNodePool,
    GpuQuota,
    HybridEnvironmentArgs,
    NodeTaint,
    QueryUsage,
    RagEnvironmentArgs,
    RoleRules,
    RunUsage,
)
from .environments.finetuning_environment import FineTuningEnvironment
from .environments.hybrid_environment import HybridEnvironment
from .environments.rag_environment import RagEnvironment
from .finetuning.inference_endpoint import EndpointMode
from .finetuning.jobs import TrainingBackend
from .foundation.arguments import InvalidArguments
from .foundation.rest_endpoint import Auth
from .foundation.retention import Retention
from .rag.stores import StoreKind

__all__ = [
    "Auth",
    "ClusterTrainingSettings",
    "ClusterVersions",
    "EndpointMode",
    "FineTuningEnvironment",
    "FineTuningEnvironmentArgs",
    "GpuClusterArgs",
    "GpuNodeGroup",
    "GpuNodePool",
    "GpuQuota",
    "HybridEnvironment",
    "HybridEnvironmentArgs",
    "InvalidArguments",
    "NodeTaint",
    "QueryUsage",
    "RagEnvironment",
    "RagEnvironmentArgs",
    "Retention",
    "RoleRules",
    "RunUsage",
    "StoreKind",
    "TrainingBackend",
]
