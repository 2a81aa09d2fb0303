"""Targets against a server on loopback, and against botocore's own stub."""

import io
import json

import botocore.session
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from tandem.evaluation.targets import EndpointTarget, OpenAiTarget, TargetError
from tandem.rag.retry import Unavailable
from tests.support.query_api import serve

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does it cost?"}]
COMPLETION = {"choices": [{"message": {"role": "assistant", "content": "34 francs"}}]}


@pytest.fixture
def api():
    with serve() as state:
        yield state


def base(api):
    return api.url.replace("/dev/query", "/v1/")


def test_openai_target_asks_and_answers(api):
    api.replies = [(200, {}, COMPLETION)]
    assert OpenAiTarget(base(api), "small", "secret", max_tokens=7)(MESSAGES) == "34 francs"
    assert api.requests == [{"messages": MESSAGES, "max_tokens": 7, "temperature": 0, "model": "small"}]
    assert api.headers[0]["authorization"] == "Bearer secret"
    OpenAiTarget(base(api), "small")(MESSAGES)
    assert "authorization" not in api.headers[1]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_openai_target_tries_again(api, status):
    api.replies = [(status, {}, {}), (status, {}, {}), (200, {}, COMPLETION)]
    assert OpenAiTarget(base(api), "small")(MESSAGES) == "34 francs"
    assert len(api.requests) == 3


@pytest.mark.faults
def test_openai_target_gives_up(api):
    api.replies = [(503, {}, {"error": "overloaded"})]
    with pytest.raises(Unavailable, match="answered 503"):
        OpenAiTarget(base(api), "small", seconds=0.3)(MESSAGES)


@pytest.mark.faults
def test_openai_target_is_refused_once(api):
    api.replies = [(401, {}, {"error": {"message": "bad key"}})]
    with pytest.raises(TargetError, match=r"answered 401: .*bad key"):
        OpenAiTarget(base(api), "small", "wrong")(MESSAGES)
    assert len(api.requests) == 1


@pytest.mark.faults
@pytest.mark.parametrize("reply", [{}, {"choices": []}, [], "hello"])
def test_nonsense_is_said_to_be_nonsense(api, reply):
    api.replies = [(200, {}, reply)]
    with pytest.raises(TargetError, match="answered no chat completion"):
        OpenAiTarget(base(api), "small")(MESSAGES)


@pytest.mark.faults
def test_nobody_listens():
    with pytest.raises(Unavailable, match="refused"):
        OpenAiTarget("http://127.0.0.1:9/v1", "small", seconds=0.3)(MESSAGES)
    with pytest.raises(ValueError, match="give the base of an OpenAI-compatible API"):
        OpenAiTarget("file:///etc/passwd", "small")


@pytest.fixture
def runtime():
    session = botocore.session.get_session()
    session.set_credentials("key", "secret")
    client = session.create_client("sagemaker-runtime", region_name="us-east-1")
    with Stubber(client) as stub:
        yield client, stub


def body(content):
    data = json.dumps(content).encode()
    return {"Body": StreamingBody(io.BytesIO(data), len(data))}


EXPECTED = {
    "EndpointName": "tuned",
    "ContentType": "application/json",
    "Accept": "application/json",
    "Body": json.dumps({"messages": MESSAGES, "max_tokens": 256, "temperature": 0}).encode(),
}


def test_endpoint_target_tries_again_and_answers(runtime):
    client, stub = runtime
    stub.add_client_error("invoke_endpoint", "ServiceUnavailable", http_status_code=503)
    stub.add_response("invoke_endpoint", body(COMPLETION), EXPECTED)
    assert EndpointTarget(client, "tuned")(MESSAGES) == "34 francs"
    stub.assert_no_pending_responses()


@pytest.mark.faults
def test_endpoint_target_is_refused_once(runtime):
    client, stub = runtime
    stub.add_client_error("invoke_endpoint", "ValidationError", "Endpoint tuned not found", http_status_code=400)
    with pytest.raises(TargetError, match=r"endpoint tuned: .*not found"):
        EndpointTarget(client, "tuned")(MESSAGES)
    stub.assert_no_pending_responses()
