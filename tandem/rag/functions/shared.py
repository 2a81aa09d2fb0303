"""What several handlers open, from their environment."""

import functools
import os

from tandem_contract.names import Variable

from tandem.models.embed import Embedder
from tandem.rag.index_version import IndexVersion
from tandem.rag.ledger import Ledger
from tandem.rag.stores import store_of
from tandem.rag.stores.base import VectorIndex
from tandem.runtime.clients import client


@functools.cache
def ledger() -> Ledger:
    """The stack's ledger."""
    return Ledger(client("dynamodb"), os.environ[Variable.LEDGER_TABLE])


@functools.cache
def open_index(version: IndexVersion) -> VectorIndex:
    """The index of a version; its connections are kept."""
    return store_of(version.service).open(version)


@functools.cache
def open_embedder(version: IndexVersion) -> Embedder:
    """The embedder of a version."""
    return Embedder(client("bedrock-runtime"), version.embedder, version.dimensions)
