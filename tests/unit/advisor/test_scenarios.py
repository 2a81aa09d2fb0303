"""The cases of docs/advisor.md: what is advised, and by which rules; and rules one by one."""

from typing import Any, NamedTuple

import pytest
import yaml

from scripts.recorder import ROOT
from tandem.advisor.advice import advise
from tandem.advisor.costs import Way
from tandem.advisor.facts import facts_of
from tandem.cost.prices import load


def share(value: float) -> dict[str, float]:
    """A share that was measured to within 0.04."""
    return {"value": value, "low": round(value - 0.04, 2), "high": round(value + 0.04, 2)}


class Scenario(NamedTuple):
    """A row of the page's table."""

    name: str
    facts: dict[str, Any]
    way: Way
    because: set[str]
    """The rules that decide, or keep from deciding otherwise."""
    model: str
    mind: set[str]
    """Of those that warn, the ones that it is about."""


def scenario(row: str) -> Scenario:
    name, facts, way, because, model, mind = (cell.strip() for cell in row.strip("|").split("|"))
    given = yaml.safe_load(facts.strip("`"))
    for of in given.get("measured", {}).values():
        of.update({target: {"value": low, "low": low, "high": high} for target, (low, high) in of.items()})
    return Scenario(name, given, Way(way), set(because.split(", ")), model, set(filter(None, mind.split(", "))))


PAGE = (ROOT / "docs" / "advisor.md").read_text().split("## Twenty-two cases\n")[1].split("\n## ")[0]
SCENARIOS = [scenario(line) for line in PAGE.splitlines() if line.startswith("|") and "`" in line]


def test_there_are_twenty_two():
    assert len(SCENARIOS) == 22
    assert {scenario.way for scenario in SCENARIOS} == set(Way)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(scenario):
    advice = advise(facts_of(scenario.facts), load("us-east-1"))
    warned = {reason.rule.key for reason in advice.reasons if reason.rule.points in ("first", "care")}
    assert advice.way is scenario.way
    assert {reason.rule.key for reason in advice.reasons} - warned == scenario.because
    assert advice.model == scenario.model
    assert scenario.mind <= warned
    assert warned & ABOUT <= scenario.mind
    assert all(reason.rule.source and reason.text.endswith(".") for reason in advice.reasons)


ABOUT = {"retrieval-worse", "prompt-price"}
"""Warnings that no case has without being about them."""


def advised(**facts: Any):
    return advise(facts_of(facts), load("us-east-1"))


STRICT: dict[str, Any] = {"corpus_pages": 0, "format": "strict", "labelled_rows": 2000}


def test_a_tuned_model_is_compared_with_its_own_ways_and_not_with_the_model_that_the_advice_rejects():
    """Left on at two questions a second, asleep at twenty a month; and what an untuned one costs decides nothing."""
    busy, idle = (advised(**STRICT, questions_a_month=asked).model_why for asked in (5_000_000, 20))
    for why in (busy, idle):
        assert "always on $1,905.30 a month" in why
        assert "nova" not in why and "break-even" not in why
    assert "at most $1,905.30, awake for at most 730 of 730 hours" in busy
    assert "leave it on (`endpointMode: steady`, `endpointHours: 0`), if one keeps up with 1.9 questions" in busy
    assert "at most $21.63, awake for at most 8 of 730 hours" in idle and "let it sleep (`endpointMode: zero`)" in idle
    for way in (Way.FINETUNING, Way.HYBRID):
        advice = advised(**STRICT)
        assert way not in advice.costs.break_evens
        assert advice.costs.of(way).by_token.unpriced  # sold by the token, at a price that nobody has


def test_a_prompt_with_all_documents_is_compared_with_retrieval_and_with_its_cache():
    (text,) = (
        reason.text
        for reason in advised(knowledge_changes="never", corpus_pages=500, questions_a_month=1_000_000).reasons
        if reason.rule.key == "prompt-price"
    )
    assert "500 pages in every prompt cost $12,055.80 a month, 82 times retrieval's $146.89" in text
    # 0.33 and 200 thousand million tokens at 0.06 and 0.015 a million, 150 million at 0.24
    assert "$3,055.80 at best" in text
    other = advised(knowledge_changes="never", corpus_pages=500, hosted_model="us.anthropic.claude-opus-5-5")
    assert any("at best" in reason.text for reason in other.reasons)


