"""Prices by hand, the environments' defaults, and what is NOT PRICED."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from tandem_contract import defaults, envelope
from tandem_contract.bedrock_models import default_generator

from scripts.recorder import ROOT
from tandem.advisor import costs as module
from tandem.advisor.advice import STACKS, advise
from tandem.advisor.costs import Way, costs, hours_awake, token_price
from tandem.advisor.facts import Facts
from tandem.cost.prices import load

TABLE = load("us-east-1")
HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"


def of(facts: Facts, way: Way, region: str = "us-east-1"):
    return next(cost for cost in costs(facts, load(region)).ways if cost.way is way)


def test_the_stacks_that_are_advised_have_what_was_priced():
    stack = (ROOT / STACKS[Way.RAG]).read_text()
    [region] = re.findall(r"aws:region: (.+)", stack)
    assert "generator" not in stack and default_generator(region) == Facts().hosted_model
    assert f"embedder: {defaults.EMBEDDER}\n" in stack
    assert f"trainingInstance: {envelope.DEFAULT.instance_type}\n" in (ROOT / STACKS[Way.FINETUNING]).read_text()


def test_stack_files_exist():
    assert all((ROOT / path).is_file() for path in STACKS.values())


def test_tokens_by_hand():
    facts = Facts(hosted_model=HAIKU, corpus_pages=100)
    # $1 and $5 a million: 30 + 1,300 read and 150 written; without five chunks of 200, and with 100 pages of 400.
    assert token_price(facts, TABLE, Way.RAG).usd == Decimal("0.00208")
    assert token_price(facts, TABLE, Way.PROMPT).usd == Decimal("0.04108")


def test_break_even_by_hand():
    # 730 hours at $2.61 are $1,905.30; at $0.00208 a question that is 916,009.6 questions.
    assert costs(Facts(hosted_model=HAIKU), TABLE).break_evens[Way.RAG] == 916_010


def test_the_same_as_the_reviewed_cost_comment():
    comment = (ROOT / "tests" / "local" / "goldens" / "hybrid-dev.md").read_text()
    expected, most, queries = (
        Decimal(re.search(rf"^\| {name} \| none \| \$([\d.]+)", comment, re.MULTILINE)[1])
        for name in ("One fine-tuning run, expected", "One fine-tuning run, at most", "1,000 RAG queries")
    )
    hybrid = of(Facts(), Way.HYBRID)
    assert (hybrid.run_expected.usd, hybrid.run_ceiling.usd) == (expected, most)
    none, thousand = (of(Facts(questions_a_month=asked), Way.RAG).by_token.usd for asked in (0, 1000))
    assert (thousand - none).quantize(Decimal("0.01")) == queries


def test_a_month_is_made_of_its_parts():
    rag, tuned, hybrid, prompt = (of(Facts(), way) for way in (Way.RAG, Way.FINETUNING, Way.HYBRID, Way.PROMPT))
    endpoint = 730 * TABLE.price("AmazonSageMaker", "hosting:ml.g6e.xlarge").usd
    assert prompt.endpoint.usd == endpoint
    assert rag.by_token.usd - rag.endpoint.usd == token_price(Facts(), TABLE, Way.RAG).usd * 10_000 - endpoint
    assert hybrid.endpoint.usd - rag.endpoint.usd == tuned.endpoint.usd - endpoint
    assert (prompt.run_expected, rag.run_ceiling) == (None, None)
    search = rag.by_token.usd - token_price(Facts(), TABLE, Way.RAG).usd * 10_000
    assert hybrid.by_token.usd == search + tuned.by_token.usd


def test_hours_awake_by_hand():
    # 25 of 43,800 minutes: a question a month keeps it awake for 25 minutes, 1,752 are one in 25 minutes.
    assert round(hours_awake(1) * 60) == 25
    assert round(hours_awake(1_752), 1) == Decimal("461.4")  # 730 x (1 - 1/e)
    assert hours_awake(0) == 0
    assert round(hours_awake(10**12), 9) == 730


def test_a_prompt_that_is_cached_by_hand():
    facts = Facts(hosted_model=HAIKU, corpus_pages=100, questions_a_month=1000)
    # Of the $41.08 for 1,000 questions, 40 million tokens cost $0.10 and not $1.
    assert costs(facts, TABLE).cached.usd == Decimal("5.08")
    assert costs(replace(facts, hosted_model="amazon.titan-text-lite-v1"), TABLE).cached is None


def test_what_has_no_row_is_not_priced():
    rag, tuned = of(Facts(), Way.RAG), of(Facts(), Way.FINETUNING)
    assert any("compute units" in text for text in rag.by_token.unpriced)
    assert tuned.endpoint.unpriced == ("AmazonSageMaker mlflow-app in us-east-1",)
    assert tuned.run_expected.unpriced == tuned.run_ceiling.unpriced == ()
    assert of(Facts(), Way.PROMPT).by_token.unpriced == ()


def test_a_region_without_rows_decides_nothing_by_price():
    advice = advise(Facts(), load("eu-west-1"))
    assert (advice.way, advice.model) == (Way.RAG, "undecided")
    assert set(advice.costs.break_evens.values()) == {None}
    assert of(Facts(), Way.FINETUNING, "eu-west-1").run_ceiling.unpriced


@pytest.mark.parametrize("facts", [Facts(hosted_model="nobody.knows"), Facts(endpoint_instance="ml.nobody.knows")])
def test_a_model_or_instance_without_a_row_leaves_the_break_even_open(facts):
    assert advise(facts, TABLE).model == "undecided"
    assert any("nobody.knows in us-east-1" in text for text in of(facts, Way.PROMPT).endpoint.unpriced) or any(
        "nobody.knows in us-east-1" in text for text in of(facts, Way.RAG).by_token.unpriced
    )


def test_weights_of_ones_own_buy_no_hosted_token():
    for model in (Facts().hosted_model, "nobody.knows"):
        rag = of(Facts(privacy="own-weights", hosted_model=model), Way.RAG)
        assert rag.by_token is None
        assert module.OWN_EMBEDDER in rag.endpoint.unpriced
        assert not any("AmazonBedrock" in text for text in rag.endpoint.unpriced)
