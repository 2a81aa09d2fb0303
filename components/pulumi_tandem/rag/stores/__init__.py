"""Vector stores. A store is a file of this folder and a row of `STORES`."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

import pulumi
from tandem_contract.checks import Checks
from tandem_contract.fields import Field

from ..ledger import Ledger
from . import domain, serverless
from .base import VectorStore


class StoreKind(str, Enum):
    """Where chunks and embeddings are kept."""

    SERVERLESS = "serverless"
    """An OpenSearch Serverless collection: costs nothing while nobody asks, and wakes in 10 to 30 seconds."""
    DOMAIN = "domain"
    """An OpenSearch domain: the same bill each month, and never asleep; for a steady volume."""


class Store(NamedTuple):
    """A kind of store."""

    component: Callable[[str, Ledger, Any, pulumi.ResourceOptions], VectorStore]
    """Takes `VectorStoreArgs`, and what `fields` has."""
    help: str
    """What it is and does, behind its name."""
    fields: Mapping[str, Field]
    """What an environment with this store is given besides, and no other."""
    check: Callable[[Checks, Mapping[str, Any]], None] = lambda _checks, _args: None
    """What has to hold of them beside what each field says; takes the environment's arguments, None where refused."""
    look: Callable[[Checks, Mapping[str, Any], pulumi.ResourceOptions | None], None] = lambda _checks, _args, _opts: (
        None
    )
    """Looks at a store that is there, as far as AWS tells; takes the environment's arguments and options."""
    usage: Mapping[str, Any] = {}
    """What it adds to the usage assumptions: as `index` the price row of an index's storage (`service`, `storage`),
    where its resources don't bill it, and what a `search` takes. `tandem cost` knows it of the first two stores."""


STORES: dict[str, Store] = {
    StoreKind.SERVERLESS.value: Store(
        serverless.ServerlessVectorStore,
        "(OpenSearch Serverless) scales to zero, and wakes in 10 to 30 seconds",
        serverless.FIELDS,
        serverless.check,
        serverless.look,
    ),
    StoreKind.DOMAIN.value: Store(
        domain.DomainVectorStore,
        "(OpenSearch instances) bills all month, and is never asleep",
        domain.FIELDS,
        domain.check,
        domain.look,
    ),
}
"""By the value of their `StoreKind`, which is what a RAG environment has as `store`."""
