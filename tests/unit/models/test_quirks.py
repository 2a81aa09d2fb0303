"""What single models are sent that differs from the rest."""

import pytest

from tandem.models.bedrock import BedrockChat
from tandem.models.chat_completions import openai_request
from tandem.models.openai import OpenAiApi, OpenAiChat
from tandem.runtime.retry import Deadline
from tests.support.aws_requests import AwsService
from tests.support.chat_api import completion, serve

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "So."},
    {"role": "user", "content": "Really?"},
]
MERGED = [{"role": "user", "content": "Be brief.\n\nWhy?"}, *MESSAGES[2:]]
PLAIN = {"messages": MESSAGES, "max_tokens": 300, "temperature": 0}


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        ("llama-3.3-70b", PLAIN),
        ("gpt-oss-20b", PLAIN | {"max_tokens": 4396}),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", PLAIN | {"max_tokens": 4396}),
        ("o4-mini", {"messages": MESSAGES, "max_completion_tokens": 4396}),
        ("openai/gpt-5-mini", {"messages": MESSAGES, "max_completion_tokens": 4396}),
        ("ft:gpt-4.1-mini-2025-04-14:acme", {"messages": MESSAGES, "max_completion_tokens": 300, "temperature": 0}),
        ("google/gemma-2-9b-it", PLAIN | {"messages": MERGED}),
        ("gemma-3-4b-it", PLAIN),
        ("Qwen/Qwen3-8B", PLAIN | {"chat_template_kwargs": {"enable_thinking": False}}),
        ("Qwen/Qwen2.5-7B-Instruct", PLAIN),
    ],
)
def test_requests_of_an_openai_compatible_api(model, request_):
    assert openai_request(MESSAGES, model, 300, extensions=True) == request_


def test_a_service_that_knows_openais_fields_alone_gets_no_others():
    assert openai_request(MESSAGES, "Qwen/Qwen3-8B", 300, extensions=False) == PLAIN


def test_a_server_that_refuses_more_than_openais_fields_is_asked_without_them():
    answers = iter([(400, {"error": {"message": "unknown field"}}), (200, completion("So.")), (200, completion("So."))])
    with serve(lambda text: next(answers)) as chat:
        model = OpenAiChat(OpenAiApi(chat.url), "qwen3-8b")
        assert [model.chat(MESSAGES, 300, Deadline(5)).text for _ in range(2)] == ["So.", "So."]
    assert ["chat_template_kwargs" in request for request in chat.requests] == [True, False, False]


def sent(model, messages=MESSAGES):
    class Client(AwsService):
        services = ("bedrock-runtime",)

        def converse(self, **request):
            self.request = request
            return {"output": {"message": {"content": [{"reasoningContent": {}}, {"text": "So."}]}}}

    client = Client()
    answer = BedrockChat(client, model).chat(messages, 300, Deadline(5))
    assert (answer.text, answer.usage, answer.finish_reason) == ("So.", None, "")
    texts = [message["content"][0]["text"] for message in client.request["messages"]]
    return client.request.get("system"), texts, client.request["inferenceConfig"]


@pytest.mark.parametrize("model", ["amazon.nova-lite-v1:0", "us.anthropic.claude-3-5-sonnet-20240620-v1:0"])
def test_bedrock_takes_system_texts_and_a_temperature(model):
    limits = {"maxTokens": 300, "temperature": 0}
    assert sent(model) == ([{"text": "Be brief."}], ["Why?", "So.", "Really?"], limits)
    assert sent(model, MESSAGES[1:2]) == (None, ["Why?"], limits)


@pytest.mark.parametrize("model", ["amazon.titan-text-express-v1", "mistral.mistral-7b-instruct-v0:2"])
def test_where_bedrock_takes_no_system_text_it_goes_into_the_first_message(model):
    assert sent(model)[:2] == (None, ["Be brief.\n\nWhy?", "So.", "Really?"])


@pytest.mark.parametrize(
    "model",
    ["openai.gpt-oss-120b-1:0", "us.deepseek.r1-v1:0", "moonshot.kimi-k2-thinking", "mistral.magistral-small-2509"],
)
def test_what_cannot_be_told_not_to_think_gets_tokens_for_it(model):
    assert sent(model)[2] == {"maxTokens": 4396, "temperature": 0}


@pytest.mark.parametrize("model", ["us.amazon.nova-2-lite-v1:0", "deepseek.v3.2", "us.meta.llama3-3-70b-instruct-v1:0"])
def test_what_does_not_think_gets_none(model):
    assert sent(model)[2]["maxTokens"] == 300


@pytest.mark.parametrize(
    "model",
    [
        "eu.anthropic.claude-opus-4-7",
        "anthropic.claude-opus-4-10-v1:0",
        "us.anthropic.claude-sonnet-4-8",
        "global.anthropic.claude-sonnet-5-20260101-v1:0",
        "anthropic.claude-opus-10",
    ],
)
def test_where_bedrock_takes_no_temperature_none_is_sent(model):
    assert sent(model)[2] == {"maxTokens": 300}


@pytest.mark.parametrize(
    "model", ["anthropic.claude-opus-4-20250514-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0"]
)
def test_an_earlier_claude_is_sent_one(model):
    assert sent(model)[2] == {"maxTokens": 300, "temperature": 0}
