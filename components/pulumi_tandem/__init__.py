"""Pulumi components for retrieval-augmented generation and fine-tuning on AWS."""

from tandem_contract import __version__ as __version__

from . import release  # noqa: F401 - first: it looks whether the others can be imported
from .arguments import (
    ClusterTrainingSettings,
    ClusterVersions,
    DataBucketArgs,
    DomainVectorStoreArgs,
    FineTuningEnvironmentArgs,
    GpuClusterArgs,
    GpuNodeGroup,
    GpuNodePool,
    GpuQuota,
    HybridEnvironmentArgs,
    IngestionPipelineArgs,
    LedgerArgs,
    NodeTaint,
    QueryApiArgs,
    QueryUsage,
    RagEnvironmentArgs,
    RoleRules,
    RunUsage,
    ServerlessVectorStoreArgs,
)
from .choices import Auth, EndpointMode, Retention, StoreKind, TrainingBackend
from .environments.finetuning_environment import FineTuningEnvironment
from .environments.hybrid_environment import HybridEnvironment
from .environments.rag_environment import RagEnvironment
from .foundation.arguments import InvalidArguments
from .foundation.data_bucket import DataBucket
from .kubernetes.cluster_training import ClusterTraining
from .kubernetes.gpu_cluster import GpuCluster
from .rag.ingestion_pipeline import IngestionPipeline
from .rag.ledger import Ledger
from .rag.query_api import QueryApi
from .rag.stores.domain import DomainVectorStore
from .rag.stores.serverless import ServerlessVectorStore

__all__ = [
    "Auth",
    "ClusterTraining",
    "ClusterTrainingSettings",
    "ClusterVersions",
    "DataBucket",
    "DataBucketArgs",
    "DomainVectorStore",
    "DomainVectorStoreArgs",
    "EndpointMode",
    "FineTuningEnvironment",
    "FineTuningEnvironmentArgs",
    "GpuCluster",
    "GpuClusterArgs",
    "GpuNodeGroup",
    "GpuNodePool",
    "GpuQuota",
    "HybridEnvironment",
    "HybridEnvironmentArgs",
    "IngestionPipeline",
    "IngestionPipelineArgs",
    "InvalidArguments",
    "Ledger",
    "LedgerArgs",
    "NodeTaint",
    "QueryApi",
    "QueryApiArgs",
    "QueryUsage",
    "RagEnvironment",
    "RagEnvironmentArgs",
    "Retention",
    "RoleRules",
    "RunUsage",
    "ServerlessVectorStore",
    "ServerlessVectorStoreArgs",
    "StoreKind",
    "TrainingBackend",
]
