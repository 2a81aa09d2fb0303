"""Pulumi components for retrieval-augmented generation and fine-tuning on AWS."""

from .environments.rag_environment import RagEnvironment, RagEnvironmentArgs
from .foundation.rest_endpoint import Auth
from .foundation.retention import Retention

__all__ = ["Auth", "RagEnvironment", "RagEnvironmentArgs", "Retention"]
__version__ = "0.1.0"
