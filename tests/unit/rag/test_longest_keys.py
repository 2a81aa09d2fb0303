"""Keys as long as S3 takes them, which DynamoDB's sort key holds only without a prefix."""

import pytest

from tandem.rag.ledger import LONGEST_KEY, PREFIX

from .conftest import VERSION, Stack, ask
from .test_sweep import work_off

TEXT = "The kettle is blue."


def key(size: int, start: str = "ü/") -> str:
    return start + "k" * (size - len(start.encode()))


@pytest.mark.parametrize("size", [1015, 1016, 1024])
def test_comes_is_found_changes_and_goes(stack: Stack, environment, size):
    document = key(size)
    stack.s3.put(document, TEXT, content_type="text/plain")
    assert stack.converge(document).status == "indexed"
    assert all(len(sk.encode()) <= LONGEST_KEY for _, sk in stack.dynamodb.items)
    assert [row.document for row in stack.ledger.rows(VERSION.index)] == [document]
    _, _, content = ask({"question": "kettle blue", "generate": False})
    assert [passage["document"] for passage in content["passages"]] == [document]
    stack.s3.put(document, "The kettle is red.", content_type="text/plain")
    stack.converge(document)
    stack.clock.now += 1000
    summary = stack.sweep(full=True)
    assert (summary.hints, summary.orphans_deleted, summary.incomplete) == (0, 0, 0)
    del stack.s3.objects[document]
    stack.sweep()
    assert work_off(stack) == [document]
    assert (stack.row(document), stack.indexed_texts()) == (None, set())


def test_rows_are_in_the_order_of_s3_whatever_their_length(stack: Stack):
    names = ["a", key(1024, "b"), "c", key(1016, "d"), key(1024, f"{PREFIX}x"), "é", key(1020, "𝒳")]  # noqa: RUF001
    for name in names:
        stack.s3.put(name, TEXT, content_type="text/plain")
        stack.converge(name)
    expected = sorted(names, key=str.encode)
    assert [row.document for row in stack.ledger.rows(VERSION.index)] == expected
    assert stack.ledger.current_attempts(VERSION.index, names).keys() == set(names)
    stack.clock.now += 1000
    summary = stack.sweep(full=True)
    assert (summary.documents, summary.hints, summary.unindexed) == (len(names), 0, 0)
