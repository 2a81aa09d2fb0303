"""What a server refuses, and what is asked again; in what words wrong addresses are told."""

import json
import ssl
import subprocess
import time

import pytest
from botocore.exceptions import ClientError
from tandem_contract.errors import TandemError, Unavailable

from tandem.evaluation.targets import BUSY_TRIES
from tandem.models.bedrock import BedrockChat
from tandem.models.errors import Refused
from tandem.models.openai import OpenAiApi, OpenAiChat
from tandem.runtime import retry as retrying
from tandem.runtime.retry import Deadline, Transient, retry
from tandem.runtime.secret import Key
from tests.support.answering import said, serve, wrong
from tests.support.aws_requests import AwsService
from tests.support.loopback import JsonHandler, serving

MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]


def chat(server, model="m", key=None):
    return OpenAiChat(OpenAiApi(server.url, key), model)


def ask(model, seconds=5.0, tries=0):
    deadline = Deadline(seconds)
    return retry(lambda: model.chat(MESSAGES, 300, deadline), deadline, busy_tries=tries)


def refusing(*refused, words="Unsupported parameter: '{}' is not supported with this model.", param=True):
    """A server that refuses fields, as long as they are sent."""

    def answer(path, body, count):
        for name in refused:
            if name in body:
                error = {"message": words.format(name), "type": "invalid_request_error"}
                return wrong(400, error | ({"param": name} if param else {}))
        return said("Paris")

    return answer


@pytest.mark.faults
@pytest.mark.parametrize(
    ("refused", "words", "param"),
    [
        (("max_tokens", "temperature"), "Unsupported parameter: '{}'. Use another.", True),
        (("temperature",), "'{}' does not support 0 with this model. Only the default (1) value is supported.", False),
        (("temperature",), "litellm.UnsupportedParamsError: m does not support parameters: {{'{}': 0}}", False),
        (("max_tokens",), "Unrecognized request argument supplied: {}", False),
        (("max_tokens",), "Extra inputs are not permitted: body.{}", False),
    ],
)
def test_a_parameter_that_a_model_refuses_is_left_out_from_then_on(refused, words, param):
    with serve(refusing(*refused, words=words, param=param)) as server:
        model = chat(server)
        assert [ask(model).text, ask(model).text] == ["Paris", "Paris"]
    assert len(server.asked) == 2 + len(refused)
    last = server.asked[-1]
    assert not {*refused} & {*last}
    assert last.get("max_tokens") == (None if "max_tokens" in refused else 300)
    assert last.get("max_completion_tokens") == (300 if "max_tokens" in refused else None)


@pytest.mark.faults
def test_a_server_that_knows_only_the_old_name_of_the_limit_gets_that():
    with serve(refusing("max_completion_tokens")) as server:
        assert ask(chat(server, "gpt-4o")).text == "Paris"
    assert server.asked[-1]["max_tokens"] == 300


@pytest.mark.faults
@pytest.mark.parametrize(
    "message",
    [
        "'max_tokens' or 'max_completion_tokens' is too large: 300. This model's maximum context length is 128 tokens",
        "This model's maximum context length is 128 tokens. However, you requested 400 tokens.",
    ],
)
def test_a_value_that_is_refused_is_not_asked_for_under_another_name(message):
    refused = pytest.raises(Refused, match="maximum context length is 128")
    with serve(lambda path, body, count: wrong(400, {"message": message})) as server, refused:
        ask(chat(server))
    assert len(server.asked) == 1


@pytest.mark.faults
def test_a_server_that_refuses_everything_is_asked_a_few_times():
    refused = ("max_tokens", "max_completion_tokens", "temperature")
    with serve(refusing(*refused)) as server, pytest.raises(Refused, match="max_completion_tokens"):
        ask(chat(server))
    assert len(server.asked) <= 4


