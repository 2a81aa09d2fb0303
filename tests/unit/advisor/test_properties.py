"""What must hold for any facts, over all of a grid and random measurements."""

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise, product

from tandem.advisor.advice import advise, way_of
from tandem.advisor.costs import Way
from tandem.advisor.facts import CHANGES, FORMATS, METRICS, PRIVACY, TARGETS, Facts, Interval
from tandem.cost.prices import load

TABLE = load("us-east-1")
RETRIEVES, TUNES = (Way.RAG, Way.HYBRID), (Way.FINETUNING, Way.HYBRID)


def measurements(count: int) -> Iterator[dict]:
    """None, and random ones of random targets."""
    draw = random.Random(7)  # noqa: S311 - not a secret
    yield {}
    for _ in range(count):
        found: dict = {metric: {} for metric in METRICS}
        for metric, target in product(METRICS, TARGETS):
            if draw.random() < 0.7:
                low, value, high = sorted(Decimal(draw.randint(0, 100)) / 100 for _ in range(3))
                if draw.random() < 0.5:  # as narrow as many questions make it
                    low, high = max(Decimal(0), value - Decimal("0.02")), min(Decimal(1), value + Decimal("0.02"))
                found[metric][target] = Interval(value, low, high)
        yield found


def grid(measured: int = 150) -> Iterator[Facts]:
    """Everything that decides, but the change of knowledge and the format."""
    for pages, cites, rows, privacy, found in product(
        (1, 500, 501, 10_000), (False, True), (0, 99, 100, 5_000), PRIVACY, measurements(measured)
    ):
        yield Facts(corpus_pages=pages, citations=cites, labelled_rows=rows, privacy=privacy, measured=found)


def test_faster_changing_knowledge_never_leads_away_from_retrieval():
    seen = set()
    for facts, form in product(grid(40), FORMATS):
        ways = [way_of(replace(facts, knowledge_changes=change, format=form)) for change in CHANGES]
        for slower, faster in pairwise(ways):
            assert slower not in RETRIEVES or faster in RETRIEVES, facts
        assert len({way in TUNES for way in ways}) == 1, facts  # nor does it move tuning
        seen |= set(ways)
    assert seen == set(Way)


def test_a_stricter_format_never_leads_away_from_tuning():
    seen = set()
    for facts, change in product(grid(), ("never", "hourly")):
        ways = [way_of(replace(facts, knowledge_changes=change, format=form)) for form in FORMATS]
        for looser, stricter in pairwise(ways):
            assert looser not in TUNES or stricter in TUNES, facts
        assert len({way in RETRIEVES for way in ways}) == 1, facts  # nor does it move retrieval
        seen |= set(ways)
    assert seen == set(Way)


def test_more_rows_never_lead_away_from_tuning():
    for facts, form in product(grid(40), FORMATS):
        if facts.labelled_rows == 0:
            few, enough = (way_of(replace(facts, format=form, labelled_rows=rows)) for rows in (99, 100))
            assert few not in TUNES or enough in TUNES, facts


def test_crossing_a_break_even_flips_where_an_untuned_model_runs_and_nothing_else():
    ways = set()
    for pages, change, form, rows, model in product(
        (0, 200, 9_000),
        ("never", "daily"),
        FORMATS,
        (0, 500),
        ("amazon.nova-lite-v1:0", "global.anthropic.claude-haiku-4-5-20251001-v1:0"),
    ):
        facts = Facts(corpus_pages=pages, knowledge_changes=change, format=form, labelled_rows=rows, hosted_model=model)
        start = advise(facts, TABLE)
        if start.way in TUNES:
            continue
        least = start.costs.break_evens[start.way]
        below, above = (advise(replace(facts, questions_a_month=asked), TABLE) for asked in (least - 1, least))
        assert (below.model, above.model) == ("hosted", "endpoint")
        for each in ("way", "stack", "assumed", "measure"):
            assert getattr(below, each) == getattr(above, each)
        assert [reason.rule for reason in below.reasons] == [reason.rule for reason in above.reasons]
        assert below.costs.break_evens == above.costs.break_evens
        for cost in below.costs.ways:
            ways.add(below.way)
            if cost.way is below.way and cost.by_token:
                assert cost.by_token.usd <= cost.endpoint.usd
        for cost in above.costs.ways:
            if cost.way is above.way and cost.by_token:
                assert cost.by_token.usd > cost.endpoint.usd
    assert ways == {Way.PROMPT, Way.RAG}


def test_a_tuned_model_runs_on_an_endpoint_which_sleep_never_makes_dearer():
    for asked, pages in product((0, 1, 50, 2_000, 10**5, 10**9), (0, 9_000)):
        facts = Facts(questions_a_month=asked, corpus_pages=pages, format="strict", labelled_rows=500)
        more, advice = (advise(replace(facts, questions_a_month=count), TABLE) for count in (asked + 1, asked))
        assert (advice.way in TUNES, advice.model) == (True, "endpoint")
        assert all(cost.asleep.usd <= cost.endpoint.usd for cost in advice.costs.ways)
        assert advice.costs.awake <= more.costs.awake <= 730


def test_weights_of_ones_own_run_on_an_endpoint_whatever_the_volume():
    for asked in (0, 10**9):
        advice = advise(Facts(privacy="own-weights", questions_a_month=asked), TABLE)
        assert advice.model == "endpoint"
        assert all(cost.by_token is None for cost in advice.costs.ways)
