"""OpenSearch Serverless collection as the vector store: costs nothing while it isn't used."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_aws import opensearch
from tandem_contract.checks import Checks, shown
from tandem_contract.fields import Field

from ...arguments import ServerlessVectorStoreArgs
from ...foundation.arguments import valid
from ...foundation.arns import PRINCIPALS
from ...foundation.existing import check_not_ours, check_owner, described, given
from ...foundation.house_rules import under_house_rules
from ...foundation.names import named, physical_name
from ...foundation.outputs import register
from ...foundation.policy import allow
from ...foundation.region import invoke_options
from ...foundation.retention import holding_data
from ...foundation.tags import environment_tags
from .base import EVERY_INDEX, Grant, Permission, StoreAccess, VectorStore, indices_of, looking, store_table

FIELDS = {
    "max_search_ocu": Field(
        2,
        "Ceiling of store `serverless` for search and for indexing each: 1, 2, 4, 8, 16 or a multiple of 16.",
        low=1,
        high=96,
        unit="OpenSearch compute units",
        remedy="2 is the usual start.",
        cost="One costs about $0.24 an hour while it runs; idle, none runs.",
    ),
    "existing_collection": Field(
        "",
        "Name of a collection of your own for store `serverless`, of type VECTORSEARCH and reachable from the "
        "internet, in place of one that is made. Indices that begin with the ledger's name are made in it, and no "
        "others touched (docs/bring-your-own.md).",
        pattern="[a-z][a-z0-9-]{2,31}",
        allowed="the name of a collection: 3 to 32 small letters, digits and hyphens",
        remedy="`aws opensearchserverless list-collections` has them.",
        output=True,
    ),
    "store_readers": Field(
        [],
        "Further principals that may search and read the indices in store `serverless`: its data policies name them; "
        "they need `aoss:APIAccessAll` besides. In a domain an IAM policy of their own is enough.",
        **PRINCIPALS,
    ),
}
"""What an environment with this store is given besides."""
STEPS = (1, 2, 4, 8, *range(16, 97, 16))
"""Ceilings that a collection group takes (AWS document `collection-groups-capacity-limits`, read 2026-11-30), up to the
API's default of 96."""
RULES = {
    Permission.READ: {"aoss:ReadDocument", "aoss:DescribeIndex"},
    Permission.WRITE: {"aoss:WriteDocument", "aoss:DescribeIndex"},
    Permission.CREATE_INDEX: {"aoss:CreateIndex", "aoss:DescribeIndex", "aoss:UpdateIndex"},
    Permission.DROP_INDEX: {"aoss:DeleteIndex"},
}


def check(checks: Checks, args: Mapping[str, Any]) -> None:
    """Whether a collection group can have this capacity."""
    if args["max_search_ocu"] not in (None, *STEPS):
        given = args["max_search_ocu"]
        below, above = max(step for step in STEPS if step < given), min(step for step in STEPS if step > given)
        remedy = f"Choose {below} or {above}."
        checks.refuse("max_search_ocu", given, "1, 2, 4, 8, 16 or a multiple of 16", remedy)
    check_not_ours(checks, args, "existing_collection", FIELDS, ("max_search_ocu",))


