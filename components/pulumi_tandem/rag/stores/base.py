"""Vector store: what every kind has in common, arguments, outputs and grants."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import pulumi
from pulumi_aws import lambda_
from tandem_contract.bedrock_models import remarks
from tandem_contract.checks import Checks
from tandem_contract.fields import Field, Table
from tandem_contract.model_url import is_model_url
from tandem_contract.names import Variable
from tandem_contract.payloads import DropIndices, EnsureIndex

from ...choices import Retention
from ...foundation.arns import table_arn
from ...foundation.bedrock import invoke_models
from ...foundation.existing import check_house
from ...foundation.function import Function, WatchedBy
from ...foundation.house_rules import HOUSE_RULES, check_house_rules
from ...foundation.policy import Statement, allow, read_secret
from ...foundation.retention import retention_of
from ...foundation.tags import TAGS, Tags
from ..fields import INDEX, LEDGER_TABLE, check_index, check_models_here

EVERY_INDEX = "*"
"""Of a store of one's own."""


class Permission(Enum):
    """What a role may do in the indices of a store."""

    READ = "read"
    WRITE = "write"
    CREATE_INDEX = "create index"
    DROP_INDEX = "drop index"


class Grant(NamedTuple):
    """What lets a role do something in the indices of a store."""

    statements: list[Statement]
    """IAM statements of the role."""
    for_role: Callable[[pulumi.ComponentResource, str, pulumi.Input[str]], list[pulumi.Resource]] = lambda *_: []
    """(component, name, ARN of the role) -> what else it takes, made as the component's children. Apart, because the
    role of a function is made with its statements."""


@dataclass(frozen=True)
class StoreAccess(ABC):
    """A store as who uses it knows it, whoever has made it."""

    name: pulumi.Input[str]
    """Its name."""
    arn: pulumi.Input[str]
    """Its ARN."""
    indices: pulumi.Input[str]
    """What the names of the indices match that are touched in it."""

    @abstractmethod
    def grant(self, *permissions: Permission) -> Grant:
        """What lets a role do these things."""


Check = Callable[[Checks, Mapping[str, Any]], None]
Look = Callable[[Checks, Mapping[str, Any], pulumi.ResourceOptions | None], None]


def store_table(component: str, own: Mapping[str, Field], check: Check) -> Table:
    """The arguments of a store's component of this name: its `own` beside those of every store."""

    def rules(checks: Checks, args: Mapping[str, Any], _given: Mapping[str, Any]) -> None:
        check_house_rules(checks, args)
        check_index(checks, args)
        check(checks, args)

    shared = {"ledger_table": LEDGER_TABLE, **INDEX}
    data = {"retention": retention_of("the store with its indices"), **HOUSE_RULES, "tags": TAGS}
    return Table(f"{component}Args", f"Arguments of `{component}`.", {**shared, **own, **data}, rules)


def looking(look: Look, opts: pulumi.ResourceOptions | None) -> Callable[[Checks, dict[str, Any]], None]:
    """Whether Bedrock has the embedder there, house rules and store are there, and fit."""

    def check_place(checks: Checks, args: dict[str, Any]) -> None:
        check_models_here(checks, args, opts)
        check_house(checks, args, opts)
        look(checks, args, opts)

    return check_place


def indices_of(ledger_table: pulumi.Input[str]) -> pulumi.Output[str]:
    """What the names of indices match in a store of others': they begin with the ledger's, which no other table of the
    account and region has."""
    return pulumi.Output.concat(ledger_table, "-*")


