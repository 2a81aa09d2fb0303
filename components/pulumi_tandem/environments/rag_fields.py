"""Arguments of the RAG environment: their fields, and the rules between them."""

from collections.abc import Mapping
from typing import Any

import pulumi
from tandem_contract.checks import Checks
from tandem_contract.fields import Field, Table
from tandem_contract.usage import QUERY_USAGE

from ..choices import StoreKind
from ..foundation.arguments import NOTHING
from ..foundation.existing import BUCKET, check_bucket, check_house
from ..foundation.house_rules import HOUSE_RULES, check_house_rules
from ..foundation.retention import retention_of
from ..foundation.tags import TAGS
from ..rag.fields import (
    ALARM_TOPIC,
    ANSWERS,
    ASKERS,
    INDEX,
    INGESTION_SETTINGS,
    check_askers,
    check_generator,
    check_index,
    check_models_here,
)
from ..rag.stores import STORES

KINDS_OF_STORES = "; ".join(f"`{name}` {kind.help}" for name, kind in STORES.items())


def _rules(checks: Checks, args: dict[str, Any], given: Mapping[str, Any]) -> None:
    check_house_rules(checks, args)
    check_generator(checks, args)
    check_index(checks, args)
    for kind, store in STORES.items():
        for name, field in store.fields.items() if args["store"] not in (None, kind) else ():
            if name in given:
                usual = f"its default, {field.default}," if field.default else "nothing"
                allowed = f"{usual} unless store is {kind}"
                checks.refuse(name, given[name], allowed, f"Remove it, or set store to {kind}.")
    if args["store"] in STORES:
        STORES[args["store"]].check(checks, args)
    check_askers(checks, args)


def check_place(
    checks: Checks, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None, shared: Mapping[str, Any] = NOTHING
) -> None:
    """Whether what is asked for is to be had where an environment with these options is, and what is brought fits.

    `shared` are the rules of an environment around it, which are looked at there.
    """
    check_models_here(checks, args, opts)
    check_house(checks, args, opts)
    check_bucket(checks, "existing_documents_bucket", {**args, **shared}, opts, events=True)
    if args["store"] in STORES:
        STORES[args["store"]].look(checks, args, opts)


RAG = Table(
    "RagEnvironmentArgs",
    "Arguments of `RagEnvironment`; every one has a default.",
    {
        **INDEX,
        **ANSWERS,
        **INGESTION_SETTINGS,
        "existing_documents_bucket": Field(
            "",
            "Name of a bucket of your own with the documents, in place of one that is made. All of it is indexed; "
            "nothing of it is changed, at destroy neither. Its notifications to EventBridge have to be on "
            "(docs/bring-your-own.md).",
            **BUCKET,
        ),
        "store": Field(
            "serverless",
            f"Where chunks and embeddings are kept: {KINDS_OF_STORES}. A change makes the other store, empty, and lets "
            "the sweep fill it: until then questions are refused.",
            choices=STORES,
            enum=StoreKind,
        ),
        **{name: field for store in STORES.values() for name, field in store.fields.items()},
        **ASKERS,
        "retention": retention_of("documents, ledger and index"),
        "query_usage": Field({}, "Assumptions that `tandem cost` counts with.", table=QUERY_USAGE),
        **HOUSE_RULES,
        "alarm_topic_arn": ALARM_TOPIC,
        "tags": TAGS,
    },
    _rules,
)
