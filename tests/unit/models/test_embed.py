"""Embedders: Bedrock's against a stand-in, OpenAI-compatible ones over HTTP."""

import logging
import traceback
from types import SimpleNamespace

import pytest
from tandem_contract.checks import Checks
from tandem_contract.embedders import check_embedder
from tandem_contract.errors import TandemError, Unavailable

from tandem.models.bedrock_embedder import BedrockEmbedder
from tandem.models.embed import normalised
from tandem.models.embedders import open_embedder
from tandem.models.errors import Refused
from tandem.runtime import retry
from tandem.runtime.retry import Deadline
from tests.support.aws_requests import AwsService
from tests.support.embeddings_api import serve
from tests.unit.rag.fakes import FakeBedrock, refused


@pytest.mark.parametrize(
    ("model", "dimensions"), [("amazon.titan-embed-text-v2:0", 256), ("cohere.embed-multilingual-v3", 1024)]
)
def test_embeddings_are_in_order_and_of_length_one(model, dimensions):
    bedrock = FakeBedrock()
    embedder = BedrockEmbedder(bedrock, model, dimensions)
    texts = [f"text {number}" for number in range(100)]
    vectors = embedder.documents(texts, Deadline(10))
    assert vectors == [embedder.query(text, Deadline(10)) for text in texts]
    assert all(len(vector) == dimensions for vector in vectors)
    assert all(sum(value**2 for value in vector) == pytest.approx(1, abs=1e-6) for vector in vectors)
    assert embedder.documents([], Deadline(10)) == []


def test_a_refusal_is_not_retried():
    bedrock = FakeBedrock()
    bedrock.faults = [refused("AccessDeniedException", 403)]
    with pytest.raises(Refused, match="AccessDenied"):
        BedrockEmbedder(bedrock, "cohere.embed-english-v3", 1024).query("x", Deadline(5))
    assert normalised([0.0, 0.0]) == [0.0, 0.0]


KEY = "sk-very-secret-42"
ARN = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:tandem/embedder-AbCdEf"


class Secrets(AwsService):
    """Secrets Manager with one secret."""

    services = ("secretsmanager",)

    def __init__(self, value: str):
        self.value, self.read = value, 0

    def get_secret_value(self, SecretId):
        assert SecretId == ARN
        self.read += 1
        return {"SecretString": self.value}


def opened(api, dimensions=8, key=KEY):
    return open_embedder(api.url, dimensions, {"secretsmanager": Secrets(key)}.get, ARN if key else "")


def test_an_embedder_behind_a_url_embeds_in_order_and_in_batches():
    texts = [f"text number {number}" for number in range(100)]
    with serve(key=KEY) as api:
        embedder = opened(api)
        vectors = embedder.documents(texts, Deadline(10))
        assert sorted(len(request["input"]) for request in api.requests) == [4, 32, 32, 32]
        assert vectors == [embedder.query(text, Deadline(10)) for text in texts]
        assert all(sum(value**2 for value in vector) == pytest.approx(1, abs=1e-6) for vector in vectors)
        assert embedder.documents([], Deadline(10)) == []
    first = {"model": "tuned-embedder", "input": texts[:1], "encoding_format": "float", "path": "/v1/embeddings"}
    assert first in api.requests


def test_an_embedder_without_a_key_and_one_that_is_told_its_length():
    with serve(dimensions=4) as api:
        api.url = api.url.replace("tuned-embedder", "text-embedding-3-small")
        assert len(opened(api, 4, key="").query("x", Deadline(5))) == 4
    assert [request["dimensions"] for request in api.requests] == [4]


def test_an_embedder_that_is_busy_is_asked_again_after_the_time_that_it_names(monkeypatch):
    waits = []
    monkeypatch.setattr(retry, "time", SimpleNamespace(sleep=waits.append, monotonic=retry.time.monotonic))
    with serve() as api:
        api.faults = [(429, {"Retry-After": "7"}, {}), (503, {}, {"error": "loading"})]
        assert opened(api, key="").query("x", Deadline(20))
        assert waits[0] == 7.0 and waits[1] < 7
        api.faults = [(429, {"Retry-After": "7"}, {})]
        with pytest.raises(Unavailable, match="with 429"):
            opened(api, key="").query("x", Deadline(5))
    assert len(waits) == 2  # there was no time to wait


