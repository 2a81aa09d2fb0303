"""OpenSearch Serverless collection as the vector store: costs nothing while it isn't used."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import opensearch
from tandem_contract.checks import Checks
from tandem_contract.fields import Field

from ...foundation.names import named, physical_name
from ...foundation.policy import allow
from ...foundation.retention import holding_data
from ..ledger import Ledger
from .base import Grant, Permission, VectorStore, VectorStoreArgs

FIELDS = {
    "max_search_ocu": Field(
        2,
        "Ceiling of store `serverless` for search and for indexing each: 1, 2, 4, 8, 16 or a multiple of 16.",
        low=1,
        high=96,
        unit="OpenSearch compute units",
        remedy="2 is the usual start.",
        cost="One costs about $0.24 an hour while it runs; idle, none runs.",
    )
}
"""What an environment with this store is given besides."""
STEPS = (1, 2, 4, 8, *range(16, 97, 16))
"""Ceilings that a collection group takes (AWS document `collection-groups-capacity-limits`, read 2026-11-30), up to the
API's default of 96."""
RULES = {
    Permission.READ: {"aoss:ReadDocument", "aoss:DescribeIndex"},
    Permission.WRITE: {"aoss:WriteDocument", "aoss:DescribeIndex"},
    Permission.CREATE_INDEX: {"aoss:CreateIndex", "aoss:DescribeIndex", "aoss:UpdateIndex"},
}


def check(checks: Checks, args: Mapping[str, Any]) -> None:
    """Whether a collection group can have this capacity."""
    if args["max_search_ocu"] not in (None, *STEPS):
        given = args["max_search_ocu"]
        below, above = max(step for step in STEPS if step < given), min(step for step in STEPS if step > given)
        remedy = f"Choose {below} or {above}."
        checks.refuse("max_search_ocu", given, "1, 2, 4, 8, 16 or a multiple of 16", remedy)


class ServerlessVectorStoreArgs(VectorStoreArgs):
    """Arguments of `ServerlessVectorStore`."""

    max_search_ocu: int
    """Ceiling in OpenSearch compute units, for search and for indexing each."""


class ServerlessVectorStore(VectorStore):
    """OpenSearch Serverless collection for vectors, of the generation that scales to zero, and its first index.

    Creates the encryption and network policies, a NextGen collection group, the collection, and a function that runs
    once a deployment and ensures that the index of this embedder, dimension and chunking exists. It writes the record
    of the active index only if none names this collection: moving it to another index is a command, not a
    deployment.

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

    def __init__(
        self, name: str, ledger: Ledger, args: ServerlessVectorStoreArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("tandem:index:ServerlessVectorStore", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags, ceiling = args.get("tags"), float(args["max_search_ocu"])
        group = opensearch.ServerlessCollectionGroup(
            f"{name}-group",
            name=physical_name(name, 32),
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
            opts=named(self),
        )
        # The policies have to name the collection before it is there: all are called as the group is.
        resources = [pulumi.Output.concat("collection/", group.name)]
        collection_rule = {"ResourceType": "collection", "Resource": resources}
        encryption = opensearch.ServerlessSecurityPolicy(
            f"{name}-encryption",
            name=group.name,
            type="encryption",
            description=f"Encryption of {name}",
            policy=pulumi.Output.json_dumps({"Rules": [collection_rule], "AWSOwnedKey": True}),
            opts=child,
        )
        network = opensearch.ServerlessSecurityPolicy(
            f"{name}-network",
            name=group.name,
            type="network",
            description=f"Network access to {name}",
            policy=pulumi.Output.json_dumps([{"Rules": [collection_rule], "AllowFromPublic": True}]),
            opts=child,
        )
        collection = opensearch.ServerlessCollection(
            f"{name}-collection",
            name=group.name,
            description=f"Chunks and embeddings of {name}",
            type="VECTORSEARCH",
            collection_group_name=group.name,
            standby_replicas="ENABLED",
            tags=tags,
            opts=pulumi.ResourceOptions.merge(
                holding_data(self, args["retention"]), pulumi.ResourceOptions(depends_on=[encryption, network])
            ),
        )
        self.collection_name, self.collection_arn = collection.name, collection.arn
        self.endpoint = collection.collection_endpoint
        self.index_name = self._ensured_index(name, ledger, args, "aoss")
        self.register_outputs(
            {
                "collectionName": self.collection_name,
                "collectionArn": self.collection_arn,
                "endpoint": self.endpoint,
                "indexName": self.index_name,
            }
        )

    def grant(self, *permissions: Permission) -> Grant:
        """IAM lets a role reach the endpoint at all, and a data access policy says what it does there.

        The policy is the component's own, so that every consumer grants itself what it needs. (A *data* policy is an
        `AccessPolicy` in this service; `SecurityPolicy` is for encryption and network.)
        """

        def data_access(
            component: pulumi.ComponentResource, name: str, role_arn: pulumi.Input[str]
        ) -> list[pulumi.Resource]:
            rule = {
                "ResourceType": "index",
                "Resource": [pulumi.Output.concat("index/", self.collection_name, "/*")],
                "Permission": sorted(set().union(*(RULES[permission] for permission in permissions))),
            }
            return [
                opensearch.ServerlessAccessPolicy(
                    f"{name}-access",
                    name=physical_name(name, 32),
                    type="data",
                    description=f"What {name} does in the indices",
                    policy=pulumi.Output.json_dumps([{"Rules": [rule], "Principal": [role_arn]}]),
                    opts=named(component),
                )
            ]

        return Grant([allow(["aoss:APIAccessAll"], self.collection_arn)], data_access)