def test_retrieval_that_makes_answers_worse_is_said_before_everything_else():
    measured = {"correctness": {"base": share(0.6), "rag": share(0.4)}}
    first, *_ = advised(measured=measured).reasons
    assert first.rule.key == "retrieval-worse"
    assert "0.4 (0.36 to 0.44) with it and 0.6 (0.56 to 0.64) without" in first.text


def test_where_only_weights_of_ones_own_may_answer_nothing_is_compared_with_a_hosted_model():
    advice = advised(privacy="own-weights")
    assert advice.costs.break_evens == {} and advice.costs.cached is None
    assert "break-even" not in advice.model_why and "nova" not in advice.model_why


def rules(**facts: Any) -> set[str]:
    return {reason.rule.key for reason in advise(facts_of(facts), load("us-east-1")).reasons}


def test_what_is_measured_with_tuning_and_no_better_is_no_gap():
    measured = {"format_adherence": {"rag": share(0.8), "tuned": share(0.85)}}  # 0.81 isn't above 0.84
    found = rules(format="strict", labelled_rows=500, measured=measured)
    assert "no-gap" in found and not {"format-gap", "measured-gap"} & found


def test_without_retrieval_measured_a_tuned_model_shows_no_gap_that_retrieval_cannot_close():
    measured = {"correctness": {"base": share(0.3), "tuned": share(0.5)}}
    assert "measured-gap" not in rules(measured=measured, format="none")
    assert "measured-gap" in rules(measured=measured, format="none", corpus_pages=0)


def test_a_gap_in_a_format_that_nobody_asks_for_is_none():
    measured = {"format_adherence": {"rag": share(0.3), "tuned": share(0.9)}}
    assert "measured-gap" not in rules(measured=measured, format="none", labelled_rows=500)
    assert "measured-gap" in rules(measured=measured, format="some")


def test_the_reason_says_which_gap():
    measured = {metric: {"rag": share(0.3), "hybrid": share(0.9)} for metric in ("correctness", "format_adherence")}
    advice = advise(facts_of({"measured": measured}), load("us-east-1"))
    (gap,) = (reason.text for reason in advice.reasons if reason.rule.key == "measured-gap")
    assert gap == (
        "Measured: a gap that retrieval doesn't close: correctness is 0.9 (0.86 to 0.94) with tuning and "
        "0.3 (0.26 to 0.34) without; format adherence is 0.9 (0.86 to 0.94) with tuning and 0.3 (0.26 to 0.34) without."
    )


def test_an_undecided_format_asks_for_more_questions():
    measured = {"format_adherence": {"base": share(0.9), "rag": share(0.93)}}  # 0.89 to 0.97 around 0.95
    advice = advise(facts_of({"format": "strict", "labelled_rows": 500, "measured": measured}), load("us-east-1"))
    assert advice.way is Way.RAG
    assert "More questions: format adherence can't be told from 0.95 yet." in advice.measure


def test_what_to_measure_next():
    def measure(**facts: Any) -> str:
        return "\n".join(advise(facts_of(facts), load("us-east-1")).measure)

    assert "rag (correctness), rag (format_adherence)" in measure()
    assert "How many questions" in measure() and "How many questions" not in measure(questions_a_month=5)
    assert "rag" not in measure(corpus_pages=0, format="none")
    assert "Collect 100 labelled rows" in measure(format="strict")
    assert "Then the tuned model" in measure(format="strict", labelled_rows=100)
    low = {"format_adherence": {"rag": share(0.5)}}
    assert "The tuned model on the same questions (format_adherence)" in measure(measured=low, labelled_rows=100)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"latency_seconds": 5}, "wakes"),
        ({"privacy": "own-weights"}, "own-weights"),
        ({"format": "strict", "labelled_rows": 100}, "account"),
        ({"format": "strict", "labelled_rows": 100}, "cold"),
        ({"knowledge_changes": "never", "corpus_pages": 500}, "in-the-prompt"),
    ],
)
def test_warnings(facts, rule):
    assert rule in rules(**facts)
    assert rule not in rules(corpus_pages=0, format="none", latency_seconds=60, privacy="hosted")
