"""An index version: which store, index, embedder and chunking belong together."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

SERVERLESS, DOMAIN = "aoss", "es"
"""The services, by the name that requests are signed for: OpenSearch Serverless, and OpenSearch Service's domains."""


@dataclass(frozen=True)
class IndexVersion:
    """The `active` record: what ingestion writes to and queries read from."""

    endpoint: str
    index: str
    embedder: str
    dimensions: int
    chunk_tokens: int
    chunk_overlap: int
    service: str = SERVERLESS
    """What requests to `endpoint` are signed for: `SERVERLESS` or `DOMAIN`."""


def index_body(dimensions: int, service: str = SERVERLESS) -> dict[str, Any]:
    """Settings and mapping of an index, for embeddings of length `dimensions`.

    OpenSearch Serverless (NextGen) takes HNSW of the faiss engine only, and shards by itself. In a domain one shard is
    enough for 30 GB (AWS document `bp`, "Shard strategy"), and compares BM25 scores of all chunks. `metadata` holds
    `key=value` keywords: one field however many keys there are, and keys that hold dots can't collide.
    """
    keyword = {"type": "keyword"}
    embedding = {
        "type": "knn_vector",
        "dimension": dimensions,
        "method": {"name": "hnsw", "engine": "faiss", "space_type": "l2"},
    }
    properties = {
        "embedding": embedding,
        "text": {"type": "text"},
        "heading": {"type": "text"},
        "document": keyword,
        "version": keyword,
        "attempt": keyword,
        "metadata": keyword,
        "page": {"type": "integer"},
        "position": {"type": "integer"},
    }
    settings: dict[str, Any] = {"knn": True}
    if service == DOMAIN:
        settings["number_of_shards"] = 1
    return {"settings": {"index": settings}, "mappings": {"dynamic": "strict", "properties": properties}}


def index_name(
    base: str, embedder: str, dimensions: int, chunk_tokens: int, chunk_overlap: int, service: str = SERVERLESS
) -> str:
    """`<base>-<10 hex digits>`: another embedder, dimension, chunking or kind of store gives another index."""
    identity = [embedder, dimensions, index_body(dimensions, service), chunk_tokens, chunk_overlap]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{base}-{digest[:10]}"
