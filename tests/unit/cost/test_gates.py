"""The gate file: what is refused, which limits a stack has, and what comes of each."""

import json
from datetime import date

import pytest
from tandem_contract.errors import TandemError

from samples.previews import digest, state, step
from scripts.recorder import ROOT
from tandem.cost.estimate import estimate as priced
from tandem.cost.gates import FAILED, check, exit_code, limits_of, read
from tandem.cost.model import SECRET, Number
from tandem.cost.preview import read_preview
from tandem.cost.summary import summarize
from tests.unit.cost.estimates import charge, estimate, line

UNPRICED = {"unpriced": ("no row",)}
TODAY = date(2026, 11, 24)


def outcome(limits, *lines, problems=()):
    gates = check(limits, summarize(estimate(*lines, problems=problems), TODAY), TODAY)
    return [gate.state for gate in gates], exit_code(gates), "\n".join(gate.text for gate in gates)


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "cost-gates.yaml"
        path.write_text(text)
        return path

    return write


def test_limits_of_a_stack_lie_over_those_of_all(written):
    file = read(
        written(
            "max_idle_floor: 3\nmax_run_ceiling: 40\nfail_on_unpriced: true\n"
            "stacks:\n  rag-prod: {max_idle_floor: 99.5, max_run_ceiling: null}\n"
            "  tandem/rag-prod: {max_idle_floor: 7}\n"
        )
    )
    assert limits_of("tandem/rag-dev", file) == {"max_idle_floor": 3, "max_run_ceiling": 40, "fail_on_unpriced": True}
    assert limits_of("other/rag-prod", file) == {"max_idle_floor": 99.5, "fail_on_unpriced": True}
    assert limits_of("tandem/rag-prod", file) == {"max_idle_floor": 7, "fail_on_unpriced": True}


@pytest.mark.parametrize(("text", "fails"), [("max_idle_floor: 3", True), ("fail_on_unpriced: null", False)])
def test_what_has_no_price_fails_unless_the_file_says_otherwise(written, text, fails):
    limits = limits_of("a/b", read(written(text)))
    assert outcome(limits, line("a", None, UNPRICED))[1] == (FAILED if fails else 0)


def test_json_is_read_as_well(written):
    given = {"max_idle_floor": 3, "fail_on_unpriced": None, "accept": [ACCEPTED | {"until": "2026-11-24"}]}
    limits = limits_of("a/b", read(written(json.dumps(given))))
    assert limits == {key: value for key, value in given.items() if value is not None}


@pytest.mark.faults
def test_all_mistakes_of_a_file_are_said_at_once(written):
    text = """
max_idle_flor: 3
max_run_ceiling: "40"
max_increase_pct: -1
max_cost_per_1k_queries: true
fail_on_unpriced: 1
max_price_age_days: .inf
accept:
  - {type: nat gateway, why: " ", until: soon}
  - {type: "aws:sqs/queue:Queue", why: known, until: 2026-12-31, untill: 3}
  - {type: "aws:sqs/queue:Queue", why: known, until: 2026-12-31 10:00:00}
  - aws:sqs/queue:Queue
discount_pct: {AmazonSageMakr: 10, AmazonEC2: 101}
month: {questions: [3, 1, 2], runs: [1, 2], run: 1}
stacks:
  rag-dev: {max_idle_floor: .nan, stacks: {}, month: {runs: 1.0e+30}}
  other: 5
"""
    with pytest.raises(TandemError) as error:
        read(written(text))
    day = "is not allowed (a day as 2027-06-30). Name the last day on which it holds."
    amount, remedy = "is not allowed (a number of US dollars, 0 or more)", "Give a number, or null for no limit."
    assert [line.strip(" -") for line in str(error.value).splitlines()[1:]] == [
        "max_idle_flor: is not a gate. Did you mean `max_idle_floor`?",
        f"max_run_ceiling: '40' {amount}. {remedy}",
        f"max_increase_pct: -1 is not allowed (a number of per cent, 0 or more). {remedy}",
        f"max_cost_per_1k_queries: true {amount}. {remedy}",
        "fail_on_unpriced: 1 is not allowed (true or false). Write it without quotes.",
        f"max_price_age_days: Infinity is not allowed (a number of days, 0 or more). {remedy}",
        "accept[0].type: 'nat gateway' is not allowed (a type as in a preview). Write it as aws:sqs/queue:Queue.",
        "accept[0].why: ' ' is not allowed (a text). Write why nobody needs to know its price.",
        f"accept[0].until: 'soon' {day}",
        "accept[1].untill: is not a key of what is accepted. Did you mean `until`?",
        f"accept[2].until: datetime.datetime(2026, 12, 31, 10, 0) {day}",
        "accept[2].type: aws:sqs/queue:Queue stands twice. Leave one of them out.",
        "accept[3]: 'aws:sqs/queue:Queue' is not a mapping of keys to values. Give {type: , why: , until: }.",
        "discount_pct.AmazonSageMakr: is not a service of the price rows. Did you mean `AmazonSageMaker`?",
        "discount_pct.AmazonEC2: 101 is not allowed (a number of per cent from 0.0 to 100.0). Give what is taken off.",
        "month.run: is not what a month has. Did you mean `runs`?",
        "month.questions: [3, 1, 2] is not allowed (low, base and high in that order). Put the smallest first.",
        "month.runs: [1, 2] is not allowed (a number, or three: low, base and high). Give one or three.",
        "stacks.rag-dev.stacks: is not a gate. Known here: max_idle_floor, max_run_ceiling, max_cost_per_1k_queries, "
        "max_increase_pct, fail_on_unpriced, accept, max_price_age_days, discount_pct, month.",
        f"stacks.rag-dev.max_idle_floor: NaN {amount}. {remedy}",
        "stacks.rag-dev.month.runs: 1e+30 is not allowed (a number from 0 to 1000000000000.0). "
        "Give a number, or a list of low, base and high.",
        "stacks.other: 5 is not a mapping of keys to values. Give a mapping of gates.",
    ]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a mapping of gates"),
        ("- max_idle_floor", "is not a mapping of gates"),
        ("max_idle_floor: [", "neither YAML nor JSON"),
        ("max_idle_floor: 2026-02-31", "no day of a calendar"),
        ("max_idle_floor: &a [*a]", r"is not allowed \(a number of US dollars"),
        ("max_idle_floor: 1" + "0" * 400, r"is not allowed \(a number of US dollars"),
        ("stacks: [rag-dev]", "Give a mapping of stack names to gates"),
    ],
)
def test_what_is_no_gate_file(written, text, says):
    with pytest.raises(TandemError, match=says):
        read(written(text))


