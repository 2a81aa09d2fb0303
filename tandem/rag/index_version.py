"""An index version: which store, index, embedder and chunking belong together."""

import hashlib
import json
from typing import Any, NamedTuple


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
