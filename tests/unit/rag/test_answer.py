"""Answers cite what they were given, or are refused."""

import pytest
from tandem_contract.errors import Unavailable

from tandem.models.bedrock import BedrockChat
from tandem.rag import answer
from tandem.rag.answer import gate, generate, prompt, within_budget
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


def test_prompt_numbers_passages_within_its_budget(monkeypatch):
    monkeypatch.setattr(answer, "PROMPT_CHARACTERS", 10)
    passages = [passage(text="12345678", heading="H"), passage(text="12"), passage(text="3")]
    assert len(within_budget(passages)) == 2
    assert len(within_budget([passage(text="x" * 50)])) == 1
    assert prompt("Why?", passages[:2]) == (
        "<passage>\n[P1] H: 12345678\n</passage>\n<passage>\n[P2] 12\n</passage>\n<question>\nWhy?\n</question>"
    )


def test_throttled_then_away():
    bedrock = FakeBedrock()
    bedrock.faults = [refused("ThrottlingException", 429)]
    assert generate(writer(bedrock), "Why?", [passage()], Deadline(5)).markers == [1]
    bedrock.faults = [refused("ServiceUnavailableException", 503)] * 10
    with pytest.raises(Unavailable):
        generate(writer(bedrock), "Why?", [passage()], Deadline(5))


@pytest.mark.faults
@pytest.mark.parametrize(
    ("ended", "note"),
    [("max_tokens", "cut"), ("content_filtered", "filtered"), ("guardrail_intervened", "filtered")],
)
def test_an_answer_that_is_not_whole_says_so(ended, note):
    bedrock = FakeBedrock()
    bedrock.answer, bedrock.ended = "text [P1]", ended
    said = generate(writer(bedrock), "Why?", [passage()], Deadline(5))
    assert said.text and any(note in each for each in said.notes)
    bedrock.ended = "end_turn"
    assert not generate(writer(bedrock), "Why?", [passage()], Deadline(5)).notes
