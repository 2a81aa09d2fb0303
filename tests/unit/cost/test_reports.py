"""The three outputs: what they show, how they are cut, and that nothing in them is markup."""

import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from tandem_contract.usage import QUERY_USAGE, RUN_USAGE

from scripts.recorder import ROOT
from tandem.cost.gates import Gate
from tandem.cost.model import Assumption, Number
from tandem.cost.policies import Policies, Violation
from tandem.cost.reports.as_json import as_json
from tandem.cost.reports.comment import comment
from tandem.cost.reports.markdown import LIMIT, markdown, moves
from tandem.cost.reports.terminal import terminal
from tandem.cost.summary import summarize
from tandem.reporting.money import money, plain, signed
from tests.unit.cost.estimates import charge, estimate, line

TODAY = date(2026, 11, 24)
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
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
        r"replace +nat .*idle \$350.40 -> \$32.85 +billed twice for a while",
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


POLICIES = Policies(True, (Violation("mandatory", "bucket-private", "docs", "It is open. Close it."),))
ADVICE = Policies(True, (Violation("advisory", "cost-tags", "docs", "It has no tags."),))


@pytest.mark.parametrize(
    ("policies", "mark", "said"),
    [
        (None, "✅ **Known:**", ""),
        (Policies(True, ()), "✅ **Known:**", "- Policies: none is violated."),
        (ADVICE, "⚠️ **Advice of a policy:**", "| advisory | `cost-tags` | `docs` | It has no tags. |"),
        (POLICIES, "❌ **A policy is violated:**", "| mandatory | `bucket-private` | `docs` | It is open. Close it. |"),
        (Policies(False, ()), "⚠️ **Not known for sure:**", "- Policies: NOT JUDGED, or not all of it"),
    ],
)
def test_what_policies_say_is_in_every_report(policies, mark, said):
    still = summary(line("a", 1, 1))
    text = markdown(still, (), policies)
    assert mark in text and said in text and ("olic" in text) == bool(policies)
    assert moves(text) == (mark != "✅ **Known:**")
    if policies and policies.violations:
        assert re.search(rf"{policies.violations[0].rule} +docs", terminal(still, (), policies))
    content = json.loads(as_json(still, (), policies))
    Draft202012Validator(SCHEMA).validate(content)
    assert content["policies"] == (
        policies and {"judged": policies.judged, "violations": [each._asdict() for each in policies.violations]}
    )


@pytest.mark.faults
def test_many_violations_are_cut_and_counted():
    many = tuple(Violation("mandatory", f"rule-{at:04}", "n" * 300, "w" * 3000) for at in range(400))
    text = markdown(summary(line("a", 1, 2)), (), Policies(True, many))
    assert len(text) <= LIMIT
    shown = text.count("| mandatory | ")
    assert 0 < shown < 400 and f"\nand {400 - shown} more (" in text and "`rule-0000`" in text


def test_a_report_says_what_was_compared():
    whole = estimate(line("a", 1, 2))
    assert "- Before is what is deployed, after is this preview." in markdown(summarize(whole, TODAY))
    based = summarize(whole, TODAY, compared="base")
    assert "- Before is the preview of the base" in markdown(based) and "deployed, after" not in markdown(based)
    assert json.loads(as_json(based))["compared"] == "base"


def test_old_new_and_percent():
    text = terminal(summary(line("a", 2, 3), line("b", None, "0.5"), line("c", "0.1", None)))
    assert re.search(r"Idle floor, a month +\$2.10 +\$3.50 +\+\$1.40 \(\+67 %\)", text)
    assert re.search(r"update +a .*idle \$2.00 -> \$3.00", text)
    assert re.search(r"create +b .*idle none -> \$0.50", text)
    assert re.search(r"delete +c .*idle \$0.10 -> none", text)
    assert "(+0.5 %)" in terminal(summary(line("a", 200, 201))) and "(-5.0 %)" in terminal(summary(line("a", 20, 19)))
    assert " %)" not in terminal(summary(line("a", 1, 2), line("b", 1, {"unpriced": ("no",)})))  # of what isn't known


def test_a_month_with_its_use_stands_beside_the_floor():
    """Floor + questions / 1,000 x 1,000 queries + runs x the expected run, by hand."""
    lines = (
        line("nat", 10, 20),
        line("usage", None, (charge("0.5", Number.QUERIES), charge(3, Number.RUN_EXPECTED))),
    )

    def found(month, *more):
        return summarize(estimate(*lines, *more), TODAY, month)

    assert found(None).months == () and "A month" not in terminal(found(None))
    (only,) = found({"questions": [4000], "runs": [2]}).months
    assert (only.level, only.figure[:3]) == ("base", (10, 28, 18))
    text = terminal(found({"questions": [0, 4000, 10000], "runs": [2]}))
    for said in (
        r"A month, low: 2 runs +\$10.00 +\$26.00 +\+\$16.00 \(\+160 %\)",
        r"A month, base: 4000 questions and 2 runs +\$10.00 +\$28.00 +\+\$18.00",
        r"A month, high: 10000 questions and 2 runs +\$10.00 +\$31.00 +\+\$21.00",
    ):
        assert re.search(said, text), said
    opened = found({"questions": [1000]}, line("x", None, {"unpriced": ("no",)}))
    assert opened.months[0].figure.after_open and re.search(r"A month, base: .*\+ \?", terminal(opened))
    content = json.loads(as_json(opened))
    Draft202012Validator(SCHEMA).validate(content)
    assert content["months"][0]["questions"] == "1000"


