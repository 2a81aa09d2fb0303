"""An index version: which store, index, embedder and chunking belong together."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class IndexVersion:
    """The `active` record: what ingestion writes to and queries read from."""

    endpoint: str
    index: str
    embedder: str
    dimensions: int
    chunk_tokens: int
    chunk_overlap: int


def index_body(dimensions: int) -> dict[str, Any]:
    """Settings and mapping of an index, for embeddings of length `dimensions`.

    OpenSearch Serverless (NextGen) takes HNSW of the faiss engine only. `metadata` holds `key=value` keywords: one
    field however many keys there are, and keys that hold dots can't collide.
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
    return {"settings": {"index": {"knn": True}}, "mappings": {"dynamic": "strict", "properties": properties}}


def index_name(base: str, embedder: str, dimensions: int, chunk_tokens: int, chunk_overlap: int) -> str:
    """`<base>-<10 hex digits>`: another embedder, dimension, mapping or chunking gives another index."""
    identity = [embedder, dimensions, index_body(dimensions), chunk_tokens, chunk_overlap]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{base}-{digest[:10]}"
