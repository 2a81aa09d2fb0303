"""Chat models against a server on loopback, and against botocore's own stub."""

import io
import json
import time

import botocore.session
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from tandem_contract.errors import TandemError, Unavailable

from tandem.models.bedrock import BedrockChat
from tandem.models.chat import Completion, Usage
from tandem.models.endpoint import EndpointChat
from tandem.models.errors import NobodyThere, Refused, problem
from tandem.models.openai import OpenAiApi, OpenAiChat, OpenAiEmbedder
from tandem.runtime.retry import Deadline, retry
from tandem.runtime.secret import Key
from tests.support.loopback import JsonHandler, serving
from tests.support.query_api import serve

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does it cost?"}]
LONG_KEY = "sk-proj-" + "A1b2C3d4" * 18
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


def ask(model, max_tokens=256, seconds=20.0):
    """As whoever composes it asks: again, as long as there is time."""
    deadline = Deadline(seconds)
    return retry(lambda: model.chat(MESSAGES, max_tokens, deadline), deadline)


def openai(url, key=None):
    return OpenAiChat(OpenAiApi(url, key and Key("", key)), "small")


def test_openai_target_asks_and_answers(api):
    api.replies = [(200, {}, COMPLETION)]
    said = ask(openai(base(api), "secret"), 7)
    assert said == Completion("34 francs", "small", Usage(21, 3), "")
    assert api.requests == [{"messages": MESSAGES, "max_tokens": 7, "temperature": 0, "model": "small"}]
    assert api.headers[0]["authorization"] == "Bearer secret"
    ask(openai(base(api)))
    assert "authorization" not in api.headers[1]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_openai_target_tries_again(api, status):
    api.replies = [(status, {}, {}), (status, {}, {}), (200, {}, COMPLETION)]
    assert ask(openai(base(api))).text == "34 francs"
    assert len(api.requests) == 3


@pytest.mark.faults
def test_openai_target_gives_up(api):
    api.replies = [(503, {}, {"error": "overloaded"})]
    with pytest.raises(Unavailable, match="answered POST /chat/completions with 503"):
        ask(openai(base(api)), seconds=0.3)


@pytest.mark.faults
def test_openai_target_is_refused_once(api):
    api.replies = [(401, {}, {"error": {"message": "bad key"}})]
    with pytest.raises(Refused, match="with 401 bad key"):
        ask(openai(base(api), "wrong"))
    assert len(api.requests) == 1


@pytest.mark.faults
@pytest.mark.parametrize(
    "reply", [{}, {"choices": []}, [], "hello", {"choices": [{"message": {"content": ["parts"]}}]}]
)
def test_nonsense_is_said_to_be_nonsense(api, reply):
    api.replies = [(200, {}, reply)]
    with pytest.raises(Refused, match="answered no chat completion"):
        ask(openai(base(api)))


@pytest.mark.faults
def test_nobody_listens():
    with pytest.raises(Unavailable, match="refused"):
        ask(openai("http://127.0.0.1:9/v1"), seconds=0.3)


@pytest.mark.faults
def test_a_code_of_any_length_is_an_error_in_words():
    with pytest.raises(Exception, match="no: bad request"):
        raise problem({"error": {"message": "bad request", "code": "9" * 5000}}, status=400).error("no:")


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"usage": None},
        {"usage": {"prompt_tokens": "many"}},
        {"usage": {"prompt_tokens": 10**400, "completion_tokens": 1}},
    ],
)
def test_tokens_that_nobody_counted_are_unknown(api, usage):
    api.replies = [(200, {}, {"choices": COMPLETION["choices"]} | usage)]
    said = ask(openai(base(api)))
    assert (said.text, said.usage) == ("34 francs", None)


@pytest.mark.faults
def test_half_a_character_in_an_answer_can_be_stored(api):
    api.replies = [(200, {}, {"choices": [{"message": {"content": "34 \ud83d francs"}}]})]
    assert ask(openai(base(api))).text == "34 ? francs"


@pytest.mark.faults
def test_a_redirect_takes_the_key_nowhere(api):
    api.replies = [(302, {"Location": base(api) + "elsewhere"}, {})]
    with pytest.raises(Refused, match="with 302"):
        ask(openai(base(api), "secret"))
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
        assert ask(openai(f"{url}/v1")).text == "34 francs"


@pytest.mark.faults
def test_a_target_that_is_silent_is_given_up():
    class Silent(JsonHandler):
        def do_POST(self):
            time.sleep(1)

    with serving(Silent) as url, pytest.raises(Unavailable, match="timed out"):
        ask(openai(f"{url}/v1"), seconds=0.3)


@pytest.mark.faults
def test_an_answer_that_never_ends_is_given_up():
    with raw(b"HTTP/1.1 200 OK\r\n\r\n", for_ever=b" ") as url, pytest.raises(Unavailable, match="didn't end in time"):
        ask(openai(f"{url}/v1"), seconds=0.5)


@pytest.mark.faults
def test_an_answer_of_any_length_is_not_kept_in_memory():
    many = b" " * 1_000_000
    with raw(b"HTTP/1.1 200 OK\r\n\r\n", for_ever=many) as url, pytest.raises(TandemError, match="longer than"):
        ask(openai(f"{url}/v1"))


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
    said = ask(EndpointChat(client, "tuned"))
    assert said == Completion("34 francs", "tuned", Usage(21, 3), "")
    stub.assert_no_pending_responses()


@pytest.mark.faults
def test_endpoint_target_is_refused_once(runtime):
    client, stub = runtime
    stub.add_client_error("invoke_endpoint", "ValidationError", "Endpoint tuned not found", http_status_code=400)
    with pytest.raises(NobodyThere, match=r"endpoint tuned: .*not found"):
        ask(EndpointChat(client, "tuned"))
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
        answered = ask(BedrockChat(client, "amazon.nova-lite-v1:0"), 7)
    assert answered == Completion("34 francs", "amazon.nova-lite-v1:0", Usage(21, 3), "end_turn")


@pytest.mark.faults
@pytest.mark.parametrize(
    "reply", [(200, {}, {"error": f"odd key {LONG_KEY}"}), (400, {}, f"{'-' * 150}{LONG_KEY}"), (200, {}, LONG_KEY)]
)
def test_no_part_of_the_key_is_shown_where_an_answer_is_cut_or_is_none(api, reply):
    api.replies = [reply]
    key = Key("", LONG_KEY)
    for model in (OpenAiChat(OpenAiApi(base(api), key), "m"), OpenAiEmbedder(OpenAiApi(base(api), key), "m", 8)):
        with pytest.raises(TandemError) as caught:
            ask(model, seconds=0.3) if isinstance(model, OpenAiChat) else model.query("x", Deadline(0.3))
        assert "***" in str(caught.value) and LONG_KEY[:9] not in str(caught.value)
