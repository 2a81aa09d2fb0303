"""The model server answers boto3 and OpenAI's shapes with real models."""

import contextlib
import io
import json
import threading
import time
import urllib.request

import boto3
import numpy as np
import pytest
import urllib3
from botocore.exceptions import ClientError

from localcloud.services import generator, models, supervisor

pytestmark = pytest.mark.local

TITAN = "amazon.titan-embed-text-v2:0"
PERMIT = "How do I apply for a building permit?"
PERMISSION = "Where can I ask for permission to build?"
CAT = "The cat sat on the mat."
TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")


@pytest.fixture(scope="module")
def bedrock(cloud):
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=supervisor.MODELS.url,
        region_name="us-east-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="test",
    )


def invoke(bedrock, model, **request):
    return json.load(bedrock.invoke_model(modelId=model, body=json.dumps(request))["body"])


def titan(bedrock, text, **more):
    return np.array(invoke(bedrock, TITAN, inputText=text, **more)["embedding"])


def test_related_texts_are_nearer_and_padding_keeps_cosines(bedrock):
    wide = [titan(bedrock, text, dimensions=1024) for text in (PERMIT, PERMISSION, CAT)]
    narrow = [titan(bedrock, text, dimensions=512) for text in (PERMIT, PERMISSION, CAT)]
    assert wide[0].shape == (1024,)
    assert wide[0] @ wide[1] > 0.4 > wide[0] @ wide[2] + 0.2
    assert wide[0] @ wide[1] == pytest.approx(narrow[0] @ narrow[1], abs=1e-6)
    assert np.linalg.norm(wide[0]) == pytest.approx(1, abs=1e-6)


def test_cohere_answers_each_text_in_order_whatever_the_batch(bedrock):
    texts = [f"{PERMIT} {number}" for number in range(20)]
    answer = invoke(bedrock, "cohere.embed-multilingual-v3", texts=texts, input_type="search_document")
    assert np.shape(answer["embeddings"]) == (20, 1024)
    assert titan(bedrock, texts[7]) @ np.array(answer["embeddings"][7]) > 0.98  # int8: the batch moves it a little


@pytest.mark.parametrize(
    ("model", "more", "order"),
    [("amazon.rerank-v1:0", {}, [2, 0, 1]), ("cohere.rerank-v3-5:0", {"api_version": 2, "top_n": 2}, [2, 0])],
)
def test_rerankers_put_first_what_answers(bedrock, model, more, order):
    texts = [PERMISSION, CAT, "Building permits are applied for at the town hall."]
    results = invoke(bedrock, model, query=PERMIT, documents=texts, **more)["results"]
    assert [row["index"] for row in results] == order
    assert results[0]["relevance_score"] > results[1]["relevance_score"]
    again = invoke(bedrock, "amazon.rerank-v1:0", query=PERMIT, documents=[PERMIT, "", " "])["results"]
    assert again[0] == {"index": 0, "relevance_score": pytest.approx(1, abs=1e-5)}


def test_converse_answers_from_the_passage(bedrock):
    answer = bedrock.converse(
        modelId="amazon.nova-lite-v1:0",
        system=[{"text": "Answer from the passage."}],
        messages=[{"role": "user", "content": [{"text": "Passage: the permit costs 30 euros.\nWhat does it cost?"}]}],
        inferenceConfig={"maxTokens": 40, "temperature": 0},
    )
    assert "30" in answer["output"]["message"]["content"][0]["text"]
    assert answer["stopReason"] in ("end_turn", "max_tokens")
    assert answer["usage"]["totalTokens"] == answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"]


