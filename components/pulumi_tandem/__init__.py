"""Pulumi components for retrieval-augmented generation and fine-tuning on AWS."""

from tandem_contract import __version__ as __version__

from .arguments import FineTuningEnvironmentArgs, HybridEnvironmentArgs, RagEnvironmentArgs
from .environments.finetuning_environment import FineTuningEnvironment
from .environments.hybrid_environment import HybridEnvironment
from .environments.rag_environment import RagEnvironment
from .foundation.rest_endpoint import Auth
from .foundation.retention import Retention
from .rag.stores import StoreKind

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
