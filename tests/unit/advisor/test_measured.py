"""Measured facts from runs: what is taken, and what doesn't belong together."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tandem_contract.errors import Mistakes

from tandem.advisor.advice import way_of
from tandem.advisor.costs import Way
from tandem.advisor.facts import Interval, facts_of
from tandem.advisor.measured import with_runs
from tests.support.evaluation_runs import at, sample, without

RUNS = {run.name: run for run in sample()}
FACTS = facts_of({"labelled_rows": 800, "format": "strict"})


def test_correctness_is_words_shared_whatever_else_was_measured():
    runs = {
        "base": at(RUNS["base"], token_f1=0.31234, similarity=0.9, format_adherence=0.2),
        "rag": at(RUNS["rag"], token_f1=0.7, similarity=0.9, format_adherence=0.3),
    }
    facts = with_runs(FACTS, runs)
    assert facts.measured["correctness"]["base"] == Interval(Decimal("0.312"), Decimal("0.212"), Decimal("0.412"))
    assert facts.measured["format_adherence"]["rag"] == Interval(Decimal("0.3"), Decimal("0.2"), Decimal("0.4"))
    assert facts.measured == with_runs(FACTS, {**runs, "rag": without(runs["rag"], "similarity")}).measured


def test_the_advice_follows_what_was_measured():
    apart = {"base": 0.2, "rag": 0.3, "tuned": 0.9, "hybrid": 0.95}
    runs = {name: at(RUNS[name], token_f1=0.5, format_adherence=value) for name, value in apart.items()}
    assert way_of(with_runs(FACTS, runs)) is Way.HYBRID
    alike = {name: at(run, format_adherence=0.97) for name, run in runs.items()}
    assert way_of(with_runs(FACTS, alike)) is Way.RAG


def test_what_the_file_has_of_other_targets_stays():
    given = {"correctness": {"base": {"value": 0.3, "low": 0.2, "high": 0.4}}}
    facts = with_runs(facts_of({"measured": given}), {"rag": RUNS["rag"]})
    assert facts.measured["correctness"].keys() == {"base", "rag"}
    assert with_runs(facts, {}) == facts


@pytest.mark.faults
def test_every_run_that_cannot_be_taken_is_told():
    given = {"correctness": {"base": {"value": 0.3, "low": 0.2, "high": 0.4}}}
    runs = {
        "base": RUNS["base"],
        "rag": RUNS["tuned"],
        "tuned": RUNS["hybrid"],
        "best": RUNS["rag"],
        "hybrid": without(RUNS["hybrid"], "token_f1", "format_adherence"),
    }
    with pytest.raises(Mistakes) as caught:
        with_runs(facts_of({"measured": given}), runs)
    said = str(caught.value)
    assert "base=base: the file has measured.correctness.base too" in said
    assert "rag=tuned: the run asked a model alone (bedrock)" in said
    assert "tuned=hybrid: the run asked a stack" in said
    assert "best=rag: there is no target 'best'. Name base, rag, tuned, hybrid." in said
    assert "hybrid=hybrid: it has neither token_f1 nor format_adherence" in said


@pytest.mark.faults
def test_runs_that_do_not_compare_are_refused():
    other = replace(RUNS["rag"], digest="0" * 64)
    with pytest.raises(Mistakes, match="rag answered other questions than base"):
        with_runs(FACTS, {"base": RUNS["base"], "rag": other})
    form = replace(RUNS["rag"], settings=RUNS["rag"].settings | {"format": {"regex": ".*"}})
    with pytest.raises(Mistakes, match=r"format_adherence of rag doesn't compare with that of base: .*--format"):
        with_runs(FACTS, {"base": RUNS["base"], "rag": form})
