"""The tuned model speaks while it can, and the hosted one in time when it can't."""

import threading

import pytest
from botocore.exceptions import EndpointConnectionError, IncompleteReadError, ReadTimeoutError
from tandem_contract.errors import Unavailable

from tandem.models.bedrock import BedrockChat
from tandem.models.chat import Completion, Usage
from tandem.models.endpoint import EndpointChat
from tandem.models.errors import NobodyThere
from tandem.rag import fallback_writer
from tandem.rag.fallback_writer import FallbackWriter
from tandem.rag.functions.query import ANSWER_SECONDS, RETRY_AFTER_SECONDS
from tandem.rag.writers import ModelWriter
from tandem.runtime.circuit_breaker import FIRST_SECONDS, CircuitBreaker
from tandem.runtime.clients import LIMITS
from tandem.runtime.retry import Deadline

from .fake_endpoint import FakeEndpoint, chat
from .fakes import Clock, FakeBedrock, refused

SECONDS = ANSWER_SECONDS - 1  # of a question's work
HOSTED = Completion("So it is [P1].", "hosted", Usage(1200, 40), "end_turn")


def writer(endpoint: FakeEndpoint, component: str = "") -> ModelWriter:
    return ModelWriter(EndpointChat(endpoint, "tuned", component), tries=1)


class Hybrid:
    """A tuned writer with a hosted one behind it, a clock that is moved by hand, and the failures."""

    def __init__(self, *answers):
        self.endpoint, self.failures, self.clock = FakeEndpoint(*answers), [], Clock()
        circuit = CircuitBreaker(NobodyThere, lambda state: None, self.clock)
        tuned, hosted = writer(self.endpoint), ModelWriter(BedrockChat(FakeBedrock(), "hosted"))
        self.writer = FallbackWriter(tuned, hosted, circuit, self.failures.append)

    def write(self, seconds: float = SECONDS) -> Completion:
        return self.writer.write("Be brief.", "Why?", Deadline(seconds))


def test_the_tuned_model_speaks_while_it_can():
    usage = {"prompt_tokens": 900, "completion_tokens": 30, "total_tokens": 930}
    hybrid = Hybrid(chat(" Tuned [1].\n", usage=usage))
    assert [hybrid.write() for _ in range(3)] == [Completion("Tuned [1].", "tuned", Usage(900, 30), "")] * 3
    assert hybrid.failures == []


def test_a_model_that_scales_to_zero_is_asked_by_its_component():
    endpoint = FakeEndpoint(chat("Tuned [1]."))
    writer(endpoint, "component").write("", "Why?", Deadline(5))
    assert endpoint.component == "component"
    writer(endpoint).write("", "Why?", Deadline(5))
    assert endpoint.component is None


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 9}, {"prompt_tokens": None, "completion_tokens": 1}, 7])
def test_tokens_that_are_not_told_are_unknown(usage):
    assert Hybrid(chat("Tuned.", usage=usage)).write() == Completion("Tuned.", "tuned", None, "")


FAULTS = {
    "silent": ReadTimeoutError(endpoint_url="https://runtime"),
    "out of reach": EndpointConnectionError(endpoint_url="https://runtime"),
    "cut off": IncompleteReadError(actual_bytes=1, expected_bytes=2),
    "failing": refused("ModelError", 424),
    "without a server": refused("ServiceUnavailable", 503),
    "throttled": refused("ThrottlingException", 429),
    "forbidden": refused("AccessDeniedException", 403),
    "no JSON": "<html>",
    "a list": "[]",
    "no choice": '{"choices": []}',
    "no message": '{"choices": [{"message": null}]}',
    "another shape": '{"generated_text": "Tuned."}',
    "blank": chat(" "),
    "no text": chat(None),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_tuned_model_that_cannot_speak_is_replaced_and_the_answer_says_so(fault):
    hybrid = Hybrid(fault)
    assert [hybrid.write() for _ in range(5)] == [HOSTED] * 5
    assert (hybrid.endpoint.asked, len(hybrid.failures)) == (2, 2)  # not every question waits for it


@pytest.mark.faults
@pytest.mark.parametrize("code", ["ValidationError", "ModelNotReadyException"])
def test_an_endpoint_that_is_absent_or_cold_is_asked_once_a_window(code):
    hybrid = Hybrid(refused(code), refused(code), chat("Tuned again [1]."))
    assert [hybrid.write().model for _ in range(5)] == ["hosted"] * 5
    assert hybrid.endpoint.asked == 1
    hybrid.clock.now += FIRST_SECONDS
    assert [hybrid.write().model for _ in range(5)] == ["hosted"] * 5
    assert hybrid.endpoint.asked == 2
    hybrid.clock.now += 2 * FIRST_SECONDS
    assert hybrid.write().model == "tuned"
    assert len(hybrid.failures) == 2


@pytest.mark.faults
def test_an_endpoint_that_hangs_leaves_the_hosted_model_its_time(monkeypatch):
    monkeypatch.setattr(fallback_writer, "FIRST_SECONDS", 1.0)
    released = threading.Event()
    hybrid = Hybrid(lambda: released.wait(30) or chat("Too late."))
    deadline = Deadline(SECONDS)
    assert hybrid.writer.write("Be brief.", "Why?", deadline) == HOSTED
    assert deadline.remaining() > SECONDS - 10
    assert "not answered in time" in hybrid.failures[0]
    released.set()


class Asked:
    """A writer that notes how many seconds it was given, and never writes."""

    def __init__(self):
        self.seconds: list[float] = []

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Completion:
        self.seconds.append(deadline.remaining())
        raise Unavailable("away")


@pytest.mark.parametrize("retrieval", [0, 1, 2, 5, 11.9])
def test_whatever_the_first_does_the_second_has_eight_seconds(retrieval):
    first, second = Asked(), Asked()
    writer = FallbackWriter(first, second, CircuitBreaker(NobodyThere, lambda state: None), lambda reason: None)
    left = SECONDS - retrieval
    with pytest.raises(Unavailable):
        writer.write("", "", Deadline(left))
    (given,) = first.seconds
    assert 4 <= round(given, 1) <= LIMITS["sagemaker-runtime"][1]
    assert left - given >= 8


def test_with_no_time_for_both_only_the_second_is_asked_and_the_first_has_not_failed():
    hybrid = Hybrid(chat("Tuned [1]."))
    assert [hybrid.write(seconds=11) for _ in range(5)] == [HOSTED] * 5
    assert (hybrid.endpoint.asked, hybrid.failures) == (0, [])
    assert hybrid.write().model == "tuned"


@pytest.mark.faults
def test_when_neither_can_speak_the_caller_is_told_to_come_back():
    away = Asked()
    circuit = CircuitBreaker(NobodyThere, lambda state: None)
    both = FallbackWriter(writer(FakeEndpoint(refused("ModelError", 424))), away, circuit, [].append)
    for _ in range(5):
        with pytest.raises(Unavailable):
            both.write("", "", Deadline(SECONDS))
    assert len(away.seconds) == 5


@pytest.mark.faults
def test_a_question_that_is_told_to_come_back_is_not_its_own_trial():
    assert FIRST_SECONDS / 2 > RETRY_AFTER_SECONDS
