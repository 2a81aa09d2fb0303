"""Twelve written scenarios: what is advised, and by which rules."""

from typing import Any, NamedTuple

import pytest

from tandem.advisor.advice import advise
from tandem.advisor.costs import Way
from tandem.advisor.facts import facts_of
from tandem.cost.prices import load


def share(value: float) -> dict[str, float]:
    """A share that was measured to within 0.04."""
    return {"value": value, "low": round(value - 0.04, 2), "high": round(value + 0.04, 2)}


class Scenario(NamedTuple):
    name: str
    facts: dict[str, Any]
    way: Way
    because: set[str]
    """The rules that decide, or keep from deciding otherwise."""
    model: str = "hosted"


SCENARIOS = [
    Scenario(
        "fast-changing knowledge: prices and stock levels, whatever rows there are",
        {"knowledge_changes": "hourly", "corpus_pages": 300, "format": "none", "labelled_rows": 20_000},
        Way.RAG,
        {"changing", "start-with-rag"},
    ),
    Scenario(
        "fixed style: a classifier's labels, read by a program, and nothing to look up",
        {"corpus_pages": 0, "format": "strict", "labelled_rows": 2_000},
        Way.FINETUNING,
        {"format-gap"},
    ),
    Scenario(
        "both: a help desk's articles, and answers in the form that its tool takes",
        {"knowledge_changes": "weekly", "corpus_pages": 4_000, "format": "strict", "labelled_rows": 800},
        Way.HYBRID,
        {"changing", "corpus", "format-gap"},
    ),
    Scenario(
        "nothing is needed: e-mails put politely",
        {"corpus_pages": 0, "format": "none"},
        Way.PROMPT,
        {"nothing-needed"},
    ),
    Scenario(
        "tiny volume: a handbook for five people",
        {"knowledge_changes": "yearly", "corpus_pages": 900, "citations": True, "questions_a_month": 40},
        Way.RAG,
        {"citations", "corpus", "prompt-first", "start-with-rag"},
    ),
    Scenario(
        "huge volume of strict answers: the tuned model's endpoint never sleeps",
        {"corpus_pages": 0, "format": "strict", "labelled_rows": 5_000, "questions_a_month": 60_000_000},
        Way.FINETUNING,
        {"format-gap"},
        model="endpoint",
    ),
    Scenario(
        "strict privacy: only weights of one's own may read the files",
        {"corpus_pages": 50_000, "citations": True, "format": "none", "privacy": "own-weights"},
        Way.RAG,
        {"changing", "citations", "corpus", "start-with-rag"},
        model="endpoint",
    ),
    Scenario(
        "no data: a strict form, and not one labelled row",
        {"knowledge_changes": "weekly", "format": "strict", "labelled_rows": 0},
        Way.RAG,
        {"changing", "corpus", "few-rows", "start-with-rag"},
    ),
    Scenario(
        "nothing is known: start with RAG",
        {},
        Way.RAG,
        {"changing", "corpus", "prompt-first", "start-with-rag"},
    ),
    Scenario(
        "a short leaflet that seldom changes goes into the prompt",
        {"knowledge_changes": "yearly", "corpus_pages": 12, "format": "some"},
        Way.PROMPT,
        {"prompt-first", "nothing-needed"},
    ),
    Scenario(
        "measured: a strict form that retrieval already keeps, so that rows are no reason to tune",
        {
            "format": "strict",
            "labelled_rows": 3_000,
            "measured": {"format_adherence": {"base": share(0.7), "rag": {"value": 0.98, "low": 0.96, "high": 0.99}}},
        },
        Way.RAG,
        {"changing", "corpus", "no-gap", "start-with-rag"},
    ),
    Scenario(
        "measured: the tuned model behind retrieval is right more often, and retrieval alone isn't enough",
        {
            "format": "none",
            "measured": {"correctness": {"base": share(0.31), "rag": share(0.62), "hybrid": share(0.74)}},
        },
        Way.HYBRID,
        {"changing", "corpus", "knowledge-gap", "measured-gap"},
    ),
]


def test_there_are_twelve():
    assert len(SCENARIOS) == 12
    assert {scenario.way for scenario in SCENARIOS} == set(Way)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(scenario):
    advice = advise(facts_of(scenario.facts), load("us-east-1"))
    assert advice.way is scenario.way
    assert {reason.rule.key for reason in advice.reasons if reason.rule.points != "care"} == scenario.because
    assert advice.model == scenario.model
    assert all(reason.rule.source and reason.text.endswith(".") for reason in advice.reasons)


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
