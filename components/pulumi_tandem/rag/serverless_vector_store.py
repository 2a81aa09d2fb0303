"""A vector store that costs nothing while nobody asks."""

from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import lambda_, opensearch

from ..foundation.function import Function
from ..foundation.names import physical_name
from ..foundation.policy import allow
from ..foundation.retention import Retention, holding_data
from . import search_access
from .ledger import Ledger


class ServerlessVectorStoreArgs(TypedDict):
    """Arguments of `ServerlessVectorStore`."""

    embedder: str
    """Bedrock embedding model. A change makes a new index version beside the active one."""
    dimensions: int
    """Length of an embedding. A change makes a new index version."""
    chunk_tokens: int
    """Length of a chunk in tokens. A change makes a new index version."""
    chunk_overlap: int
    """Tokens that a chunk repeats of the one before. A change makes a new index version."""
    max_search_ocu: int
    """Ceiling in OpenSearch compute units, for search and for indexing each."""
    retention: Retention
    """`keep` protects the collection; `erase` deletes it with its indices at destroy."""
    tags: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Cost-allocation tags."""


class ServerlessVectorStore(pulumi.ComponentResource):
    """An OpenSearch Serverless collection for vectors, of the generation that scales to zero, and its first index.

    Creates the encryption and network policies, a NextGen collection group, the collection, and a function that runs
    once a deployment and ensures that the index of this embedder, dimension and chunking exists. It writes the record
    of the active index only if there is none: moving it is a run, not a deployment.

    The endpoint is reachable from the internet and every request must be signed by a role of a data access policy.
    Encryption is with AWS's own key, since a key of one's own brings its own set of compute units (AWS document
    `serverless-scaling`).

    Idle cost: storage only ($0.024 per GB and month); it wakes in 10 to 30 seconds (AWS document
    `serverless-scale-to-zero`). The API's default generation, Classic, would cost $175 to $350 a month idle.
    """

    collection_name: pulumi.Output[str]
    """Name of the collection."""
    collection_arn: pulumi.Output[str]
    """ARN of the collection."""
    collection_endpoint: pulumi.Output[str]
    """URL of the collection's OpenSearch API."""
    index_name: pulumi.Output[str]
    """Name of the index of this embedder, dimension and chunking."""

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        args: ServerlessVectorStoreArgs,
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__("tandem:index:ServerlessVectorStore", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags, ceiling = args.get("tags"), float(args["max_search_ocu"])
        collection_name = physical_name(self, name, 32)
        resources = [f"collection/{collection_name}"]
        collection_rule = {"ResourceType": "collection", "Resource": resources}
        encryption = opensearch.ServerlessSecurityPolicy(
            f"{name}-encryption",
            name=collection_name,
            type="encryption",
            description=f"Encryption of {name}",
            policy=pulumi.Output.json_dumps({"Rules": [collection_rule], "AWSOwnedKey": True}),
            opts=child,
        )
        network = opensearch.ServerlessSecurityPolicy(
            f"{name}-network",
            name=collection_name,
            type="network",
            description=f"Network access to {name}",
            policy=pulumi.Output.json_dumps([{"Rules": [collection_rule], "AllowFromPublic": True}]),
            opts=child,
        )
        group = opensearch.ServerlessCollectionGroup(
            f"{name}-group",
            name=collection_name,
            description=f"Capacity of {name}",
            generation="NEXTGEN",
            standby_replicas="ENABLED",  # NextGen demands it; it does not bill for it
            capacity_limits=[
                {
                    "min_search_capacity_in_ocu": 0.0,
                    "max_search_capacity_in_ocu": ceiling,
                    "min_indexing_capacity_in_ocu": 0.0,
                    "max_indexing_capacity_in_ocu": ceiling,
                }
            ],
            tags=tags,
            opts=child,
        )
        collection = opensearch.ServerlessCollection(
            f"{name}-collection",
            name=collection_name,
            description=f"Chunks and embeddings of {name}",
            type="VECTORSEARCH",
            collection_group_name=group.name,
            standby_replicas="ENABLED",
            tags=tags,
            opts=pulumi.ResourceOptions.merge(
                holding_data(self, args["retention"]), pulumi.ResourceOptions(depends_on=[encryption, network])
            ),
        )
        indexer = Function(
            f"{name}-index",
            {
                "handler": "tandem.rag.functions.ensure_index.handler",
                "statements": [
                    search_access.data_plane(collection.arn),
                    allow(["dynamodb:PutItem"], ledger.table_arn),
                ],
                "environment": {"TANDEM_LEDGER_TABLE": ledger.table_name},
                "memory_megabytes": 512,
                "timeout_seconds": 180,
                "tags": tags or {},
            },
            opts=child,
        )
        access = search_access.grant(
            self, f"{name}-index", collection_name, indexer.role_arn, search_access.CREATE_INDEX
        )
        ensured = lambda_.Invocation(
            f"{name}-ensure-index",
            function_name=indexer.function_name,
            lifecycle_scope="CREATE_ONLY",
            input=pulumi.Output.json_dumps(
                {
                    "endpoint": collection.collection_endpoint,
                    "base": name,
                    "embedder": args["embedder"],
                    "dimensions": args["dimensions"],
                    "chunk_tokens": args["chunk_tokens"],
                    "chunk_overlap": args["chunk_overlap"],
                }
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[access, indexer]),
        )
        self.collection_name = collection.name
        self.collection_arn = collection.arn
        self.collection_endpoint = collection.collection_endpoint
        self.index_name = pulumi.Output.json_loads(ensured.result).apply(lambda result: result["index"])
        self.register_outputs(
            {
                "collectionName": self.collection_name,
                "collectionArn": self.collection_arn,
                "collectionEndpoint": self.collection_endpoint,
                "indexName": self.index_name,
            }
        )
