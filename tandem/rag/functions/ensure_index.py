"""Lambda handler at deployment: makes sure that the index of the configured version exists."""

from typing import Any

from tandem_contract.checks import Checks
from tandem_contract.embedders import check_embedder
from tandem_contract.payloads import EnsureIndex

from tandem.models.errors import Refused
from tandem.rag.index_version import IndexVersion, index_name
from tandem.rag.stores import store_of
from tandem.runtime.retry import Deadline, Transient, retry
from tandem.runtime.telemetry import log

from .shared import ledger, open_embedder, open_index

SECONDS, EMBEDDER_SECONDS = 150.0, 20.0


def handler(event: EnsureIndex, context: object) -> dict[str, Any]:  # noqa: ARG001
    """Create the index if there is none, and make it the active one if none is in this store. Safe to call again: that
    is how an index, or the record of the active one, comes back after it was deleted; the sweep then fills it.

    Returns `index`, `created` and `activated`. Raises for an embedder or a store that isn't supported, for an embedder
    that doesn't answer, can't be used or gives another length, and if the store doesn't let us in within 150 seconds.
    """
    identity = (event["embedder"], int(event["dimensions"]), int(event["chunk_tokens"]), int(event["chunk_overlap"]))
    service, secret = event["service"], event.get("embedder_secret_arn", "")
    index = index_name(event["base"], *identity, store_of(service).identity(identity[1]))
    version = IndexVersion(event["endpoint"], index, *identity, service, secret)
    checks = Checks()
    check_embedder(checks, version.embedder, version.dimensions, version.chunk_tokens)
    checks.finish("The index version")
    # An index of the wrong length would become the active one, and take no document; and who deploys hears at once that
    # the model isn't to be had, in place of whoever gives the first document.
    _embed_a_word(version, Deadline(EMBEDDER_SECONDS))
    deadline = Deadline(SECONDS)
    created = _ensure(version, deadline)
    active = ledger().active()
    if active and active.endpoint == version.endpoint and active.index != version.index:
        _ensure(active, deadline)  # so that it takes what this release writes
    result = {"index": version.index, "created": created, "activated": ledger().activate(version)}
    log("index ensured", **result)
    return result


def _embed_a_word(version: IndexVersion, deadline: Deadline) -> None:
    def ask() -> None:
        try:
            open_embedder(version).query("length", deadline)
        except Refused as error:
            # A role that was made a moment ago may not be known everywhere yet.
            if error.code == "AccessDeniedException" and "not authorized to perform: bedrock" in str(error):
                raise Transient(str(error)) from error
            raise

    retry(ask, deadline, tries=20)


def _ensure(version: IndexVersion, deadline: Deadline) -> bool:
    ledger().set_made(version)  # before, so that one is never there and nobody knows
    created = open_index(version).ensure(version.dimensions, deadline)
    if created:
        # Of one that was deleted the ledger has every document as indexed: the next sweep finds out and fills it.
        ledger().forget_swept(version.index)
    return created
