"""Targets against a server on loopback, and against botocore's own stub."""

import io
import json
import time

import botocore.session
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from tandem_contract.errors import Unavailable

from tandem.evaluation.targets import (
    Answer,
    BedrockTarget,
    EndpointTarget,
    OpenAiTarget,
    TargetError,
    asking,
    of_query_api,
)
from tests.support.loopback import JsonHandler, serving
from tests.support.query_api import answer, serve

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does it cost?"}]
COMPLETION = {
    "choices": [{"message": {"role": "assistant", "content": "34 francs"}}],
    "usage": {"prompt_tokens": 21, "completion_tokens": 3},
}


@pytest.fixture
def api():
    with serve() as state:
        yield state


def base(api):
    return api.url.replace("/dev/query", "/v1/")


def test_openai_target_asks_and_answers(api):
    api.replies = [(200, {}, COMPLETION)]
    said = OpenAiTarget(base(api), "small", "secret", max_tokens=7)(MESSAGES)
    assert said == Answer("34 francs", model="small", input_tokens=21, output_tokens=3)
    assert api.requests == [{"messages": MESSAGES, "max_tokens": 7, "temperature": 0, "model": "small"}]
    assert api.headers[0]["authorization"] == "Bearer secret"
    OpenAiTarget(base(api), "small")(MESSAGES)
    assert "authorization" not in api.headers[1]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_openai_target_tries_again(api, status):
    api.replies = [(status, {}, {}), (status, {}, {}), (200, {}, COMPLETION)]
    assert OpenAiTarget(base(api), "small")(MESSAGES).text == "34 francs"
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
@pytest.mark.parametrize(
    "reply", [{}, {"choices": []}, [], "hello", {"choices": [{"message": {"content": ["parts"]}}]}]
)
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


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {"prompt_tokens": "many"}}])
def test_tokens_that_nobody_counted_are_unknown(api, usage):
    api.replies = [(200, {}, {"choices": COMPLETION["choices"]} | usage)]
    said = OpenAiTarget(base(api), "small")(MESSAGES)
    assert (said.text, said.input_tokens, said.output_tokens) == ("34 francs", None, None)


@pytest.mark.faults
def test_half_a_character_in_an_answer_can_be_stored(api):
    api.replies = [(200, {}, {"choices": [{"message": {"content": "34 \ud83d francs"}}]})]
    assert OpenAiTarget(base(api), "small")(MESSAGES).text == "34 ? francs"


@pytest.mark.faults
def test_a_redirect_takes_the_key_nowhere(api):
    api.replies = [(302, {"Location": base(api) + "elsewhere"}, {})]
    with pytest.raises(TargetError, match="answered 302"):
        OpenAiTarget(base(api), "small", "secret")(MESSAGES)
    assert len(api.requests) == 1


