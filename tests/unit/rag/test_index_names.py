"""Names of indices: each by what makes it, and the same for stacks that run."""

import pytest

from tandem.rag.functions import ensure_index
from tandem.rag.index_version import index_name
from tandem.rag.stores import store_of

from .conftest import Stack, context

pytestmark = pytest.mark.usefixtures("environment")


def test_index_name_changes_with_what_makes_the_index():
    arguments = ["docs", "amazon.titan-embed-text-v2:0", 256, 200, 40, store_of("aoss").identity(256)]
    names = {index_name(*arguments)}
    for at, other in enumerate(["docs2", "cohere.embed-english-v3", 512, 201, 41, store_of("es").identity(256)]):
        names.add(index_name(*[*arguments[:at], other, *arguments[at + 1 :]]))
    assert len(names) == 7
    assert all(name.rpartition("-")[0] in ("docs", "docs2") and len(name.rpartition("-")[2]) == 10 for name in names)


@pytest.mark.parametrize(("service", "name"), [("aoss", "rag-ba7dcbe170"), ("es", "rag-bc8d0e8b27")])
def test_indices_of_stacks_that_run_keep_their_names(stack: Stack, service, name):
    """By another name they would find an empty index."""
    payload = {
        "endpoint": "https://search",
        "service": service,
        "base": "rag",
        "embedder": "amazon.titan-embed-text-v2:0",
        "dimensions": 512,
        "chunk_tokens": 200,
        "chunk_overlap": 40,
    }
    assert ensure_index.handler(payload, context())["index"] == name
