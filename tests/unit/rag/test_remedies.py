"""What is done where a service, or somebody, took away what was there; and whether anybody learns why."""

import re

import pytest
from botocore.exceptions import ClientError
from tandem_contract.errors import Unavailable

from tandem.rag.functions import ensure_index, ingest, sweep

from .conftest import Stack, ask, context
from .fakes import DEAD_LETTERS, QUEUE, refused, respond
from .test_functions import message

pytestmark = pytest.mark.usefixtures("environment")
PAYLOAD = {
    "endpoint": "https://search",
    "service": "aoss",
    "base": "docs",
    "embedder": "amazon.titan-embed-text-v2:0",
    "dimensions": 256,
    "chunk_tokens": 200,
    "chunk_overlap": 40,
}


def test_the_last_attempt_of_a_message_says_why_it_is_given_up(stack: Stack, monkeypatch):
    """SQS moves it without a word, and nobody learns why: of a key that may not be used, or a model without access."""
    stack.s3.put("a.txt", "x")
    stack.s3.put("b.txt", "x")
    reason = "User: arn:1 is not authorized to perform: kms:Decrypt on resource: arn:2"
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": reason}}, "GetObject")
    monkeypatch.setattr(stack.s3, "get_object", lambda **_: (_ for _ in ()).throw(denied))
    records = [message("a.txt", 1, receives=10), message("b.txt", 2, receives=9)]
    assert ingest.handler({"Records": records}, context())["batchItemFailures"] == [{"itemIdentifier": "m2"}]
    [letter] = stack.sqs.sent[DEAD_LETTERS]
    assert (letter["document"], letter["body"]) == ("a.txt", records[0]["body"])
    assert "kms:Decrypt" in letter["reason"]


def test_a_message_that_the_dead_letter_queue_does_not_take_is_left_to_sqs(stack: Stack):
    stack.bedrock.faults = [refused("AccessDeniedException", 403)] * 1000
    stack.s3.put("a.txt", "x")
    del stack.sqs.sent[DEAD_LETTERS]
    result = ingest.handler({"Records": [message("a.txt", receives=10)]}, context())
    assert result["batchItemFailures"] == [{"itemIdentifier": "m1"}]


def test_an_index_that_was_deleted_comes_back_and_is_filled(stack: Stack):
    """By the remedy that the error names: a deployment that calls the function again, with what it had."""
    stack.dynamodb.items.clear()
    index = ensure_index.handler(PAYLOAD, context())["index"]
    stack.s3.put("tea.txt", "Green tea is warm.")
    ingest.handler({"Records": [message("tea.txt")]}, context())
    stack.clock.now += 1000
    assert sweep.handler(None, context())["compared_index"]
    assert not sweep.handler(None, context())["compared_index"]
    stack.opensearch.__init__()  # gone, and nothing of the ledger has changed
    stack.opensearch._next = 100  # no id comes again
    assert ensure_index.handler(PAYLOAD, context()) == {"index": index, "created": True, "activated": False}
    assert sweep.handler(None, context())["incomplete"] == 1
    ingest.handler({"Records": [{**message("-"), **stack.sqs.sent[QUEUE][-1]}]}, context())
    _, _, content = ask({"question": "Is green tea warm?"})
    assert content["refused"] is False


def test_the_record_of_the_active_index_comes_back(stack: Stack):
    del stack.dynamodb.items["active", "active"]
    first = ensure_index.handler(PAYLOAD, context())
    del stack.dynamodb.items["active", "active"]
    assert ensure_index.handler(PAYLOAD, context()) == first | {"created": False, "activated": True}


def test_an_embedder_that_throttles_is_waited_for_as_long_as_there_is_time(stack: Stack):
    """A new account's quota is far below what five functions with eight calls each ask for."""
    stack.bedrock.faults = [refused("ThrottlingException", 429)] * 20
    stack.s3.put("a.txt", "x")
    assert stack.converge("a.txt").status == "indexed"


def test_what_is_gone_is_said_with_the_remedy(stack: Stack):
    remedy = re.escape("`pulumi up --replace '**-ensure-index'`")
    stack.s3.put("a.txt", "x")
    stack.opensearch.faults = [lambda: respond(404, {})] * 100
    with pytest.raises(Unavailable, match=f"is gone: make it again by {remedy}"):
        stack.converge("a.txt")
    del stack.dynamodb.items["active", "active"]
    with pytest.raises(Unavailable, match=f"record of it is gone: make it again by {remedy}"):
        stack.converge("a.txt")
    assert remedy.replace("\\", "") in sweep.handler(None, context())["stopped"]