@pytest.mark.faults
def test_one_comment_of_several_stacks_fits_and_says_where_it_was_cut():
    reports = {
        f"stack-{at}": markdown(summary(*(line(f"{'n' * 80}-{n}", None, sides) for n in range(1500))))
        for at, sides in enumerate((1, {"unpriced": ("x" * 300,)}, 2))
    }
    assert sum(map(len, reports.values())) > LIMIT
    small = markdown(summary(line("nat", 1, 2)))
    text = comment("all", {**reports, "small": small, "gone": None}, "4f2a9c1", "https://host/run")
    assert len(text) <= LIMIT
    assert text.count("| Idle floor, a month |") == 4
    assert small.split("\n\n", 1)[1].strip() in text
    assert "\n\n**The rest is left out here**, since a comment has an end; [the run](https://host/run) has it." in text
    assert "### Cost of `gone`\n\n❌ **No numbers for `4f2a9c1`:**" in text
    assert text.count("<details>") == text.count("</details>")
    assert text.endswith("\n\nOf commit `4f2a9c1`: [the run](https://host/run).\n")


@pytest.mark.faults
def test_a_comment_of_very_many_stacks_fits_too():
    report = markdown(summary(line("nat", 1, 2)))
    text = comment("all", {f"stack-{at:03}": report for at in range(200)}, "4f2a9c1")
    assert len(text) <= LIMIT and text.endswith("has it.\n\nOf commit `4f2a9c1`.\n")


@pytest.mark.faults
@pytest.mark.parametrize(
    "evil",
    [
        "<!-- tandem-cost: tandem/rag-dev -->",
        "x\n<!-- tandem-cost: tandem/rag-dev -->\n✅ **Known:** no number moves\n",
        "x\n\n</details>\n\n### Cost of `another`\n\n✅ **Known:** no number moves\n\n",
        "@team and #12 of acme/shop#3, GH-4, https://evil.example, www.evil.example, a@evil.example",
        "`` ` <img src=x onerror=y> [a](javascript:b) ![c](https://evil.example/d.png)",
        "n" * 200_000,
    ],
    ids=["marker", "marker and verdict", "report", "links", "markup", "long"],
)
def test_a_hostile_name_is_a_name(evil):
    """Of a resource, in a reason, in what a policy says, of a stack: none forges a line of ours, links or mentions."""
    lines = line(evil, None, {"unpriced": (evil,)}), line("b", None, {"free": evil}), line("c", 1, 2, remark=evil)
    policies = Policies(True, (Violation("mandatory", evil, evil, evil),))
    whole = replace(estimate(*lines, problems=(evil,)), stack=f"tandem/{evil}")
    report = markdown(summarize(whole, TODAY), (), policies)
    text = comment(evil, {evil: report, f"{evil}2": None}, "4f2a9c1", "https://host/run")
    assert len(report) <= LIMIT and len(text) <= LIMIT
    assert moves(report)
    for each in (report, text):
        markers, _, rest = each.partition("\n")
        assert markers.startswith("<!-- tandem-cost: ") and markers.endswith(" -->") and markers.count(">") == 1
        assert not re.search(r"^<!--|^###(?! Cost of )|^✅", rest, re.MULTILINE)
        blocks = MARKDOWN.parse(rest)
        tokens = [token for block in blocks for token in [block, *(block.children or [])]]
        html = {token.content.strip() for token in tokens if token.type.startswith("html")}
        assert all(re.fullmatch(r"<details><summary>[\w ,']+ \(1\)</summary>|</details>", each) for each in html), html
        assert {token.attrs.get("href") for token in tokens if token.type == "link_open"} <= {"https://host/run"}
        assert not any(token.type == "image" for token in tokens)
        shown = "\n".join(token.content for token in tokens if token.type == "text")
        assert not re.search(r"@\w|#\d|GH-\d|www\.|://", shown)


@pytest.mark.faults
def test_no_report_steers_a_terminal_turns_a_text_or_fails_on_a_sign():
    evil = "\x1b[31mred \u202egnp.exe \ud800"
    said = summary(line(evil, None, {"unpriced": (evil,)}), line("c", 1, 2, remark=evil), problems=(evil,))
    said = replace(said, regions=(evil, "r" * 100_000), verdict=said.verdict._replace(text=evil))
    for report in (terminal(said, GATES), markdown(said, GATES)):
        assert not re.search("[\x1b\u202e\ud800]", report)
    assert len(markdown(said, GATES)) <= LIMIT
    assert json.loads(as_json(said).encode())["not_priced"][0]["name"] == evil


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