@pytest.mark.faults
def test_a_gate_file_that_is_not_there(tmp_path):
    with pytest.raises(TandemError, match="can't be read"):
        read(tmp_path / "none.yaml")


QUERIES, RUN = Number.QUERIES, Number.RUN_CEILING
ASKED = line("asked", None, (charge(5, QUERIES),))
ENVELOPE = line("limits", None, UNPRICED, type_="aws:ssm/parameter:Parameter", name="/x/run-envelope")


@pytest.mark.parametrize(
    ("limits", "lines", "state"),
    [
        ({"max_idle_floor": 3}, [line("a", None, 3)], "passed"),
        ({"max_idle_floor": 3}, [line("a", None, "3.01")], "failed"),
        ({"max_idle_floor": 3}, [line("a", 4)], "passed"),  # goes
        ({"max_idle_floor": 3}, [line("a", None, 1), line("b", None, UNPRICED)], "undecided"),
        ({"max_idle_floor": 3}, [line("a", None, 4), line("b", None, UNPRICED)], "failed"),  # whatever b costs
        ({"max_idle_floor": 3}, [line("a", None, 1), line("b", UNPRICED)], "passed"),  # gone
        ({"max_idle_floor": 3}, [ENVELOPE], "passed"),  # decides no idle floor
        ({"max_run_ceiling": 40}, [line("a", None, (charge(41, RUN),))], "failed"),
        ({"max_run_ceiling": 40}, [line("a", None, 99)], "passed"),  # no runs
        ({"max_run_ceiling": 40}, [ENVELOPE], "undecided"),
        ({"max_run_ceiling": 40}, [line("a", None, UNPRICED)], "passed"),  # a run is what its parameters say
        ({"max_cost_per_1k_queries": 4}, [ASKED], "failed"),
        ({"max_cost_per_1k_queries": 5}, [ASKED], "passed"),
        ({"max_cost_per_1k_queries": 5}, [ASKED, line("b", None, UNPRICED)], "undecided"),
        ({"max_increase_pct": 10}, [line("a", 100, 110)], "passed"),
        ({"max_increase_pct": 10}, [line("a", 100, "110.01")], "failed"),
        ({"max_increase_pct": 0}, [line("a", 100, 90)], "passed"),
        ({"max_increase_pct": 10}, [line("a", None, 100)], "passed"),  # a new stack
        ({"max_increase_pct": 10}, [line("old", 0, 0), line("a", None, 1)], "failed"),  # from nothing
        ({"max_increase_pct": 10}, [line("a", 100, 105), line("b", None, UNPRICED)], "undecided"),
        ({"max_increase_pct": 10}, [line("a", 100, 120), line("b", None, UNPRICED)], "failed"),
        ({"max_increase_pct": 10}, [line("a", 100, 120), line("b", UNPRICED, UNPRICED)], "undecided"),
        ({"max_increase_pct": 10}, [line("a", 100, 105), line("b", UNPRICED, UNPRICED)], "passed"),
        ({"fail_on_unpriced": True}, [line("a", None, 1)], "passed"),
        ({"fail_on_unpriced": True}, [line("a", UNPRICED, UNPRICED)], "passed"),  # what was there
        ({"fail_on_unpriced": True}, [line("a", UNPRICED, UNPRICED, op="update")], "failed"),
        ({"fail_on_unpriced": True}, [line("a", None, UNPRICED)], "failed"),
        ({"fail_on_unpriced": True}, [line("a", None, {})], "failed"),
        ({"fail_on_unpriced": True}, [line("a", UNPRICED)], "passed"),  # gone
        ({"max_price_age_days": 30}, [line("a", None, (charge(1, read_at="2026-10-25"),))], "passed"),
        ({"max_price_age_days": 30}, [line("a", None, (charge(1, read_at="2026-10-24"),))], "failed"),
        ({"max_price_age_days": 30}, [], "passed"),
    ],
)
def test_what_comes_of_a_limit(limits, lines, state):
    states, code, _ = outcome(limits, *lines)
    assert states == [state]
    assert code == (FAILED if state == "failed" else 0)


