"""Shared by handlers: the ledger, index and embedder that they open, from their environment."""

import functools
import os
import time

from tandem_contract.names import Variable

from tandem.models import embedders
from tandem.models.embed import Embedder
from tandem.rag.index_version import IndexVersion
from tandem.rag.ledger import Ledger
from tandem.rag.stores import store_of
from tandem.rag.stores.base import VectorIndex
from tandem.runtime.clients import client

KEY_SECONDS = 300.0


@functools.cache
def ledger() -> Ledger:
    """The stack's ledger."""
    return Ledger(client("dynamodb"), os.environ[Variable.LEDGER_TABLE])


@functools.cache
def open_index(version: IndexVersion) -> VectorIndex:
    """The index of a version; its connections are kept."""
    return store_of(version.service).open(version)


def open_embedder(version: IndexVersion) -> Embedder:
    """The embedder of a version; a key is read again every few minutes, so that a new one is used."""
    return _embedder(version, time.monotonic() // KEY_SECONDS if version.embedder_secret_arn else 0)


@functools.lru_cache(4)
def _embedder(version: IndexVersion, period: float) -> Embedder:  # noqa: ARG001 - a part of the cache's key
    return embedders.open_embedder(version.embedder, version.dimensions, client, version.embedder_secret_arn)
