"""At destroy: indices of ours go from a store of theirs, and no others."""

import socket

import pytest
from tandem_contract.errors import Unavailable

from tandem.rag.functions import drop_indices, ensure_index

from .conftest import Stack, context
from .fakes import respond

pytestmark = pytest.mark.usefixtures("environment")


THEIRS = {
    "endpoint": "https://theirs.example",
    "service": "aoss",
    "base": "rag-ledger-1a2b3c4",
    "embedder": "amazon.titan-embed-text-v2:0",
    "dimensions": 256,
    "chunk_tokens": 200,
    "chunk_overlap": 40,
}


@pytest.fixture
def in_a_store_of_theirs(stack: Stack, monkeypatch) -> list[str]:
    """Two index versions in a store that stays, and one that was in another before; their names."""
    stack.dynamodb.items.clear()
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: [])
    made = []
    for changes in ({}, {"chunk_tokens": 100}, {"endpoint": "https://before.example", "chunk_tokens": 150}):
        stack.opensearch.created = None
        made.append(ensure_index.handler(THEIRS | changes, context())["index"])
    stack.opensearch.requests.clear()
    return made


def test_at_destroy_every_index_of_ours_goes_from_their_store_and_no_other(in_a_store_of_theirs, stack: Stack):
    event = {"endpoint": THEIRS["endpoint"], "drop": True, "tf": {"action": "delete"}}
    answer = drop_indices.handler(event, context())
    assert sorted(answer["dropped"]) == sorted(in_a_store_of_theirs[:2])
    assert sorted(stack.opensearch.requests) == sorted(("DELETE", f"/{name}") for name in in_a_store_of_theirs[:2])
    assert drop_indices.handler(event, context()) == answer  # again, after a destroy that failed later on


@pytest.mark.parametrize("action", ["create", "update"])
def test_before_the_destroy_nothing_is_dropped(in_a_store_of_theirs, stack: Stack, action):
    drop_indices.handler({"endpoint": THEIRS["endpoint"], "drop": True, "tf": {"action": action}}, context())
    assert stack.opensearch.requests == []


def test_where_data_is_kept_nothing_is_dropped_at_the_destroy_either(in_a_store_of_theirs, stack: Stack):
    event = {"endpoint": THEIRS["endpoint"], "drop": False, "tf": {"action": "delete"}}
    assert drop_indices.handler(event, context()) == {"dropped": []}
    assert stack.opensearch.requests == []


@pytest.mark.faults
def test_a_store_that_is_gone_holds_nothing_back(in_a_store_of_theirs, stack: Stack, monkeypatch):
    def nobody(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    event = {"endpoint": THEIRS["endpoint"], "drop": True, "tf": {"action": "delete"}}
    assert drop_indices.handler(event, context()) == {"dropped": []}
    assert stack.opensearch.requests == []


@pytest.mark.faults
def test_a_store_that_lets_nobody_in_is_told(in_a_store_of_theirs, stack: Stack):
    stack.opensearch.faults = [lambda: respond(403, {"error": "forbidden"})]
    with pytest.raises(Unavailable, match="the role has no permission"):
        drop_indices.handler({"endpoint": THEIRS["endpoint"], "drop": True, "tf": {"action": "delete"}}, context())
