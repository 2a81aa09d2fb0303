"""What a change does to the index is said before `up`, with what it costs."""

import json

import pytest
from jsonschema import Draft202012Validator

from tandem.cost.consequences import INVOCATION, STORES, consequences
from tandem.cost.model import UNKNOWN, Change
from tandem.cost.reports.as_json import as_json
from tandem.cost.reports.markdown import markdown
from tandem.cost.reports.terminal import terminal
from tandem.cost.summary import summarize
from tests.unit.cost.estimates import estimate, line, resource
from tests.unit.cost.test_reports import SCHEMA

TITAN = {
    "endpoint": "https://search", "service": "aoss", "base": "rag", "embedder": "amazon.titan-embed-text-v2:0",
    "dimensions": 512, "chunk_tokens": 200, "chunk_overlap": 40,
}  # fmt: skip
COHERE = TITAN | {"embedder": "cohere.embed-multilingual-v3", "dimensions": 1024}
COLLECTION, DOMAIN = STORES


def ensured(before: object, after: object, op: str = "replace") -> Change:
    """The call of the function that ensures the index, with one payload before and another after."""
    sides = [
        None if payload is None else resource("rag-ensure-index", INVOCATION, input=payload)
        for payload in (before, after)
    ]
    return Change(op, next(side for side in sides if side).urn, *sides)


def store(type_: str, op: str, name: str = "rag-store") -> Change:
    it = resource(name, type_)
    return Change(op, it.urn, None if op == "create" else it, None if op == "delete" else it)


def test_another_embedder_leaves_an_empty_index():
    (said,) = consequences([ensured(json.dumps(TITAN), json.dumps(COHERE))])
    assert (
        "(embedder from amazon.titan-embed-text-v2:0 to cohere.embed-multilingual-v3, dimensions from 512 to 1024)"
        in said
    )
    assert "stays empty" in said and "goes on answering" in said and "making it anew" in said


@pytest.mark.parametrize("key", ["dimensions", "chunk_tokens", "chunk_overlap"])
def test_so_does_another_length_or_chunking(key):
    assert key in consequences([ensured(json.dumps(TITAN), json.dumps(TITAN | {key: 100}))])[0]


@pytest.mark.parametrize(
    "after",
    [
        json.dumps(TITAN),
        json.dumps(TITAN | {"embedder_secret_arn": "arn:2"}),
        UNKNOWN,
        "[1]",
        json.dumps(COHERE | {"endpoint": "https://another"}),  # that of another store, which is said of the store
        json.dumps({"group": "g"}),  # of another function
        None,
    ],
)
def test_nothing_is_said_of_what_leaves_no_index_behind(after):
    assert consequences([ensured(json.dumps(TITAN), after, "replace" if after else "delete")]) == ()


def test_another_store_is_empty_and_the_old_one_goes():
    (said,) = consequences([store(DOMAIN, "create", "rag-domain"), store(COLLECTION, "delete", "rag-collection")])
    assert said.startswith("rag-collection is deleted with its index") and "sweepMinutes" in said
    (said,) = consequences([store(COLLECTION, "replace", "rag-collection")])
    assert "questions are refused" in said


@pytest.mark.parametrize("op", ["same", "create", "update", "delete"])
def test_a_store_that_stays_is_made_or_goes_with_the_stack_is_no_surprise(op):
    assert consequences([store(COLLECTION, op)]) == ()


def test_every_report_says_it():
    left = line("rag-collection", {"free": "x"}, type_=COLLECTION)
    found = summarize(estimate(line("rag-domain", None, {"free": "x"}, type_=DOMAIN), left))
    said = found.consequences[0]
    assert f"BEWARE: {said}" in terminal(found)
    assert "\n- BEWARE: rag-collection is deleted" in markdown(found)
    content = json.loads(as_json(found))
    Draft202012Validator(SCHEMA).validate(content)
    assert content["consequences"] == [said]