class VectorStore(pulumi.ComponentResource):
    """Vector store of chunks and embeddings, and its index of one embedder, dimension and chunking."""

    store_name: pulumi.Output[str]
    """Name of the store."""
    store_arn: pulumi.Output[str]
    """ARN of the store."""
    store_indices: pulumi.Output[str]
    """What the names of its indices match; in a store of others' those of this ledger alone."""
    endpoint: pulumi.Output[str]
    """URL of the store."""
    index_name: pulumi.Output[str]
    """Name of the index of this embedder, dimension and chunking; known once it is there."""

    def _ensured_index(self, name: str, settings: Mapping[str, Any], access: StoreAccess, service: str) -> None:
        """Sets what is known of the store, and the name of its index, which a function ensures when a deployment
        changes any of this.

        It makes the index the active one only if no index of this store is. `service` is the store's row in
        `tandem.rag.stores`.
        """
        self.store_name, self.store_arn = pulumi.Output.from_input(access.name), pulumi.Output.from_input(access.arn)
        self.store_indices = pulumi.Output.from_input(access.indices)
        for remark in remarks(settings["embedder"]):
            pulumi.log.warn(remark, self)
        tags, others = settings["tags"], access.indices != EVERY_INDEX
        first = [self._drop_at_destroy(f"{name}-drop", settings, access, tags)] if others else []
        indexer, granted = self._indexer(f"{name}-index", settings, access, tags)
        payload: EnsureIndex = {
            "endpoint": self.endpoint,
            "service": service,
            "base": settings["ledger_table"] if others else name,
            "embedder": settings["embedder"],
            "dimensions": settings["dimensions"],
            "chunk_tokens": settings["chunk_tokens"],
            "chunk_overlap": settings["chunk_overlap"],
        }
        if secret := settings["embedder_secret_arn"]:
            payload["embedder_secret_arn"] = secret
        ensured = lambda_.Invocation(
            f"{name}-ensure-index",
            function_name=indexer.function_name,
            lifecycle_scope="CREATE_ONLY",  # a changed input replaces it, which invokes again
            input=pulumi.Output.json_dumps(payload),
            # Who waits for the index is ended before indices are dropped.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*granted, indexer, *first]),
        )
        self.index_name = pulumi.Output.json_loads(ensured.result).apply(lambda result: result["index"])

    def _drop_at_destroy(
        self, name: str, settings: Mapping[str, Any], access: StoreAccess, tags: Tags
    ) -> pulumi.Resource:
        """Have a function drop this ledger's indices from a store that stays, before anything it needs goes.

        Where data is kept it is there too, without the right and told not to: a call that goes is a call to drop.
        """
        erase, ledger_table = settings["retention"] == Retention.ERASE, settings["ledger_table"]
        grant = access.grant(Permission.DROP_INDEX) if erase else Grant([])
        dropper = Function(
            name,
            {
                "handler": "tandem.rag.functions.drop_indices.handler",
                "statements": [*grant.statements, allow(["dynamodb:Query"], table_arn(ledger_table, self))],
                "environment": {Variable.LEDGER_TABLE: ledger_table},
                "memory_megabytes": 256,
                "timeout_seconds": 180,
                "watched_by": WatchedBy.DEPLOYMENT,
                "tags": tags,
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        granted = grant.for_role(self, name, dropper.role_arn)
        payload: DropIndices = {"endpoint": self.endpoint, "drop": erase}
        return lambda_.Invocation(
            f"{name}-at-destroy",
            function_name=dropper.function_name,
            lifecycle_scope="CRUD",
            input=pulumi.Output.json_dumps(payload),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*granted, dropper]),
        )

    def _indexer(
        self, name: str, settings: Mapping[str, Any], access: StoreAccess, tags: Tags
    ) -> tuple[Function, list[pulumi.Resource]]:
        """The function, and what it has to wait for before its first call."""
        grant, embedder = access.grant(Permission.CREATE_INDEX), settings["embedder"]
        table = settings["ledger_table"]
        indexer = Function(
            name,
            {
                "handler": "tandem.rag.functions.ensure_index.handler",
                "statements": [
                    *grant.statements,
                    allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"], table_arn(table, self)),
                    *([] if is_model_url(embedder) else invoke_models([embedder], self)),
                    *read_secret(settings["embedder_secret_arn"]),
                ],
                "environment": {Variable.LEDGER_TABLE: table},
                "memory_megabytes": 512,
                "timeout_seconds": 180,
                "watched_by": WatchedBy.DEPLOYMENT,
                "tags": tags,
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        return indexer, grant.for_role(self, name, indexer.role_arn)