def test_increases_are_told_apart_by_number():
    states, code, text = outcome(
        {"max_increase_pct": 50}, line("a", (charge(1), charge(1, QUERIES)), (charge(1), charge(2, QUERIES)))
    )
    assert (states, code) == (["passed", "failed"], 3)
    assert "1,000 queries: grows by 100.0 %, to $2.00; 50 % are allowed" in text


ACCEPTED = {"type": "aws:ec2/natGateway:NatGateway", "why": "a trial", "until": date(2026, 11, 24)}


def accepting(*lines, **given):
    return outcome({"fail_on_unpriced": True, "accept": [ACCEPTED | given]}, *lines)


def test_what_is_accepted_passes_until_its_day_with_the_reason():
    (state,), code, text = accepting(line("a", None, UNPRICED))
    assert (state, code) == ("passed", 0)
    assert "aws:ec2/natGateway:NatGateway is accepted until 2026-11-24 (a trial)" in text


def test_after_its_day_an_acceptance_is_over_and_said():
    (state,), code, text = accepting(line("a", None, UNPRICED), until="2026-11-23")
    assert (state, code) == ("failed", FAILED)
    assert text == (
        "1 x aws:ec2/natGateway:NatGateway added or changed, NOT PRICED; "
        "aws:ec2/natGateway:NatGateway was accepted until 2026-11-23, which is over (a trial)"
    )
    assert "accepted" not in accepting(line("a", None, 1), until="2026-11-23")[2]  # it has a price by now


def test_what_is_accepted_is_its_type_and_no_other():
    other = line("b", None, UNPRICED, type_="aws:rds/instance:Instance")
    (state,), _, text = accepting(line("a", None, UNPRICED), other)
    assert state == "failed"
    assert text.startswith("1 x aws:rds/instance:Instance added or changed, NOT PRICED; aws:ec2/natGateway")


@pytest.mark.parametrize(
    ("before", "after", "fails"),
    [
        ({"size": 1}, {"size": 1, "tags": {"team": "search"}, "tagsAll": {"team": "search"}}, False),
        ({"size": 1}, {"size": 2, "tags": {"team": "search"}}, True),
        ({"size": 1}, {"size": 1}, True),  # the engine sees a change, and the preview doesn't show it
        ({"size": 1, "key": SECRET}, {"size": 1, "key": SECRET, "tags": {"team": "search"}}, True),
        ({"size": 1}, {"size": 1, "tags": {"team": "search"}, "region": "eu-west-1"}, True),
    ],
)
def test_what_only_gets_other_tags_stays_what_it_was(before, after, fails):
    """As when a program's default tags change: they cost nothing, whatever the type is."""
    type_ = "aws:msk/cluster:Cluster"
    text = digest(step("update", state(type_, "it", before), state(type_, "it", after)))
    summary = summarize(priced(read_preview(text)), TODAY)
    assert exit_code(check({"fail_on_unpriced": True}, summary)) == (FAILED if fails else 0)
    assert summary.verdict.state == ("unknown" if fails else "same")


ABSENT = {"unavailable": ("not in the region",)}


@pytest.mark.faults
@pytest.mark.parametrize("lines", [[line("a", None, ABSENT)], [line("a", ABSENT, ABSENT, op="update")]])
def test_what_is_not_offered_fails_any_gate_file(lines):
    states, code, _ = outcome({}, *lines)
    assert (states, code) == (["failed"], FAILED)


def test_what_is_not_offered_and_there_already_fails_nothing():
    """It runs, so it can be had; what goes doesn't matter either."""
    there = line("there", ABSENT, ABSENT), line("gone", ABSENT)
    assert outcome({"fail_on_unpriced": True}, *there, line("new", None, 1))[:2] == (["passed"], 0)
    assert summarize(estimate(there[0]), TODAY).verdict.state == "same"


def test_the_gates_of_this_repository_and_of_the_page_are_read(written):
    ours = limits_of("tandem/rag-dev", read(ROOT / "cost-gates.yaml"))
    assert {entry["type"].rpartition(":")[2] for entry in ours["accept"]} == {"MlflowApp", "ServerlessCollection"}
    page = (ROOT / "docs" / "cost.md").read_text()
    assert limits_of("a/b", read(written(page.split("```yaml\n")[1].split("```")[0])))["discount_pct"]


@pytest.mark.faults
def test_what_is_not_understood_decides_nothing():
    limits = {"max_idle_floor": 3, "fail_on_unpriced": True}
    assert outcome(limits, line("a", None, 1), problems=("a new operation",))[0] == ["undecided", "failed"]
    assert outcome({}, problems=("a new operation",))[1] == 0