@pytest.mark.faults
def test_a_temperature_that_bedrock_refuses_is_left_out():
    asked = []

    class Client(AwsService):
        services = ("bedrock-runtime",)

        def converse(self, **request):
            asked.append(request["inferenceConfig"])
            if "temperature" in asked[-1]:
                error = {"Code": "ValidationException", "Message": "`temperature` is deprecated for this model."}
                raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Converse")
            return {"output": {"message": {"content": [{"text": "Paris"}]}}, "stopReason": "max_tokens"}

    model = BedrockChat(Client(), "new-model")
    answers = [model.chat(MESSAGES, 300, Deadline(5)) for _ in range(2)]
    assert [(answer.text, answer.ended) for answer in answers] == [("Paris", "cut")] * 2
    assert asked == [{"maxTokens": 300, "temperature": 0}, {"maxTokens": 300}, {"maxTokens": 300}]


@pytest.mark.faults
@pytest.mark.parametrize(
    "error",
    [
        {"code": 429, "message": "Provider returned error"},
        {"code": "503", "message": "overloaded"},
        {"message": "overloaded", "type": "overloaded_error"},
        "upstream failed",
    ],
)
def test_an_error_with_status_200_is_asked_again(error):
    with serve(lambda path, body, count: wrong(200, error) if count % 2 else said("Paris")) as server:
        assert ask(chat(server)).text == "Paris"
    assert len(server.asked) == 2


@pytest.mark.faults
def test_an_error_in_the_choice_is_asked_again():
    half = {"message": {"content": "Par"}, "finish_reason": "error", "error": {"code": 502, "message": "lost"}}
    content = json.dumps({"choices": [half]}).encode()
    with serve(lambda path, body, count: (200, {}, content) if count == 1 else said("Paris")) as server:
        assert ask(chat(server)).text == "Paris"


@pytest.mark.faults
@pytest.mark.parametrize(
    "error",
    [
        {"code": 401, "message": "no such key"},
        {"code": 400, "message": "bad"},
        {"type": "invalid_request_error", "message": "bad"},
        {"code": "insufficient_quota", "message": "pay"},
    ],
)
def test_an_error_with_status_200_that_lasts_is_not(error):
    refused = pytest.raises(Refused, match=error["message"])
    with serve(lambda path, body, count: wrong(200, error)) as server, refused:
        ask(chat(server))
    assert len(server.asked) == 1


@pytest.mark.faults
@pytest.mark.parametrize("where", ["code", "type"])
def test_used_up_credit_ends_at_once_wherever_it_is_said(where):
    error = {"message": "You exceeded your current quota", where: "insufficient_quota"}
    with serve(lambda path, body, count: wrong(429, error)) as server, pytest.raises(Refused) as caught:
        ask(chat(server))
    assert (len(server.asked), caught.value.code) == (1, "insufficient_quota")


@pytest.fixture
def waits(monkeypatch):
    """A clock that waits for nothing."""
    slept, time_ = [], retrying.time

    class Clock:
        def monotonic(self):
            return time_.monotonic() + sum(slept)

        def sleep(self, seconds):
            slept.append(seconds)

    monkeypatch.setattr(retrying, "time", Clock())
    return slept


@pytest.mark.faults
def test_a_busy_service_is_waited_for_while_time_is_left(waits):
    answers = iter([wrong(429, {"message": "slower"}, Retry_After="14")] * 7 + [said("Paris")])
    with serve(lambda path, body, count: next(answers)) as server:
        assert ask(chat(server), 120, BUSY_TRIES).text == "Paris"
    assert waits == [14.0] * 7


@pytest.mark.faults
def test_a_busy_service_that_names_no_time_is_waited_for_too(waits):
    answers = iter([wrong(429, {"message": "slower"})] * 20 + [said("Paris")])
    with serve(lambda path, body, count: next(answers)) as server:
        assert ask(chat(server), 600, BUSY_TRIES).text == "Paris"
    assert len(server.asked) == 21


