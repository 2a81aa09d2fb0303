"""Pulumi components for retrieval-augmented generation and fine-tuning on AWS."""

from .environments.finetuning_environment import FineTuningEnvironment, FineTuningEnvironmentArgs
from .environments.hybrid_environment import HybridEnvironment, HybridEnvironmentArgs
from .environments.rag_environment import RagEnvironment, RagEnvironmentArgs
from .foundation.rest_endpoint import Auth
from .foundation.retention import Retention
from .rag.vector_store import StoreKind

__all__ = [
    "Auth",
    "FineTuningEnvironment",
    "FineTuningEnvironmentArgs",
    "HybridEnvironment",
    "HybridEnvironmentArgs",
    "RagEnvironment",
    "RagEnvironmentArgs",
    "Retention",
    "StoreKind",
]
__version__ = "0.1.0"
