"""Rerank models of Bedrock, against botocore's own stub, which knows the service's model."""

import io
import json

import botocore.session
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from tandem_contract.errors import Unavailable
from tandem_contract.rerankers import RERANKERS

from tandem.models.errors import Refused
from tandem.models.rerank import open_reranker
from tandem.rag.ranking import RERANKED
from tandem.runtime.retry import Deadline

COHERE, AMAZON = "cohere.rerank-v3-5:0", "amazon.rerank-v1:0"
QUESTION, TEXTS = "Is green tea warm?", ["A car", "Green tea is warm", "Tea"]
RESULTS = [
    {"index": 1, "relevance_score": 0.9},
    {"index": 2, "relevance_score": 0.4},
    {"index": 0, "relevance_score": 0},
]


@pytest.fixture
def bedrock():
    session = botocore.session.get_session()
    session.set_credentials("key", "secret")
    client = session.create_client("bedrock-runtime", region_name="us-west-2")
    with Stubber(client) as stub:
        yield client, stub


def answer(content):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {"body": StreamingBody(io.BytesIO(data), len(data)), "contentType": "application/json"}


def scores(client, model=COHERE, seconds=5.0):
    return open_reranker(model, {"bedrock-runtime": client}.get).scores(QUESTION, TEXTS, Deadline(seconds))


@pytest.mark.parametrize(("model", "more"), [(COHERE, {"top_n": 3, "api_version": 2}), (AMAZON, {})])
def test_each_makers_body_and_the_scores_in_the_order_of_the_texts(bedrock, model, more):
    client, stub = bedrock
    body = json.dumps({"query": QUESTION, "documents": TEXTS} | more)
    stub.add_response("invoke_model", answer({"results": RESULTS}), {"modelId": model, "body": body})
    assert scores(client, model) == [0.0, 0.9, 0.4]


@pytest.mark.faults
def test_one_that_is_busy_is_asked_again_until_the_deadline(bedrock):
    client, stub = bedrock
    stub.add_client_error("invoke_model", "ThrottlingException", http_status_code=429)
    stub.add_response("invoke_model", answer({"results": RESULTS}))
    assert scores(client) == [0.0, 0.9, 0.4]
    stub.assert_no_pending_responses()
    for _ in range(9):
        stub.add_client_error("invoke_model", "ServiceUnavailableException", http_status_code=503)
    with pytest.raises(Unavailable, match="ServiceUnavailable"):
        scores(client, seconds=0.3)


@pytest.mark.faults
def test_a_refusal_is_not_retried(bedrock):
    client, stub = bedrock
    stub.add_client_error("invoke_model", "AccessDeniedException", http_status_code=403)
    with pytest.raises(Refused, match="AccessDenied"):
        scores(client)
    stub.assert_no_pending_responses()


@pytest.mark.faults
@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        [],
        {},
        {"results": RESULTS[:2]},
        {"results": [1, 2, 3]},
        {"results": [{"index": 0}] * 3},
        {"results": [*RESULTS[:2], {"index": 0, "relevance_score": None}]},
    ],
)
def test_what_has_no_score_for_each_text_is_said_to_have_none(bedrock, content):
    client, stub = bedrock
    stub.add_response("invoke_model", answer(content))
    with pytest.raises(Refused, match="no score for each of 3 texts"):
        scores(client)


def test_what_is_reranked_is_one_request_to_any_of_them():
    assert all(it.texts_per_call >= RERANKED for it in RERANKERS.values())
