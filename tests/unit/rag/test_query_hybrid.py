"""The query handler where a tuned model is served: it answers whatever the endpoint does."""

import json
import threading

import pytest

from tandem.rag import fallback_writer
from tandem.rag.functions import query
from tandem.runtime import circuit_breaker

from .conftest import Stack, ask
from .fake_endpoint import FakeEndpoint, chat
from .fakes import refused

pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture
def served(answering: Stack, monkeypatch):
    """Puts a tuned model on an endpoint, which the hosted one stands behind."""

    def serve(*answers) -> FakeEndpoint:
        endpoint = FakeEndpoint(*answers)
        monkeypatch.setenv("TANDEM_ENDPOINT", "tuned")
        fakes = {"bedrock-runtime": answering.bedrock, "sagemaker-runtime": endpoint}
        monkeypatch.setattr(query, "client", fakes.get)
        return endpoint

    return serve


def fallbacks(output: str) -> list[int]:
    """The values of the metric, 1 for each answer of the hosted model and 0 for one of the tuned."""
    found = [line for line in map(json.loads, output.splitlines()) if "_aws" in line]
    for line in found:
        (definition,) = line["_aws"]["CloudWatchMetrics"]
        assert definition == {
            "Namespace": "Tandem",
            "Dimensions": [["Endpoint"]],
            "Metrics": [{"Name": "Fallback", "Unit": "Count"}],
        }
        assert line["Endpoint"] == "tuned"
    return [line["Fallback"] for line in found]


def test_query_measures_who_spoke_only_where_a_model_is_served(served, capsys):
    ask({"question": "Is green tea warm?"})
    assert fallbacks(capsys.readouterr().out) == []
    query._settings.cache_clear()
    query._writer.cache_clear()
    served(chat("Tuned [1].", usage={"prompt_tokens": 9, "completion_tokens": 3}), "garbage")
    answers = [ask({"question": "Is green tea warm?"})[2] for _ in range(2)]
    assert [(answer["model"], answer["usage"]["input_tokens"]) for answer in answers] == [
        ("tuned", 9),
        ("amazon.nova-lite-v1:0", 1200),
    ]
    ask({"question": "zebra crossing"})  # nobody spoke
    assert fallbacks(capsys.readouterr().out) == [0, 1]


@pytest.mark.faults
@pytest.mark.parametrize(
    "fault",
    [refused("ValidationError"), refused("ModelError", 424), refused("InternalFailure", 500), "<html>", chat("")],
    ids=["absent", "refusing", "failing", "garbage", "empty"],
)
def test_query_answers_whatever_the_endpoint_does_and_recovers(served, monkeypatch, capsys, fault):
    monkeypatch.setattr(circuit_breaker, "FIRST_SECONDS", 0.0)
    served(fault, fault, fault, chat("Tuned [1]."))
    replies = [ask({"question": "Is green tea warm?"}) for _ in range(4)]
    assert [status for status, _, _ in replies] == [200] * 4
    assert [content["model"] for _, _, content in replies] == ["amazon.nova-lite-v1:0"] * 3 + ["tuned"]
    assert all(content["answer"] and content["citations"] for _, _, content in replies)
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["reason"] for line in logged if line.get("event") == "fallback"]
    assert [line["state"] for line in logged if line.get("event") == "circuit"][-2:] == ["half-open", "closed"]


@pytest.mark.faults
def test_query_does_not_wait_for_an_endpoint_that_hangs(served, monkeypatch):
    monkeypatch.setattr(fallback_writer, "FIRST_SECONDS", 0.2)
    released = threading.Event()
    endpoint = served(lambda: released.wait(30) or chat("Too late."))
    replies = [ask({"question": "Is green tea warm?"}) for _ in range(4)]
    released.set()
    assert {(status, content["model"]) for status, _, content in replies} == {(200, "amazon.nova-lite-v1:0")}
    assert endpoint.asked == 2