@pytest.mark.faults
def test_an_embedder_of_another_length_says_what_to_set():
    expected = r"tuned-embedder gives embeddings of 8 dimensions, .* set `dimensions` to 8"
    with serve(dimensions=8) as api, pytest.raises(Refused, match=expected):
        opened(api, 512, key="").documents(["x"], Deadline(5))
    assert len(api.requests) == 1


@pytest.mark.faults
@pytest.mark.parametrize(
    "content",
    [{}, [], {"data": None}, {"data": [{"index": 0}]}, {"data": [{"index": 0, "embedding": "AAA="}]}, {"data": []}],
)
def test_what_is_no_embedding_is_said_to_be_none(content):
    with serve() as api:
        api.faults = [(200, {}, content)]
        with pytest.raises(Refused, match=r"answered (no|0) embeddings"):
            opened(api, key="").query("x", Deadline(5))


@pytest.mark.faults
def test_the_key_of_an_embedder_is_shown_nowhere(caplog, capsys):
    """Neither when it is refused, nor when the server repeats it, nor when nobody listens."""
    caplog.set_level(logging.DEBUG)
    with serve(key="another") as strict, serve() as api:
        api.faults = [(400, {}, {"error": f"odd key {KEY}"}), *[(503, {}, {"error": f"odd key {KEY}"})] * 9]
        refusing, repeating = opened(strict), opened(api)
        nobody = open_embedder("http://127.0.0.1:9/v1#m", 8, {"secretsmanager": Secrets(KEY)}.get, ARN)
        texts = []
        for embedder in (refusing, repeating, repeating, nobody):
            with pytest.raises(TandemError) as caught:
                embedder.query("x", Deadline(0.5))
            texts.append(str(caught.value))
            error, shown = caught.value, "".join(traceback.format_exception(caught.value))
            while error:
                shown += repr(error) + repr(vars(error))
                error = error.__cause__ or error.__context__
            assert KEY not in shown
    assert f"put a valid one into the secret '{ARN}'" in texts[0]
    assert "odd key ***" in texts[1]
    assert "odd key ***" in texts[2]
    assert "Connection refused" in texts[3]
    assert KEY not in caplog.text + "".join(capsys.readouterr()) + repr(vars(refusing))


@pytest.mark.faults
@pytest.mark.parametrize(
    ("embedder", "dimensions", "expected"),
    [
        ("https://host/v1", 8, "embedder: lacks the host or the model. Give a URL and the model's name behind #."),
        ("https://me:pass@host/v1#m", 8, "would be stored. Put the key into a secret: embedder_secret_arn."),
        ("http://host/v1#m", 8, "embedder: would send texts and the key unencrypted. Use https://."),
        ("https://[host/v1#m", 8, "is no URL"),
        ("https://host:80a/v1#m", 8, "is no URL"),
        ("https://host:99999/v1#m", 8, "is no URL"),
        ("https://me:pass@[host/v1#m", 8, "embedder: is no URL. Give https://host/v1#MODEL."),
        ("https://me:pass@h\u2100st/v1#m", 8, "embedder: is no URL. Give https://host/v1#MODEL."),
        ("https://host/v1#m", 0, "dimensions: 0 is not allowed (a whole number from 1 to 4096)"),
        ("https://host/v1#m", 4097, "dimensions: 4097 is not allowed"),
        ("gpt", 256, "embedder: 'gpt' is not allowed (amazon.titan-embed-text-v2:0, "),
        ("amazon.titan-embed-text-v2:0", 300, "dimensions: 300 is not allowed (256 or 512 or 1024)"),
        (
            "cohere.embed-english-v3",
            1024,
            "chunk_tokens: 600 is not allowed (512 at most with cohere.",
        ),
    ],
)
def test_mistakes_in_an_embedder_name_what_is_allowed(embedder, dimensions, expected):
    checks = Checks()
    check_embedder(checks, embedder, dimensions, 600)
    with pytest.raises(TandemError) as caught:
        checks.finish("The index version")
    assert expected in str(caught.value)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("embedder", ["https://host/v1#m", "http://127.0.0.1:8000/v1#m", "http://localhost/v1#m"])
def test_a_length_or_chunk_of_any_size_suits_an_embedder_behind_a_url(embedder):
    checks = Checks()
    check_embedder(checks, embedder, 768, 2000)
    assert checks.mistakes == []
