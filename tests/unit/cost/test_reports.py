"""The three outputs: what they show, how they are cut, and that nothing in them is markup."""

import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from jsonschema import Draft202012Validator
from tandem_contract.usage import QUERY_USAGE, RUN_USAGE

from scripts.recorder import ROOT
from tandem.cost.gates import Gate
from tandem.cost.model import Assumption, Number
from tandem.cost.reports.as_json import as_json
from tandem.cost.reports.markdown import LIMIT, markdown
from tandem.cost.reports.terminal import terminal
from tandem.cost.summary import summarize
from tandem.reporting.money import money, plain, signed
from tests.unit.cost.estimates import charge, estimate, line

TODAY = date(2026, 11, 24)
SCHEMA = json.loads((ROOT / "docs" / "cost.schema.json").read_text())
GATES = (Gate("max_idle_floor", "failed", "$5.00 is more than $3.00"), Gate("max_run_ceiling", "undecided", "?"))


def everything():
    """An estimate in which each section has something."""
    return estimate(
        line("nat", "350.40", (charge("32.85", hourly=True),), op="replace", remark="billed twice for a while"),
        line(
            "rag-usage",
            (charge("0.0042", Number.QUERIES, assumed=True),),
            (charge("0.005", Number.QUERIES, assumed=True),),
        ),
        line("envelope", None, (charge("67.2", Number.RUN_CEILING),)),
        line("cluster", None, {"unpriced": ("type x has no pricer",)}),
        line("server", None, {"unavailable": ("AWS doesn't offer it",)}),
        line("role", None, {"free": "IAM costs nothing"}),
        line("bucket", None, {"assumed": "storage: documents_gigabytes", "notes": ("kept for ever",)}),
        line("stale", None, (charge(1, read_at="2024-07-01"),)),
        assumptions=(Assumption("rag-usage", "answer_tokens", 150, None),),
        problems=("operation 'frobnicate' isn't known",),
    )


def summary(*lines, **more):
    return summarize(estimate(*lines, **more), TODAY)


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        ("1519.104", "$1,519.10"),
        ("1", "$1.00"),
        ("1.005", "$1.01"),
        ("0.999", "$1.00"),
        ("0.46", "$0.46"),
        ("0.5", "$0.50"),
        ("0.0042", "$0.0042"),
        ("0.00019951", "$0.0002"),
        ("0", "$0.00"),
        ("0E-9", "$0.00"),
        ("-350.4", "-$350.40"),
        ("-0.0042", "-$0.0042"),
    ],
)
def test_amounts(usd, text):
    assert money(Decimal(usd)) == text


def test_differences_and_digits():
    assert [signed(Decimal(usd)) for usd in ("0.01", "0", "-2")] == ["+$0.01", "$0.00", "-$2.00"]
    assert [plain(Decimal(usd)) for usd in ("1E+3", "0E-9", "2.500", "-0.000", "100")] == [
        "1000",
        "0",
        "2.5",
        "0",
        "100",
    ]


def test_terminal():
    text = terminal(summarize(everything(), TODAY), GATES)
    head, numbers, facts, *_ = text.split("\n\n")
    assert head == "Cost of tandem/rag-dev, us-east-1: 1 can't be had: AWS doesn't offer it in the region."
    assert numbers.splitlines() == [
        "                                      before       after         delta",
        "  Idle floor, a month            $350.40 + ?  $33.85 + ?  -$316.55 ± ?",
        "  One fine-tuning run, expected            ?           ?             ?",
        "  One fine-tuning run, at most             ?  $67.20 + ?   +$67.20 ± ?",
        "  1,000 RAG queries              $0.0042 + ?  $0.005 + ?  +$0.0008 ± ?",
    ]
    assert "Forgetting it costs $1.08 a day." in facts
    assert "8 resources: 3 priced, 2 usage-assumed, 1 free, 1 NOT PRICED, 1 not offered in the region." in facts
    assert "Oldest price: AmazonEC2 nat:hours, read on 2024-07-01 (price list). STALE" in facts
    for said in (
        r"max_idle_floor +failed +\$5.00 is more than \$3.00",
        r"NOT OFFERED in the region\n.*\n  server .*AWS doesn't offer it",
        r"NOT PRICED\n.*\n  cluster .*added +type x has no pricer",
        r"NOT UNDERSTOOD in the preview\n  operation 'frobnicate' isn't known",
        r"rag-usage +answer_tokens +150 +none",
        r"rag-usage +1,000 queries \+\$0.0008",
        r"replace +nat .*idle -\$317.55 +billed twice for a while",
        r"rag / rag-query",
        r"IAM costs nothing +role",
        r"kept for ever +bucket",
    ):
        assert re.search(said, text), said


def test_terminal_cuts_what_moved_and_says_so_but_never_what_is_not_priced():
    moved = terminal(summary(*(line(f"nat-{number:03}", None, 1) for number in range(100))))
    assert "  and 70 more" in moved
    unpriced = terminal(summary(*(line(f"x-{number:03}", None, {"unpriced": ("no",)}) for number in range(500))))
    assert all(f"x-{number:03}" in unpriced for number in range(500))