@pytest.mark.parametrize(
    ("model", "request_body", "message"),
    [
        (TITAN, {"inputText": "x", "dimensions": 7}, r"dimensions\s+Input should be 256, 512 or 1024"),
        (TITAN, {"inputText": ""}, r"inputText\s+String should have at least 1 character"),
        (TITAN, {"inputText": "x", "extra": 1}, r"extra\s+Extra inputs are not permitted"),
        ("cohere.embed-english-v3", {"texts": ["x"]}, r"input_type\s+Field required"),
        ("cohere.embed-english-v3", {"texts": ["x" * 2049], "input_type": "search_query"}, r"texts.0\s+.*at most 2048"),
        ("amazon.rerank-v1:0", {"query": "x", "documents": []}, r"documents\s+List should have at least 1 item"),
        ("amazon.rerank-v1:0", {"query": "x", "documents": ["x"], "api_version": 2}, r"api_version\s+Extra inputs"),
        ("cohere.rerank-v3-5:0", {"query": "x", "documents": ["x"]}, r"api_version\s+Field required"),
        ("unknown.model", {}, "model identifier is invalid"),
    ],
)
def test_bad_requests_are_validation_exceptions(bedrock, model, request_body, message):
    with pytest.raises(ClientError, match=message) as error:
        invoke(bedrock, model, **request_body)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_unsigned_bedrock_requests_are_refused(cloud):
    url = f"{supervisor.MODELS.url}/model/amazon.titan-embed-text-v2%3A0/invoke"
    assert urllib3.request("POST", url, body=b"{}").status == 403


def test_one_request_too_many_is_throttled():
    server, said = models.Models.__new__(models.Models), {}
    server._places = threading.BoundedSemaphore(1)
    server._places.acquire()
    request = {"PATH_INFO": "/v1/embeddings", "CONTENT_LENGTH": "2", "wsgi.input": io.BytesIO(b"{}")}
    server(request, lambda status, headers: said.update(headers, status=status))
    assert said["status"].startswith("429")
    assert said["x-amzn-errortype"] == "ThrottlingException"


def post(path, **content):
    request = urllib.request.Request(supervisor.MODELS.url + path, json.dumps(content).encode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def give_up(seconds, question, **more):
    """Ask, and hang up after so many seconds."""
    body = json.dumps({"messages": [{"role": "user", "content": question}], **more}).encode()
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        urllib3.request(
            "POST", f"{supervisor.MODELS.url}/v1/chat/completions", body=body, timeout=seconds, retries=False
        )


def test_what_nobody_waits_for_is_not_generated(cloud):
    # Each would take a minute and more, the first being written, the others waiting for their turn.
    callers = [
        threading.Thread(target=give_up, args=(2, f"Tell {number} stories."), kwargs={"ignore_eos": True})
        for number in range(4)
    ]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    started = time.monotonic()
    post("/v1/chat/completions", max_tokens=5, messages=[{"role": "user", "content": "Hello"}])
    assert time.monotonic() - started < 15


def test_who_asks_again_is_read_on_from_where_it_gave_up(cloud):
    def question(thing):
        return f"The {thing} costs 30 euros and is to be had on every day of the year but Sundays. " * 30

    give_up(1, question("permit"))
    give_up(1, question("ticket"))  # another in between
    again = [{"role": "user", "content": question("permit")}]
    usage = post("/v1/chat/completions", max_tokens=1, messages=again)["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] > generator.BATCH_TOKENS / 2


def test_an_answer_is_written_on_from_where_its_caller_gave_up(cloud):
    """The machine is too slow for the caller's patience, whatever its speed: all of the answer, and nothing twice.

    Where it gave up decides in which portions tokens are read, and so the last digits of the sums: now and then a later
    word is another one, so one of three answers has to be the same.
    """
    pairs = []
    for what in ("bear", "fox", "crow"):
        content = f"Tell a story of a {what}, a bridge and a boat."
        request = {"messages": [{"role": "user", "content": content}], "max_tokens": 150, "temperature": 0}
        url, given, tries = f"{supervisor.MODELS.url}/v1/chat/completions", None, 0
        while not given:
            tries += 1
            with contextlib.suppress(urllib3.exceptions.TimeoutError):
                given = urllib3.request("POST", url, json=request, timeout=0.2 + 0.02 * tries, retries=False).json()
        whole = post("/v1/chat/completions", **request)
        assert tries > 1
        assert [given["usage"][name] for name in TOKENS] == [whole["usage"][name] for name in TOKENS]
        pairs.append((given["choices"], whole["choices"]))
    assert any(given == whole for given, whole in pairs), pairs


def test_openai_routes(bedrock):
    embedded = post("/v1/embeddings", input=[PERMIT, CAT], model="any")
    assert [row["index"] for row in embedded["data"]] == [0, 1]
    assert len(embedded["data"][0]["embedding"]) == 384
    chat = post("/v1/chat/completions", model="any", max_tokens=5, messages=[{"role": "user", "content": "Hello"}])
    assert chat["choices"][0]["message"]["content"]
