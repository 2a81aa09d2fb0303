"""Makes sure, when a deployment changes it, that the index of the configured version exists."""

from typing import Any

from tandem_contract.names import EnsureIndex

from tandem.models.embed import supported
from tandem.rag.index_version import IndexVersion, index_name
from tandem.rag.stores import store_of
from tandem.runtime.retry import Deadline
from tandem.runtime.telemetry import log

from .shared import ledger, open_index

SECONDS = 150.0


def handler(event: EnsureIndex, context: object) -> dict[str, Any]:  # noqa: ARG001
    """Create the index if there is none, and make it the active one if none is in this store. Safe to call again.

    Returns `index`, `created` and `activated`. Raises for an embedder or a store that isn't supported, and if the store
    doesn't let us in within 150 seconds.
    """
    identity = (event["embedder"], int(event["dimensions"]), int(event["chunk_tokens"]), int(event["chunk_overlap"]))
    service = event["service"]
    index = index_name(event["base"], *identity, store_of(service).identity(identity[1]))
    version = IndexVersion(event["endpoint"], index, *identity, service)
    supported(version.embedder, version.dimensions, version.chunk_tokens)
    created = open_index(version).ensure(version.dimensions, Deadline(SECONDS))
    result = {"index": version.index, "created": created, "activated": ledger().activate(version)}
    log("index ensured", **result)
    return result