def raw(*answers, for_ever=b""):
    """A server that writes these bytes in turn, and then one part for ever."""
    left = list(answers)

    class Handler(JsonHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.wfile.write(left.pop(0) if len(left) > 1 else left[0])
            self.close_connection = True
            while for_ever:
                try:
                    self.wfile.write(for_ever)
                    time.sleep(0.01)
                except OSError:
                    return

    return serving(Handler)


WHOLE = json.dumps(COMPLETION).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(WHOLE)


@pytest.mark.faults
@pytest.mark.parametrize("garbage", [b"\x00\xff garbage\r\n", HEAD + WHOLE[:20], HEAD, b""])
def test_what_is_cut_off_or_no_http_is_asked_again(garbage):
    with raw(garbage, HEAD + WHOLE) as url:
        assert OpenAiTarget(f"{url}/v1", "small")(MESSAGES).text == "34 francs"


@pytest.mark.faults
def test_a_target_that_is_silent_is_given_up():
    class Silent(JsonHandler):
        def do_POST(self):
            time.sleep(1)

    with serving(Silent) as url, pytest.raises(Unavailable, match="timed out"):
        OpenAiTarget(f"{url}/v1", "small", seconds=0.3)(MESSAGES)


@pytest.mark.faults
def test_an_answer_that_never_ends_is_given_up():
    with raw(b"HTTP/1.1 200 OK\r\n\r\n", for_ever=b" ") as url, pytest.raises(Unavailable, match="didn't end in time"):
        OpenAiTarget(f"{url}/v1", "small", seconds=0.5)(MESSAGES)


@pytest.mark.faults
def test_an_answer_of_any_length_is_not_kept_in_memory():
    many = b" " * 1_000_000
    with raw(b"HTTP/1.1 200 OK\r\n\r\n", for_ever=many) as url, pytest.raises(TargetError, match="longer than"):
        OpenAiTarget(f"{url}/v1", "small")(MESSAGES)


def stubbed(service):
    session = botocore.session.get_session()
    session.set_credentials("key", "secret")
    client = session.create_client(service, region_name="us-east-1")
    return client, Stubber(client)


@pytest.fixture
def runtime():
    client, stub = stubbed("sagemaker-runtime")
    with stub:
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
    said = EndpointTarget(client, "tuned")(MESSAGES)
    assert said == Answer("34 francs", model="tuned", input_tokens=21, output_tokens=3)
    stub.assert_no_pending_responses()


@pytest.mark.faults
def test_endpoint_target_is_refused_once(runtime):
    client, stub = runtime
    stub.add_client_error("invoke_endpoint", "ValidationError", "Endpoint tuned not found", http_status_code=400)
    with pytest.raises(TargetError, match=r"endpoint tuned: .*not found"):
        EndpointTarget(client, "tuned")(MESSAGES)
    stub.assert_no_pending_responses()


def test_bedrock_target_asks_and_answers():
    client, stub = stubbed("bedrock-runtime")
    expected = {
        "modelId": "amazon.nova-lite-v1:0",
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "What does it cost?"}]}],
        "inferenceConfig": {"temperature": 0, "maxTokens": 7},
    }
    usage = {"inputTokens": 21, "outputTokens": 3, "totalTokens": 24}
    message = {"role": "assistant", "content": [{"text": "34 "}, {"text": "francs"}]}
    said = {"output": {"message": message}, "usage": usage, "stopReason": "end_turn", "metrics": {"latencyMs": 1}}
    with stub:
        stub.add_client_error("converse", "ThrottlingException", http_status_code=429)
        stub.add_response("converse", said, expected)
        answered = BedrockTarget(client, "amazon.nova-lite-v1:0", max_tokens=7)(MESSAGES)
    assert answered == Answer("34 francs", model="amazon.nova-lite-v1:0", input_tokens=21, output_tokens=3)


@pytest.mark.parametrize(
    ("text", "refused"),
    [("34 francs", False), (" The documents do not say.", True), ("The documents do not say", True), ("", False)],
)
def test_a_model_alone_refuses_in_the_words_of_the_prompt(text, refused):
    given = []
    ask = asking(lambda messages: given.append(messages) or Answer(text, model="m"), "Be brief.")
    assert ask("What does it cost?") == Answer(text, model="m", refused=refused)
    assert given == [MESSAGES]


def test_an_answer_of_the_query_api():
    places = [{"document": name, "page": None, "heading": None, "score": 0.5} for name in ("b.md", "a.md", "b.md")]
    response = answer("a.md", "a.md", retrieved=places, usage={"input_tokens": 900, "output_tokens": 7})
    assert of_query_api(response) == Answer(
        "34 francs [1].",
        cited=("a.md",),
        retrieved=("b.md", "a.md"),
        model="nova",
        input_tokens=900,
        output_tokens=7,
        score=0.6,
    )
    assert of_query_api(answer("a.md")).retrieved is None  # of a stack that doesn't say
    assert of_query_api(answer(retrieved=[], answer=None, refused=True, model=None)).retrieved == ()


@pytest.mark.faults
@pytest.mark.parametrize(
    "garbage", [{}, None, [], {"citations": 3}, {"citations": [{}], "refused": False, "answer": ""}, answer(answer=7)]
)
def test_a_response_of_another_shape_is_said_to_be_one(garbage):
    with pytest.raises(TargetError, match="another shape"):
        of_query_api(garbage)
