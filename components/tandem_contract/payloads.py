"""Payloads that one half sends to the other's functions."""

from typing import Any, NotRequired, TypedDict


class EnsureIndex(TypedDict):
    """Payload of the function that ensures an index; at deployment some values are outputs."""

    endpoint: Any
    service: str
    base: Any
    embedder: str
    dimensions: int
    chunk_tokens: int
    chunk_overlap: int
    embedder_secret_arn: NotRequired[Any]
    """The secret with the key of an embedder behind a URL."""


class DropIndices(TypedDict):
    """Payload of the function that drops an environment's indices from a store of others'; the engine adds `tf`."""

    endpoint: Any
    drop: bool
    """Whether to, once the call goes."""
    tf: NotRequired[Any]


class CleanUp(TypedDict):
    """Payload of the function that removes what runs have made; the engine adds `tf`."""

    group: Any
    pipeline: Any