def test_comment_begins_with_its_marker_and_the_numbers():
    text = markdown(summarize(everything(), TODAY), GATES)
    assert text.splitlines()[0] == "<!-- tandem-cost: tandem/rag-dev -->"
    assert text.index("| Idle floor, a month | $350.40 + ? | $33.85 + ? | -$316.55 ± ? |") < text.index("NOT PRICED**")
    assert text.index("`cluster`") < text.index("<details>")
    assert text.count("<details>") == text.count("</details>") == 7


def test_comment_is_the_same_whatever_the_order_and_the_day():
    whole = everything()
    turned = estimate(*reversed(whole.lines), assumptions=whole.assumptions, problems=whole.problems)
    assert markdown(summarize(turned, date(2026, 11, 25))) == markdown(summarize(whole, TODAY))


@pytest.mark.parametrize(
    ("lines", "gates", "mark"),
    [
        ([line("a", None, 1)], (), "✅"),
        ([line("a", None, 1)], GATES[:1], "❌"),
        ([line("a", None, 1)], GATES[1:], "⚠️"),
        ([line("a", None, {"unpriced": ("no",)})], (), "⚠️"),
        ([line("a", None, {"unpriced": ("no",)})], (Gate("max_idle_floor", "passed", ""),), "⚠️"),
        ([line("a", None, {"unavailable": ("no",)})], (), "❌"),
    ],
)
def test_comment_is_green_only_where_all_that_changes_is_known(lines, gates, mark):
    text = markdown(summary(*lines), gates)
    assert [sign for sign in ("✅", "⚠️", "❌") if sign in text] == [mark]


@pytest.mark.faults
@pytest.mark.parametrize("sides", [(None, 1), (None, {"unpriced": ("x" * 5000 + "&*" * 500,)}), (1, 2)])
def test_comment_fits_and_says_what_it_leaves_out(sides):
    many = summary(*(line(f"{'n' * 80}-{number}", *sides) for number in range(3000)), line("nat", None, 7))
    text = markdown(many)
    assert len(text) <= LIMIT
    assert "| Idle floor, a month |" in text
    left = [int(found.replace(",", "")) for found in re.findall(r"^and ([\d,]+) more", text, re.MULTILINE)]
    assert left
    if many.not_priced:
        listed = text.count(" | added | ")
        assert listed > 0
        assert 3000 - listed in left


@pytest.mark.faults
def test_nothing_in_a_comment_is_markup():
    evil = "a`|<script>\n\n@team --> </details> **b** [c](d)"
    text = markdown(summary(line(evil, None, {"unpriced": (evil,)}), line("b", None, {"free": evil})))
    assert "<script>" not in re.sub(r"`[^`]*`", "", text)
    assert text.count("</details>") == 1 + sum(cell.count("</details>") for cell in re.findall(r"`[^`]*`", text))
    assert not re.search(r"(?<!`)@team", re.sub(r"`[^`]*`", "", text))
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in text.splitlines() if " | added | " in row)


def test_json_is_as_its_schema_says():
    Draft202012Validator.check_schema(SCHEMA)
    for whole in (everything(), estimate(), estimate(line("nat", None, "1.50"))):
        Draft202012Validator(SCHEMA).validate(json.loads(as_json(summarize(whole, TODAY), GATES)))


def test_json_has_everything_as_strings_of_decimals():
    found = json.loads(as_json(summarize(everything(), TODAY), GATES))
    assert found["numbers"]["idle"] == {
        "before": "350.4",
        "after": "33.85",
        "delta": "-316.55",
        "before_open": True,
        "after_open": True,
        "delta_open": True,
    }
    assert found["numbers"]["run_expected"]["after"] is None
    assert found["oldest_price"]["age_days"] == 876
    assert found["changed_assumptions"][0]["assumptions"] == [{"key": "answer_tokens", "before": 150, "after": None}]
    assert found["gates"][0] == {"key": "max_idle_floor", "state": "failed", "text": "$5.00 is more than $3.00"}


def test_the_page_has_every_assumption_with_its_default():
    page = (ROOT / "docs" / "cost.md").read_text()
    tables = [re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", part, re.MULTILINE) for part in page.split("| `runUsage` |")]
    for rows, defaults in zip(tables, (QUERY_USAGE.defaults, RUN_USAGE.defaults), strict=True):
        assert {re.sub("[A-Z]", lambda big: f"_{big[0].lower()}", key): float(value) for key, value in rows} == defaults


def test_currency_and_discounts_are_said():
    def said(discounts):
        whole = replace(estimate(line("nat", None, 1)), discounts=discounts)
        found = summarize(whole, TODAY)
        return terminal(found), json.loads(as_json(found))

    text, content = said({})
    assert "\nUS dollars, on demand, before taxes, discounts and free allowances." in text
    assert (content["currency"], content["discount_pct"]) == ("USD", {})
    text, content = said({"AmazonEC2": Decimal("12.50"), "all": Decimal(5)})
    assert "before taxes and free allowances, less discounts: AmazonEC2 12.5 %, all others 5 %." in text
    assert content["discount_pct"] == {"AmazonEC2": "12.5", "all": "5"}
