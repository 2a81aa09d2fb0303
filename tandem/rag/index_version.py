"""An index version: which store, index, embedder and chunking belong together."""

import hashlib
import json
from typing import Any, NamedTuple

MADE_AGAIN = "make it again by `pulumi up --replace '**-ensure-index'`, and the next sweep has it filled"
"""An index, or the record of the active one: the function that ensures both runs at a deployment that replaces its call
(`pulumi up --help`, `--replace`), and at no other."""
NO_ACTIVE = f"no index is active: the deployment hasn't finished, or the ledger's record of it is gone: {MADE_AGAIN}"


class IndexVersion(NamedTuple):
    """The `active` record: what ingestion writes to and queries read from."""

    endpoint: str
    index: str
    embedder: str
    dimensions: int
    chunk_tokens: int
    chunk_overlap: int
    service: str = "aoss"
    """The kind of store, a key of `STORES`. Records from before there were two don't have it."""
    embedder_secret_arn: str = ""
    """The secret with the key of an embedder that is a URL; empty if it wants none."""


def index_name(base: str, embedder: str, dimensions: int, chunk_tokens: int, chunk_overlap: int, store: Any) -> str:
    """`<base>-<10 hex digits>`: another embedder, dimension, chunking or kind of store gives another index.

    `store` is the store's own part, its `Store.identity(dimensions)`.
    """
    identity = [embedder, dimensions, store, chunk_tokens, chunk_overlap]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{base}-{digest[:10]}"
