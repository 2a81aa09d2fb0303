"""Choices of arguments. Apart, since the typed arguments of all components are made of them."""

from enum import Enum


class Retention(str, Enum):
    """What `pulumi destroy` does to documents, ledger and index."""

    KEEP = "keep"
    """Refuses: the resources are protected. To let go: `pulumi state unprotect --all`, set `erase`, `pulumi up`."""
    ERASE = "erase"
    """Deletes them with everything in them; for stacks that can be made again."""


class Auth(str, Enum):
    """Who may call an endpoint."""

    IAM = "iam"
    """Callers of the account with `execute-api:Invoke`, by SigV4 signature."""
    JWT = "jwt"
    """Holders of a token of a Cognito user pool, which API Gateway checks itself: an ID token, or with scopes an access
    token (API Gateway's API reference, Method, `authorizationScopes`)."""


class StoreKind(str, Enum):
    """Where chunks and embeddings are kept."""

    SERVERLESS = "serverless"
    """An OpenSearch Serverless collection: costs nothing while nobody asks, and wakes in 10 to 30 seconds."""
    DOMAIN = "domain"
    """An OpenSearch domain: the same bill each month, and never asleep; for a steady volume."""


class TrainingBackend(str, Enum):
    """Where runs train."""

    SAGEMAKER = "sagemaker"
    """As training jobs of SageMaker's."""
    EKS = "eks"
    """On a cluster of GPU nodes."""


class EndpointMode(str, Enum):
    """Whether an endpoint keeps its instances."""

    STEADY = "steady"
    """Always there."""
    ZERO = "zero"
    """None while nobody asks; the first request fails and wakes one within minutes."""