@pytest.mark.faults
def test_a_wait_beyond_the_time_that_is_left_is_not_begun(waits):
    answer = wrong(429, {"message": "slower"}, Retry_After="3600")
    with serve(lambda path, body, count: answer) as server, pytest.raises(Unavailable, match="slower"):
        ask(chat(server), 120, BUSY_TRIES)
    assert (len(server.asked), waits) == (1, [])


@pytest.mark.faults
def test_a_broken_service_is_given_up_after_a_few_tries_however_much_time_is_left(waits):
    with serve(lambda path, body, count: wrong(500, {"message": "broken"})) as server, pytest.raises(Unavailable):
        ask(chat(server), 6000, BUSY_TRIES)
    assert len(server.asked) == 8


@pytest.mark.faults
def test_a_limit_of_the_wait_is_kept_to(waits):
    def busy():
        raise Transient("busy", wait=9999, busy=True)

    with pytest.raises(Unavailable):
        retry(busy, Deadline(1e9), tries=3, longest_wait=60)
    assert waits == [60, 60]


@pytest.mark.faults
def test_a_url_without_its_path_is_told_which():
    def answer(path, body, count):
        return said("Paris") if path.startswith("/v1/") else (404, {}, b'{"detail":"Not Found"}')

    with serve(answer) as server:
        assert ask(chat(server)).text == "Paris"
        server.url = server.url.removesuffix("/v1")
        with pytest.raises(Refused, match=r"with 404 .*Not Found.*With most servers that is http://127.0.0.1:\d+/v1"):
            ask(chat(server))


@pytest.mark.faults
def test_a_page_is_no_answer_of_the_api():
    with serve(lambda path, body, count: (200, {}, b"<html>Welcome</html>")) as server:
        server.url = server.url.replace("/v1", "/ui")
        with pytest.raises(
            Refused, match=r"<html>Welcome</html>\. Is http://\S+/ui the API's base URL\? With most .*/v1"
        ):
            ask(chat(server))
    assert len(server.asked) == 1


@pytest.mark.faults
def test_a_model_that_is_not_there_is_no_wrong_url():
    error = {"message": "The model `m` does not exist.", "code": "model_not_found"}
    with serve(lambda path, body, count: wrong(404, error)) as server, pytest.raises(Refused) as caught:
        ask(chat(server))
    assert str(caught.value).endswith("with 404 The model `m` does not exist.")


@pytest.mark.faults
def test_a_redirect_says_where_to_without_the_key():
    def answer(path, body, count):
        return 308, {"Location": "https://host/sk-very-secret-42/v1/chat/completions"}, b""

    with serve(answer) as server, pytest.raises(Refused) as caught:
        ask(chat(server, key=Key("", "sk-very-secret-42")))
    assert "It redirects to https://host/***/v1, which isn't followed: give the URL" in str(caught.value)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that nobody has signed."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "certificate"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


class Paris(JsonHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.reply(200, json.loads(said("Paris")[2]), {})


@pytest.mark.faults
def test_a_certificate_that_nobody_vouches_for_is_not_tried_again(certificate, monkeypatch):
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate", certificate / "key")
    with serving(Paris, context) as url:
        began = time.monotonic()
        with pytest.raises(Refused, match=r"Remedy: name the file .* in AWS_CA_BUNDLE or SSL_CERT_FILE"):
            ask(OpenAiChat(OpenAiApi(url), "m"), 30)
        assert time.monotonic() - began < 3
        for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
            with monkeypatch.context() as patch:
                patch.setenv(name, str(certificate / "certificate"))
                assert ask(OpenAiChat(OpenAiApi(url), "m")).text == "Paris"


@pytest.mark.faults
def test_https_to_a_server_without_it_is_not_tried_again():
    with serving(Paris) as url, pytest.raises(TandemError, match=r"Remedy: the server doesn't speak TLS there"):
        ask(OpenAiChat(OpenAiApi(url.replace("http:", "https:")), "m"), 30)
