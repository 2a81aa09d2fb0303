"""What is shown, in all three forms, and the documentation's tables."""

import html
import json
import re

import pytest

from scripts.recorder import ROOT
from tandem.advisor.advice import advise
from tandem.advisor.facts import facts_of
from tandem.advisor.reports import FORMATS
from tandem.advisor.rules import CARES, RULES
from tandem.cost.prices import load

FACTS = {
    "knowledge_changes": "weekly",
    "format": "strict",
    "labelled_rows": 800,
    "measured": {"correctness": {"rag": {"value": 0.6, "low": 0.5, "high": 0.7}}},
}
ADVICE = advise(facts_of(FACTS), load("us-east-1"))


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_everything_is_shown(form):
    shown = FORMATS[form](ADVICE)
    assert shown == FORMATS[form](ADVICE)
    if form == "markdown":
        shown = html.unescape(re.sub(r"\\(?=\W|_)", "", shown))  # as a reader sees it
    assert "Advice: hybrid; start from stacks/Pulumi.hybrid-dev.yaml." in shown
    for reason in ADVICE.reasons:
        assert reason.text in shown and reason.rule.source in shown
    for key, assumed in ADVICE.assumed:
        assert key in shown and assumed in shown
    for part in ("$1,905.30", "$3.50", "$32.60", "$0.92 + ?", "NOT PRICED", "mlflow-app", *ADVICE.measure):
        assert part in shown


def test_json_has_everything():
    content = json.loads(FORMATS["json"](ADVICE))
    assert (content["way"], content["stack"]) == ("hybrid", "stacks/Pulumi.hybrid-dev.yaml")
    assert content["model"]["where"] == "endpoint"
    assert [reason["rule"] for reason in content["reasons"]] == [reason.rule.key for reason in ADVICE.reasons]
    assert content["facts"]["corpus_pages"] == 1000 and "corpus_pages" in content["assumed"]
    assert content["measured"]["correctness"]["rag"] == {"value": 0.6, "low": 0.5, "high": 0.7}
    assert content["break_even_questions_a_month"]["RAG"] == 16_453_368
    hybrid = content["costs"][-1]
    assert hybrid["run_expected"] == {"usd": "3.5", "not_priced": []}
    assert content["costs"][0]["run_expected"] is None


@pytest.mark.faults
def test_nothing_in_markdown_is_markup():
    evil = "a|<script>*b* [c](d) @team"
    shown = FORMATS["markdown"](advise(facts_of({**FACTS, "hosted_model": evil}), load("us-east-1")))
    assert "a\\|&lt;script&gt;\\*b\\*" in shown
    assert "<script>" not in shown and "[c]" not in shown and "@team" not in shown


def test_the_break_even_is_shown_where_an_untuned_model_answers_that_may_be_hosted():
    shown = [FORMATS["text"](advise(facts_of(facts), load("us-east-1"))) for facts in ({}, {"privacy": "own-weights"})]
    assert "Break-even, with passages in the prompt: 16,453,368 questions a month" in shown[0]
    assert "Break-even" not in shown[1] and "Break-even" not in FORMATS["text"](ADVICE)


def test_what_is_first_stands_first():
    measured = {"base": {"value": 0.6, "low": 0.57, "high": 0.63}, "rag": {"value": 0.4, "low": 0.37, "high": 0.43}}
    shown = FORMATS["text"](advise(facts_of({"measured": {"correctness": measured}}), load("us-east-1")))
    assert shown.split("\n\n")[1].startswith("First\n")
    assert "First" not in FORMATS["text"](ADVICE)


def test_prompt_alone_needs_no_stack():
    advice = advise(facts_of({"corpus_pages": 0, "format": "none"}), load("us-east-1"))
    assert "Advice: prompt alone; no stack is needed." in FORMATS["text"](advice)
    assert json.loads(FORMATS["json"](advice))["stack"] is None


def test_a_break_even_without_a_row_says_so():
    shown = FORMATS["text"](advise(facts_of({}), load("eu-west-1")))
    assert "Break-even, without: NOT PRICED" in shown
    assert "$0.00" not in shown


def test_the_documentation_has_every_rule_with_its_source():
    page = (ROOT / "docs" / "advisor.md").read_text()
    for rule in (*RULES, *CARES):
        assert f"| {rule.key} | {rule.points} | {rule.says} | {rule.source} |" in page
    assert page.count("| retrieval | ") + page.count("| tuning | ") + page.count("| no tuning | ") + page.count(
        "| care | "
    ) + page.count("| first | ") == len(RULES) + len(CARES)
