"""What Bedrock's refusals and ends become: recorded errors (their sources are in the file), and every stop reason."""

import json
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import ClientError
from tandem_contract.errors import Unavailable

from tandem.models.bedrock import BedrockChat
from tandem.models.bedrock_embedder import BedrockEmbedder
from tandem.models.bedrock_reranker import BedrockReranker
from tandem.models.errors import Refused
from tandem.rag.writers import ModelWriter
from tandem.runtime.retry import Deadline

RECORDED = json.loads((Path(__file__).parents[2] / "recorded_aws" / "bedrock-errors.json").read_text())["errors"]
STATUS = {"ValidationException": 400, "AccessDeniedException": 403, "ResourceNotFoundException": 404}
OWN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcd1234efgh"
NO_SYSTEM = {  # recorded of mistral.mistral-7b-instruct on 2026-10-01
    "error_code": "ValidationException",
    "message": "This model doesn't support system messages. Try again without a system message or use a model that "
    "supports system messages.",
}
# Of a request that we don't send, or of another operation.
NOT_OURS = ("must not be valid against schema", "cannot both be specified", "You have not filled out")


def recorded(*words):
    """The recorded errors that have one of these in them."""
    return [each for each in RECORDED if any(word in each["message"] for word in words)]


def error(entry):
    code, message = entry["error_code"], entry["message"]
    status = entry.get("http_status") or STATUS.get(code, 429)
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Converse")


class Client:
    """Raises or answers what it is given, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def converse(self, **request):
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers[1:] else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    invoke_model = converse


def answer(text="So.", reason="end_turn", **part):
    content = [{"text": text}] if text else []
    return {"output": {"message": {"content": [*([part] if part else []), *content]}}, "stopReason": reason}


def write(client, model=OWN, **more):
    return ModelWriter(BedrockChat(client, model), **more).write("Be brief.", "Why?", Deadline(0.5))


LASTING = [
    each
    for each in RECORDED
    if each["error_code"] in STATUS and "temperature" not in each["message"] and each not in recorded(*NOT_OURS)
]


@pytest.mark.faults
@pytest.mark.parametrize("entry", LASTING, ids=lambda entry: entry["message"][:50])
def test_each_lasting_refusal_is_told_with_its_remedy_by_whoever_asks(entry):
    askers = (
        write,
        lambda client: BedrockEmbedder(client, "cohere.embed-english-v3", 1024).documents(["a"], Deadline(1)),
        lambda client: BedrockReranker(client, "cohere.rerank-v3-5:0").scores("a", ["b"], Deadline(1)),
    )
    for ask in askers:
        client = Client(error(entry))
        with pytest.raises(Refused) as caught:
            ask(client)
        assert len(client.requests) == 1
        assert entry["message"] in str(caught.value) and str(caught.value).endswith(caught.value.told)
        assert caught.value.told and "123456789012" not in caught.value.told


@pytest.mark.faults
@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("aws-marketplace:Subscribe", "call it once as someone who may"),
        ("use case details", "wants a form about the use case"),
        ("on-demand throughput", "served by an inference profile alone"),
        ("marked by provider as Legacy", "choose another"),
        ("being verified", "AWS Support"),
    ],
)
def test_what_the_remedies_say(words, remedy):
    for entry in recorded(words):
        with pytest.raises(Refused) as caught:
            write(Client(error(entry)))
        assert remedy in caught.value.told


@pytest.mark.faults
@pytest.mark.parametrize("entry", recorded("Too many"), ids=lambda entry: entry["message"][:40])
def test_throttling_is_tried_again(entry):
    assert write(Client(error(entry), answer())).text == "So."


def test_a_model_that_is_not_known_is_learned_about_once():
    """Behind an ARN of one's own may be a model that takes no temperature, no system text, and thinks first."""
    [temperature, *_] = recorded("The model returned the following errors: `temperature` is deprecated")
    thinking = answer("", "max_tokens", reasoningContent={})
    client = Client(error(temperature), error(NO_SYSTEM), thinking, answer())
    chat = BedrockChat(client, OWN)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    assert [chat.chat(messages, 300, Deadline(5)).text for _ in range(2)] == ["So.", "So."]
    assert len(client.requests) == 5
    for request in client.requests[-2:]:
        assert request["inferenceConfig"] == {"maxTokens": 4396}
        assert "system" not in request
        assert request["messages"][0]["content"] == [{"text": "Be brief.\n\nWhy?"}]


STOPS = botocore.session.get_session().get_service_model("bedrock-runtime").shape_for("StopReason").enum


@pytest.mark.faults
@pytest.mark.parametrize("reason", sorted({*STOPS} - {"end_turn", "stop_sequence"}))
def test_an_end_without_text_is_named_and_not_tried_again(reason):
    """Each that Converse's model has, but those of a model that thinks that it is done."""
    client = Client(answer("", reason))
    with pytest.raises(Refused) as caught:
        write(client, "amazon.nova-lite-v1:0")
    assert len(client.requests) == (2 if reason == "max_tokens" else 1)
    words = ("cut at the limit of tokens", "filtered", reason)
    assert any(word in caught.value.told for word in words)
    assert caught.value.told.startswith("The model that writes gave no text: ")


@pytest.mark.faults
@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", ""])
def test_an_empty_answer_for_no_reason_is_tried_again(reason):
    assert write(Client(answer("", reason), answer())).text == "So."
    with pytest.raises(Unavailable, match="gave no text"):
        write(Client(answer("", reason)), tries=2)
