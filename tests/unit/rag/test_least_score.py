"""The score below which a question is refused belongs to the embedder of the index that answers."""

import pytest
from tandem_contract import embedders
from tandem_contract.embedders import EMBEDDERS, UNMEASURED_MIN_SCORE, min_score, min_scores

from scripts.recorder import ROOT

from .conftest import VERSION, Stack, ask

TITAN = VERSION.embedder
QUESTION = {"question": "Is green tea warm?"}


@pytest.fixture
def answering(stack: Stack, environment, monkeypatch) -> Stack:
    """A stack whose configuration names no score."""
    monkeypatch.delenv("TANDEM_MIN_SCORE")
    stack.s3.put("tea.md", "# Tea\nGreen tea is warm.")
    stack.converge("tea.md")
    return stack


@pytest.mark.parametrize(("own", "refused"), [(0.99, True), (0.5, False)])
def test_it_is_the_embedders_own(answering: Stack, monkeypatch, own, refused):
    monkeypatch.setitem(embedders.EMBEDDERS, TITAN, EMBEDDERS[TITAN]._replace(min_score=own, measured="a test"))
    _, _, content = ask(QUESTION)
    assert (content["min_score"], content["refused"]) == (own, refused)


def test_it_is_that_of_the_index_that_answers_not_of_the_stack(answering: Stack, monkeypatch):
    """After a change of the embedder the former index goes on answering."""
    monkeypatch.setitem(
        embedders.EMBEDDERS, "cohere.embed-english-v3", EMBEDDERS["cohere.embed-english-v3"]._replace(min_score=0.99)
    )
    _, _, content = ask(QUESTION)
    assert (content["embedder"], content["min_score"], content["refused"]) == (TITAN, UNMEASURED_MIN_SCORE, False)


def test_a_configured_one_holds_for_all(answering: Stack, monkeypatch):
    monkeypatch.setenv("TANDEM_MIN_SCORE", "0.99")
    _, _, content = ask(QUESTION)
    assert (content["min_score"], content["reason"]) == (0.99, "below_min_score")


def test_what_is_not_measured_is_said_to_be_so():
    for it in EMBEDDERS.values():
        assert (it.min_score is None) == (it.measured == "")
    assert min_score("https://models.example/v1#m") == UNMEASURED_MIN_SCORE
    assert f"{UNMEASURED_MIN_SCORE}, not measured, with {TITAN}, cohere.embed-english-v3" in min_scores()


def test_a_measured_one_is_said_with_what_it_was_measured(monkeypatch):
    own = EMBEDDERS[TITAN]._replace(min_score=0.33, measured="some questions, 2027-01")
    monkeypatch.setitem(embedders.EMBEDDERS, TITAN, own)
    assert min_scores().startswith(f"0.33 with {TITAN} (some questions, 2027-01); 0.4, not measured, with cohere")


def test_no_stack_file_has_one_that_was_measured_with_another_embedder():
    for file in (ROOT / "stacks").glob("*.yaml"):
        assert "minScore" not in file.read_text(), file