def look(checks: Checks, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
    """Whether an existing collection is there, for vectors, and nobody else's."""
    name = args["existing_collection"]
    if not given(name):
        return
    found = described(
        checks,
        "existing_collection",
        name,
        f"collection {name}",
        lambda: opensearch.get_serverless_collection(name=name, opts=invoke_options(opts)),
        "aoss:BatchGetCollection and aoss:ListTagsForResource",
        "type",
    )
    if found:
        if found.type != "VECTORSEARCH":
            remedy = "A collection keeps its type: make another."
            checks.add("existing_collection", f"{shown(name)} is of type {found.type}, not VECTORSEARCH", remedy)
        check_owner(checks, "existing_collection", name, found.tags)


SERVERLESS = store_table("ServerlessVectorStore", FIELDS, check)


class ServerlessAccess(StoreAccess):
    """Access to a collection: IAM lets a role reach the endpoint at all, a data access policy says what it does there.

    The policy is the component's own, so that every consumer grants itself what it needs. (A *data* policy is an
    `AccessPolicy` in this service; `SecurityPolicy` is for encryption and network.)
    """

    def grant(self, *permissions: Permission) -> Grant:
        def data_access(
            component: pulumi.ComponentResource, name: str, role_arn: pulumi.Input[str]
        ) -> list[pulumi.Resource]:
            return [self.let_in(component, name, permissions, [role_arn])]

        return Grant([allow(["aoss:APIAccessAll"], self.arn)], data_access)

    def let_in(
        self,
        component: pulumi.ComponentResource,
        name: str,
        permissions: Sequence[Permission],
        principals: Sequence[pulumi.Input[str]],
    ) -> opensearch.ServerlessAccessPolicy:
        """The data access policy."""
        rule = {
            "ResourceType": "index",
            "Resource": [pulumi.Output.concat("index/", self.name, "/", self.indices)],
            "Permission": sorted(set().union(*(RULES[permission] for permission in permissions))),
        }
        return opensearch.ServerlessAccessPolicy(
            f"{name}-access",
            name=physical_name(name, 32),
            type="data",
            description=f"What {name} does in the indices",
            policy=pulumi.Output.json_dumps([{"Rules": [rule], "Principal": list(principals)}]),
            opts=named(component),
        )


class ServerlessVectorStore(VectorStore):
    """OpenSearch Serverless collection for vectors, of the generation that scales to zero, and its first index.

    Creates the encryption and network policies, a NextGen collection group, the collection, and a function that runs
    once a deployment and ensures that the index of this embedder, dimension and chunking exists. It writes the record
    of the active index only if none names this collection: moving it to another index is a command, not a
    deployment.

    The endpoint is reachable from the internet and every request must be signed by a role of a data access policy.
    Encryption is with AWS's own key or `kms_key_arn`, which costs no further compute units in a collection group (AWS
    document `collection-groups-kms-keys`). Of an existing collection nothing is changed: a data access policy lets
    functions, and `store_readers`, into this ledger's indices alone.

    Idle cost: storage only ($0.024 per GB and month); it wakes in 10 to 30 seconds (AWS document
    `serverless-scale-to-zero`). The API's default generation, Classic, would cost $175 to $350 a month idle.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    def __init__(self, name: str, args: ServerlessVectorStoreArgs, opts: pulumi.ResourceOptions | None = None):
        """Registers it and all that it is made of under `name`."""
        settings = valid("ServerlessVectorStore", name, SERVERLESS, args, looking(look, opts), opts=opts)
        super().__init__("tandem:index:ServerlessVectorStore", name, {}, under_house_rules(opts, settings))
        settings["tags"] = environment_tags(name, settings["tags"])
        existing, indices = settings["existing_collection"], EVERY_INDEX
        if existing != "":
            indices = indices_of(settings["ledger_table"])
            here = pulumi.InvokeOutputOptions(parent=self)
            collection = opensearch.get_serverless_collection_output(name=existing, opts=here)
        else:
            collection = self._collection(name, settings)
        self.endpoint = collection.collection_endpoint
        access = ServerlessAccess(collection.name, collection.arn, indices)
        if readers := settings["store_readers"]:
            access.let_in(self, f"{name}-readers", [Permission.READ], readers)
        self._ensured_index(name, settings, access, "aoss")
        register(self)

    def _collection(self, name: str, settings: Mapping[str, Any]) -> opensearch.ServerlessCollection:
        child = pulumi.ResourceOptions(parent=self)
        tags, ceiling = settings["tags"], float(settings["max_search_ocu"])
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
        key = settings["kms_key_arn"]
        encryption = opensearch.ServerlessSecurityPolicy(
            f"{name}-encryption",
            name=group.name,
            type="encryption",
            description=f"Encryption of {name}",
            policy=pulumi.Output.json_dumps(
                {
                    "Rules": [collection_rule],
                    **({"AWSOwnedKey": False, "KmsARN": key} if key else {"AWSOwnedKey": True}),
                }
            ),
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
        return opensearch.ServerlessCollection(
            f"{name}-collection",
            name=group.name,
            description=f"Chunks and embeddings of {name}",
            type="VECTORSEARCH",
            collection_group_name=group.name,
            standby_replicas="ENABLED",
            tags=tags,
            opts=pulumi.ResourceOptions.merge(
                holding_data(self, settings["retention"]),
                pulumi.ResourceOptions(depends_on=[encryption, network]),
            ),
        )
