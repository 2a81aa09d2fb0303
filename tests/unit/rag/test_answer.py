"""Answers cite what they were given, or are refused."""

import io
import json

import pytest
from botocore.exceptions import ReadTimeoutError

from tandem.rag import answer, writers
from tandem.rag.answer import Answer, checked_citations, gate, generate, prompt, within_budget
from tandem.rag.retrieve import Passage
from tandem.rag.retry import Deadline, Unavailable
from tandem.rag.writers import FallbackWriter, HostedWriter, TunedWriter

from .fakes import FakeBedrock, refused


def passage(score: float = 0.5, text: str = "text", heading: str | None = None) -> Passage:
    return Passage("a.md", None, heading, text, score)


def test_gate():
    assert gate([], 0.3) == "nothing_found"
    assert gate([passage(0.1), passage(0.29)], 0.3) == "below_min_score"
    assert gate([passage(0.1), passage(0.3)], 0.3) is None


@pytest.mark.parametrize(
    ("text", "checked", "markers"),
    [
        ("Tea [1]. Milk [3].", "Tea [1]. Milk.", [1]),
        ("[2] says so [2, 1].", "[2] says so [2][1].", [2, 1]),
        ("Both [1][9][2]", "Both [1][2]", [1, 2]),
        ("No [0] such [99] things [citation needed]", "No such things [citation needed]", []),
    ],
)
def test_markers_of_passages_that_were_not_given_are_removed(text, checked, markers):
    assert checked_citations(text, 2) == (checked, markers)


def test_prompt_numbers_passages_within_its_budget(monkeypatch):
    monkeypatch.setattr(answer, "PROMPT_CHARACTERS", 10)
    passages = [passage(text="12345678", heading="H"), passage(text="12"), passage(text="3")]
    assert len(within_budget(passages)) == 2
    assert len(within_budget([passage(text="x" * 50)])) == 1
    assert prompt("Why?", passages[:2]) == "Passages:\n\n[1] H: 12345678\n\n[2] 12\n\nQuestion: Why?"


def test_without_citations_the_best_passages_are_cited():
    bedrock = FakeBedrock()
    bedrock.answer = "Just so."
    passages = [passage(0.3), passage(0.6), passage(0.5)]
    assert generate(HostedWriter(bedrock, "model"), "Why?", passages, Deadline(5)) == Answer(
        "Just so.", markers=[2, 3], model="model"
    )


def test_a_model_that_finds_nothing_refuses():
    bedrock = FakeBedrock()
    bedrock.answer = answer.NOT_FOUND
    assert generate(HostedWriter(bedrock, "model"), "Why?", [passage()], Deadline(5)) == Answer(
        reason="nothing_found", model="model"
    )


def test_throttled_then_away():
    bedrock = FakeBedrock()
    bedrock.faults = [refused("ThrottlingException", 429)]
    assert generate(HostedWriter(bedrock, "model"), "Why?", [passage()], Deadline(5)).markers == [1]
    bedrock.faults = [refused("ServiceUnavailableException", 503)] * 10
    with pytest.raises(Unavailable):
        generate(HostedWriter(bedrock, "model"), "Why?", [passage()], Deadline(5))


class FakeEndpoint:
    """A SageMaker endpoint that answers what it is told to, or raises it."""

    def __init__(self, *answers):
        self.answers, self.asked, self.component = list(answers), 0, None

    def invoke_endpoint(self, EndpointName, ContentType, Body, InferenceComponentName=None):
        self.asked, self.component = self.asked + 1, InferenceComponentName
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"Body": io.BytesIO(answer.encode())}


def chat(text: str) -> str:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


def hybrid(endpoint: FakeEndpoint, failures: list[str]) -> FallbackWriter:
    return FallbackWriter(TunedWriter(endpoint, "tuned"), HostedWriter(FakeBedrock(), "hosted"), failures.append)


def test_the_tuned_model_speaks_while_it_can():
    failures = []
    said = generate(hybrid(FakeEndpoint(chat("Tuned [1].")), failures), "Why?", [passage()], Deadline(5))
    assert (said.text, said.model, failures) == ("Tuned [1].", "tuned", [])


def test_a_model_that_scales_to_zero_is_asked_by_its_component():
    endpoint = FakeEndpoint(chat("Tuned [1]."))
    generate(TunedWriter(endpoint, "tuned", "component"), "Why?", [passage()], Deadline(5))
    assert endpoint.component == "component"
    generate(TunedWriter(endpoint, "tuned"), "Why?", [passage()], Deadline(5))
    assert endpoint.component is None


@pytest.mark.faults
@pytest.mark.parametrize(
    "fault",
    [
        ReadTimeoutError(endpoint_url="https://runtime"),
        refused("ModelError", 424),
        refused("ValidationError", 400),
        "no JSON",
        '{"generated_text": "another shape"}',
        chat(" "),
    ],
    ids=["silent", "failing", "absent", "garbage", "another shape", "empty"],
)
def test_a_tuned_model_that_cannot_speak_is_replaced_and_the_answer_says_so(fault):
    endpoint, failures = FakeEndpoint(fault, chat("Tuned again [1].")), []
    writer = hybrid(endpoint, failures)
    assert generate(writer, "Why?", [passage()], Deadline(5)).model == "hosted"
    assert generate(writer, "Why?", [passage()], Deadline(5)).model == "hosted"
    assert (endpoint.asked, len(failures)) == (1, 1)  # a pause, so that not every question waits for it


def test_a_tuned_model_is_asked_again_after_the_pause(monkeypatch):
    monkeypatch.setattr(writers, "PAUSE_SECONDS", 0)
    writer = hybrid(FakeEndpoint(refused("ModelError", 424), chat("Tuned again [1].")), [])
    assert [generate(writer, "Why?", [passage()], Deadline(5)).model for _ in range(2)] == ["hosted", "tuned"]
