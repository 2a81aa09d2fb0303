"""Vector stores. A store is a file of this folder and a row of `STORES`."""

from enum import Enum


class StoreKind(str, Enum):
    """Where chunks and embeddings are kept."""

    SERVERLESS = "serverless"
    """An OpenSearch Serverless collection: costs nothing while nobody asks, and wakes in 10 to 30 seconds."""
    DOMAIN = "domain"
    """An OpenSearch domain: the same bill each month, and never asleep; for a steady volume."""
