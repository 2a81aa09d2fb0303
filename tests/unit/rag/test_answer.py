"""Answers cite what they were given, or are refused."""

import pytest
from tandem_contract.errors import Unavailable

from tandem.models.bedrock import BedrockChat
from tandem.models.chat import Usage
from tandem.rag import answer
from tandem.rag.answer import Answer, checked_citations, gate, generate, prompt, within_budget
from tandem.rag.retrieve import Passage
from tandem.rag.writers import ModelWriter
from tandem.runtime.retry import Deadline

from .fakes import FakeBedrock, refused


def passage(score: float = 0.5, text: str = "text", heading: str | None = None) -> Passage:
    return Passage("a.md", None, heading, text, score)


def writer(bedrock: FakeBedrock) -> ModelWriter:
    return ModelWriter(BedrockChat(bedrock, "model"))


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
    assert generate(writer(bedrock), "Why?", passages, Deadline(5)) == Answer(
        "Just so.", markers=[2, 3], model="model", usage=Usage(1200, 40)
    )


def test_a_model_that_finds_nothing_refuses():
    bedrock = FakeBedrock()
    bedrock.answer = answer.NOT_FOUND
    assert generate(writer(bedrock), "Why?", [passage()], Deadline(5)) == Answer(
        reason="nothing_found", model="model", usage=Usage(1200, 40)
    )


def test_throttled_then_away():
    bedrock = FakeBedrock()
    bedrock.faults = [refused("ThrottlingException", 429)]
    assert generate(writer(bedrock), "Why?", [passage()], Deadline(5)).markers == [1]
    bedrock.faults = [refused("ServiceUnavailableException", 503)] * 10
    with pytest.raises(Unavailable):
        generate(writer(bedrock), "Why?", [passage()], Deadline(5))
