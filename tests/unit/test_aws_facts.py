"""The page of facts is what the rows say, and a row says where it is from and which test holds our side of it."""

import json
import re

import pytest

from scripts import aws_facts
from scripts.aws_facts import FACTS, SURE, page, saw, seen
from scripts.local_environment import ROOT
from scripts.verify.probes import NEVER, PROBES


def test_the_page_is_current():
    assert aws_facts.PAGE.read_text() == page(), "`make docs` writes docs/aws-facts.md"


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.key)
def test_a_row_is_whole_and_its_test_exists(fact):
    assert fact.fact and fact.source and fact.sure in SURE
    assert re.fullmatch(r"[a-z0-9-]+", fact.key)
    assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", fact.read)
    file, _, test = fact.tested.partition("::")
    assert not file or f"def {test or 'test_'}" in (ROOT / "tests" / file).read_text()
    said = {probe.fact for probe in PROBES} | NEVER.keys()
    assert not (fact.probe and fact.key in said), "a verification says itself what it asks, or why not"


def test_the_page_says_what_a_verification_asks_and_why_it_asks_no_more():
    lines = {fact.key: line for fact in FACTS for line in page().splitlines() if line.startswith(f"| {fact.fact} |")}
    for probe in PROBES:
        assert seen().get(probe.fact) or lines[probe.fact].endswith(f"| no; asked: {probe.asks} |")
    assert [key for key, line in lines.items() if line.endswith("| no |")] == [], (
        "a reason each, in NEVER or as `probe`"
    )
    for key, why in NEVER.items():
        assert lines[key].endswith(f"| no, nor asked: {why} |")


def test_keys_are_of_one_fact_and_days_of_facts():
    assert len({fact.key for fact in FACTS}) == len(FACTS)
    assert seen().keys() <= {fact.key for fact in FACTS}
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d", day) for day in seen().values())


def test_what_an_account_showed_is_written_down(tmp_path):
    file = tmp_path / "seen.json"
    file.write_text('{"bedrock-profile-grants": "2026-12-01"}')
    saw(["api-redeploy", "bedrock-profile-grants"], "2027-01-02", file)
    assert json.loads(file.read_text()) == {"api-redeploy": "2027-01-02", "bedrock-profile-grants": "2027-01-02"}


@pytest.mark.faults
def test_what_is_no_fact_is_not_written_down(tmp_path):
    (tmp_path / "seen.json").write_text("{}")
    with pytest.raises(KeyError, match="no fact has the key colour"):
        saw(["colour"], "2027-01-02", tmp_path / "seen.json")
    assert (tmp_path / "seen.json").read_text() == "{}"
