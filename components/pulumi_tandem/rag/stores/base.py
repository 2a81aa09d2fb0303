"""What a vector store is to those that use it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import lambda_
from tandem_contract.names import EnsureIndex, Variable

from ..foundation.function import Function
from ..foundation.policy import Statement, allow
from ..foundation.retention import Retention
from ..foundation.tags import Tags
from .ledger import Ledger


class StoreKind(str, Enum):
    """Where chunks and embeddings are kept."""

    SERVERLESS = "serverless"
    """An OpenSearch Serverless collection: costs nothing while nobody asks, and wakes in 10 to 30 seconds."""
    DOMAIN = "domain"
    """An OpenSearch domain: the same bill each month, and never asleep; for a steady volume."""


class Permission(Enum):
    """What a role may do in the indices of a store."""

    READ = "read"
    WRITE = "write"
    CREATE_INDEX = "create index"


class VectorStoreArgs(TypedDict):
    """Arguments of every vector store."""

    embedder: str
    """Bedrock embedding model. A change makes a new index version beside the active one."""
    dimensions: int
    """Length of an embedding. A change makes a new index version."""
    chunk_tokens: int
    """Length of a chunk in tokens. A change makes a new index version."""
    chunk_overlap: int
    """Tokens that a chunk repeats of the one before. A change makes a new index version."""
    retention: Retention
    """`keep` protects the store; `erase` deletes it with its indices at destroy."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class VectorStore(pulumi.ComponentResource, ABC):
    """A store of chunks and embeddings, and its index of one embedder, dimension and chunking.

    The kinds differ in what they cost and in how they let a role in; requests and answers are the same.
    """

    endpoint: pulumi.Output[str]
    """URL of the store's OpenSearch API."""
    index_name: pulumi.Output[str]
    """Name of the index of this embedder, dimension and chunking."""

    @abstractmethod
    def statements(self, *permissions: Permission) -> list[Statement]:
        """The IAM statements that a role needs for these permissions."""

    @abstractmethod
    def grant(
        self, component: pulumi.ComponentResource, name: str, role_arn: pulumi.Input[str], *permissions: Permission
    ) -> Sequence[pulumi.Resource]:
        """What a role needs besides its statements, made as children of `component`."""

    def _ensure_index(
        self, name: str, ledger: Ledger, args: VectorStoreArgs, host: pulumi.Output[str], service: str
    ) -> None:
        """Have a function ensure, when a deployment changes any of this, that the index exists; sets the outputs.

        It makes the index the active one only if no index of this store is. `host` is the store's as AWS names it: a
        collection by its URL, a domain without `https://`. Requests are signed for `service`.
        """
        self.endpoint = host.apply(lambda given: given if "://" in given else f"https://{given}")
        tags = args.get("tags")
        indexer = Function(
            f"{name}-index",
            {
                "handler": "tandem.rag.functions.ensure_index.handler",
                "statements": [
                    *self.statements(Permission.CREATE_INDEX),
                    allow(["dynamodb:PutItem"], ledger.table_arn),
                ],
                "environment": {Variable.LEDGER_TABLE: ledger.table_name},
                "memory_megabytes": 512,
                "timeout_seconds": 180,
                "tags": tags or {},
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        access = self.grant(self, f"{name}-index", indexer.role_arn, Permission.CREATE_INDEX)
        payload: EnsureIndex = {
            "endpoint": self.endpoint,
            "service": service,
            "base": name,
            "embedder": args["embedder"],
            "dimensions": args["dimensions"],
            "chunk_tokens": args["chunk_tokens"],
            "chunk_overlap": args["chunk_overlap"],
        }
        ensured = lambda_.Invocation(
            f"{name}-ensure-index",
            function_name=indexer.function_name,
            lifecycle_scope="CREATE_ONLY",  # a changed input replaces it, which invokes again
            input=pulumi.Output.json_dumps(payload),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*access, indexer]),
        )
        self.index_name = pulumi.Output.json_loads(ensured.result).apply(lambda result: result["index"])
