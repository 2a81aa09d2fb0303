"""Vector store: what every kind has in common, arguments, outputs and grants."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, NotRequired, TypedDict

import pulumi
from pulumi_aws import lambda_
from tandem_contract.model_url import is_model_url
from tandem_contract.names import Variable
from tandem_contract.payloads import DropIndices, EnsureIndex

from ...foundation.bedrock import invoke_models
from ...foundation.function import Function, WatchedBy
from ...foundation.policy import Statement, allow, read_secret
from ...foundation.retention import Retention
from ...foundation.tags import Tags
from ..ledger import Ledger


class Permission(Enum):
    """What a role may do in the indices of a store."""

    READ = "read"
    WRITE = "write"
    CREATE_INDEX = "create index"
    DROP_INDEX = "drop index"


class VectorStoreArgs(TypedDict):
    """Arguments of every vector store, beside the fields of its own."""

    embedder: str
    """Bedrock embedding model, or the URL of another. A change makes a new index version beside the active one."""
    embedder_secret_arn: NotRequired[pulumi.Input[str]]
    """Secret with the key of an embedder behind a URL."""
    dimensions: int
    """Length of an embedding. A change makes a new index version."""
    chunk_tokens: int
    """Length of a chunk in tokens. A change makes a new index version."""
    chunk_overlap: int
    """Tokens that a chunk repeats of the one before. A change makes a new index version."""
    retention: Retention
    """`keep` protects the store; `erase` deletes it with its indices at destroy."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key that encrypts it, where it is made."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that its alarms notify, where it has any."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class Grant(NamedTuple):
    """What lets a role do something in the indices of a store."""

    statements: list[Statement]
    """IAM statements of the role."""
    for_role: Callable[[pulumi.ComponentResource, str, pulumi.Input[str]], list[pulumi.Resource]] = lambda *_: []
    """(component, name, ARN of the role) -> what else it takes, made as the component's children. Apart, because the
    role of a function is made with its statements."""


class VectorStore(pulumi.ComponentResource, ABC):
    """Vector store of chunks and embeddings, and its index of one embedder, dimension and chunking."""

    endpoint: pulumi.Output[str]
    """URL of the store."""
    index_name: pulumi.Output[str]
    """Name of the index of this embedder, dimension and chunking."""

    _indices: pulumi.Input[str] = "*"
    """What the names of its indices match; in a store of others' those of this environment alone."""

    def _in_a_store_of_others(self, ledger: Ledger) -> None:
        """Begin the names of indices with the ledger's, which no other table of the account and region has."""
        self._indices = pulumi.Output.concat(ledger.table_name, "-*")

    @abstractmethod
    def grant(self, *permissions: Permission) -> Grant:
        """What lets a role do these things."""

    def _ensured_index(self, name: str, ledger: Ledger, args: VectorStoreArgs, service: str) -> pulumi.Output[str]:
        """The name of the index, which a function ensures when a deployment changes any of this.

        It makes the index the active one only if no index of this store is. `service` is the store's row in
        `tandem.rag.stores`.
        """
        others = self._indices != "*"
        if others and args["retention"] is Retention.ERASE:
            self._drop_at_destroy(f"{name}-drop", ledger, args)
        indexer, access = self._indexer(f"{name}-index", ledger, args)
        payload: EnsureIndex = {
            "endpoint": self.endpoint,
            "service": service,
            "base": ledger.table_name if others else name,
            "embedder": args["embedder"],
            "dimensions": args["dimensions"],
            "chunk_tokens": args["chunk_tokens"],
            "chunk_overlap": args["chunk_overlap"],
        }
        if secret := args.get("embedder_secret_arn"):
            payload["embedder_secret_arn"] = secret
        ensured = lambda_.Invocation(
            f"{name}-ensure-index",
            function_name=indexer.function_name,
            lifecycle_scope="CREATE_ONLY",  # a changed input replaces it, which invokes again
            input=pulumi.Output.json_dumps(payload),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*access, indexer]),
        )
        return pulumi.Output.json_loads(ensured.result).apply(lambda result: result["index"])

    def _drop_at_destroy(self, name: str, ledger: Ledger, args: VectorStoreArgs) -> None:
        """Have a function drop this environment's indices from a store that stays, before anything it needs goes."""
        grant = self.grant(Permission.DROP_INDEX)
        dropper = Function(
            name,
            {
                "handler": "tandem.rag.functions.drop_indices.handler",
                "statements": [*grant.statements, allow(["dynamodb:Query"], ledger.table_arn)],
                "environment": {Variable.LEDGER_TABLE: ledger.table_name},
                "memory_megabytes": 256,
                "timeout_seconds": 180,
                "watched_by": WatchedBy.DEPLOYMENT,
                "tags": args.get("tags") or {},
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        access = grant.for_role(self, name, dropper.role_arn)
        payload: DropIndices = {"endpoint": self.endpoint}
        lambda_.Invocation(
            f"{name}-at-destroy",
            function_name=dropper.function_name,
            lifecycle_scope="CRUD",
            input=pulumi.Output.json_dumps(payload),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*access, dropper]),
        )

    def _indexer(self, name: str, ledger: Ledger, args: VectorStoreArgs) -> tuple[Function, list[pulumi.Resource]]:
        """The function, and what it has to wait for before its first call."""
        grant = self.grant(Permission.CREATE_INDEX)
        indexer = Function(
            name,
            {
                "handler": "tandem.rag.functions.ensure_index.handler",
                "statements": [
                    *grant.statements,
                    allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"], ledger.table_arn),
                    *([] if is_model_url(args["embedder"]) else invoke_models([args["embedder"]], self)),
                    *read_secret(args.get("embedder_secret_arn")),
                ],
                "environment": {Variable.LEDGER_TABLE: ledger.table_name},
                "memory_megabytes": 512,
                "timeout_seconds": 180,
                "watched_by": WatchedBy.DEPLOYMENT,
                "tags": args.get("tags") or {},
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        return indexer, grant.for_role(self, name, indexer.role_arn)
