"""Vector stores. A store is a file of this folder and a row of `STORES`."""

from functools import partial

from tandem_contract.errors import TandemError

from . import opensearch
from .base import Store

STORES: dict[str, Store] = {
    opensearch.SERVERLESS: Store(opensearch.open_index, partial(opensearch.identity, service=opensearch.SERVERLESS)),
    opensearch.DOMAIN: Store(opensearch.open_index, partial(opensearch.identity, service=opensearch.DOMAIN)),
}
"""By what an `IndexVersion` has as `service`."""


def store_of(service: str) -> Store:
    """The kind of store of a service."""
    if service not in STORES:
        known = ", ".join(STORES)
        raise TandemError(f"the index is in a store {service!r}, which this release can't open ({known}): deploy anew")
    return STORES[service]
