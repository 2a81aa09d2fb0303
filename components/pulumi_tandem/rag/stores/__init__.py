"""Vector stores. A store is a file of this folder and a row of `STORES`."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pulumi
from tandem_contract.arns import REGION, Arn
from tandem_contract.checks import Checks, is_output
from tandem_contract.fields import Field, Table

from ...choices import StoreKind
from ...foundation.arguments import InvalidArguments
from ..fields import LEDGER_TABLE
from . import domain, serverless
from .base import EVERY_INDEX, Check, Look, StoreAccess


class Store(NamedTuple):
    """A kind of store."""

    component: type[Any]
    """The `VectorStore`."""
    table: Table
    """What it takes, by `store_table`."""
    access: type[StoreAccess]
    """What its users have of it."""
    help: str
    """What it is and does, behind its name."""
    fields: Mapping[str, Field]
    """What an environment with this store is given besides, and no other."""
    arn: str = "arn:.+"
    """What the ARN of one matches."""
    check: Check = lambda _checks, _args: None
    """What has to hold of them beside what each field says; takes the environment's arguments, None where refused."""
    look: Look = lambda _checks, _args, _opts: None
    """Looks at a store that is there, as far as AWS tells; takes the environment's arguments and options."""
    usage: Mapping[str, Any] = {}
    """What it adds to the usage assumptions: as `index` the price row of an index's storage (`service`, `storage`),
    where its resources don't bill it, and what a `search` takes. `tandem cost` knows it of the first two stores."""


STORES: dict[str, Store] = {
    StoreKind.SERVERLESS.value: Store(
        serverless.ServerlessVectorStore,
        serverless.SERVERLESS,
        serverless.ServerlessAccess,
        "(OpenSearch Serverless) scales to zero, and wakes in 10 to 30 seconds",
        serverless.FIELDS,
        "arn:[^:]+:aoss:.+:collection/.+",
        serverless.check,
        serverless.look,
    ),
    StoreKind.DOMAIN.value: Store(
        domain.DomainVectorStore,
        domain.DOMAIN,
        domain.DomainAccess,
        "(OpenSearch instances) bills all month, and is never asleep",
        domain.FIELDS,
        "arn:[^:]+:es:.+:domain/.+",
        domain.check,
        domain.look,
    ),
}
"""By the value of their `StoreKind`, which is what a RAG environment has as `store`."""

USED = {
    "ledger_table": LEDGER_TABLE,
    "store": Field("serverless", "What kind of store it is.", choices=STORES, enum=StoreKind),
    "store_name": Field(
        "",
        "Name of the collection or domain: the output `store_name` of the part that made it.",
        pattern="[a-z][a-z0-9-]{2,31}",
        allowed="the name of a collection or domain: 3 to 32 small letters, digits and hyphens",
        remedy="It is the output `store_name` of a store.",
        output=True,
        required=True,
    ),
    "store_arn": Field(
        "",
        "Its ARN: the output `store_arn`.",
        arn=Arn("(aoss|es)", ".+", same=(REGION,)),
        allowed="the ARN of a collection or domain",
        remedy="It is the output `store_arn` of a store.",
        output=True,
        required=True,
    ),
    "store_indices": Field(
        EVERY_INDEX,
        "What the names of the indices match that may be touched in it: the output `store_indices`, without which a "
        "store that others use too is open to these functions as a whole.",
        output=True,
    ),
}
"""What a part is told of the ledger and the store that it uses."""


def check_used(checks: Checks, args: Mapping[str, Any]) -> None:
    """Whether it is the ARN of such a store."""
    arn, kind = args["store_arn"], args["store"]
    if isinstance(arn, str) and kind in STORES and not re.fullmatch(STORES[kind].arn, arn):
        remedy = "Set `store` to the kind that it is of."
        checks.refuse("store_arn", arn, f"the ARN of a store of kind {str.__str__(kind)}", remedy)


def access_to(settings: Mapping[str, Any], subject: str) -> StoreAccess:
    """What a part, `subject` of messages, has of the store that it is told.

    An ARN that is an output is checked once it is known, and nobody is let in before: not by the name alone either,
    which is all that a collection's data access policy has.
    """
    name, arn = settings["store_name"], settings["store_arn"]

    def checked(known: Any) -> Any:
        checks = Checks()
        check_used(checks, {**settings, "store_arn": known})
        if checks.mistakes:
            raise InvalidArguments(subject, checks.mistakes)
        return known

    if is_output(arn):
        arn = pulumi.Output.from_input(arn).apply(checked)
        name = pulumi.Output.all(name, arn).apply(lambda both: both[0])
    return STORES[settings["store"]].access(name, arn, settings["store_indices"])
